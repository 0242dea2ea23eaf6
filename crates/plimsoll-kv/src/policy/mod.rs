//! Which block to give up: the one that saves the fewest seconds for the room it takes.
//!
//! * [`Facts`]: what is remembered of a block, 16 bytes.
//! * [`Judge`]: learns when blocks come back, and says what a block is worth.
//! * [`Queue`]: the blocks of one tier that may be given up, the least valuable in front.
//!
//! Everything is pure: time is passed in, nothing is drawn by lot, and the same calls give the same answers.

mod ages;
mod classes;
mod facts;
mod ghosts;
mod judge;
mod queue;
mod rate;
mod sample;
mod visit;

pub use facts::{Facts, Hint};
pub use judge::Judge;
pub use queue::Queue;
pub use visit::Visit;
