//! Several parts into one.
//!
//! Parts whose passages follow each other are put behind each other: passages keep their numbers, blocks are copied as they are,
//! and each term's lists are joined. What belongs to documents that are gone is left behind. Nothing is held but the parts' footers, a block, and the lists of one term.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::Path;

use super::writer::Put;
use super::{Part, PartError, PartFacts, PartWriter, Record, Run, Stands};
use crate::bytes::Cut;
use crate::terms::{Entry, Postings, append, entries};

/// Puts parts together, the first first. Of passages whose document is not `alive` nothing is left but their numbers.
pub(crate) fn merge(
    parts: &[&Part],
    path: &Path,
    alive: &dyn Fn(u64) -> bool,
) -> Result<PartFacts, PartError> {
    let mut writer = PartWriter::create(path, false)?;
    let mut lengths = Vec::new();
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
    let (lengths, total) =
        if worded { (lengths, parts.iter().map(|part| part.total_terms()).sum()) } else { (Vec::new(), 0) };
    let shown = path.to_owned();
    writer.finish_with(lengths, total, &mut |write| {
        if !worded {
            return Ok(());
        }
        join(parts, alive, &mut |term, passages, list| {
            write(term, passages, list).map_err(|source| PartError::File { path: shown.clone(), source })
        })
    })
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
    block: usize,
    waiting: std::vec::IntoIter<(Vec<u8>, Entry)>,
}

impl Terms<'_> {
    fn next(&mut self) -> Result<Option<(Vec<u8>, Entry)>, PartError> {
        loop {
            if let Some(one) = self.waiting.next() {
                return Ok(Some(one));
            }
            if self.block == self.part.dictionary_blocks() {
                return Ok(None);
            }
            let (bytes, list) = self.part.dictionary_block(self.block)?;
            let mut terms = Vec::new();
            let read = entries(&bytes, list, |term, entry| {
                terms.push((term.to_vec(), entry));
                true
            });
            read.map_err(|Cut| self.part.bad_list())?;
            self.block += 1;
            self.waiting = terms.into_iter();
        }
    }
}

fn join(
    parts: &[&Part],
    alive: &dyn Fn(u64) -> bool,
    write: &mut Put<'_, PartError>,
) -> Result<(), PartError> {
    let mut ahead = 0;
    let mut all: Vec<Terms<'_>> = Vec::new();
    for part in parts {
        all.push(Terms { part, ahead, block: 0, waiting: Vec::new().into_iter() });
        ahead += part.passages();
    }
    let mut heap = BinaryHeap::new();
    let mut standing: Vec<Option<Entry>> = vec![None; all.len()];
    for (number, terms) in all.iter_mut().enumerate() {
        if let Some((term, entry)) = terms.next()? {
            heap.push(Reverse((term, number)));
            standing[number] = Some(entry);
        }
    }
    let mut joined = Vec::new();
    while let Some(Reverse((term, number))) = heap.pop() {
        // Parts with the same term come out one after the other, in the order of their passages.
        let mut who = vec![number];
        while let Some(Reverse((next, _))) = heap.peek()
            && *next == term
        {
            who.extend(heap.pop().map(|Reverse((_, number))| number));
        }
        joined.clear();
        let (mut passages, mut before) = (0, 0);
        for &number in &who {
            let Some(entry) = standing[number] else { continue };
            let (part, ahead) = (all[number].part, all[number].ahead);
            let list = part.list(&entry)?;
            let mut postings = Postings::new(&list);
            while let Some((passage, times)) = postings.next().map_err(|Cut| part.bad_list())? {
                if is_alive(part, passage, alive) {
                    append(&mut joined, before, passage + ahead, times);
                    before = passage + ahead;
                    passages += 1;
                }
            }
        }
        if passages > 0 {
            write(&term, passages, &joined)?;
        }
        for number in who {
            if let Some((term, entry)) = all[number].next()? {
                heap.push(Reverse((term, number)));
                standing[number] = Some(entry);
            }
        }
    }
    Ok(())
}
