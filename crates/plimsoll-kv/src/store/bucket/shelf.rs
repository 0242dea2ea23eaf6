//! What is known to be in the bucket, and what of it this machine is charged for. Pure: it asks nobody.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::sync::Arc;

use plimsoll::governor::{Charge, Reservation};

use super::head::{Head, head_bytes};
use crate::block::{BlockId, Root};
use crate::store::{Listed, Worth};

/// Heads that are kept whole, for reading a block layer by layer.
const HEADS_MOST: usize = 1_024;

/// One object.
#[derive(Debug)]
pub(super) struct Entry {
    pub root: Root,
    pub parent: Option<BlockId>,
    pub tokens: u32,
    pub form: u32,
    pub sections: Arc<[u32]>,
    pub worth: Worth,
    pub stored: u64,
    /// Whether this machine wrote it, and so is charged for it.
    pub own: bool,
    /// What the service says of its content's version; zero if that was not asked.
    pub mark: u64,
    /// In which listing it was last seen, or which came last before it was written.
    seen: u64,
    charge: Option<Charge>,
}

/// What may have arrived.
#[derive(Debug)]
struct Unsure {
    root: Root,
    bytes: u64,
    /// The listing that had begun last.
    since: u64,
    _charge: Option<Charge>,
}

/// All that is known.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    entries: HashMap<BlockId, Entry>,
    unsure: HashMap<BlockId, Unsure>,
    /// Objects whose bytes were not what their heads say: the next write of the block replaces them.
    damaged: HashSet<BlockId>,
    heads: BTreeMap<BlockId, Arc<Head>>,
    /// How many sections have which lengths: one copy for all blocks that are alike.
    shapes: HashSet<Arc<[u32]>>,
    own_bytes: u64,
    flying_bytes: u64,
    unsure_bytes: u64,
    listing: u64,
    pub foreign: u64,
}

/// The sums.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub own_blocks: u64,
    pub own_bytes: u64,
    pub other_blocks: u64,
    pub other_bytes: u64,
    pub flying: u64,
    pub unsure: u64,
}

impl Entry {
    /// How long the object's head is.
    pub fn head_bytes(&self) -> u64 {
        head_bytes(self.tokens as usize, self.sections.len()) as u64
    }
}

impl Shelf {
    /// Room for an object on its way: says no, with what is used, if it would be over.
    pub fn admit(&mut self, bytes: u64, most: Option<u64>) -> Result<(), u64> {
        let used = self.used();
        if most.is_some_and(|most| used.saturating_add(bytes) > most) {
            return Err(used);
        }
        self.flying_bytes = self.flying_bytes.saturating_add(bytes);
        Ok(())
    }

    /// An object is no longer on its way, whatever became of it.
    pub fn landed(&mut self, bytes: u64) {
        self.flying_bytes = self.flying_bytes.saturating_sub(bytes);
    }

    /// What this machine answers for.
    pub fn used(&self) -> u64 {
        self.own_bytes.saturating_add(self.flying_bytes).saturating_add(self.unsure_bytes)
    }

    /// An object is there. An entry that was this machine's keeps its charge; the other is given back.
    pub fn insert(&mut self, head: Head, mark: u64, own: bool, charge: Option<Charge>) {
        let id = head.id;
        let before = self.take(id);
        self.resolve(id);
        let lengths: Arc<[u32]> = head.sections.iter().map(|section| section.0).collect();
        let sections = if let Some(same) = self.shapes.get(&lengths) {
            Arc::clone(same)
        } else {
            self.shapes.insert(Arc::clone(&lengths));
            lengths
        };
        let stored = head.object_bytes();
        if own {
            self.own_bytes = self.own_bytes.saturating_add(stored);
        }
        let entry = Entry {
            root: head.root,
            parent: head.parent,
            tokens: u32::try_from(head.tokens.len()).unwrap_or(u32::MAX),
            form: head.form,
            sections,
            worth: head.worth,
            stored,
            own,
            mark,
            seen: self.listing,
            charge: charge.or_else(|| before.filter(|_| own).and_then(|before| before.charge)),
        };
        self.entries.insert(id, entry);
        self.damaged.remove(&id);
        self.keep(Arc::new(head));
    }

    /// A write may have arrived.
    pub fn doubt(&mut self, root: Root, id: BlockId, bytes: u64, charge: Option<Charge>) {
        self.resolve(id);
        self.unsure_bytes = self.unsure_bytes.saturating_add(bytes);
        self.unsure.insert(id, Unsure { root, bytes, since: self.listing, _charge: charge });
    }

    /// Whether a write may have arrived is known now.
    pub fn resolve(&mut self, id: BlockId) {
        if let Some(unsure) = self.unsure.remove(&id) {
            self.unsure_bytes = self.unsure_bytes.saturating_sub(unsure.bytes);
        }
    }

