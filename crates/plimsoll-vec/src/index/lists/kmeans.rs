//! Middles of lists, learned from a sample.

use std::sync::Mutex;

use super::division::{Division, For, NOWHERE};
use super::seed::{self, seeds, square};
use crate::Metric;
use crate::code::normalize;
use crate::held::lock;
use crate::index::VecError;
use crate::index::encode::on_threads;
use crate::top::Hit;

/// Vectors of the sample for each list that seeds are drawn from: more do not begin better.
const SEED_ROWS: usize = 32;
/// Turns over a quarter of the sample, and then over all of it: most of the way is made while it is cheap.
const TURNS: [(usize, usize); 2] = [(4, 6), (1, 4)];
/// A turn that betters less than this share of the sum of squares is the last.
const ENOUGH: f64 = 0.002;
/// So far a list's middle is moved to either side when it is cut in two, of the way to its farthest vector.
const APART: f32 = 0.125;
/// Lists whose means a thread makes at once.
const LISTS_AT_ONCE: usize = 16;

/// What learning takes of memory for each vector of the sample, beside the vector: a hit and its place, or what seeds take.
pub(super) const ROW_BYTES: u64 = if seed::ROW_BYTES > 20 { seed::ROW_BYTES } else { 20 };

/// What it takes beside the sample: middles, those of the turn before in blocks, and what threads compare in.
pub(super) fn beside_bytes((metric, dimension): (Metric, usize), lists: usize, threads: usize) -> u64 {
    let middles = (lists as u64).saturating_mul(dimension as u64 * 4 + 16);
    let sums = (threads * dimension * 8) as u64;
    let compare = Division::nearest_bytes(metric, dimension, 1, threads);
    middles
        .saturating_add(Division::heap_bytes(lists, dimension))
        .saturating_add(sums)
        .saturating_add(compare)
}

/// The middles of so many lists: k-means++, then Lloyd's turns. A list that nothing lies in takes half of the largest.
///
/// The sample has vectors of length one under cosine, and signs under Hamming; its front is a sample of it. The outcome
/// depends on the sample alone.
pub(super) fn middles(
    sample: &[f32],
    (metric, dimension): (Metric, usize),
    lists: usize,
    threads: usize,
) -> Result<Vec<f32>, VecError> {
    let rows = sample.len() / dimension;
    let front = rows.min(lists.saturating_mul(SEED_ROWS));
    let mut middles = seeds(&sample[..front * dimension], (metric, dimension), lists, threads)?;
    let mut hits = vec![NOWHERE; rows];
    let mut order = vec![0_u32; rows];
    for (part, turns) in TURNS {
        let rows = (rows / part).max(front);
        let (sample, hits, order) = (&sample[..rows * dimension], &mut hits[..rows], &mut order[..rows]);
        let mut last = f64::INFINITY;
        for _ in 0..turns {
            let division = Division::new(metric, dimension, &middles);
            division.nearest(sample, For::Lying, None, threads, hits)?;
            drop(division);
            let sum: f64 = hits.iter().map(|hit| f64::from(square(metric, hit.score))).sum();
            let starts = by_list(hits, lists, order);
            let turn = Turn { sample, dimension, metric, hits, order, starts: &starts };
            turn.means(&mut middles, threads);
            let cut = turn.fill(&mut middles);
            if cut == 0 && sum >= last * (1.0 - ENOUGH) {
                break;
            }
            last = sum;
        }
    }
    Ok(middles)
}

/// Puts the numbers of vectors in the order of their lists, and says where each list begins.
fn by_list(hits: &[Hit], lists: usize, order: &mut [u32]) -> Vec<u32> {
    let list = |hit: &Hit| usize::try_from(hit.row).unwrap_or_default().min(lists - 1);
    let mut starts = vec![0_u32; lists + 1];
    for hit in hits {
        starts[list(hit) + 1] += 1;
    }
    for at in 0..lists {
        starts[at + 1] += starts[at];
    }
    let mut next = starts.clone();
    for (row, hit) in (0..).zip(hits) {
        let place = &mut next[list(hit)];
        order[*place as usize] = row;
        *place += 1;
    }
    starts
}

/// A turn: which vectors lie in which list.
struct Turn<'t> {
    sample: &'t [f32],
    dimension: usize,
    metric: Metric,
    hits: &'t [Hit],
    order: &'t [u32],
    starts: &'t [u32],
}

