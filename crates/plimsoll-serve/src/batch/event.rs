//! What a request hears of its text.

use super::super::engine::EngineFault;

/// Why a text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The model ended it, or it came to a text at which it was to end.
    Stop,
    /// It has as many tokens as were asked for, or the context is full.
    Length,
}

/// What a request hears of its text, in order; the last is `Done` or `Failed`. A channel that closes without either belonged
/// to a reader who was too slow, or to a model that went away.
#[derive(Debug)]
pub enum Event {
    /// More text, perhaps none yet of a letter that is not whole.
    Text {
        /// What can be shown.
        text: String,
        /// How many tokens were written so far.
        tokens: usize,
    },
    /// The end.
    Done {
        /// Text that had been held back.
        text: String,
        /// How many tokens were written.
        tokens: usize,
        /// Why it ended.
        finish: Finish,
    },
    /// It could not go on.
    Failed(EngineFault),
}
