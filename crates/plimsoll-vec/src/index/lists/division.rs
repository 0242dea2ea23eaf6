//! The middles of lists, and which of them are nearest to a vector.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::lists::Expected;
use crate::code::CodeError;
use crate::column::{Column, ColumnError, ColumnWriter, Header, Holds, PAGE_BYTES};
use crate::held::{lock, unlocked};
use crate::index::VecError;
use crate::index::dead::blocks;
use crate::index::encode::on_threads;
use crate::index::manifest::{Learned, Shape};
use crate::scan::{Queries, scan};
use crate::segment::{Originals, path};
use crate::top::{Hit, Tops};
use crate::{BLOCK_ROWS, Codec, Metric};

/// Vectors that are compared with the middles at once: six groups of sixteen.
const AT_ONCE: usize = 96;
/// Queries that are prepared for middles at once, where what was prepared for codes does not serve.
const LOOKED_FOR: usize = 192;
/// Blocks of middles that a thread takes at once.
const BLOCKS: usize = 4;
/// Bytes of middles, times the queries that look at them, that a thread of its own pays for.
const THREAD_WORK: usize = 2 << 20;
/// Stands where there are fewer lists than were asked for.
pub(super) const NOWHERE: Hit = Hit { score: f32::INFINITY, row: u64::MAX };

/// How an index is divided: the middle of each list, in memory, as numbers.
///
/// Vectors are compared with middles as the metric has it, with two exceptions. Under the inner product a vector *lies*
/// where the distance is least, because long middles would draw all to themselves, and is *looked for* where the product
/// is largest. Under Hamming, signs are numbers 1 and −1, whose squared distance is four times the number that differ.
#[derive(Clone, Debug)]
pub(in crate::index) struct Division {
    metric: Metric,
    dimension: usize,
    count: usize,
    /// In whole blocks of 64.
    middles: Arc<[u8]>,
    expected: Vec<Expected>,
}

/// What a vector is compared with middles for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// To lie there.
    Lying,
    /// To be looked for there.
    Looking,
}

impl Division {
    /// Of these middles.
    pub(super) fn new(metric: Metric, dimension: usize, middles: &[f32]) -> Self {
        let count = middles.len() / dimension;
        let mut bytes = Vec::with_capacity(Self::padded(count) * dimension * 4);
        bytes.extend(middles.iter().flat_map(|number| number.to_le_bytes()));
        bytes.resize(Self::padded(count) * dimension * 4, 0);
        Self { metric, dimension, count, middles: bytes.into(), expected: Vec::new() }
    }

    /// The same with what looking into some lists finds.
    pub(super) fn expecting(&self, expected: Vec<Expected>) -> Self {
        Self { expected, ..self.clone() }
    }

    fn padded(count: usize) -> usize {
        blocks(count as u64) * BLOCK_ROWS
    }

    /// What so many middles take in memory.
    pub(in crate::index) fn heap_bytes(lists: usize, dimension: usize) -> u64 {
        (Self::padded(lists) as u64).saturating_mul(dimension as u64 * 4)
    }

    /// That of an index on disk.
    pub(in crate::index) fn open(
        folder: &Path,
        learned: &Learned,
        shape: Shape,
    ) -> Result<Self, ColumnError> {
        let column = Column::open(&path(folder, learned.centroids, Holds::Centroids), &header(shape))?;
        if column.header().units != learned.lists as u64 {
            let why = "it has another number of lists than its index";
            return Err(ColumnError::Foreign { path: column.path().to_owned(), why });
        }
        let numbers = shape.dimension * 4;
        let mut middles = vec![0; Self::padded(learned.lists) * numbers];
        let mut unit = vec![0; Originals::row_bytes(shape.dimension)];
        for (list, into) in (0..learned.lists as u64).zip(middles.chunks_exact_mut(numbers)) {
            column.read_unit(list, &mut unit)?;
            let (found, sum) = unit.split_at(numbers);
            if sum != xxhash_rust::xxh3::xxh3_64(found).to_le_bytes() {
                return Err(column.damaged(list));
            }
            into.copy_from_slice(found);
        }
        let Shape { metric, dimension, .. } = shape;
        let expected = learned.expected.clone();
        Ok(Self { metric, dimension, count: learned.lists, middles: middles.into(), expected })
    }

