//! Arithmetic on rows of singles, written so that the compiler finds the vector instructions by itself.

mod half;
mod linear;
mod rope;
mod rows;
mod wide;

pub(crate) use half::{from_bf16, from_f16, to_bf16, to_f16};
pub(crate) use linear::{Inputs, linear};
pub(crate) use rope::{Angles, Rope};
pub(crate) use rows::{add, dot, gate, normalize, scale};
pub(crate) use wide::{Work, widest};
