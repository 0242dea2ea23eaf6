//! What is to be read: files under paths, each with its kind, and what was left with the reason.

mod kind;
mod walk;

pub use kind::{Binary, Kind, ParseKindError};
pub use walk::{Entry, Found, Left, Walk, Why};
