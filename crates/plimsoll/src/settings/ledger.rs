//! What a configuration says, as plain data.

use crate::{Bytes, Place};

/// All lines and accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerSettings {
    /// One for each place that may be used.
    pub places: Vec<LineSettings>,
    /// The accounts; those in between that are not listed ("models" for "models/qwen") exist without a share.
    pub accounts: Vec<AccountSettings>,
}

/// The line of one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineSettings {
    /// Which place.
    pub place: Place,
    /// The most that it may carry.
    pub line: Bytes,
    /// The part of the line that nobody may take.
    pub reserve: Bytes,
    /// The part of the line that only shrinking may take.
    pub emergency: Bytes,
}

impl LineSettings {
    /// What accounts may share: the line less both reserves.
    pub fn shareable(&self) -> Bytes {
        self.line
            .saturating_sub(self.reserve)
            .saturating_sub(self.emergency)
    }
}

/// One account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSettings {
    /// Its name, with its parents': "models/qwen".
    pub path: String,
    /// The higher, the later it is asked to shrink.
    pub priority: u8,
    /// Free words for statistics.
    pub tags: Vec<String>,
    /// Whether others may borrow what it does not use of its guarantee.
    pub lend: bool,
    /// What it may carry, place by place.
    pub shares: Vec<ShareSettings>,
}

/// An account's share of one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareSettings {
    /// Of which line.
    pub place: Place,
    /// What it gets whenever it asks.
    pub guaranteed: Bytes,
    /// What it never exceeds.
    pub limit: Bytes,
}
