//! What looking into some lists finds: tried with vectors that were held out, against what is truly nearest.

use std::sync::Mutex;

use super::division::{Division, For, NOWHERE};
use super::lists::{Expected, PROBES_MAX};
use crate::code::Coder;
use crate::held::lock;
use crate::index::VecError;
use crate::index::dead::blocks;
use crate::index::encode::{Coding, on_threads};
use crate::scan::{Queries, scan};
use crate::top::{Hit, Tops};
use crate::{BLOCK_ROWS, Codec, Metric};

/// Of how many of the nearest it is told.
const NEAREST: usize = 10;
/// Blocks that a thread looks at together.
const BLOCKS_AT_ONCE: usize = 4;

/// Vectors that were held out, and their nearest among all that have come so far.
#[derive(Debug)]
pub(super) struct Truth {
    vectors: Vec<f32>,
    rows: Vec<u64>,
    coding: Coding,
    queries: Queries,
    tops: Vec<Tops>,
    blocks: Vec<u8>,
}

impl Truth {
    /// What it takes of memory for so many of them, with batches of so many rows.
    pub(super) fn bytes(
        (metric, dimension): (Metric, usize),
        held: usize,
        batch: usize,
        threads: usize,
    ) -> u64 {
        let codec = codec(metric);
        let queries = Queries::bytes_for(codec, metric, dimension, held).get();
        let tops = Tops::bytes_for(codec, metric, dimension, held, NEAREST + 1).get();
        let blocks = (blocks(batch as u64) * codec.block_bytes(dimension)) as u64;
        let vectors = (held * (dimension * 4 + 8)) as u64;
        queries + tops * (threads as u64 + 1) + blocks + vectors
    }

    pub(super) fn new(
        (metric, dimension): (Metric, usize),
        vectors: Vec<f32>,
        rows: Vec<u64>,
        threads: usize,
    ) -> Result<Self, VecError> {
        let kept = codec(metric);
        let queries = Queries::new(kept, metric, dimension, &vectors)?;
        let tops = (0..threads).map(|_| Tops::new(&queries, NEAREST + 1)).collect::<Result<_, _>>()?;
        let coding = Coding::new(Coder::new(kept, metric, dimension)?, None);
        Ok(Self { vectors, rows, coding, queries, tops, blocks: Vec::new() })
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.rows.len()
    }

    /// Looks at vectors, of which the first is row `first`.
    pub(super) fn look(&mut self, vectors: &[f32], first: u64) -> Result<(), VecError> {
        let layout = self.coding.layout();
        let count = vectors.len() / layout.dimension();
        let block_bytes = layout.block_bytes();
        self.blocks.resize(blocks(count as u64) * block_bytes, 0);
        self.coding.encode(layout.dimension(), vectors, &mut self.blocks, self.tops.len())?;
        let parts = self.blocks.chunks(BLOCKS_AT_ONCE * block_bytes);
        let work = Mutex::new(parts.enumerate());
        let seats = Mutex::new(self.tops.iter_mut());
        let threads = count.div_ceil(BLOCKS_AT_ONCE * BLOCK_ROWS).min(lock(&seats).len());
        on_threads(threads, &|| {
            let Some(tops) = lock(&seats).next() else { return };
            loop {
                let next = lock(&work).next();
                let Some((part, bytes)) = next else { return };
                let before = part * BLOCKS_AT_ONCE * BLOCK_ROWS;
                let rows = (count - before).min(BLOCKS_AT_ONCE * BLOCK_ROWS);
                scan(&self.queries, bytes, rows, first + before as u64, None, tops);
            }
        });
        Ok(())
    }

    /// What is found where: `list_of` says in which list a row lies.
    pub(super) fn expected(
        mut self,
        division: &Division,
        list_of: impl Fn(u64) -> u64,
        threads: usize,
    ) -> Result<Vec<Expected>, VecError> {
        let Some(mut all) = self.tops.pop() else { return Ok(Vec::new()) };
        self.tops.iter().for_each(|tops| all.merge(tops));
        let lists = division.count();
        let most = lists.min(PROBES_MAX);
        // How many of the nearest lie in the first, second, third … list that is looked into.
        let (mut found, mut nearest) = (vec![0_u64; most], 0_u64);
        let mut order = vec![NOWHERE; most];
        let dimension = self.coding.layout().dimension();
        for (query, (vector, own)) in self.vectors.chunks_exact(dimension).zip(&self.rows).enumerate() {
            division.nearest(vector, For::Looking, None, threads, &mut order)?;
            for hit in others(&all.hits(query), *own) {
                nearest += 1;
                let list = list_of(hit.row);
                if let Some(at) = order.iter().position(|near| near.row == list) {
                    found[at] += 1;
                }
            }
        }
        Ok(curve(&found, nearest, lists))
    }
}

/// The nearest of a vector but itself.
fn others(hits: &[Hit], own: u64) -> impl Iterator<Item = &Hit> {
    hits.iter().filter(move |hit| hit.row != own).take(NEAREST)
}

/// Shares for 1, 2, 3, 4, 6, 8, 12, 16 … lists, as far as they grow.
#[expect(clippy::cast_precision_loss, reason = "shares")]
fn curve(found: &[u64], nearest: u64, lists: usize) -> Vec<Expected> {
    let mut expected: Vec<Expected> = Vec::new();
    if nearest == 0 {
        return vec![Expected::new(lists, 1.0)];
    }
    let steps = (0..).flat_map(|bit| [1 << bit, (1 << bit) * 3 / 2]).filter(|step| *step > 0);
    let mut last = 0;
    for probes in steps.take_while(|probes| *probes < lists && *probes <= found.len()) {
        if probes == last {
            continue;
        }
        last = probes;
        let here: u64 = found.iter().take(probes).sum();
        let one = Expected::new(probes, here as f64 / nearest as f64);
        let grows = expected.last().is_none_or(|last| one.found > last.found);
        if grows {
            expected.push(one);
        }
    }
    expected.push(Expected::new(lists, 1.0));
    expected
}

/// What vectors are truly compared by.
fn codec(metric: Metric) -> Codec {
    if metric == Metric::Hamming { Codec::Binary } else { Codec::F32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_nearest_and_grow_to_all() {
        let curve = curve(&[50, 25, 10, 0, 5, 0, 0, 5], 100, 16);
        let points: Vec<(u32, u32)> = curve.iter().map(|one| (one.lists, one.found)).collect();
        assert_eq!(points, [(1, 5000), (2, 7500), (3, 8500), (6, 9000), (8, 9500), (16, 10_000)]);
        let alone = super::curve(&[0], 0, 1);
        assert_eq!(alone, [Expected::new(1, 1.0)], "one list has all");
    }

    #[test]
    fn what_is_held_out_finds_others_and_not_itself() {
        // Two groups on a line, a list each; row 3 is between them and lies in the first.
        let rows = [0.0_f32, 1.0, 2.0, 40.0, 99.0, 100.0, 101.0].map(|x| [x, 0.0]).concat();
        let division = Division::new(Metric::L2, 2, &[1.0, 0.0, 100.0, 0.0]);
        let mut truth = Truth::new((Metric::L2, 2), vec![1.0, 0.0], vec![1], 2).unwrap();
        truth.look(&rows[..8], 0).unwrap();
        truth.look(&rows[8..], 4).unwrap();
        let expected = truth.expected(&division, |row| u64::from(row > 3), 2).unwrap();
        // Of six others three lie in the same list.
        assert_eq!(expected, [Expected::new(1, 0.5), Expected::new(2, 1.0)]);
    }
}