    /// An object is gone.
    pub fn forget(&mut self, id: BlockId) {
        self.take(id);
        self.resolve(id);
        self.damaged.remove(&id);
    }

    fn take(&mut self, id: BlockId) -> Option<Entry> {
        self.heads.remove(&id);
        let entry = self.entries.remove(&id)?;
        if entry.own {
            self.own_bytes = self.own_bytes.saturating_sub(entry.stored);
        }
        Some(entry)
    }

    /// One object.
    pub fn get(&self, id: BlockId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// What a block that is there, or may be, descends from.
    pub fn root(&self, id: BlockId) -> Option<Root> {
        self.entries
            .get(&id)
            .map(|entry| entry.root)
            .or_else(|| self.unsure.get(&id).map(|unsure| unsure.root))
    }

    /// A head that was read not long ago.
    pub fn head(&self, id: BlockId) -> Option<Arc<Head>> {
        self.heads.get(&id).cloned()
    }

    /// Keeps a head for the next read; some other goes if there are many.
    pub fn keep(&mut self, head: Arc<Head>) {
        if self.heads.len() >= HEADS_MOST
            && !self.heads.contains_key(&head.id)
            // Identities are hashes, so the next one after this is any other.
            && let Some(&other) = self.heads.range(head.id..).map(|(id, _)| id).next().or(self.heads.keys().next())
        {
            self.heads.remove(&other);
        }
        self.heads.insert(head.id, head);
    }

    /// A head is not to be relied on.
    pub fn drop_head(&mut self, id: BlockId) {
        self.heads.remove(&id);
    }

    /// An object's bytes are not what they should be.
    pub fn damage(&mut self, id: BlockId) {
        self.heads.remove(&id);
        self.damaged.insert(id);
    }

    /// Whether that was found.
    pub fn is_damaged(&self, id: BlockId) -> bool {
        self.damaged.contains(&id)
    }

    /// A listing begins.
    pub fn begin(&mut self) -> u64 {
        self.listing += 1;
        self.listing
    }

    /// A listing tells of an object. Whether its head must be read: it is new, or another than it was.
    pub fn sight(&mut self, listing: u64, id: BlockId, stored: u64, mark: u64) -> bool {
        match self.entries.get_mut(&id) {
            Some(entry) if entry.stored == stored && (entry.mark == mark || entry.mark == 0) => {
                entry.mark = mark;
                entry.seen = entry.seen.max(listing);
                false
            }
            _ => true,
        }
    }

    /// A listing has ended: what it did not tell of, and was there before it began, is gone.
    pub fn end(&mut self, listing: u64, told: &HashSet<BlockId>) {
        let gone =
            |(id, entry): (&BlockId, &Entry)| (entry.seen < listing && !told.contains(id)).then_some(*id);
        let gone: Vec<_> = self.entries.iter().filter_map(gone).collect();
        for id in gone {
            self.forget(id);
        }
        // A write that was given up before the listing began has arrived by now, and was told of, or never will.
        let lost =
            |(id, unsure): (&BlockId, &Unsure)| (unsure.since < listing && !told.contains(id)).then_some(*id);
        let lost: Vec<_> = self.unsure.iter().filter_map(lost).collect();
        for id in lost {
            self.resolve(id);
        }
    }

    /// Charges an object that is this machine's from before.
    pub fn charge(&mut self, id: BlockId, reservation: Reservation) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.charge = Some(reservation.back());
        }
    }

    /// This machine's objects, and whether each is charged.
    pub fn own(&self) -> Vec<(BlockId, u64, bool)> {
        let own = self.entries.iter().filter(|(_, entry)| entry.own);
        own.map(|(id, entry)| (*id, entry.stored, entry.charge.is_some())).collect()
    }

    /// Which of this machine's objects should go so that so many bytes are free: blocks that others follow last, and
    /// among the others those that were used longest ago.
    pub fn surplus(&self, bytes: u64) -> Vec<BlockId> {
        let mut children: HashMap<BlockId, usize> = HashMap::new();
        for parent in self.entries.values().filter_map(|entry| entry.parent) {
            *children.entry(parent).or_default() += 1;
        }
        let leaf = |id: &BlockId| children.get(id).is_none_or(|count| *count == 0);
        let own = |id: &BlockId| self.entries.get(id).filter(|entry| entry.own);
        let ready = self.entries.keys().filter(|id| leaf(id));
        let mut leaves: BinaryHeap<_> =
            ready.filter_map(|id| own(id).map(|entry| Reverse((entry.worth.used_at, *id)))).collect();
        let (mut going, mut freed) = (Vec::new(), 0_u64);
        while freed < bytes
            && let Some(Reverse((_, id))) = leaves.pop()
        {
            let Some(entry) = own(&id) else {
                continue;
            };
            freed = freed.saturating_add(entry.stored);
            going.push(id);
            let Some(parent) = entry.parent else {
                continue;
            };
            let left = children.entry(parent).or_insert(1);
            *left = left.saturating_sub(1);
            if *left == 0
                && let Some(entry) = own(&parent)
            {
                leaves.push(Reverse((entry.worth.used_at, parent)));
            }
        }
        going
    }

    /// Everything, parents before their children. One whose parent is not there stands for itself.
    pub fn tell(&self) -> Vec<Listed> {
        let mut told = HashSet::new();
        let mut order = Vec::with_capacity(self.entries.len());
        for &id in self.entries.keys() {
            let mut path = Vec::new();
            let mut next = Some(id);
            while let Some(id) = next
                && let Some(entry) = self.entries.get(&id)
                // A ring of parents, which only a forger could make, ends here too.
                && told.insert(id)
            {
                path.push((id, entry));
                next = entry.parent;
            }
            order.extend(path.into_iter().rev().map(|(id, entry)| Listed {
                id,
                parent: entry.parent,
                root: entry.root,
                tokens: entry.tokens,
                form: entry.form,
                sections: entry.sections.to_vec(),
                stored: plimsoll::Bytes::new(entry.stored),
                worth: entry.worth,
            }));
        }
        order
    }

    /// The sums.
    pub fn sums(&self) -> Sums {
        let mut sums = Sums { flying: self.flying_bytes, unsure: self.unsure_bytes, ..Sums::default() };
        for entry in self.entries.values() {
            let (blocks, bytes) = if entry.own {
                (&mut sums.own_blocks, &mut sums.own_bytes)
            } else {
                (&mut sums.other_blocks, &mut sums.other_bytes)
            };
            *blocks += 1;
            *bytes = bytes.saturating_add(entry.stored);
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(id: u128, parent: Option<u128>, used_at: u64) -> Head {
        Head {
            id: BlockId::new(id),
            parent: parent.map(BlockId::new),
            root: Root::from_bytes([1; 32]),
            writer: [0; 16],
            form: 0,
            worth: Worth { used_at, ..Worth::default() },
            tokens: vec![1, 2],
            sections: vec![(100, [0; 16])],
        }
    }

    #[test]
    fn what_goes_first_was_used_longest_ago_and_has_no_children() {
        let mut shelf = Shelf::default();
        shelf.insert(head(1, None, 1), 0, true, None);
        shelf.insert(head(2, Some(1), 9), 0, true, None);
        shelf.insert(head(3, Some(1), 5), 0, true, None);
        shelf.insert(head(4, None, 0), 0, false, None);
        let size = shelf.get(BlockId::new(1)).unwrap().stored;
        assert_eq!(shelf.surplus(size + 1), [BlockId::new(3), BlockId::new(2)]);
        assert_eq!(shelf.surplus(size * 9), [3, 2, 1].map(BlockId::new));
        assert_eq!(shelf.used(), size * 3);
    }

    #[test]
    fn a_listing_forgets_what_is_gone_and_not_what_came_meanwhile() {
        let mut shelf = Shelf::default();
        shelf.insert(head(1, None, 0), 7, true, None);
        shelf.insert(head(2, Some(1), 0), 8, false, None);
        let size = shelf.get(BlockId::new(1)).unwrap().stored;
        let listing = shelf.begin();
        assert!(!shelf.sight(listing, BlockId::new(2), size, 8));
        assert!(shelf.sight(listing, BlockId::new(3), size, 1), "an unknown head must be read");
        shelf.insert(head(5, None, 0), 0, true, None);
        shelf.end(listing, &[2, 3].map(BlockId::new).into());
        assert!(shelf.get(BlockId::new(1)).is_none(), "another machine removed it");
        assert!(shelf.get(BlockId::new(5)).is_some(), "it was written while the listing ran");
        assert_eq!(shelf.used(), size);
        let listing = shelf.begin();
        assert!(shelf.sight(listing, BlockId::new(2), size, 9), "its content is another");
    }

    #[test]
    fn what_may_have_arrived_counts_until_it_is_known() {
        let mut shelf = Shelf::default();
        assert!(shelf.admit(60, Some(100)).is_ok());
        shelf.landed(60);
        shelf.doubt(Root::from_bytes([1; 32]), BlockId::new(1), 60, None);
        assert_eq!(shelf.admit(60, Some(100)), Err(60));
        let listing = shelf.begin();
        shelf.end(listing, &HashSet::new());
        assert!(shelf.admit(60, Some(100)).is_ok());
    }

    #[test]
    fn parents_are_told_before_children() {
        let mut shelf = Shelf::default();
        for id in (1..50_u128).rev() {
            shelf.insert(head(id, (id > 1).then(|| id - 1), 0), 0, true, None);
        }
        shelf.insert(head(99, Some(98), 0), 0, false, None);
        let told = shelf.tell();
        let at = |id| told.iter().position(|listed| listed.id == BlockId::new(id)).unwrap();
        assert!((2..50).all(|id| at(id - 1) < at(id)));
        assert_eq!(told.len(), 50);
    }
}
