//! Looking at an engine that runs in another process of the same user.
//!
//! ```no_run
//! use plimsoll::monitor::attach;
//! for engine in attach::running() {
//!     println!("{} {}", engine.pid, engine.program);
//!     let first = attach::open(&engine.path)?.next();
//! }
//! # Ok::<(), attach::AttachError>(())
//! ```

mod attached;
mod error;
mod lines;
mod running;

pub use attached::{Attached, open};
pub use error::AttachError;
pub use running::{Running, running, running_in};
