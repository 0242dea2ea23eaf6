//! The native model runtime: a decoder of models of the Llama architecture on the host or on a GPU, whose keys and values live
//! in pages of the KV cache.
//!
//! * [`Decoder`]: a model file that can be computed with; its weights stay where they are mapped, or are brought to a device
//!   ([`Decoder::on_device`]), whole or divided ([`DeviceSplit`]).
//! * [`Adapter`]: what a fine-tuning changed, applied while decoding.
//! * [`Sequence`]: tokens that were decoded, over a [`PageTable`]: pages in the form of
//!   [`plimsoll_kv::layout::Layout`], so that a matched prefix is read where it lies.
//! * [`Batch`]: several sequences in one step, each with pages of its own.
//! * [`CachedPages`]: pages that are blocks of the tiered cache; [`Decoder::generate_cached`] goes on from what it has.
//! * [`Draw`]: chooses the next token, the likeliest or by lot. [`Sampler`]: draws it as people want it drawn. [`Wish`]: what it needs
//!   of the logits, so that a device looks for that and brings no more.
//! * [`text`]: tokenizers out of model files, text as it comes, and texts at which to end.
//! * [`Trial`]: the model under the eyes of [`plimsoll_kv::gate`], which measures what coarser blocks cost it.
//!
//! # What it is not
//! It does not say which sequences step together. What a file asks for that is not computed here is refused when the file
//! is opened ([`ModelError`]); nothing is computed approximately instead.
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
pub mod text;
pub mod tune;
mod weights;

pub use decoder::Decoder;
pub use error::{ModelError, StepError};
pub use plimsoll_tensor::Crew;
pub use plimsoll_tensor::flow::{Change, Lot};
pub use run::{
    Batch, BatchError, CachedError, CachedPages, Draw, Found, Generated, Need, OwnPages, PageTable,
    PoolPages, SampleError, Sampler, Sampling, Sequence, Strand, Trial, Wish, Writer, change, computes_on,
};
pub use weights::{
    Adapter, DeviceFloor, DeviceRoom, DeviceSplit, Family, ModelBytes, Pairs, Reads, Shape, Shards,
};
