//! The native model runtime: a decoder of Llama-architecture models on the host, whose keys and values live in pages of
//! the KV cache.
//!
//! * [`Decoder`]: a model file that can be computed with; its weights stay where they are mapped.
//! * [`Sequence`]: tokens that were decoded, over a [`PageTable`]: pages in the form of
//!   [`plimsoll_kv::layout::Layout`], so that a matched prefix is read where it lies.
//! * [`Batch`]: several sequences in one step, each with pages of its own.
//! * [`CachedPages`]: pages that are blocks of the tiered cache; [`Decoder::generate_cached`] goes on from what it has.
//! * [`Draw`]: chooses the next token, the likeliest or by lot.
//! * [`Trial`]: the model under the eyes of [`plimsoll_kv::gate`], which measures what coarser blocks cost it.
//!
//! # What it is not
//! It has no tokenizer, and does not say which sequences step together. What a file asks for that is not computed here is
//! refused when the file is opened ([`ModelError`]); nothing is computed approximately instead.
//!
//! ```no_run
//! use std::sync::Arc;
//! use plimsoll_kv::layout::Element;
//! use plimsoll_llm::{Decoder, Draw, OwnPages, Sequence};
//! let decoder = Arc::new(Decoder::open("model.gguf")?);
//! let layout = decoder.layout(16, Element::F16);
//! let mut pages = OwnPages::new(&layout);
//! let mut sequence = Sequence::begin(&decoder, &layout)?;
//! let logits = sequence.step(&[0, 1153, 268], &mut pages)?;
//! println!("the next token is {}", Draw::Likeliest.next(logits));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod decoder;
mod error;
mod math;
mod run;
mod weights;

pub use decoder::Decoder;
pub use error::{ModelError, StepError};
pub use plimsoll_tensor::Crew;
pub use run::{
    Batch, BatchError, CachedError, CachedPages, Draw, Generated, OwnPages, PageTable, Sequence, Strand,
    Trial,
};
pub use weights::{ModelBytes, Shape};
