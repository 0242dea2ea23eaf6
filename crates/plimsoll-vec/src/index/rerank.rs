//! A second look at the best candidates, with the vectors as they came.
//!
//! All candidates of a pass are looked at in the order of the disk, by all threads, and each vector is read once, whoever
//! wants it. Where rows lie by lists, those that are wanted together lie together: they are read by groups, which stay in
//! memory as long as nobody else wants the room.

use std::borrow::Cow;

use plimsoll::Bytes;

use super::pages::OfRows;
use super::search::Run;
use super::view::{Part, View};
use super::{Shape, VecError};
use crate::code::{Coder, normalize};
use crate::scan::{Kernels, Path, kernels};
use crate::segment::{Originals, Segment};
use crate::top::Hit;
use crate::{BLOCK_ROWS, Metric};

/// With fewer candidates than this for each, another thread is not worth its start.
const ROWS_A_THREAD: usize = 64;

/// A candidate: its row, its query, and its place among those of that.
type Candidate = (u64, u32, u32);

/// What a second look takes for so many queries with so many candidates each.
pub(super) fn again_bytes(shape: &Shape, queries: usize, candidates: usize, threads: usize) -> u64 {
    let each = size_of::<Candidate>() + size_of::<Hit>() + size_of::<f32>();
    let lists = queries.saturating_mul(candidates.saturating_mul(each).saturating_add(size_of::<Vec<Hit>>()));
    let directions =
        if shape.metric == Metric::Cosine { queries.saturating_mul(shape.dimension * 4) } else { 0 };
    let bytes =
        if shape.originals { Originals::row_bytes(shape.dimension) } else { shape.layout().block_bytes() };
    let hands = bytes.saturating_add(shape.dimension * 4).saturating_mul(threads);
    (lists.saturating_add(directions).saturating_add(hands)) as u64
}

impl Run<'_> {
    /// Gives the candidates of each query the scores that their vectors have, and puts them in order. Says what was read.
    pub(super) fn again(
        &self,
        vectors: &[f32],
        found: impl Fn(usize) -> Vec<Hit>,
    ) -> Result<(Vec<Vec<Hit>>, Bytes), VecError> {
        let dimension = self.view.shape.dimension;
        let mut hits: Vec<Vec<Hit>> = (0..vectors.len() / dimension).map(found).collect();
        let mut wanted: Vec<Candidate> = Vec::with_capacity(hits.iter().map(Vec::len).sum());
        for (query, hits) in (0..).zip(&hits) {
            wanted.extend((0..).zip(hits).map(|(at, hit)| (hit.row, query, at)));
        }
        wanted.sort_unstable();
        let queries = if self.view.shape.metric == Metric::Cosine {
            let mut queries = vectors.to_vec();
            // One without a direction was refused long ago.
            queries.chunks_exact_mut(dimension).for_each(|query| {
                normalize(query);
            });
            Cow::Owned(queries)
        } else {
            Cow::Borrowed(vectors)
        };
        let threads = self.threads.min(wanted.len() / ROWS_A_THREAD).max(1);
        let parts = cut(&wanted, threads, |candidate| candidate.0);
        let mut scores = vec![0.0; wanted.len()];
        let mut left = &mut scores[..];
        let work: Vec<(&[Candidate], &mut [f32])> = parts
            .iter()
            .map(|part| {
                let (these, rest) = std::mem::take(&mut left).split_at_mut(part.len());
                left = rest;
                (*part, these)
            })
            .collect();
        let look = |(part, scores): (&[Candidate], &mut [f32])| Look::new(self).all(&queries, part, scores);
        let done: Vec<Result<u64, VecError>> = std::thread::scope(|scope| {
            let mut work = work.into_iter();
            let first = work.next();
            let others: Vec<_> = work.map(|part| scope.spawn(|| look(part))).collect();
            let first = first.map(look);
            first
                .into_iter()
                .chain(others.into_iter().map(|one| one.join().unwrap_or(Err(VecError::Died))))
                .collect()
        });
        let read = done.into_iter().sum::<Result<u64, VecError>>()?;
        for ((_, query, at), score) in wanted.iter().zip(scores) {
            hits[*query as usize][*at as usize].score = score;
        }
        for hits in &mut hits {
            hits.sort_unstable();
        }
        Ok((hits, Bytes::new(read)))
    }
}

/// What a thread looks with.
struct Look<'r> {
    run: &'r Run<'r>,
    kernels: &'static Kernels,
    /// The vector in hand, and what it was read into.
    vector: Vec<f32>,
    bytes: Vec<u8>,
    /// Which block `bytes` is, of which part, where codes are originals.
    block: Option<(usize, u64)>,
    /// The cache of groups had no room: it is not asked again.
    alone: bool,
    read: u64,
}

impl<'r> Look<'r> {
    fn new(run: &'r Run<'r>) -> Self {
        Self {
            run,
            kernels: kernels(Path::best()),
            vector: vec![0.0; run.view.shape.dimension],
            bytes: Vec::new(),
            block: None,
            alone: false,
            read: 0,
        }
    }

