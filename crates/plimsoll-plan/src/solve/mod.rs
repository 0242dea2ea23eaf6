//! Which configuration of each workload to take, so that all fit together and are worth the most.

mod choice;
mod room;
mod search;

pub use choice::{Choice, Need};
pub use room::Room;
pub use search::{Solution, solve};
