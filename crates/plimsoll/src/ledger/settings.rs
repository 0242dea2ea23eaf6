//! What a ledger is opened with: lines, accounts and their shares.

use crate::{Bytes, Place};

/// Lines and accounts. [`Governor::open`](crate::governor::Governor::open) refuses what does not add up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerSettings {
    /// What each place may carry.
    pub places: Vec<LineSettings>,
    /// Who may carry how much of it.
    pub accounts: Vec<AccountSettings>,
}

/// What one place may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineSettings {
    /// The place.
    pub place: Place,
    /// The most that may ever be charged there, both reserves included.
    pub line: Bytes,
    /// Left to the system; nobody may take it.
    pub reserve: Bytes,
    /// Only those who are giving memory back may take it, while they do so.
    pub emergency: Bytes,
}

impl LineSettings {
    /// A line without reserves.
    pub const fn new(place: Place, line: Bytes) -> Self {
        Self { place, line, reserve: Bytes::ZERO, emergency: Bytes::ZERO }
    }

    /// What accounts may share: the line less both reserves.
    pub fn shareable(&self) -> Bytes {
        self.line.saturating_sub(self.reserve).saturating_sub(self.emergency)
    }

    /// The same with so much left to the system.
    #[must_use]
    pub const fn reserve(mut self, bytes: Bytes) -> Self {
        self.reserve = bytes;
        self
    }

    /// The same with so much kept for those who shrink.
    #[must_use]
    pub const fn emergency(mut self, bytes: Bytes) -> Self {
        self.emergency = bytes;
        self
    }
}

/// A named account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSettings {
    /// Names joined by `/`: `models/qwen`. A parent that is not declared is implied: on each place it is
    /// guaranteed what its children are guaranteed, and limited by its own parent only.
    pub path: String,
    /// Who is asked to shrink last: a higher number is more important.
    pub priority: u8,
    /// Free labels, for reports.
    pub tags: Vec<String>,
    /// Whether others may use what is guaranteed and not used, until it is asked back.
    pub lend: bool,
    /// At most one share a place.
    pub shares: Vec<ShareSettings>,
}

impl AccountSettings {
    /// An account that lends, has priority 1 and no shares yet.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), priority: 1, tags: Vec::new(), lend: true, shares: Vec::new() }
    }

    /// The same with a share of a place.
    #[must_use]
    pub fn share(mut self, place: Place, guaranteed: Bytes, limit: Bytes) -> Self {
        self.shares.push(ShareSettings { place, guaranteed, limit, predicted: None });
        self
    }

    /// The same with what a plan says that it will need of a place where it has a share.
    #[must_use]
    pub fn predicted(mut self, place: Place, bytes: Bytes) -> Self {
        if let Some(share) = self.shares.iter_mut().find(|share| share.place == place) {
            share.predicted = Some(bytes);
        }
        self
    }

    /// The same with another priority.
    #[must_use]
    pub const fn priority(mut self, priority: u8) -> Self {
        self.priority = priority;
        self
    }

    /// The same, lending or keeping its unused guarantee.
    #[must_use]
    pub const fn lend(mut self, lend: bool) -> Self {
        self.lend = lend;
        self
    }
}

/// An account's share of one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareSettings {
    /// The place.
    pub place: Place,
    /// What it can have whenever it asks. When its parent declares a guarantee, the children's guarantees are
    /// part of that; a parent that declares none is guaranteed the sum of its children's.
    pub guaranteed: Bytes,
    /// The most it may have, its children included.
    pub limit: Bytes,
    /// What a plan says that its peak will be. Nothing is enforced by it: it is held against what was measured.
    pub predicted: Option<Bytes>,
}
