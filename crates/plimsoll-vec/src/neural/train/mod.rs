//! Learning a codec from vectors, within a budget, and saying whether it was worth it.
//!
//! Principal components are the best that any two matrices can do without rounding; they are where learning begins. What is
//! left to gain is in the rounding: a turn of the latent that spreads sizes over its numbers, and steps down the gradient.
//! Vectors are in three parts: what is learned from, what the best weights are chosen by, and what is reported.

mod basis;
mod compare;
mod descent;
mod jacobi;
mod mill;
mod pca;
mod plan;
mod run;
mod sample;

pub(in crate::neural) use basis::{dot, orthonormalize};
pub use compare::{Contender, Verdict};
pub use run::{Stage, Trained, Training, train};
