//! The best rows of many queries, and the desk of the thread that looks for them.

use plimsoll_device::Bytes;

use super::{Best, Hit, Limits};
use crate::scan::{Desk, Queries};
use crate::{Codec, Metric};

/// The most rows that can be asked for.
pub const TOP_MAX: usize = 4096;

/// Why there can be no such list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopsError {
    /// None or too many were asked for.
    #[error("the {k} nearest cannot be searched: ask for 1 to {TOP_MAX}")]
    Count {
        /// How many.
        k: usize,
    },
}

/// The `k` nearest rows of each query, as one thread finds them, and the memory which that thread works in.
///
/// It does not know rows: who scans numbers them. Each thread has its own; [`merge`](Self::merge) makes one of two, with
/// the same outcome in whatever order. Everything is allocated by [`new`](Self::new), and a scan allocates nothing.
#[derive(Clone, Debug)]
pub struct Tops {
    k: usize,
    best: Vec<Best>,
    /// A score above this cannot enter; for whole groups of queries, below everything where there is no query.
    worst: Vec<f32>,
    desk: Desk,
}

impl Tops {
    /// An empty list for each query.
    pub fn new(queries: &Queries, k: usize) -> Result<Self, TopsError> {
        if k == 0 || k > TOP_MAX {
            return Err(TopsError::Count { k });
        }
        let mut worst = vec![f32::NEG_INFINITY; queries.padded()];
        worst[..queries.count()].fill(f32::INFINITY);
        let best = (0..queries.count()).map(|_| Best::new(k)).collect();
        Ok(Self { k, best, worst, desk: Desk::new(queries) })
    }

    /// What that takes from the heap.
    pub fn bytes_for(codec: Codec, metric: Metric, dimension: usize, count: usize, k: usize) -> Bytes {
        let lists = count.saturating_mul(Best::bytes(k));
        let worst = Queries::padded_for(count).saturating_mul(size_of::<f32>());
        let desk = Desk::bytes_for(codec, metric, dimension, count);
        Bytes::new((lists as u64).saturating_add(worst as u64).saturating_add(desk))
    }

    /// Lists alone, for rows that are [scored](crate::score) one by one: no desk to look through blocks with.
    pub(crate) fn without_desk(queries: &Queries, k: usize) -> Result<Self, TopsError> {
        if k == 0 || k > TOP_MAX {
            return Err(TopsError::Count { k });
        }
        let best = (0..queries.count()).map(|_| Best::new(k)).collect();
        Ok(Self { k, best, worst: vec![f32::INFINITY; queries.count()], desk: Desk::default() })
    }

    /// What that takes from the heap.
    pub(crate) fn bytes_without_desk(count: usize, k: usize) -> u64 {
        count.saturating_mul(Best::bytes(k).saturating_add(size_of::<f32>())) as u64
    }

    /// How many are kept for each query.
    pub fn k(&self) -> usize {
        self.k
    }

    /// How many queries.
    pub fn count(&self) -> usize {
        self.best.len()
    }

    /// What was found for a query, nearest first; fewer than `k` where there were fewer rows. None for a query that is
    /// not there.
    pub fn hits(&self, query: usize) -> Vec<Hit> {
        self.best.get(query).map(Best::sorted).unwrap_or_default()
    }

    /// A score above this cannot enter a query's list any more.
    pub fn worst(&self, query: usize) -> f32 {
        self.worst.get(query).copied().unwrap_or(f32::NEG_INFINITY)
    }

    /// Takes a row that was scored elsewhere. Nothing happens for a query that is not there.
    pub fn push(&mut self, query: usize, hit: Hit) {
        if let Some(best) = self.best.get_mut(query) {
            best.push(hit);
            self.worst[query] = best.worst();
        }
    }

    /// Tells other threads what can still enter, and learns it from them: from now on this has only what the others do not make
    /// useless, and they have to be merged to be the best of all.
    pub(crate) fn share(&mut self, limits: &Limits) {
        for (query, (best, worst)) in self.best.iter_mut().zip(&mut self.worst).enumerate() {
            best.limit(limits.meet(query, best.worst()));
            *worst = best.worst();
        }
    }

    /// Gives up all but the `k` nearest of each query; then [`rows`](Self::rows) are those.
    pub(crate) fn settle(&mut self) {
        self.best.iter_mut().for_each(Best::settle);
    }

    /// What was found for a query, in any order.
    pub(crate) fn rows(&self, query: usize) -> impl Iterator<Item = u64> {
        self.best.get(query).map(Best::unsorted).unwrap_or_default().iter().map(|hit| hit.row)
    }

    /// Takes what another thread has found in other rows.
    pub fn merge(&mut self, other: &Self) {
        for ((best, worst), found) in self.best.iter_mut().zip(&mut self.worst).zip(&other.best) {
            best.merge(found);
            *worst = best.worst();
        }
    }

    /// Forgets what was found, so that the memory can serve the same queries again.
    pub fn clear(&mut self) {
        self.best.iter_mut().for_each(Best::clear);
        let count = self.best.len();
        self.worst[..count].fill(f32::INFINITY);
    }

    /// Makes this as many lists as there are queries, where they want the same desk: all of them many, or each alone.
    pub(crate) fn fit(&mut self, queries: &Queries) {
        self.best.resize_with(queries.count(), || Best::new(1));
        self.worst.clear();
        self.worst.extend(self.best.iter().map(Best::worst));
        self.worst.resize(queries.padded(), f32::NEG_INFINITY);
    }

    /// Puts a list of others in the place of a query's, and that one there.
    pub(crate) fn exchange(&mut self, query: usize, others: &mut Self, other: usize) {
        std::mem::swap(&mut self.best[query], &mut others.best[other]);
        self.worst[query] = self.best[query].worst();
        others.worst[other] = others.best[other].worst();
    }

    /// Lists, limits and desk, for a scan.
    pub(crate) fn parts(&mut self) -> (Finds<'_>, &mut Desk) {
        (Finds { best: &mut self.best, worst: &mut self.worst }, &mut self.desk)
    }
}

/// The lists without the desk.
#[derive(Debug)]
pub(crate) struct Finds<'a> {
    best: &'a mut [Best],
    worst: &'a mut [f32],
}

impl Finds<'_> {
    /// The limits of all queries, in whole groups.
    pub(crate) fn worst(&self) -> &[f32] {
        self.worst
    }

    /// Takes the hit if it is among a query's best.
    pub(crate) fn push(&mut self, query: usize, hit: Hit) {
        self.best[query].push(hit);
        self.worst[query] = self.best[query].worst();
    }
}
