//! Building: many vectors from a file into a segment of their own, in little memory.

use std::time::{Duration, Instant};

use plimsoll::Bytes;
use plimsoll::governor::Charge;

use super::dead::{Dead, blocks};
use super::encode::{Coding, threads};
use super::manifest::Entry;
use super::view::View;
use super::{Index, NO_ID, Shape, VecError};
use crate::BLOCK_ROWS;
use crate::column::PAGE_BYTES;
use crate::input::{Input, InputFacts, Origin};
use crate::segment::{ROWS_MAX, SegmentWriter, WrittenIds};

/// Rows that are coded at once, where the budget lets them.
const ROWS_AT_ONCE: usize = 4096;
/// Chunks of the input are about so large, likewise.
const CHUNK_BYTES: u64 = 8 << 20;

/// How far a build is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Built {
    /// What is being done.
    pub doing: Doing,
    /// Vectors that were taken in.
    pub vectors: u64,
    /// How many there are, where that is known.
    pub of: Option<u64>,
    /// Bytes of the input that are left behind.
    pub bytes: Bytes,
}

/// What a build or a compaction does at a time. An index without lists, of a codec that learns nothing, is only coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Learning what a codec needs, or where lists are.
    Learning,
    /// Putting each vector to its list.
    Dividing,
    /// Coding and writing.
    Coding,
    /// Copying what lives.
    Compacting,
}

/// What a build did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildReport {
    /// Vectors that were taken in.
    pub vectors: u64,
    /// Lists that they lie in; none where the index has none.
    pub lists: usize,
    /// How long it took.
    pub took: Duration,
    /// What was predicted of memory, with what was there before.
    pub predicted: Bytes,
    /// The most that there was.
    pub peak: Bytes,
    /// What the segment takes on disk.
    pub disk: Bytes,
}

/// The checksums of blocks, in one column or two.
pub(super) fn sums_bytes(shape: &Shape, rows: u64) -> u64 {
    let columns = if shape.layout().lower_bytes() > 0 { 2 } else { 1 };
    rows.div_ceil(BLOCK_ROWS as u64) * 8 * columns
}

impl BuildReport {
    /// That of one that took in nothing yet, with what is predicted.
    pub(super) fn nothing(predicted: u64) -> Self {
        Self {
            vectors: 0,
            lists: 0,
            took: Duration::ZERO,
            predicted: Bytes::new(predicted),
            peak: Bytes::ZERO,
            disk: Bytes::ZERO,
        }
    }
}

/// How a build uses its budget.
#[derive(Clone, Copy, Debug)]
struct Way {
    rows: usize,
    chunk: u64,
    bytes: u64,
}

impl Way {
    /// What it takes with so many rows at once: the ring of the input, vectors, blocks, and originals as they are written.
    fn new(shape: &Shape, facts: &InputFacts, rows: usize) -> Self {
        let row = shape.dimension * 4;
        let chunk = CHUNK_BYTES.min((rows * row) as u64).max(row as u64 + 4);
        let ring = (chunk + PAGE_BYTES as u64) * 4;
        let vectors = (rows * row) as u64;
        let coded = (blocks(rows as u64) * shape.layout().block_bytes()) as u64;
        let originals = SegmentWriter::heap_bytes(rows, shape.dimension, shape.originals);
        // Checksums of blocks, and ids with their order where vectors bring them.
        let known = facts.rows.unwrap_or_default();
        let sums = sums_bytes(shape, known);
        let ids = if facts.ids { known * 8 + SegmentWriter::finish_bytes(known) } else { 0 };
        let scratch = threads() as u64 * Coding::scratch_bytes(shape);
        Self { rows, chunk, bytes: ring + vectors + coded + scratch + originals + sums + ids }
    }
}

