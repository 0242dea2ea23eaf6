//! Operations on tensors: inputs, outputs, what they need on the way, and what holds them up.

mod attention;
mod conv2d;
mod matmul;
mod operation;
mod optimizer;
mod rows;
mod tally;
#[cfg(test)]
mod tests;

pub use operation::{Operation, Roofline};