    /// Writes the middles, and says where.
    pub(super) fn write(&self, folder: &Path, number: u64, shape: Shape) -> Result<PathBuf, ColumnError> {
        let path = path(folder, number, Holds::Centroids);
        // One that was begun and not published is nobody's.
        let _ = std::fs::remove_file(&path);
        let mut writer = ColumnWriter::create(&path, header(shape))?;
        let mut unit = Vec::with_capacity(Originals::row_bytes(self.dimension));
        for middle in self.middles.chunks_exact(self.dimension * 4).take(self.count) {
            unit.clear();
            unit.extend_from_slice(middle);
            unit.extend_from_slice(&xxhash_rust::xxh3::xxh3_64(middle).to_le_bytes());
            writer.append(&unit, 1)?;
        }
        writer.finish()?;
        Ok(path)
    }

    /// What its file takes.
    pub(in crate::index) fn disk_bytes(&self) -> u64 {
        (PAGE_BYTES + self.count * Originals::row_bytes(self.dimension)) as u64
    }

    /// How many lists there are.
    pub(in crate::index) fn count(&self) -> usize {
        self.count
    }

    /// What looking into some of them finds.
    pub(in crate::index) fn expected(&self) -> &[Expected] {
        &self.expected
    }

    /// What comparing takes of memory, with so many threads and this many of the nearest.
    pub(super) fn nearest_bytes(metric: Metric, dimension: usize, nearest: usize, threads: usize) -> u64 {
        let (plain, copies) = plain(metric, For::Looking);
        let queries = Queries::bytes_for(Codec::F32, plain, dimension, AT_ONCE).get();
        let tops = Tops::bytes_for(Codec::F32, plain, dimension, AT_ONCE, nearest).get();
        let signs = if copies { (AT_ONCE * dimension * 4) as u64 } else { 0 };
        let hits = nearest as u64 * size_of::<Hit>() as u64;
        (queries + tops + signs + hits).saturating_mul(threads as u64)
    }

    /// What looking for the lists of so many queries takes of memory, with so many threads and this many of the nearest.
    pub(super) fn looked_for_bytes(shape: &Shape, queries: usize, nearest: usize, threads: usize) -> u64 {
        let dimension = shape.dimension;
        let (plain, copies) = plain(shape.metric, For::Looking);
        let (at_once, prepared) = if are_numbers(shape.codec, copies) {
            (queries, 0)
        } else {
            let at_once = queries.min(LOOKED_FOR);
            let signs = if copies { (at_once * dimension * 4) as u64 } else { 0 };
            (at_once, Queries::bytes_for(Codec::F32, plain, dimension, at_once).get() + signs)
        };
        let tops = Tops::bytes_for(Codec::F32, plain, dimension, at_once, nearest).get();
        let hits = nearest as u64 * size_of::<Hit>() as u64;
        prepared.saturating_add(tops.saturating_mul(threads as u64)).saturating_add(hits)
    }

    /// The lists to look into, likewise, of queries that were prepared for codes. Threads share the middles: queries are
    /// few.
    pub(super) fn looked_for(
        &self,
        (vectors, queries): (&[f32], &Queries),
        among: &[u64],
        threads: usize,
        into: &mut [Hit],
    ) -> Result<(), VecError> {
        let each = into.len() / queries.count().max(1);
        if are_numbers(queries.codec(), plain(self.metric, For::Looking).1) {
            return self.among(queries, among, threads, each, into);
        }
        let parts = vectors.chunks(LOOKED_FOR * self.dimension).zip(into.chunks_mut(LOOKED_FOR * each));
        for (part, (vectors, into)) in parts.enumerate() {
            let queries =
                self.prepared(vectors, For::Looking).map_err(|error| error.after(part * LOOKED_FOR))?;
            self.among(&queries, among, threads, each, into)?;
        }
        Ok(())
    }

    /// The middles as numbers, one after the other.
    pub(in crate::index) fn middles(&self) -> &[u8] {
        &self.middles[..self.count * self.dimension * 4]
    }

    /// By which metric vectors are looked for among middles, and of how many numbers.
    pub(in crate::index) fn looked_for_by(&self) -> (Metric, usize) {
        (plain(self.metric, For::Looking).0, self.dimension)
    }

