//! Tensors whose storage is leases, and what computes with them.
//!
//! * [`Crew`]: threads that share the pieces of one job.
//! * [`packed`]: matrices of quantized weights, read where they lie.
//! * [`exp`]: powers of e in loops that become vector instructions.
//! * [`half`] and [`wide`]: numbers of sixteen bits, and loops that use the vector instructions of this processor.

mod crew;
mod exp;
pub mod half;
pub mod packed;
pub mod wide;

pub use crew::Crew;
pub use exp::exp;
