//! What is remembered of a block.

use std::time::Duration;

/// What the judge needs to know of a block: 16 bytes that the cache keeps beside it.
///
/// The cache sets the price; the judge sets the rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Facts {
    /// When it was last used, on the judge's clock.
    pub(super) tick: u32,
    /// Seconds to get it back, a byte.
    pub(super) price: f32,
    /// What it was like when it was last used.
    pub(super) class: u16,
    /// How often it was used, its making included.
    pub(super) uses: u16,
    /// How many turns its sequence had.
    pub(super) turns: u16,
    /// What its session said of it.
    pub(super) hint: u8,
}

/// What a session may say of its blocks. A hint raises or lowers what they are worth; it never forbids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Hint {
    /// Nothing.
    #[default]
    None,
    /// A turn ended; the next one waits for a person.
    TurnEnded,
    /// The subagent that used them is done.
    SubagentFinished,
    /// They are not needed after so long.
    TimeToLive(Duration),
    /// Somebody will come back for them.
    Pin,
}
