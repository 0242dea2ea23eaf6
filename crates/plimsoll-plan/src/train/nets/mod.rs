//! The networks that are trained, each as its own forward pass.

mod decoder;

pub use decoder::{Decoder, DecoderShape, Norms};
