//! Tensors whose storage is leases, and what computes with them.
//!
//! * [`Crew`]: threads that share the pieces of one job.
//! * [`pack`]: static plans: offsets for buffers whose lifetimes are known.

mod crew;
pub mod pack;

pub use crew::Crew;