    /// Scores candidates that are in the order of their rows, and says what was read.
    fn all(mut self, queries: &[f32], wanted: &[Candidate], scores: &mut [f32]) -> Result<u64, VecError> {
        let mut scores = scores.iter_mut();
        let mut held = None;
        for same in wanted.chunk_by(|a, b| a.0 == b.0) {
            let (place, row) = View::place(&self.run.bases, same[0].0);
            self.vector(place, row, &mut held)?;
            let Shape { metric, dimension, .. } = self.run.view.shape;
            if metric == Metric::Cosine {
                normalize(&mut self.vector);
            }
            for ((_, query, _), score) in same.iter().zip(&mut scores) {
                let query = &queries[*query as usize * dimension..][..dimension];
                *score = self.kernels.in_doubles(metric, query, &self.vector);
            }
        }
        Ok(self.read)
    }

    /// Takes the vector of a row in hand.
    fn vector(&mut self, place: usize, row: u64, held: &mut Option<Held>) -> Result<(), VecError> {
        match self.run.parts.get(place) {
            Some(Part::Young(batch)) => {
                let row = usize::try_from(row).unwrap_or(usize::MAX);
                if let Some(vector) = batch.vectors.chunks_exact(self.vector.len()).nth(row) {
                    self.vector.copy_from_slice(vector);
                }
                Ok(())
            }
            Some(Part::Segment(segment)) => match segment.originals() {
                Some(originals) => self.original(place, segment, originals, row, held),
                // Exact codes are originals.
                None => self.decoded(place, segment, row),
            },
            None => Ok(()),
        }
    }

    fn original(
        &mut self,
        place: usize,
        segment: &Segment,
        originals: &Originals,
        row: u64,
        held: &mut Option<Held>,
    ) -> Result<(), VecError> {
        if segment.lists().is_some() && !self.alone {
            let group = row / originals.group_rows();
            if held.as_ref().is_none_or(|held| (held.place, held.group) != (place, group)) {
                *held = None;
                let key = (segment.number(), group, OfRows::Originals);
                let bytes = originals.group_bytes(group);
                let fresh = || originals.group(group);
                match self.run.index.pages().group(key, bytes, fresh, &mut self.read) {
                    Ok(Some(units)) => *held = Some(Held { place, group, units }),
                    Ok(None) => self.alone = true,
                    // Another of the group may be damaged: this one is asked for alone.
                    Err(_) => {}
                }
            }
            if let Some(held) = held {
                originals.in_group(&held.units, row, &mut self.vector);
                return Ok(());
            }
        }
        originals.read(row, &mut self.bytes, &mut self.vector)?;
        self.read += self.bytes.len() as u64;
        Ok(())
    }

    fn decoded(&mut self, place: usize, segment: &Segment, row: u64) -> Result<(), VecError> {
        let shape = self.run.view.shape;
        let rows = BLOCK_ROWS as u64;
        let block = row / rows;
        if self.block != Some((place, block)) {
            self.bytes.resize(shape.layout().block_bytes(), 0);
            self.block = None;
            segment.codes().read(block, &mut self.bytes)?;
            self.block = Some((place, block));
            self.read += self.bytes.len() as u64;
        }
        let row = usize::try_from(row % rows).unwrap_or_default();
        let coder = Coder::new(shape.codec, shape.metric, shape.dimension)?;
        coder.decode(&self.bytes, row..row + 1, &mut self.vector)?;
        Ok(())
    }
}

/// A group of vectors in hand.
struct Held {
    place: usize,
    group: u64,
    units: plimsoll::holding::cached::Hit<Box<[u8]>>,
}

/// About equal parts of what is in order, none of which shares a unit with another.
fn cut<T>(left: &[T], parts: usize, unit: impl Fn(&T) -> u64) -> Vec<&[T]> {
    let mut cuts = Vec::with_capacity(parts);
    let mut from = 0;
    for part in 1..=parts {
        let mut to = (left.len() * part / parts).max(from);
        while to > from && to < left.len() && unit(&left[to - 1]) == unit(&left[to]) {
            to += 1;
        }
        cuts.push(&left[from..to]);
        from = to;
    }
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_cut_between_rows_and_lose_nothing() {
        let left: Vec<(u64, u32)> = (0..1000_u32).map(|n| (u64::from(n / 7 * 3), n % 7)).collect();
        for parts in 1..9 {
            let cuts = cut(&left, parts, |left| left.0);
            assert_eq!(cuts.concat(), left, "{parts}");
            for pair in cuts.windows(2) {
                if let (Some(a), Some(b)) = (pair[0].last(), pair[1].first()) {
                    assert_ne!(a.0, b.0, "{parts}");
                }
            }
        }
        assert_eq!(cut(&[], 3, |left: &(u64, u32)| left.0).concat(), []);
    }
}