    /// Vectors as they are looked for.
    pub(in crate::index) fn asked<'v>(&self, vectors: &'v [f32]) -> Cow<'v, [f32]> {
        if plain(self.metric, For::Looking).1 {
            Cow::Owned(vectors.iter().copied().map(sign).collect())
        } else {
            Cow::Borrowed(vectors)
        }
    }

    fn among(
        &self,
        queries: &Queries,
        among: &[u64],
        threads: usize,
        each: usize,
        into: &mut [Hit],
    ) -> Result<(), VecError> {
        let bytes = self.dimension * 4 * BLOCK_ROWS;
        let work = self.middles.len().saturating_mul(queries.count()) / THREAD_WORK;
        let all: Mutex<Option<Tops>> = Mutex::new(None);
        let failed = Mutex::new(None);
        let next = AtomicUsize::new(0);
        on_threads(work.clamp(1, threads), &|| {
            let mut tops = match Tops::new(queries, each) {
                Ok(tops) => tops,
                Err(error) => return *lock(&failed) = Some(error),
            };
            loop {
                let block = next.fetch_add(BLOCKS, Ordering::Relaxed);
                let first = block * BLOCK_ROWS;
                let Some(blocks) = self.middles.get(block * bytes..).filter(|_| first < self.count) else {
                    break;
                };
                let count = (self.count - first).min(BLOCKS * BLOCK_ROWS);
                scan(queries, blocks, count, first as u64, among.get(block..), &mut tops);
            }
            match &mut *lock(&all) {
                Some(all) => all.merge(&tops),
                none => *none = Some(tops),
            }
        });
        if let Some(error) = lock(&failed).take() {
            return Err(error.into());
        }
        let all = unlocked(all).ok_or(VecError::Died)?;
        fill(&all, each, into);
        Ok(())
    }

    /// The nearest lists of each vector, as many as there are places for each in `into`, the nearest first. Only those
    /// whose bit is set in `among`, if it is given. The outcome does not depend on threads.
    pub(super) fn nearest(
        &self,
        vectors: &[f32],
        wanted: For,
        among: Option<&[u64]>,
        threads: usize,
        into: &mut [Hit],
    ) -> Result<(), CodeError> {
        let count = vectors.len() / self.dimension;
        let each = into.len() / count.max(1);
        if count == 0 || each == 0 {
            return Ok(());
        }
        let parts = vectors.chunks(AT_ONCE * self.dimension).zip(into.chunks_mut(AT_ONCE * each));
        let work = Mutex::new(parts.enumerate());
        let failed = Mutex::new(None);
        let one = || {
            loop {
                let next = lock(&work).next();
                let Some((part, (vectors, into))) = next else { return };
                if let Err(error) = self.part(vectors, wanted, among, each, into) {
                    let error = error.after(part * AT_ONCE);
                    let mut failed = lock(&failed);
                    // The first vector that is wrong is told, whoever found one first.
                    if failed.as_ref().is_none_or(|(other, _)| part < *other) {
                        *failed = Some((part, error));
                    }
                }
            }
        };
        on_threads(threads.min(count.div_ceil(AT_ONCE)), &one);
        match unlocked(failed) {
            Some((_, error)) => Err(error),
            None => Ok(()),
        }
    }

    fn part(
        &self,
        vectors: &[f32],
        wanted: For,
        among: Option<&[u64]>,
        each: usize,
        into: &mut [Hit],
    ) -> Result<(), CodeError> {
        let queries = self.prepared(vectors, wanted)?;
        let Ok(mut tops) = Tops::new(&queries, each) else { return Ok(()) };
        scan(&queries, &self.middles, self.count, 0, among, &mut tops);
        fill(&tops, each, into);
        Ok(())
    }

    /// Vectors as they are compared with middles.
    fn prepared(&self, vectors: &[f32], wanted: For) -> Result<Queries, CodeError> {
        Queries::new(Codec::F32, plain(self.metric, wanted).0, self.dimension, &self.asked(vectors))
    }

    /// The list that each vector lies in, for the batches of a build.
    pub(super) fn lists_of(&self, vectors: &[f32], threads: usize, hits: &mut [Hit]) -> Result<(), VecError> {
        Ok(self.nearest(vectors, For::Lying, None, threads, hits)?)
    }
}

