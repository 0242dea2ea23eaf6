//! Where tensors are made: memory, what computes there, and whether a plan is made, held, or neither.
//!
//! [`Stage`] makes tensors. [`Rehearsal`] is what a step without arithmetic taught: which buffers live when. [`Held`]
//! is a step whose buffers lie where a plan put them.

mod arena;
mod book;
mod gather;
mod held;
mod meter;
#[expect(clippy::module_inception, reason = "the stage itself, among its parts")]
mod stage;
mod storage;
mod transfer;
mod transit;

pub use book::Rehearsal;
pub use held::{Held, StepFacts};
pub use stage::Stage;
pub(crate) use storage::Storage;
