//! What llama.cpp needs to run a model: caches, state, logits and compute buffers, on each device.

mod architectures;
mod attention;
mod cache;
mod decoder;
mod experts;
mod graph;
mod latent;
mod needs;
mod net;
mod options;
mod recurrent;
mod setup;
mod style;
pub mod truth;

pub use needs::Buffers;
pub use options::{Backend, Era, Options};
pub use setup::LlamaError;
pub(crate) use setup::Setup;
