//! How much of a file is learned from, and in how much memory.

use plimsoll::{Bytes, EngineAccount};

use super::compare::{self, planes_width};
use super::descent::Descent;
use super::run::Training;
use super::{pca, sample};
use crate::input::InputFacts;
use crate::neural::site::standing;
use crate::neural::{NeuralCodec, NeuralError, NeuralShape};

/// Fewer vectors say nothing.
pub(super) const LEAST_ROWS: usize = 64;
/// Fewer are not learned from because of a small budget, where there are more.
const LEAST_WITHIN: usize = 2048;

/// The first piece of memory that a pool takes, unless there is less.
const POOL_FIRST: u64 = 32 << 20;

/// What is done, and what it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) shape: NeuralShape,
    /// Vectors that are kept.
    pub(super) rows: usize,
    /// Components that are found: for the latent, and for what it is compared with.
    pub(super) components: usize,
    /// What steps and comparisons take besides the vectors.
    pub(super) passing: u64,
    /// What the pool takes more than it leases: its first piece is large where there is room.
    pub(super) spare: u64,
}

/// Vectors for each purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) learned: usize,
    pub(super) chosen: usize,
    pub(super) base: usize,
    pub(super) queries: usize,
}

impl Parts {
    /// Of so many rows, at least [`LEAST_ROWS`].
    pub(super) fn of(rows: usize) -> Self {
        let judged = (rows / 5).clamp(32, 12_000);
        let chosen = (rows / 10).clamp(8, 4_000);
        let queries = (judged / 4).min(200);
        Self { learned: rows - judged - chosen, chosen, base: judged - queries, queries }
    }
}

impl Plan {
    /// As much as the budget lets.
    pub(super) fn new(
        training: &Training,
        facts: InputFacts,
        account: &EngineAccount,
    ) -> Result<Self, NeuralError> {
        let shape = NeuralShape {
            dimension: facts.dimension,
            latent: training.latent,
            normalized: training.normalized,
        };
        shape.check()?;
        if let Some(rows) = facts.rows.filter(|rows| *rows < LEAST_ROWS as u64) {
            return Err(NeuralError::FewRows { rows, least: LEAST_ROWS as u64 });
        }
        let components = shape.latent.max(planes_width(shape).unwrap_or_default());
        let there = facts.rows.map_or(usize::MAX, |rows| usize::try_from(rows).unwrap_or(usize::MAX));
        let wanted = there.min(training.sample.max(LEAST_ROWS));
        let row = shape.dimension as u64 * 4;
        // What decoding the file takes is little beside what learning takes; it is counted as if it were at the same time.
        let passing = Self::passing(shape, components, training.threads).saturating_add(facts.beside.get());
        let (budget, room) = standing(account);
        let rows = usize::try_from(room.saturating_sub(passing) / row).unwrap_or(usize::MAX).min(wanted);
        let least = wanted.min(LEAST_WITHIN);
        if rows < least {
            let used = budget.get().saturating_sub(room);
            let needed = used.saturating_add(passing).saturating_add(row.saturating_mul(least as u64));
            return Err(NeuralError::Budget { budget, what: "to train in", needed: Bytes::new(needed) });
        }
        let spare = POOL_FIRST.min(room - passing - rows as u64 * row);
        Ok(Self { shape, rows, components, passing, spare })
    }

    /// What the largest of the steps takes, with the weights that live through all of them.
    fn passing(shape: NeuralShape, components: usize, threads: usize) -> u64 {
        let NeuralShape { dimension, latent, .. } = shape;
        // Components; two starts, the best so far and the last.
        let weights = (components * dimension * 4) as u64 + shape.weight_bytes() * 4;
        let trial = NeuralCodec::bytes_for(shape).get() + compare::trial_bytes(shape, threads);
        let steps = [
            sample::bytes_for(dimension),
            pca::bytes_for(dimension, components, threads),
            Descent::bytes_for(dimension, latent, threads) + shape.weight_bytes() * 2 + trial,
            compare::bytes_for(shape, components, threads) + trial,
        ];
        // A pool takes its memory in pieces.
        weights.saturating_add(steps.into_iter().max().unwrap_or_default()).saturating_add(1 << 20)
    }
}
