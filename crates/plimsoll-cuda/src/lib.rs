//! CUDA memory as a Plimsoll device, loaded at run time: a program built without CUDA starts anywhere.

#[allow(dead_code, reason = "the device that launches them is written beside it")]
mod kernels;

pub use kernels::{CodeCache, KernelSettings};
