//! Terms of the passages that are being read, until they are written.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use super::tally::Tally;
use super::{append, length_code};

/// Letters of a term that lie beside what is gathered of it; those of longer ones lie apart.
const NEAR: usize = 23;

/// Passages of the terms of a part, in memory.
///
/// # Formula
/// `bytes()`: 64 for each term and 10 in its table, its passages as they will be written and as much again while they
/// grow, the letters of terms longer than 23, and one for each passage.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    /// The upper half of a term's hash, and its slot.
    table: HashTable<(u32, u32)>,
    slots: Vec<Slot>,
    names: Vec<u8>,
    lengths: Vec<u8>,
    tally: Tally,
    total_terms: u64,
    held: usize,
}

/// A term: one line of a processor's cache.
#[derive(Debug)]
struct Slot {
    list: Vec<u8>,
    /// The passage that was written last.
    before: u32,
    passages: u32,
    /// Where its letters are, if they are not near.
    name: u32,
    len: u8,
    near: [u8; NEAR],
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
            + self.table.capacity() * 10
            + self.names.capacity()
            + self.lengths.capacity()
            + self.tally.bytes()
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
        let passage = u32::try_from(self.lengths.len()).unwrap_or(u32::MAX);
        self.tally.read(texts);
        self.total_terms += u64::from(self.tally.count);
        self.lengths.push(length_code(self.tally.count));
        let Self { table, slots, names, tally, held, .. } = self;
        for (seen, term) in tally.iter() {
            let upper = (seen.hash >> 32) as u32;
            let same = |&(tag, slot): &(u32, u32)| tag == upper && slots[slot as usize].name(names) == term;
            let number = if let Some(&(_, slot)) = table.find(seen.hash, same) {
                slot as usize
            } else {
                let number = slots.len();
                slots.push(Slot::new(term, names));
                let entry = (upper, u32::try_from(number).unwrap_or(u32::MAX));
                table.insert_unique(seen.hash, entry, |&(_, slot)| xxh3_64(slots[slot as usize].name(names)));
                number
            };
            let slot = &mut slots[number];
            let before = slot.list.capacity();
            append(&mut slot.list, slot.before, passage, seen.times);
            *held += slot.list.capacity() - before;
            slot.before = passage;
            slot.passages += 1;
        }
    }

    /// Terms in their order, with their passages.
    pub(crate) fn sorted(&self) -> impl Iterator<Item = Gathered<'_>> {
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
    fn new(term: &[u8], names: &mut Vec<u8>) -> Self {
        let (mut near, mut name) = ([0; NEAR], 0);
        if let Some(place) = near.get_mut(..term.len()) {
            place.copy_from_slice(term);
        } else {
            name = u32::try_from(names.len()).unwrap_or(u32::MAX);
            names.extend_from_slice(term);
        }
        let len = u8::try_from(term.len()).unwrap_or(u8::MAX);
        Self { list: Vec::new(), before: 0, passages: 0, name, len, near }
    }

    #[inline]
    fn name<'n>(&'n self, names: &'n [u8]) -> &'n [u8] {
        let len = self.len as usize;
        self.near.get(..len).unwrap_or_else(|| &names[self.name as usize..self.name as usize + len])
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
