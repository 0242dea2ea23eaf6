//! What threads tell each other while they look through different rows.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::scan::Queries;

/// For each query a score that as many rows as are wanted do not pass, whoever found them: what is above it cannot be among the
/// best of all. So each thread passes over what another has made useless, and what they find together stays the same.
#[derive(Debug)]
pub(crate) struct Limits(Vec<AtomicU32>);

impl Limits {
    /// Nothing is known yet.
    pub(crate) fn new(queries: &Queries) -> Self {
        Self((0..queries.count()).map(|_| AtomicU32::new(ordered(f32::INFINITY))).collect())
    }

    /// What that takes from the heap.
    pub(crate) fn bytes_for(queries: usize) -> u64 {
        queries.saturating_mul(size_of::<AtomicU32>()) as u64
    }

    /// Says what is known of a query, and tells what all know.
    pub(super) fn meet(&self, query: usize, score: f32) -> f32 {
        let Some(limit) = self.0.get(query) else { return score };
        let own = ordered(score);
        // Only who knows more writes: threads share these lines.
        let known = limit.load(Ordering::Relaxed);
        single(if own < known { limit.fetch_min(own, Ordering::Relaxed).min(own) } else { known })
    }
}

/// A whole number for each score, in the order of [`f32::total_cmp`].
fn ordered(score: f32) -> u32 {
    let bits = score.to_bits();
    bits ^ ((bits.cast_signed() >> 31).cast_unsigned() | 1 << 31)
}

fn single(ordered: u32) -> f32 {
    f32::from_bits(if ordered >> 31 == 1 { ordered ^ 1 << 31 } else { !ordered })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Codec, Metric};

    #[test]
    fn the_least_of_what_all_know_is_told_to_all() {
        let queries = Queries::new(Codec::F32, Metric::L2, 1, &[0.0, 1.0]).unwrap();
        let limits = Limits::new(&queries);
        for (score, told) in
            [(f32::INFINITY, f32::INFINITY), (3.0, 3.0), (5.0, 3.0), (-2.5, -2.5), (0.0, -2.5)]
        {
            assert_eq!(limits.meet(0, score).to_bits(), told.to_bits(), "{score}");
        }
        assert_eq!(limits.meet(1, 9.0).to_bits(), 9.0_f32.to_bits());
        assert_eq!(
            limits.meet(2, 9.0).to_bits(),
            9.0_f32.to_bits(),
            "a query that is not there knows nothing"
        );
    }
}
