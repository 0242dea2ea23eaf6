//! The ledger at one instant, for people and monitors.

use super::{Books, Charter};
use crate::{Bytes, Place};

/// All places at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerSnapshot {
    /// In the order of the settings.
    pub places: Vec<PlaceSnapshot>,
}

/// One place at that instant. `charged` = `own` of all shares + `emergency_used`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceSnapshot {
    /// The place.
    pub place: Place,
    /// The plan's line.
    pub line: Bytes,
    /// Left to the system.
    pub reserve: Bytes,
    /// What accounts may carry at this moment: line less reserves, or less when the system has less.
    pub carry: Bytes,
    /// Everything charged.
    pub charged: Bytes,
    /// The part of it that has no memory behind it yet.
    pub unbacked: Bytes,
    /// The most ever charged.
    pub peak: Bytes,
    /// Kept for those who shrink.
    pub emergency: Bytes,
    /// How much of that is taken.
    pub emergency_used: Bytes,
    /// The accounts with a share here, parents before their children.
    pub shares: Vec<ShareSnapshot>,
}

/// One account's share of one place. `charged` = `own` + `charged` of all children.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareSnapshot {
    /// The account.
    pub path: String,
    /// The account's labels.
    pub tags: Vec<String>,
    /// The account's priority.
    pub priority: u8,
    /// Whether it lends what it does not use.
    pub lend: bool,
    /// Charged to it and its children.
    pub charged: Bytes,
    /// Charged to itself.
    pub own: Bytes,
    /// The part of `own` that has no memory behind it yet.
    pub unbacked: Bytes,
    /// What it can have whenever it asks.
    pub guaranteed: Bytes,
    /// Where its adaptive share stands.
    pub soft: Bytes,
    /// The most it may have.
    pub limit: Bytes,
    /// The most it ever had.
    pub peak: Bytes,
}

impl LedgerSnapshot {
    /// One place.
    pub fn place(&self, place: Place) -> Option<&PlaceSnapshot> {
        self.places.iter().find(|snapshot| snapshot.place == place)
    }

    /// Whether nothing at all is charged, as it must be when everybody has gone.
    pub fn is_clear(&self) -> bool {
        self.places.iter().all(|place| place.charged.is_zero() && place.unbacked.is_zero())
    }

    pub(crate) fn new(charter: &Charter, books: &Books) -> Self {
        let places = charter.lines.iter().enumerate().map(|(number, line)| {
            let book = books.place(number);
            PlaceSnapshot {
                place: line.place,
                line: line.line,
                reserve: line.reserve,
                carry: Bytes::new(books.node(book.root).limit),
                charged: Bytes::new(books.total(number)),
                unbacked: Bytes::new(books.unbacked(number)),
                peak: Bytes::new(book.peak),
                emergency: Bytes::new(book.emergency),
                emergency_used: Bytes::new(book.emergency_used),
                shares: Self::shares(charter, books, number),
            }
        });
        Self { places: places.collect() }
    }

    fn shares(charter: &Charter, books: &Books, place: usize) -> Vec<ShareSnapshot> {
        let here = books.nodes().iter().filter(|node| usize::from(node.place) == place);
        here.filter_map(|node| {
            let member = &charter.members[node.account? as usize];
            Some(ShareSnapshot {
                path: member.path.clone(),
                tags: member.tags.clone(),
                priority: node.priority,
                lend: node.lend,
                charged: Bytes::new(node.charged),
                own: Bytes::new(node.own),
                unbacked: Bytes::new(node.unbacked),
                guaranteed: Bytes::new(node.guaranteed),
                soft: Bytes::new(node.soft),
                limit: Bytes::new(node.limit),
                peak: Bytes::new(node.peak),
            })
        })
        .collect()
    }
}

impl PlaceSnapshot {
    /// What may still be charged.
    pub fn free(&self) -> Bytes {
        self.carry.saturating_sub(self.charged.saturating_sub(self.emergency_used))
    }

    /// One account's share.
    pub fn share(&self, path: &str) -> Option<&ShareSnapshot> {
        self.shares.iter().find(|share| share.path == path)
    }
}
