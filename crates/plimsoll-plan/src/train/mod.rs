//! What training takes: the peak of a step and its parts.

pub mod net;
pub mod nets;
pub mod torch;

#[cfg(test)]
mod probe;
