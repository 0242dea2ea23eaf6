//! A codec that is learned: vectors as fewer numbers of a byte each, and a scale a vector.
//!
//! `z = E (x − m)`, `s = max|z| / 127`, `q = round(z / s)`, and back `x̂ = D (q · s) + m`. Nothing is cut and nothing is
//! averaged over vectors: any latent length up to the dimension works, and each vector has its own scale.
//!
//! * [`NeuralShape`]: how long vectors and latents are. [`Weights`]: `E`, `D` and `m`, from and to safetensors.
//! * [`NeuralCodec`]: weights ready to run: [`encode`](NeuralCodec::encode), [`decode`](NeuralCodec::decode) into rows,
//!   [`decode_flat`](NeuralCodec::decode_flat), [`decode_into`](NeuralCodec::decode_into) a lease.
//! * [`DeviceDecoder`]: latents read back on a device, to its memory or the host's.
//! * [`Latents`]: what vectors become. [`Fidelity`]: what came back of them.
//! * [`train()`]: weights learned from vectors, and whether that was worth it. [`Reduction`]: searching among latents.

mod codec;
mod device;
mod error;
mod fidelity;
mod file;
mod header;
mod latents;
mod packed;
pub(crate) mod projection;
mod quantize;
pub(crate) mod reduction;
mod shape;
mod share;
mod site;
mod train;
pub(crate) mod view;
mod weights;

pub use codec::NeuralCodec;
pub use device::{DeviceDecoder, DeviceLatents};
pub use error::NeuralError;
pub use fidelity::Fidelity;
pub use latents::{LatentRows, Latents};
pub use reduction::Reduction;
pub use shape::NeuralShape;
pub use train::{Contender, Stage, Trained, Training, Verdict, train};
pub use weights::Weights;

#[cfg(test)]
mod tests;
