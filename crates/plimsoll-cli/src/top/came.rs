//! What comes from a terminal, whoever reads it.

use super::key::Key;

/// What came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A key.
    Key(Key),
    /// The terminal has another size.
    Resized,
    /// The process goes on after it was stopped.
    Woken,
    /// The terminal has gone, or the process was told to end.
    Leave,
}
