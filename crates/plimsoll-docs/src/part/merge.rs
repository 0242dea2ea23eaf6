//! Several parts into one.
//!
//! Parts whose passages follow each other are put behind each other: passages keep their numbers, blocks are copied as they are,
//! and each term's lists are joined. What belongs to documents that are gone is left behind. What is held is charged before it is: the
//! new footer, a block, a block of each dictionary, and a list of one term and one part.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::Path;

use super::footer::{Footer, Place};
use super::lists::{ListsWriter, SPOOL};
use super::writer::BUFFER;
use super::{Part, PartError, PartFacts, PartWriter, Record, Run, Stands};
use crate::DocsError;
use crate::bytes::Cut;
use crate::room::Room;
use crate::terms::{Entries, Entry, Postings, Sparse, TERM_MOST, append};

/// A list is written once so much of it is joined.
const JOINED: usize = 64 << 10;
/// A block of a dictionary as it is gone through, with its term and what points there: it ends behind 4 KiB.
const TERMS: usize = (6 << 10) + 4 * TERM_MOST;

/// Puts parts together, the first first. Of passages whose document is not `alive` nothing is left but their numbers.
pub(crate) fn merge(
    parts: &[&Part],
    path: &Path,
    alive: &dyn Fn(u64) -> bool,
    room: &mut Room,
) -> Result<PartFacts, DocsError> {
    let sizes = Sizes::of(parts);
    room.grow(sizes.bytes())?;
    let mut writer = PartWriter::create(path, false)?;
    writer.expect(sizes.blocks, sizes.runs);
    let mut lengths = Vec::with_capacity(sizes.passages);
    for part in parts {
        for block in 0..part.blocks() {
            let range = part.block_range(block);
            let runs: Vec<Run> = runs_within(part, &range);
            let bytes = part.block(block)?;
            if runs.iter().all(|run| alive(run.document)) {
                writer.pack(&bytes, range.end - range.start, &runs)?;
            } else {
                let left = left_of(part, block, &bytes, alive)?;
                writer.pack(&left, range.end - range.start, &runs)?;
            }
        }
        let left = |(passage, &length): (u32, &u8)| if is_alive(part, passage, alive) { length } else { 0 };
        lengths.extend((0..).zip(part.lengths()).map(left));
    }
    let worded = parts.iter().all(|part| !part.lengths().is_empty());
    if !worded {
        return Ok(writer.lists(Vec::new(), 0, 0)?.finish()?);
    }
    let total = parts.iter().map(|part| part.total_terms()).sum();
    let mut lists = writer.lists(lengths, total, sizes.dictionary)?;
    join(parts, alive, &mut lists, room)?;
    Ok(lists.finish()?)
}

/// How many there are of what a merge holds.
struct Sizes {
    parts: usize,
    passages: usize,
    blocks: usize,
    runs: usize,
    /// Blocks of dictionaries.
    dictionary: usize,
    /// What the largest block unpacks to.
    largest: usize,
}

impl Sizes {
    fn of(parts: &[&Part]) -> Self {
        let sum = |of: fn(&Part) -> usize| parts.iter().map(|part| of(part)).sum();
        Self {
            parts: parts.len(),
            passages: sum(|part| part.lengths().len()),
            blocks: sum(Part::blocks),
            runs: sum(|part| part.runs().len()),
            // Each has a last one that is not full.
            dictionary: sum(Part::dictionary_blocks),
            largest: parts.iter().map(|part| part.largest_block()).max().unwrap_or(0),
        }
    }

    /// What is held but for lists.
    fn bytes(&self) -> usize {
        let footer = self.passages
            + self.blocks * size_of::<Place>()
            + self.runs * size_of::<Run>()
            + Sparse::bytes_of(self.dictionary);
        // As it was packed, unpacked, what is left of it, and packed anew; its runs are fewer than its passages.
        let block = 2 * self.largest + 2 * lz4_flex::block::get_maximum_output_size(self.largest);
        let block = block + self.largest.div_ceil(4);
        footer + Footer::written(footer) + block + BUFFER + SPOOL + 2 * JOINED + self.parts * TERMS
    }
}

fn is_alive(part: &Part, passage: u32, alive: &dyn Fn(u64) -> bool) -> bool {
    part.owner(passage).is_some_and(|(document, _)| alive(document))
}

/// A block whose dead passages are empty.
fn left_of(
    part: &Part,
    block: usize,
    bytes: &[u8],
    alive: &dyn Fn(u64) -> bool,
) -> Result<Vec<u8>, PartError> {
    let mut left = Vec::with_capacity(bytes.len());
    part.records(block, bytes, |passage, record| {
        if is_alive(part, passage, alive) {
            record.put(&mut left);
        } else {
            Record { stands: Stands::default(), text: "" }.put(&mut left);
        }
        true
    })?;
    Ok(left)
}

