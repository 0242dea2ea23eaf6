//! AdamW, with its states as tensors.

use crate::compute::{AdamStep, Done};
use crate::grad::{Gradients, LeafId, Leaves};
use crate::stage::Stage;
use crate::{Dtype, Tensor, TensorError};

/// How AdamW goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWSettings {
    /// How much of the mean is kept from step to step.
    pub beta1: f32,
    /// How much of the mean of squares is kept.
    pub beta2: f32,
    /// What is added to the root that is divided by.
    pub epsilon: f32,
    /// What is taken of the weights themselves, times the rate.
    pub decay: f32,
}

impl Default for AdamWSettings {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0 }
    }
}

/// AdamW: two states for each number that is learned, in singles, leased when it is made and never again.
#[derive(Debug)]
pub struct AdamW {
    settings: AdamWSettings,
    means: Vec<Tensor>,
    squares: Vec<Tensor>,
    steps: u32,
}

impl AdamW {
    /// For these leaves.
    pub fn new(stage: &Stage, leaves: &Leaves, settings: AdamWSettings) -> Result<Self, TensorError> {
        let zeros = || -> Result<Vec<Tensor>, TensorError> {
            leaves.all().map(|(_, _, value)| stage.zeros(&value.dims(), Dtype::F32)).collect()
        };
        Ok(Self { settings, means: zeros()?, squares: zeros()?, steps: 0 })
    }

    /// How many steps were made.
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// One step at this rate. Gradients are multiplied by `factor` first: the inverse of a loss scale, a clipping.
    pub fn step(&mut self, leaves: &mut Leaves, gradients: &Gradients, rate: f32, factor: f32) -> Done {
        let AdamWSettings { beta1, beta2, epsilon, decay } = self.settings;
        let step = AdamStep { rate, beta1, beta2, epsilon, decay, factor, step: self.steps + 1 };
        let ids: Vec<LeafId> = leaves.all().map(|(id, ..)| id).collect();
        if ids.first().is_some_and(|id| leaves.value(*id).stage().rehearses()) {
            // Nothing of a step is leased.
            return Ok(());
        }
        for (id, (mean, square)) in ids.into_iter().zip(self.means.iter_mut().zip(&mut self.squares)) {
            let value = leaves.value_mut(id);
            value.own()?;
            let stage = value.stage();
            stage.run(|compute| compute.adam(step, value, gradients.of(id), mean, square))?;
        }
        self.steps += 1;
        Ok(())
    }

    /// The states of a leaf: its mean and its mean of squares.
    pub fn states(&self, leaf: LeafId) -> [&Tensor; 2] {
        [&self.means[leaf.index()], &self.squares[leaf.index()]]
    }

    /// Goes on from states that were kept.
    pub fn resume(&mut self, steps: u32, states: impl IntoIterator<Item = [Tensor; 2]>) -> Done {
        let states: Vec<[Tensor; 2]> = states.into_iter().collect();
        let fits = states.len() == self.means.len()
            && states.iter().zip(&self.means).all(|(state, mean)| {
                state.iter().all(|state| state.dims() == mean.dims() && state.dtype() == Dtype::F32)
            });
        if !fits {
            let why = "the states that were kept are of other leaves".to_owned();
            return Err(TensorError::shape("AdamW", why));
        }
        (self.means, self.squares) = states.into_iter().map(|[mean, square]| (mean, square)).unzip();
        self.steps = steps;
        Ok(())
    }
}
