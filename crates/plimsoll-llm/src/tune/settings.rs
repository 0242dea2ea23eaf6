//! What a fine-tuning is asked for.

use plimsoll_tensor::{Share, StatesAs};

use super::changes::Projection;
use super::error::TuneError;
use crate::weights::Shape;

/// How a model is changed. [`Default`] is a change that fits most: rank 16 in all seven matrices of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct TuneSettings {
    /// The rank of changes.
    pub rank: usize,
    /// Changes are multiplied by `alpha / rank`.
    pub alpha: f32,
    /// Which matrices are changed.
    pub targets: Vec<Projection>,
    /// Texts side by side in a pass.
    pub batch: usize,
    /// Tokens of each.
    pub sequence: usize,
    /// Passes whose gradients are added up for a step.
    pub passes: usize,
    /// How far a step goes at most.
    pub rate: f32,
    /// Steps until then, from none.
    pub warmup: u32,
    /// Steps in all: the rate falls to a tenth by then.
    pub steps: u32,
    /// Gradients longer than this are made as short; 0: never.
    pub clip: f32,
    /// What is taken of the weights themselves, times the rate.
    pub decay: f32,
    /// What is drawn by lot is drawn from this.
    pub seed: u64,
    /// How the optimizer's states are kept.
    pub states: StatesAs,
    /// Which part of them a member of a [`Team`](super::Team) has; [all](Share::ALL), unless they are divided.
    pub share: Share,
}

impl Default for TuneSettings {
    fn default() -> Self {
        Self {
            rank: 16,
            alpha: 32.0,
            targets: Projection::ALL.to_vec(),
            batch: 1,
            sequence: 512,
            passes: 1,
            rate: 2e-4,
            warmup: 10,
            steps: 100,
            clip: 1.0,
            decay: 0.0,
            seed: 1,
            states: StatesAs::Singles,
            share: Share::ALL,
        }
    }
}

impl TuneSettings {
    /// Refuses what cannot be.
    pub(super) fn check(&self, shape: &Shape) -> Result<(), TuneError> {
        let what = if self.rank == 0 || self.targets.is_empty() {
            "a change of rank 0, or of no matrix, changes nothing; give a rank and targets".to_owned()
        } else if self.batch == 0 || self.passes == 0 || self.steps == 0 {
            "no rows, no passes or no steps teach nothing; give at least one of each".to_owned()
        } else if self.sequence < 2 || self.sequence > shape.context {
            format!("sequences are 2 to {} tokens for this model, not {}", shape.context, self.sequence)
        } else if self.rate.is_nan() || self.rate < 0.0 || !self.alpha.is_finite() {
            format!("a rate of {} and an alpha of {} are not possible", self.rate, self.alpha)
        } else {
            return Ok(());
        };
        Err(TuneError::Settings { what })
    }

    /// The rate of a step, from 1 on: it rises evenly, and falls along half a cosine.
    #[expect(clippy::cast_precision_loss, reason = "steps are far below 2^24")]
    pub fn rate_at(&self, step: u32) -> f32 {
        if step <= self.warmup {
            return self.rate * step as f32 / self.warmup as f32;
        }
        let all = self.steps.saturating_sub(self.warmup).max(1) as f32;
        let done = ((step - self.warmup) as f32 / all).min(1.0);
        self.rate * (0.1 + 0.45 * (1.0 + (std::f32::consts::PI * done).cos()))
    }
}
