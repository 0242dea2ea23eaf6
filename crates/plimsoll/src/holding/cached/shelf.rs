//! The book of a cache: what is on the shelf, who uses it, and what goes next. Pure: no locks, no clock, no ledger.
//!
//! An entry is in one of three states. *Idle*: nobody uses it, it stands in the order and may be evicted. *Pinned*:
//! somebody uses it, it stands in no order. *Withdrawn*: its owner took it off while it was pinned; no key leads to
//! it any more, and it is handed out when the last pin goes, because until then its bytes are really there.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use super::order::{Id, Order};
use super::price::{Ageing, worth};
use crate::Bytes;

/// How many of the cheapest entries an offer looks at.
const OFFER_SAMPLE: usize = 32;

/// What keeps `S` under keys `K`. `S` owns the bytes; the shelf only counts them.
#[derive(Debug)]
pub struct Shelf<K, S> {
    index: HashMap<K, Id>,
    entries: Vec<Option<Entry<K, S>>>,
    vacant: Vec<Id>,
    order: Order,
    ageing: Ageing,
    totals: Totals,
}

/// Sums over the shelf, kept as entries come and go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Entries that a key leads to.
    pub entries: usize,
    /// All bytes, withdrawn ones too.
    pub bytes: Bytes,
    /// Bytes in use: pinned or withdrawn.
    pub pinned: Bytes,
    /// Of those, bytes that no key leads to any more.
    pub withdrawn: Bytes,
}

#[derive(Debug)]
struct Entry<K, S> {
    key: K,
    stored: S,
    bytes: Bytes,
    worth: f64,
    price: f64,
    uses: u32,
    pins: u32,
    withdrawn: bool,
}

/// An entry that left the shelf.
#[derive(Debug, PartialEq, Eq)]
pub struct Taken<K, S> {
    /// What led to it.
    pub key: K,
    /// What was kept.
    pub stored: S,
    /// How many bytes it was counted as.
    pub bytes: Bytes,
}

/// What became of an entry that its owner took off the shelf.
#[derive(Debug, PartialEq, Eq)]
pub enum Removal<K, S> {
    /// No key led to it.
    Absent,
    /// It is out.
    Taken(Taken<K, S>),
    /// It is in use, and comes out of [`Shelf::unpin`] when the last use ends.
    InUse,
}

impl<K: Eq + Hash + Clone, S> Shelf<K, S> {
    /// An empty shelf.
    pub fn new() -> Self {
        Self {
            index: HashMap::new(),
            entries: Vec::new(),
            vacant: Vec::new(),
            order: Order::default(),
            ageing: Ageing::default(),
            totals: Totals::default(),
        }
    }

    /// The sums at this moment.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Finds an entry, counts the use and pins it once.
    pub fn pin(&mut self, key: &K) -> Option<(Id, &S)> {
        let id = *self.index.get(key)?;
        let entry = Self::entry_in(&mut self.entries, id);
        entry.uses = entry.uses.saturating_add(1);
        Self::add_pin(entry, id, &mut self.order, &mut self.totals);
        Some((id, &entry.stored))
    }

    /// Pins once more what is pinned already.
    pub fn pin_again(&mut self, id: Id) {
        let entry = Self::entry_in(&mut self.entries, id);
        assert!(entry.pins > 0, "entry {id} is pinned again without a pin");
        Self::add_pin(entry, id, &mut self.order, &mut self.totals);
    }

    /// Puts an entry on the shelf, pinned once. What stood under the key is removed.
    pub fn insert(&mut self, key: K, stored: S, bytes: Bytes, cost: Duration) -> (Id, Removal<K, S>) {
        let displaced = self.remove(&key);
        let worth = worth(cost, bytes);
        let entry =
            Entry { key: key.clone(), stored, bytes, worth, price: 0.0, uses: 1, pins: 1, withdrawn: false };
        let id = if let Some(id) = self.vacant.pop() {
            self.entries[id as usize] = Some(entry);
            id
        } else {
            let Ok(id) = Id::try_from(self.entries.len()) else {
                panic!("more than {} entries on one shelf", Id::MAX);
            };
            self.entries.push(Some(entry));
            // Room for what comes later is made here: eviction must not allocate.
            self.vacant.reserve(self.entries.len() - self.vacant.len());
            self.order.make_room(self.entries.len());
            id
        };
        self.index.insert(key, id);
        self.totals.entries += 1;
        self.totals.bytes += bytes;
        self.totals.pinned += bytes;
        (id, displaced)
    }

