//! llama.cpp as an engine: its sequences in one run of cells, their past in the tiered cache.
//!
//! # What it does not promise
//! What a sequence gives may depend on what is stepped beside it, in the last bits of its logits: llama.cpp computes steps of other
//! lengths by other kernels, and in a cache that sequences share by other cells.

mod cells;
mod context;
mod past;
mod sequence;
mod turn;

pub use context::{Llama, LlamaPast, STATE_ROOM};
pub use sequence::LlamaSequence;
