//! Making images: text encoders, a denoiser and a decoder, which take turns.

mod denoiser;
#[expect(clippy::module_inception, reason = "the noun itself stands in a file of its name")]
mod image;
mod parse;
mod pipeline;
mod vae;
mod weights;

pub use image::{Image, Runtime, TextEncoders};
pub use pipeline::{Denoiser, Encoder, Pipeline};
pub use weights::Weights;
