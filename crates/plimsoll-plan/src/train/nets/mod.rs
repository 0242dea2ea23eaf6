//! The networks that are trained, each as its own forward pass.

mod convolution;
mod decoder;
mod flux;
mod joint;
mod parts;
mod unet;

pub use decoder::{Decoder, DecoderShape, Norms};
pub use flux::{Flux, FluxShape};
pub use joint::{Joint, JointShape};
pub use unet::{Unet, UnetShape};
