//! Terms of the passages that are being read, until they are written.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use super::{TERM_MOST, append, each_term, length_code};

/// No passage.
const NONE: u32 = u32::MAX;

/// Passages of the terms of a part, in memory.
///
/// # Formula
/// `bytes()`: 64 for each term and 9 in its table, the term, its passages as they will be written and as much again while they
/// grow, and one for each passage.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    table: HashTable<u32>,
    slots: Vec<Slot>,
    names: Vec<u8>,
    lengths: Vec<u8>,
    total_terms: u64,
    held: usize,
}

#[derive(Debug)]
struct Slot {
    hash: u64,
    name: u32,
    len: u8,
    times: u8,
    /// The passage that is being counted, and the one that was written last.
    now: u32,
    before: u32,
    passages: u32,
    list: Vec<u8>,
}

/// A term with what was gathered of it.
pub(crate) struct Gathered<'g> {
    pub(crate) term: &'g [u8],
    pub(crate) passages: u32,
    pub(crate) list: &'g [u8],
}

impl Gather {
    /// What it takes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.held
            + self.slots.capacity() * size_of::<Slot>()
            + self.table.capacity() * 5
            + self.names.capacity()
            + self.lengths.capacity()
    }

    /// Terms of all passages so far.
    pub(crate) const fn total_terms(&self) -> u64 {
        self.total_terms
    }

    /// How long each passage is, in [`length_code`]s.
    pub(crate) fn lengths(&self) -> &[u8] {
        &self.lengths
    }

    /// The next passage, of several texts.
    pub(crate) fn passage(&mut self, texts: &[&str]) {
        let passage = u32::try_from(self.lengths.len()).unwrap_or(NONE - 1);
        let mut count = 0_u32;
        for text in texts {
            each_term(text, |term| {
                count += 1;
                self.meet(term, passage);
            });
        }
        self.total_terms += u64::from(count);
        self.lengths.push(length_code(count));
    }

    #[inline]
    fn meet(&mut self, term: &[u8], passage: u32) {
        let hash = xxh3_64(term);
        let (slots, names) = (&self.slots, &self.names);
        let same = |&slot: &u32| {
            let slot = &slots[slot as usize];
            slot.hash == hash && slot.name(names) == term
        };
        let Some(&found) = self.table.find(hash, same) else {
            self.begin(term, hash, passage);
            return;
        };
        let slot = &mut self.slots[found as usize];
        if slot.now == passage {
            slot.times = slot.times.saturating_add(1);
            return;
        }
        let before = slot.list.capacity();
        slot.write();
        self.held += slot.list.capacity() - before;
        (slot.now, slot.times) = (passage, 1);
    }

    fn begin(&mut self, term: &[u8], hash: u64, passage: u32) {
        debug_assert!(term.len() <= TERM_MOST, "a term is short");
        let name = u32::try_from(self.names.len()).unwrap_or(NONE);
        self.names.extend_from_slice(term);
        let slot = u32::try_from(self.slots.len()).unwrap_or(NONE);
        let len = u8::try_from(term.len()).unwrap_or(u8::MAX);
        self.slots.push(Slot {
            hash,
            name,
            len,
            times: 1,
            now: passage,
            before: 0,
            passages: 0,
            list: Vec::new(),
        });
        let slots = &self.slots;
        self.table.insert_unique(hash, slot, |&slot| slots[slot as usize].hash);
    }

    /// Terms in their order, with their passages.
    pub(crate) fn sorted(&mut self) -> impl Iterator<Item = Gathered<'_>> {
        for slot in &mut self.slots {
            if slot.now != NONE {
                slot.write();
                slot.now = NONE;
            }
        }
        let names = &self.names;
        let mut order: Vec<&Slot> = self.slots.iter().collect();
        order.sort_unstable_by(|one, other| one.name(names).cmp(other.name(names)));
        order.into_iter().map(|slot| Gathered {
            term: slot.name(names),
            passages: slot.passages,
            list: &slot.list,
        })
    }
}

impl Slot {
    #[inline]
    fn name<'n>(&self, names: &'n [u8]) -> &'n [u8] {
        &names[self.name as usize..self.name as usize + self.len as usize]
    }

    #[inline]
    fn write(&mut self) {
        append(&mut self.list, self.before, self.now, self.times);
        self.before = self.now;
        self.passages += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::Postings;
    use super::*;

    #[test]
    fn each_term_has_its_passages() {
        let mut gather = Gather::default();
        gather.passage(&["the line and the ledger"]);
        gather.passage(&["a pool", "the pool"]);
        for _ in 0..300 {
            gather.passage(&["", "line line"]);
        }
        assert_eq!(gather.lengths().len(), 302);
        assert_eq!(gather.total_terms(), 5 + 4 + 600);
        let terms: Vec<_> =
            gather.sorted().map(|one| (one.term.to_vec(), one.passages, one.list.to_vec())).collect();
        let names: Vec<_> = terms.iter().map(|(term, ..)| std::str::from_utf8(term).expect("text")).collect();
        assert_eq!(names, ["a", "and", "ledger", "line", "pool", "the"]);
        let mut list = Postings::new(&terms[5].2);
        assert_eq!((list.next(), list.next(), list.next()), (Ok(Some((0, 2))), Ok(Some((1, 1))), Ok(None)));
        let (_, passages, list) = &terms[3];
        let mut list = Postings::new(list);
        let mut count = 0;
        while let Some((passage, times)) = list.next().expect("whole") {
            assert_eq!((passage, times), if count == 0 { (0, 1) } else { (count + 1, 2) });
            count += 1;
        }
        assert_eq!((count, *passages), (301, 301));
        assert!(gather.bytes() > 302);
    }
}
