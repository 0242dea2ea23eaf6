//! Gradients: what was done, and the way back through it.
//!
//! A [`Tape`] writes down what is done with a [`Var`] whose gradient is wanted, with what the way back needs, and goes
//! back through it in the opposite order, each entry giving up what it kept before the next begins. So the memory of a
//! step follows from the order of its operations alone, and a rehearsal knows it.

mod checkpoint;
mod leaves;
mod shelf;
mod sink;
mod tape;

pub use leaves::{Gradients, LeafId, Leaves};
pub use shelf::Shelf;
pub(crate) use sink::Sink;
pub(crate) use tape::VarId;
pub use tape::{Tape, Var};