/// Whose passages a block has; places count from its beginning.
fn runs_within(part: &Part, range: &std::ops::Range<u32>) -> Vec<Run> {
    let runs = part.runs();
    let from = runs.partition_point(|run| run.first <= range.start).saturating_sub(1);
    let inside = runs[from..].iter().take_while(|run| run.first < range.end);
    let placed = inside.map(|run| {
        let before = range.start.saturating_sub(run.first);
        let first = run.first.max(range.start) - range.start;
        Run { first, document: run.document, ordinal: run.ordinal + u64::from(before) }
    });
    placed.collect()
}

/// Terms of a part, in order.
struct Terms<'p> {
    part: &'p Part,
    /// How far the part's passages are behind those of the first.
    ahead: u32,
    /// The next block of its dictionary.
    block: usize,
    entries: Entries<Vec<u8>>,
    /// What is known of the term that it stands at.
    entry: Option<Entry>,
}

impl Terms<'_> {
    /// Goes to the next term.
    fn next(&mut self) -> Result<Option<&[u8]>, PartError> {
        loop {
            self.entry = self.entries.next().map_err(|Cut| self.part.bad_list())?;
            if self.entry.is_some() {
                return Ok(Some(self.entries.term()));
            }
            if self.block == self.part.dictionary_blocks() {
                return Ok(None);
            }
            // One at a time.
            self.entries = Entries::default();
            let (bytes, list) = self.part.dictionary_block(self.block)?;
            self.block += 1;
            self.entries = Entries::new(bytes, list);
        }
    }
}

fn join(
    parts: &[&Part],
    alive: &dyn Fn(u64) -> bool,
    lists: &mut ListsWriter,
    room: &mut Room,
) -> Result<(), DocsError> {
    let (mut ahead, mut all) = (0, Vec::with_capacity(parts.len()));
    for part in parts {
        all.push(Terms { part, ahead, block: 0, entries: Entries::default(), entry: None });
        ahead += part.passages();
    }
    let mut heap = BinaryHeap::with_capacity(parts.len());
    for (number, terms) in all.iter_mut().enumerate() {
        heap.extend(terms.next()?.map(|term| Reverse((term.to_vec(), number))));
    }
    let (mut who, mut joined) = (Vec::with_capacity(parts.len()), Vec::with_capacity(JOINED + 16));
    while let Some(Reverse((term, number))) = heap.pop() {
        // Parts with the same term come out one after the other, in the order of their passages.
        who.clear();
        who.push(number);
        while let Some(Reverse((next, _))) = heap.peek()
            && *next == term
        {
            who.extend(heap.pop().map(|Reverse((_, number))| number));
        }
        let mut list = Joined { passages: 0, before: 0, bytes: &mut joined };
        for &number in &who {
            list.add(&all[number], alive, lists, room)?;
        }
        list.end(&term, lists)?;
        for &number in &who {
            heap.extend(all[number].next()?.map(|term| Reverse((term.to_vec(), number))));
        }
    }
    Ok(())
}

/// A list that is being joined.
struct Joined<'j> {
    passages: u32,
    before: u32,
    /// What was not written yet.
    bytes: &'j mut Vec<u8>,
}

impl Joined<'_> {
    /// What a part has of it.
    fn add(
        &mut self,
        terms: &Terms<'_>,
        alive: &dyn Fn(u64) -> bool,
        lists: &mut ListsWriter,
        room: &mut Room,
    ) -> Result<(), DocsError> {
        let (Some(entry), part) = (&terms.entry, terms.part) else { return Ok(()) };
        let held = usize::try_from(entry.bytes).unwrap_or(usize::MAX);
        room.grow(held)?;
        let list = part.list(entry)?;
        let mut postings = Postings::new(&list);
        while let Some((passage, times)) = postings.next().map_err(|Cut| part.bad_list())? {
            if !is_alive(part, passage, alive) {
                continue;
            }
            let passage = passage + terms.ahead;
            append(self.bytes, self.before, passage, times);
            (self.before, self.passages) = (passage, self.passages + 1);
            if self.bytes.len() >= JOINED {
                lists.put(self.bytes)?;
                self.bytes.clear();
            }
        }
        drop(list);
        room.shrink(held);
        Ok(())
    }

    /// It is whole. A term that no passage has any more is none.
    fn end(self, term: &[u8], lists: &mut ListsWriter) -> Result<(), PartError> {
        if self.passages > 0 {
            lists.put(self.bytes)?;
            self.bytes.clear();
            lists.end(term, self.passages)?;
        }
        Ok(())
    }
}
