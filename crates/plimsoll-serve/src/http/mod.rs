//! Connections: who may connect, for how long, and how many.

mod keys;
mod listener;

pub use keys::Keys;
pub(crate) use listener::{Listener, Watched};
pub use listener::{files_wanted, raise_files};