impl Index {
    /// Adds all vectors of a file as a new segment, which is there as a whole or not at all. `ids` are theirs, one for
    /// each; without, they bring their own or get the next ones.
    pub fn build<'o>(
        &self,
        origin: impl Into<Origin<'o>>,
        ids: Option<Vec<u64>>,
        mut progress: impl FnMut(Built),
    ) -> Result<BuildReport, VecError> {
        let began = Instant::now();
        let origin = origin.into();
        let mut writer = self.writer()?;
        let shape = self.shape();
        // A log that goes on would delete from the new segment what was deleted before it came.
        self.publish_with(&mut writer)?;
        let streaming = self.budget().streaming("input");
        // Its beginning says how long vectors are; the ring comes when the way is known.
        let facts = Input::facts_of(origin)?;
        if facts.dimension != shape.dimension {
            return Err(VecError::Dimension { found: facts.dimension, expected: shape.dimension });
        }
        let _decoding = self.pay_to_decode(&facts)?;
        let before = self.budget().standing().used();
        if shape.codec.group().is_some() && self.view().books.is_none() {
            progress(Built { doing: Doing::Learning, vectors: 0, of: facts.rows, bytes: Bytes::ZERO });
        }
        let Some(learnt) = self.learnt(origin, &facts)? else {
            return Ok(BuildReport::nothing(before));
        };
        if shape.lists.is_some() {
            return self.build_lists(&mut writer, origin, &facts, ids, learnt, &mut progress);
        }
        let before = self.budget().standing().used();
        let way = self.way(&shape, &facts)?;
        let given = ids.as_ref().map_or(0, |ids| ids.len() as u64 * 24);
        let own = way.bytes - (way.chunk + PAGE_BYTES as u64) * 4;
        let _charge = self.budget().charge(own + given)?;
        let mut input = Input::open(origin, &streaming, Bytes::new(way.chunk))?;
        let number = writer.manifest.number();
        let kind = shape.kind();
        let mut out = SegmentWriter::create(self.folder(), number, kind, shape.kept())?;
        let known = if facts.ids { facts.rows.unwrap_or_default() } else { 0 };
        let ids_known = Vec::with_capacity(usize::try_from(known).unwrap_or_default());
        let mut taken = Taken { ids: ids_known, charge: Vec::new() };
        let code = self.view().coding_with(learnt.books.clone())?;
        self.fill((&mut input, &code), &mut out, way, &mut taken, &mut progress)?;
        let rows = out.rows();
        let ids = self.ids_of(rows, ids, taken.ids, writer.manifest.next_id)?;
        let predicted = (before + way.bytes + given).max(learnt.predicted.get());
        let mut report = BuildReport { vectors: rows, ..BuildReport::nothing(predicted) };
        if rows > 0 {
            let first_id = out.finish(&ids, None)?;
            let entry = Entry { number, rows, first_id, lists: false };
            let segment = self.opened_segment(&entry, None)?;
            report.disk = Bytes::new(segment.disk_bytes(self.folder()));
            let view = self.view();
            let mut segments = view.segments.clone();
            segments.push((segment, Dead::default()));
            let mut next = writer.manifest.clone();
            next.segments.push(entry);
            next.next_id = next.next_id.max(ids.end(rows));
            let view = View { segments, young: Vec::new(), books: learnt.books, ..View::clone(&view) };
            self.put(&mut writer, next, view)?;
            learnt.charge.into_iter().for_each(|charge| self.charged(charge));
        }
        report.took = began.elapsed();
        report.peak = self.budget().standing().peak;
        Ok(report)
    }

    /// What decoding the input takes beside its ring, before anything is planned with the rest.
    fn pay_to_decode(&self, facts: &InputFacts) -> Result<Charge, VecError> {
        let (standing, bytes) = (self.budget().standing(), facts.beside.get());
        if bytes > standing.room {
            return Err(VecError::Budget {
                budget: standing.limit,
                what: "to decode the pages of this file in",
                needed: Bytes::new(standing.used() + bytes),
            });
        }
        self.budget().charge(bytes)
    }

    /// As many rows at once as the budget lets.
    fn way(&self, shape: &Shape, facts: &InputFacts) -> Result<Way, VecError> {
        let standing = self.budget().standing();
        let mut rows = ROWS_AT_ONCE;
        loop {
            let way = Way::new(shape, facts, rows);
            if way.bytes <= standing.room {
                return Ok(way);
            }
            if rows == BLOCK_ROWS {
                return Err(VecError::Budget {
                    budget: standing.limit,
                    what: "to build in",
                    needed: Bytes::new(way.bytes + standing.used()),
                });
            }
            rows /= 2;
        }
    }

    fn fill(
        &self,
        (input, code): (&mut Input, &Coding),
        out: &mut SegmentWriter,
        way: Way,
        taken: &mut Taken,
        progress: &mut impl FnMut(Built),
    ) -> Result<(), VecError> {
        let shape = self.shape();
        let facts = input.facts();
        let mut vectors = vec![0.0; way.rows * shape.dimension];
        let mut coded = vec![0; blocks(way.rows as u64) * shape.layout().block_bytes()];
        loop {
            let count = input.read(&mut vectors, &mut taken.ids)?;
            if count == 0 {
                return Ok(());
            }
            let before = out.rows();
            if before + count as u64 > ROWS_MAX {
                return Err(VecError::TooMany { rows: before + count as u64, most: ROWS_MAX });
            }
            if facts.rows.is_none() {
                // Nobody said how many there would be: what grows with them is paid for as it comes.
                taken.charge.push(self.budget().charge(count as u64 * if facts.ids { 32 } else { 1 })?);
            }
            let part = &vectors[..count * shape.dimension];
            let bytes = blocks(count as u64) * shape.layout().block_bytes();
            let before = usize::try_from(before).unwrap_or(usize::MAX);
            let done = code.encode(shape.dimension, part, &mut coded[..bytes], threads());
            done.map_err(|error| error.after(before))?;
            out.append(&coded[..bytes], part, count)?;
            let bytes = Bytes::new(out.rows() * shape.dimension as u64 * 4).min(facts.bytes);
            progress(Built { doing: Doing::Coding, vectors: out.rows(), of: facts.rows, bytes });
        }
    }

    /// The ids of a segment's rows, once it is known how many there are.
    pub(super) fn ids_of(
        &self,
        rows: u64,
        given: Option<Vec<u64>>,
        brought: Vec<u64>,
        next: u64,
    ) -> Result<WrittenIds, VecError> {
        let ids = match given {
            Some(ids) if ids.len() as u64 != rows => {
                return Err(VecError::Ids { vectors: rows, ids: ids.len() as u64 });
            }
            Some(ids) => ids,
            None if brought.is_empty() => {
                return match next.checked_add(rows) {
                    Some(end) if end < NO_ID => Ok(WrittenIds::From(next)),
                    _ => Err(VecError::ReservedId(NO_ID)),
                };
            }
            None => brought,
        };
        self.check_new(&ids)?;
        Ok(WrittenIds::These(ids))
    }
}

/// What grows as vectors come.
struct Taken {
    ids: Vec<u64>,
    charge: Vec<Charge>,
}