impl Turn<'_> {
    fn members(&self, list: usize) -> &[u32] {
        &self.order[self.starts[list] as usize..self.starts[list + 1] as usize]
    }

    fn vector(&self, row: u32) -> &[f32] {
        &self.sample[row as usize * self.dimension..][..self.dimension]
    }

    /// Moves each middle to where its vectors are. A list's sum is one thread's, in the order of vectors.
    fn means(&self, middles: &mut [f32], threads: usize) {
        let parts = middles.chunks_mut(LISTS_AT_ONCE * self.dimension).enumerate();
        let work = Mutex::new(parts);
        on_threads(threads, &|| {
            let mut sums = vec![0.0_f64; self.dimension];
            loop {
                let next = lock(&work).next();
                let Some((part, middles)) = next else { return };
                for (list, middle) in (part * LISTS_AT_ONCE..).zip(middles.chunks_exact_mut(self.dimension)) {
                    self.mean(list, &mut sums, middle);
                }
            }
        });
    }

    #[expect(clippy::cast_possible_truncation, reason = "middles are singles")]
    fn mean(&self, list: usize, sums: &mut [f64], middle: &mut [f32]) {
        let members = self.members(list);
        if members.is_empty() {
            return;
        }
        sums.fill(0.0);
        for row in members {
            for (sum, number) in sums.iter_mut().zip(self.vector(*row)) {
                *sum += f64::from(*number);
            }
        }
        // A sum of directions that leave nothing has no middle: the list keeps the one it had.
        let spherical = self.metric == Metric::Cosine;
        let length = sums.iter().map(|sum| sum * sum).sum::<f64>().sqrt();
        let scale =
            if spherical { length } else { f64::from(u32::try_from(members.len()).unwrap_or(u32::MAX)) };
        if scale > 0.0 {
            for (into, sum) in middle.iter_mut().zip(sums) {
                *into = (*sum / scale) as f32;
            }
        }
    }

    /// Cuts the largest lists in two for those that have nothing. Says how many.
    fn fill(&self, middles: &mut [f32]) -> usize {
        let lists = self.starts.len() - 1;
        let mut sizes: Vec<u32> = self.starts.windows(2).map(|two| two[1] - two[0]).collect();
        let mut cut = 0;
        for empty in 0..lists {
            if sizes[empty] > 0 {
                continue;
            }
            let Some(largest) = (0..lists).max_by_key(|list| (sizes[*list], lists - list)) else { break };
            let far = self
                .members(largest)
                .iter()
                .max_by(|a, b| self.hits[**a as usize].score.total_cmp(&self.hits[**b as usize].score));
            let Some(far) = far.filter(|far| {
                sizes[largest] > 1 && square(self.metric, self.hits[**far as usize].score) > 0.0
            }) else {
                break;
            };
            let middle = middles[largest * self.dimension..][..self.dimension].to_vec();
            for (at, (middle, far)) in middle.iter().zip(self.vector(*far)).enumerate() {
                let step = (far - middle) * APART;
                middles[largest * self.dimension + at] = middle - step;
                middles[empty * self.dimension + at] = middle + step;
            }
            if self.metric == Metric::Cosine {
                for list in [largest, empty] {
                    normalize(&mut middles[list * self.dimension..][..self.dimension]);
                }
            }
            sizes[empty] = sizes[largest] / 2;
            sizes[largest] -= sizes[empty];
            cut += 1;
        }
        cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors near one of so many corners.
    fn grouped(groups: u16, each: u16) -> Vec<f32> {
        let mut random = seed::Random(5);
        let mut some = |most: u16| f32::from(u16::try_from(random.below(most.into())).unwrap());
        let corners: Vec<[f32; 4]> = (0..groups).map(|_| [(); 4].map(|()| some(1000) - 500.0)).collect();
        let near =
            |corner: &[f32; 4], some: &mut dyn FnMut(u16) -> f32| corner.map(|at| at + some(20) - 10.0);
        (0..each)
            .flat_map(|_| corners.iter().flat_map(|corner| near(corner, &mut some)).collect::<Vec<_>>())
            .collect()
    }

    fn spread(sample: &[f32], middles: &[f32]) -> f64 {
        let mut hits = vec![NOWHERE; sample.len() / 4];
        let division = Division::new(Metric::L2, 4, middles);
        division.nearest(sample, For::Lying, None, 1, &mut hits).unwrap();
        hits.iter().map(|hit| f64::from(hit.score)).sum::<f64>()
            / f64::from(u32::try_from(hits.len()).unwrap())
    }

    #[test]
    fn middles_are_where_vectors_are() {
        let sample = grouped(40, 60);
        let found = middles(&sample, (Metric::L2, 4), 40, 2).unwrap();
        // Uniform within 20 a side: 4 × 20² / 12 is all that is left.
        let left = spread(&sample, &found);
        assert!(left < 200.0, "{left}");
        assert_eq!(found, middles(&sample, (Metric::L2, 4), 40, 1).unwrap(), "threads do not matter");
    }

    #[test]
    fn a_list_that_has_nothing_takes_half_of_the_largest() {
        let sample = grouped(2, 200);
        let hits: Vec<Hit> =
            (0_u16..400).map(|row| Hit { score: 1.0 + f32::from(row), row: u64::from(row % 2) }).collect();
        let mut order = vec![0; 400];
        let starts = by_list(&hits, 4, &mut order);
        assert_eq!(starts, [0, 200, 400, 400, 400]);
        let turn = Turn {
            sample: &sample,
            dimension: 4,
            metric: Metric::L2,
            hits: &hits,
            order: &order,
            starts: &starts,
        };
        let mut middles = sample[..8].repeat(2);
        turn.means(&mut middles, 2);
        assert_eq!(turn.fill(&mut middles), 2);
        let mut hits = vec![NOWHERE; 400];
        Division::new(Metric::L2, 4, &middles).nearest(&sample, For::Lying, None, 1, &mut hits).unwrap();
        let starts = by_list(&hits, 4, &mut order);
        assert!(starts.windows(2).all(|two| two[1] - two[0] > 40), "{starts:?}");
    }

    #[test]
    fn one_vector_makes_one_list_and_leaves_the_others_empty() {
        let found = middles(&[1.0, 0.0].repeat(90), (Metric::Cosine, 2), 3, 2).unwrap();
        assert!(found.iter().all(|number| number.is_finite()));
        let mut hits = vec![NOWHERE; 1];
        let division = Division::new(Metric::Cosine, 2, &found);
        division.nearest(&[5.0, 0.0], For::Lying, None, 1, &mut hits).unwrap();
        assert_eq!(hits[0].row, 0);
    }

    #[test]
    fn directions_that_cancel_keep_a_middle() {
        let sample = [[1.0, 0.0], [-1.0, 0.0]].concat().repeat(20);
        let found = middles(&sample, (Metric::Cosine, 2), 1, 1).unwrap();
        assert!((found[0] * found[0] + found[1] * found[1] - 1.0).abs() < 1e-5, "{found:?}");
    }
}