/// What was found of each vector in its places.
fn fill(tops: &Tops, each: usize, into: &mut [Hit]) {
    for (query, into) in into.chunks_exact_mut(each).enumerate() {
        let found = tops.hits(query);
        into.fill(NOWHERE);
        into[..found.len()].copy_from_slice(&found);
    }
}

/// Whether queries for such codes are prepared as they are for middles: these are numbers, and looked for as the metric
/// has it.
fn are_numbers(codec: Codec, copies: bool) -> bool {
    codec == Codec::F32 && !copies
}

/// The metric by which vectors are compared with middles, and whether as signs.
fn plain(metric: Metric, wanted: For) -> (Metric, bool) {
    match (metric, wanted) {
        (Metric::Hamming, _) => (Metric::L2, true),
        (Metric::Ip, For::Lying) => (Metric::L2, false),
        (metric, _) => (metric, false),
    }
}

/// A number's sign as a number.
pub(super) fn sign(number: f32) -> f32 {
    // A number that is none stays one, so that it is refused.
    if number.is_finite() { 1.0_f32.copysign(number) } else { number }
}

fn header(shape: Shape) -> Header {
    Header {
        holds: Holds::Centroids,
        dimension: u32::try_from(shape.dimension).unwrap_or(u32::MAX),
        codec: 0,
        unit_bytes: Originals::row_bytes(shape.dimension) as u64,
        units: 0,
        rows: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(metric: Metric) -> Shape {
        Shape { dimension: 2, metric, codec: Codec::F32, originals: false, lists: None, reduced: None }
    }

    fn nearest(division: &Division, vectors: &[f32], wanted: For, each: usize) -> Vec<u64> {
        let mut hits = vec![NOWHERE; vectors.len() / 2 * each];
        division.nearest(vectors, wanted, None, 2, &mut hits).unwrap();
        hits.iter().map(|hit| hit.row).collect()
    }

    #[test]
    fn under_the_inner_product_lying_and_looking_differ() {
        let division = Division::new(Metric::Ip, 2, &[1.0, 0.0, 100.0, 1.0]);
        assert_eq!(nearest(&division, &[2.0, 0.0], For::Lying, 1), [0]);
        assert_eq!(nearest(&division, &[2.0, 0.0], For::Looking, 2), [1, 0]);
        let division = Division::new(Metric::Hamming, 2, &[1.0, -1.0, -1.0, -1.0]);
        assert_eq!(nearest(&division, &[9.0, -0.1, -7.0, 0.1], For::Looking, 1), [0, 1]);
        // Fewer lists than were asked for.
        assert_eq!(nearest(&division, &[9.0, -0.1], For::Looking, 3), [0, 1, u64::MAX]);
    }

    #[test]
    fn middles_come_back_and_damage_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let division = Division::new(Metric::L2, 2, &[1.0, 2.0, 3.0, 4.0, -5.0, 6.0]);
        let path = division.write(folder.path(), 4, shape(Metric::L2)).unwrap();
        let learned = Learned { centroids: 4, lists: 3, expected: vec![Expected::new(1, 0.5)] };
        let back = Division::open(folder.path(), &learned, shape(Metric::L2)).unwrap();
        assert_eq!((back.count(), &back.middles), (3, &division.middles));
        assert_eq!(back.expected()[0].found, 5000);
        let other = Learned { lists: 2, ..learned.clone() };
        assert!(Division::open(folder.path(), &other, shape(Metric::L2)).is_err());
        let mut bytes = std::fs::read(&path).unwrap();
        let end = bytes.len() - 10;
        bytes[end] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let damaged = Division::open(folder.path(), &learned, shape(Metric::L2));
        assert!(matches!(damaged, Err(ColumnError::Damaged { unit: 2, .. })));
    }

    #[test]
    fn the_first_vector_that_is_wrong_is_told() {
        let division = Division::new(Metric::Cosine, 2, &[1.0, 0.0, 0.0, 1.0]);
        let mut vectors = vec![1.0; 2 * 1000];
        vectors[2 * 900..][..2].fill(0.0);
        vectors[2 * 700..][..2].fill(0.0);
        let mut hits = vec![NOWHERE; 1000];
        let error = division.nearest(&vectors, For::Lying, None, 3, &mut hits).unwrap_err();
        assert!(matches!(error, CodeError::NoDirection { vector: 700 }), "{error}");
    }
}
