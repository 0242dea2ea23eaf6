//! Where k-means begins: k-means++.

use super::division::{Division, For, NOWHERE};
use crate::Metric;
use crate::index::VecError;
use crate::top::Hit;

/// The most middles that are drawn before distances are told anew.
const AT_ONCE: usize = 64;

/// Numbers from a seed (splitmix64): what is built of the same vectors is the same.
#[derive(Clone, Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// From 0 up to, and without, 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits")]
    fn unit(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// One of so many.
    pub(super) fn below(&mut self, count: u64) -> u64 {
        // The upper half of the product: as even as 64 bits let it be.
        let wide = u128::from(self.word()) * u128::from(count);
        u64::try_from(wide >> 64).unwrap_or_default()
    }
}

/// What drawing takes of memory for each vector: a hit, its distance and a sum.
pub(super) const ROW_BYTES: u64 = size_of::<Hit>() as u64 + 4 + 8;

/// Vectors to begin with, each drawn with the square of its distance to those before as its weight.
///
/// Distances are told for several new middles at once, as our kernels like it. Drawing is exact all the same: who is drawn by
/// the distances of before is taken with the share of it that is left beside those that were drawn meanwhile. Where there
/// are fewer different vectors than lists, some are given twice.
pub(super) fn seeds(
    sample: &[f32],
    (metric, dimension): (Metric, usize),
    lists: usize,
    threads: usize,
) -> Result<Vec<f32>, VecError> {
    let count = sample.len() / dimension;
    let vector = |row: usize| &sample[row * dimension..][..dimension];
    let mut random = Random(0x11f7);
    let mut far = vec![f32::INFINITY; count];
    let mut hits = vec![NOWHERE; count];
    let mut sums = vec![0.0_f64; count];
    let mut drawn = vec![usize::try_from(random.below(count as u64)).unwrap_or_default()];
    let mut fresh = drawn.clone();
    while drawn.len() < lists {
        let middles: Vec<f32> = fresh.iter().flat_map(|row| vector(*row).iter().copied()).collect();
        Division::new(metric, dimension, &middles).nearest(sample, For::Lying, None, threads, &mut hits)?;
        let mut total = 0.0;
        for ((far, hit), sum) in far.iter_mut().zip(&hits).zip(&mut sums) {
            *far = far.min(square(metric, hit.score));
            total += f64::from(*far);
            *sum = total;
        }
        if total <= 0.0 {
            break;
        }
        fresh.clear();
        let wanted = drawn.len().min(AT_ONCE).min(lists - drawn.len());
        for _ in 0..wanted * 4 {
            let at = random.unit() * total;
            let row = sums.partition_point(|sum| *sum <= at).min(count - 1);
            let near = fresh.iter().map(|other| apart(metric, vector(row), vector(*other)));
            let left = near.fold(far[row], f32::min);
            if random.unit() * f64::from(far[row]) < f64::from(left) {
                fresh.push(row);
            }
            if fresh.len() == wanted {
                break;
            }
        }
        drawn.extend_from_slice(&fresh);
    }
    Ok(drawn.iter().cycle().take(lists).flat_map(|row| vector(*row).iter().copied()).collect())
}

/// The square of a distance, of the score that tells it.
pub(super) fn square(metric: Metric, score: f32) -> f32 {
    match metric {
        // Of two vectors of length one; what rounding leaves of nothing is nothing.
        Metric::Cosine => Some(2.0 + 2.0 * score).filter(|square| *square > 1e-6).unwrap_or(0.0),
        _ => score,
    }
}

fn apart(metric: Metric, one: &[f32], other: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 16];
    for (one, other) in one.chunks(16).zip(other.chunks(16)) {
        for (sum, (a, b)) in sums.iter_mut().zip(one.iter().zip(other)) {
            *sum += (a - b) * (a - b);
        }
    }
    let square: f32 = sums.iter().sum();
    if metric == Metric::Cosine && square < 1e-6 { 0.0 } else { square }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_few_distant_groups_gets_one() {
        let mut sample = Vec::new();
        for row in 0_u16..600 {
            let group = f32::from(row % 12);
            sample.extend([group * 1000.0, group * group * 500.0, f32::from(row) / 600.0]);
        }
        for metric in [Metric::L2, Metric::Ip] {
            let found = seeds(&sample, (metric, 3), 12, 2).unwrap();
            let mut groups: Vec<f32> = found.chunks(3).map(|seed| (seed[0] / 1000.0).round()).collect();
            groups.sort_by(f32::total_cmp);
            groups.dedup();
            assert_eq!(groups.len(), 12, "{metric}");
            assert_eq!(found, seeds(&sample, (metric, 3), 12, 1).unwrap(), "threads do not matter");
        }
    }

    #[test]
    fn one_vector_again_and_again_is_all_there_is() {
        let sample = [3.0, 4.0].repeat(50);
        assert_eq!(seeds(&sample, (Metric::L2, 2), 5, 2).unwrap(), [3.0, 4.0].repeat(5));
    }
}