    /// One pin less. The entry comes out when it was withdrawn and this was the last.
    pub fn unpin(&mut self, id: Id) -> Option<Taken<K, S>> {
        let entry = Self::entry_in(&mut self.entries, id);
        assert!(entry.pins > 0, "entry {id} is unpinned more often than pinned");
        entry.pins -= 1;
        if entry.pins > 0 {
            return None;
        }
        self.totals.pinned -= entry.bytes;
        if entry.withdrawn {
            self.totals.withdrawn -= entry.bytes;
            return Some(self.take(id));
        }
        entry.price = self.ageing.price(entry.worth, entry.uses);
        self.order.insert(id, entry.price);
        None
    }

    /// Takes what the key leads to off the shelf.
    pub fn remove(&mut self, key: &K) -> Removal<K, S> {
        let Some(id) = self.index.remove(key) else {
            return Removal::Absent;
        };
        self.totals.entries -= 1;
        if self.order.remove(id) {
            return Removal::Taken(self.take(id));
        }
        let entry = Self::entry_in(&mut self.entries, id);
        entry.withdrawn = true;
        self.totals.withdrawn += entry.bytes;
        Removal::InUse
    }

    /// Takes the cheapest idle entry off the shelf.
    pub fn evict(&mut self) -> Option<Taken<K, S>> {
        let (id, price) = self.order.cheapest()?;
        self.order.remove(id);
        self.ageing.evicted(price);
        let taken = self.take(id);
        self.index.remove(&taken.key);
        self.totals.entries -= 1;
        Some(taken)
    }

    /// The keys that lead to something, in no order.
    pub fn keys(&self) -> Vec<K> {
        self.index.keys().cloned().collect()
    }

    /// Bytes that could be evicted, and the mean seconds per byte of the cheapest of them. Ageing is left out: it
    /// orders entries among each other, while other holders are compared by what a byte costs to get back.
    pub fn offer(&self) -> (Bytes, f64) {
        let idle = self.totals.bytes - self.totals.pinned;
        let mut seconds = 0.0;
        let mut bytes = Bytes::ZERO;
        for id in self.order.cheap().take(OFFER_SAMPLE) {
            if let Some(entry) = &self.entries[id as usize] {
                #[expect(clippy::cast_precision_loss, reason = "a mean for comparing holders")]
                let weight = entry.bytes.get() as f64;
                seconds += entry.worth * weight;
                bytes += entry.bytes;
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a mean for comparing holders")]
        let mean = seconds / bytes.get().max(1) as f64;
        (idle, mean)
    }

    fn add_pin(entry: &mut Entry<K, S>, id: Id, order: &mut Order, totals: &mut Totals) {
        if entry.pins == 0 {
            assert!(order.remove(id), "an idle entry stands in no order");
            totals.pinned += entry.bytes;
        }
        entry.pins += 1;
    }

    fn take(&mut self, id: Id) -> Taken<K, S> {
        let Some(entry) = self.entries[id as usize].take() else {
            panic!("entry {id} left the shelf twice");
        };
        self.vacant.push(id);
        self.totals.bytes -= entry.bytes;
        Taken { key: entry.key, stored: entry.stored, bytes: entry.bytes }
    }

    fn entry_in(entries: &mut [Option<Entry<K, S>>], id: Id) -> &mut Entry<K, S> {
        match &mut entries[id as usize] {
            Some(entry) => entry,
            None => panic!("entry {id} is not on the shelf"),
        }
    }
}

#[cfg(test)]
#[path = "shelf_tests.rs"]
mod tests;
