//! What is remembered of a block.

use std::time::Duration;

use super::classes::{CLASSES, ROOT};

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
    /// What its session said of it.
    pub(super) hint: u8,
}

impl Facts {
    /// Seconds to get it back, a byte.
    pub const fn price(&self) -> f32 {
        self.price
    }
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

impl Facts {
    /// Of a block that nobody used yet. `price` is the seconds to get it back, a byte: the least of computing it again,
    /// decompressing it, and reading it from a slower tier, over its bytes in this one.
    pub const fn new(price: f32) -> Self {
        Self { tick: 0, price, class: ROOT, uses: 0, hint: 0 }
    }

    /// The same, with another price: in another tier, or after the tiers were measured anew.
    #[must_use]
    pub const fn priced(mut self, price: f32) -> Self {
        self.price = price;
        self
    }

    /// The same, with what its session said; it counts until the next use.
    #[must_use]
    pub fn hinted(mut self, hint: Hint) -> Self {
        self.hint = hint.code();
        self
    }

    /// The heap that it waits in: those of one class and one kind of hint are ordered by their last use.
    pub(super) fn lane(&self) -> u16 {
        let kind = u16::from(self.hint.min(TIMED));
        #[expect(clippy::cast_possible_truncation, reason = "a few thousand")]
        let classes = CLASSES as u16;
        kind * classes + self.class
    }

    /// How often it was used.
    pub const fn uses(&self) -> u16 {
        self.uses
    }
}

/// Codes from this one on are times to live: two to the power of a quarter of what is above it, in seconds.
const TIMED: u8 = 4;

impl Hint {
    fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::TurnEnded => 1,
            Self::SubagentFinished => 2,
            Self::Pin => 3,
            Self::TimeToLive(time) => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "between 0 and 251"
                )]
                let quarters = (time.as_secs_f64().max(1.0).log2() * 4.0).ceil().min(251.0) as u8;
                TIMED + quarters
            }
        }
    }
}

/// What a hint makes of a value, at an age in seconds.
pub(super) fn hinted(code: u8, age_s: f64) -> f64 {
    match code {
        0 => 1.0,
        1 => 0.5,
        2 => 0.05,
        3 => 1000.0,
        timed => {
            let time_s = (f64::from(timed - TIMED) / 4.0).exp2();
            if age_s > time_s { 0.01 } else { 1.0 }
        }
    }
}
