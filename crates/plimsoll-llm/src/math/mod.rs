//! Arithmetic on rows of singles, written so that the compiler finds the vector instructions by itself.

mod rope;
mod rows;

pub(crate) use rope::{Angles, Rope};
pub(crate) use rows::{Gate, Normalize, add};
