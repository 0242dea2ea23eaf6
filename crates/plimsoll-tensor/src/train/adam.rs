//! AdamW, with its states as tensors.

use super::share::Share;
use super::states::{self, Slice, StatesAs};
use super::team::Together;
use crate::compute::{AdamStep, Done};
use crate::grad::{Gradients, LeafId, Leaves};
use crate::stage::Stage;
use crate::{Tensor, TensorError};

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
    /// How its states are kept.
    pub states: StatesAs,
    /// Whose they are among several that learn together: a part has states of its own leaves and changes those; then
    /// [`spread`](AdamW::spread) brings every change everywhere.
    pub share: Share,
}

impl Default for AdamWSettings {
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            decay: 0.0,
            states: StatesAs::Singles,
            share: Share::ALL,
        }
    }
}

/// AdamW: two states for each number that is learned, leased when it is made and never again.
///
/// States may be on another stage than what is learned. Then a step brings them a slice at a time, the next one while one is
/// worked with, and sends each back: here are two slices at once and no more, which a rehearsal of the step knows of.
#[derive(Debug)]
pub struct AdamW {
    settings: AdamWSettings,
    slices: Vec<Slice>,
    steps: u32,
}

impl AdamW {
    /// For these leaves, with states on this stage.
    pub fn new(stage: &Stage, leaves: &Leaves, settings: AdamWSettings) -> Result<Self, TensorError> {
        settings.share.check()?;
        let slices = states::zeros(stage, leaves, settings.states, settings.share)?;
        Ok(Self { settings, slices, steps: 0 })
    }

    /// How many steps were made.
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// One step at this rate. Gradients are multiplied by `factor` first: the inverse of a loss scale, a clipping. In a
    /// rehearsal nothing is changed, and no step counted.
    pub fn step(&mut self, leaves: &mut Leaves, gradients: &Gradients, rate: f32, factor: f32) -> Done {
        let AdamWSettings { beta1, beta2, epsilon, decay, .. } = self.settings;
        let step = AdamStep { rate, beta1, beta2, epsilon, decay, factor, step: self.steps + 1 };
        let ids: Vec<LeafId> = leaves.all().map(|(id, ..)| id).collect();
        let Some(here) = ids.first().map(|id| leaves.value(*id).stage()) else { return Ok(()) };
        for id in ids {
            leaves.value_mut(id).own()?;
        }
        let mut ahead: Option<Tensor> = None;
        for index in 0..self.slices.len() {
            let slice = &mut self.slices[index];
            if slice.states.stage().is(&here) {
                change(step, slice.parts.as_slice(), leaves, gradients, &mut slice.states)?;
                continue;
            }
            let mut brought = match ahead.take() {
                Some(brought) => brought,
                None => slice.states.to(&here)?,
            };
            ahead = self.slices.get(index + 1).map(|next| next.states.to(&here)).transpose()?;
            let slice = &mut self.slices[index];
            change(step, &slice.parts, leaves, gradients, &mut brought)?;
            slice.states.take_from(&brought)?;
        }
        if !here.rehearses() {
            self.steps += 1;
        }
        Ok(())
    }

    /// Whether the states of a leaf are in this share.
    pub fn has(&self, leaf: LeafId) -> bool {
        self.slices.iter().any(|slice| slice.parts.iter().any(|(of, _)| *of == leaf))
    }

    /// After a step of everybody's share: leaves become what the one whose they are has made of them, the same everywhere
    /// to the bit. It is a sum in which all others have zeros, so it needs no room. Nothing is to be done for who has all.
    pub fn spread(&self, leaves: &mut Leaves, together: &dyn Together) -> Done {
        if !self.settings.share.is_part() {
            return Ok(());
        }
        let others: Vec<LeafId> = leaves.all().map(|(id, ..)| id).filter(|id| !self.has(*id)).collect();
        for id in others {
            let value = leaves.value_mut(id);
            let stage = value.stage();
            stage.run(|compute| compute.fill(value, 0.0))?;
        }
        leaves.sum(together)
    }

    /// The states of a leaf as singles: its means and its means of squares; none of one that this share [has](Self::has) not.
    pub fn states(&self, leaf: LeafId) -> Result<[Vec<f32>; 2], TensorError> {
        let mut all = [Vec::new(), Vec::new()];
        for slice in &self.slices {
            for (_, part) in slice.parts.iter().filter(|(of, _)| *of == leaf) {
                for (all, found) in all.iter_mut().zip(slice.read(part)?) {
                    all.extend(found);
                }
            }
        }
        Ok(all)
    }

    /// Goes on from states that were kept, which are asked for leaf by leaf.
    pub fn resume<E: From<TensorError>>(
        &mut self,
        steps: u32,
        leaves: &Leaves,
        mut states: impl FnMut(LeafId) -> Result<[Vec<f32>; 2], E>,
    ) -> Result<(), E> {
        for (id, name, value) in leaves.all() {
            let [means, squares] = states(id)?;
            if [&means, &squares].iter().any(|kept| kept.len() as u64 != value.count()) {
                let why = format!("the states that were kept are not those of {name}");
                return Err(TensorError::shape("AdamW", why).into());
            }
            for slice in &mut self.slices {
                let parts: Vec<_> =
                    slice.parts.iter().filter(|(of, _)| *of == id).map(|(_, part)| *part).collect();
                for part in parts {
                    let range = part.from..part.from + part.len;
                    slice.write(&part, [&means[range.clone()], &squares[range]])?;
                }
            }
        }
        self.steps = steps;
        Ok(())
    }
}

/// Changes what is learned, and the states of it that are here.
fn change(
    step: AdamStep,
    parts: &[(LeafId, states::StatesPart)],
    leaves: &mut Leaves,
    gradients: &Gradients,
    states: &mut Tensor,
) -> Done {
    for (leaf, part) in parts {
        let value = leaves.value_mut(*leaf);
        let stage = value.stage();
        stage.run(|compute| compute.adam(step, *part, value, gradients.of(*leaf), states))?;
    }
    Ok(())
}
