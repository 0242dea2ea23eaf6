//! Tensors whose storage is leases, and what computes with them.
//!
//! * [`Crew`]: threads that share the pieces of one job.

mod crew;

pub use crew::Crew;
