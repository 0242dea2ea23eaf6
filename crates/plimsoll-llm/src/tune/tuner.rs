//! Steps of a fine-tuning.

use plimsoll::Bytes;
use plimsoll_tensor::{
    AdamW, AdamWSettings, Gradients, Held, Rehearsal, Stage, Tape, TensorError, Var, counted,
};

use super::changes::Changes;
use super::error::TuneError;
use super::fit::Keeping;
use super::frozen::Frozen;
use super::llama::Llama;
use super::settings::TuneSettings;

/// Tokens of a pass, `batch` rows of `sequence`, and what each is to foretell; [`IGNORED`](plimsoll_tensor::IGNORED) where nothing is
/// learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Row after row.
    pub tokens: Vec<u32>,
    /// As many.
    pub targets: Vec<u32>,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// Which it was, from 1 on.
    pub step: u32,
    /// The mean loss of its passes.
    pub loss: f32,
    /// How long its gradients were together, before they were cut.
    pub size: f32,
    /// How far it went.
    pub rate: f32,
    /// The most bytes that tensors had in it.
    pub peak: Bytes,
    /// Whether its buffers lay as planned.
    pub as_planned: bool,
}

/// A fine-tuning under way: the model, what is learned of it, its gradients and the optimizer's states.
#[derive(Debug)]
pub struct Tuner {
    stage: Stage,
    settings: TuneSettings,
    frozen: Frozen,
    changes: Changes,
    gradients: Gradients,
    adam: AdamW,
    keeping: Vec<Keeping>,
    held: Option<Held>,
}

impl Tuner {
    /// Begins: changes nothing yet, keeps everything for the way back.
    pub fn new(frozen: Frozen, stage: &Stage, settings: TuneSettings) -> Result<Self, TuneError> {
        settings.check(frozen.shape())?;
        let changes = Changes::new(frozen.shape(), stage, &settings)?;
        let gradients = Gradients::new(stage, &changes.leaves)?;
        let adam = AdamWSettings { decay: settings.decay, ..AdamWSettings::default() };
        let adam = AdamW::new(stage, &changes.leaves, adam)?;
        let keeping = vec![Keeping::All; frozen.shape().layers];
        Ok(Self { stage: stage.clone(), settings, frozen, changes, gradients, adam, keeping, held: None })
    }

    /// Where it computes.
    pub const fn stage(&self) -> &Stage {
        &self.stage
    }

    /// What it was asked for.
    pub const fn settings(&self) -> &TuneSettings {
        &self.settings
    }

    /// What is learned.
    pub const fn changes(&self) -> &Changes {
        &self.changes
    }

    /// The model that does not change.
    pub const fn frozen(&self) -> &Frozen {
        &self.frozen
    }

    /// What each layer keeps for the way back.
    pub fn keeping(&self) -> &[Keeping] {
        &self.keeping
    }

    /// What was learned, and the optimizer's states, to be kept or replaced.
    pub const fn state_mut(&mut self) -> (&mut Changes, &mut AdamW) {
        (&mut self.changes, &mut self.adam)
    }

    /// The optimizer.
    pub const fn adam(&self) -> &AdamW {
        &self.adam
    }

    /// From here on layers keep this. A plan that was held is given up.
    pub fn keep(&mut self, keeping: Vec<Keeping>) {
        self.held = None;
        self.keeping = keeping;
    }

    /// A step without arithmetic: what it would need.
    pub fn rehearse(&mut self) -> Result<Rehearsal, TuneError> {
        let tokens = self.settings.batch * self.settings.sequence;
        let blank = Batch { tokens: vec![0; tokens], targets: vec![0; tokens] };
        let passes = vec![blank; self.settings.passes];
        let stage = self.stage.clone();
        let (_, rehearsal) = stage.rehearse(|| self.all_passes(&passes))?;
        Ok(rehearsal)
    }

    /// Holds later steps to a plan of their buffers.
    pub fn hold(&mut self) -> Result<&Held, TuneError> {
        self.held = None;
        let rehearsal = self.rehearse()?;
        Ok(self.held.insert(self.stage.hold(&rehearsal)?))
    }

    /// Gives up the plan that is held, and its memory.
    pub fn let_go(&mut self) {
        self.held = None;
    }

    /// One step.
    pub fn step(&mut self, passes: &[Batch]) -> Result<StepReport, TuneError> {
        let wanted = self.settings.batch * self.settings.sequence;
        let odd = passes.iter().flat_map(|batch| [batch.tokens.len(), batch.targets.len()]);
        if let Some(found) = odd.into_iter().find(|found| *found != wanted) {
            return Err(TuneError::Batch { found, wanted });
        }
        let held = self.held.take();
        let done = if let Some(held) = &held {
            held.step(|| self.all_passes(passes)).map(|(done, facts)| (done, facts.peak, facts.as_planned))
        } else {
            self.stage.restart_peak();
            self.all_passes(passes).map(|done| (done, self.stage.peak(), false))
        };
        self.held = held;
        let ((loss, size), peak, as_planned) = done?;
        let step = self.adam.steps() + 1;
        let rate = self.settings.rate_at(step);
        if !loss.is_finite() || !size.is_finite() {
            return Err(TuneError::NotFinite { step, loss, size, rate });
        }
        let clip = self.settings.clip;
        let factor = if clip > 0.0 && size > clip { clip / size } else { 1.0 };
        self.adam.step(&mut self.changes.leaves, &self.gradients, rate, factor)?;
        Ok(StepReport { step, loss, size, rate, peak, as_planned })
    }

    /// Forward and back through all passes; the mean loss, and how long the gradients are.
    fn all_passes(&mut self, passes: &[Batch]) -> Result<(f32, f32), TuneError> {
        self.gradients.clear()?;
        let mut sum = 0.0;
        #[expect(clippy::cast_precision_loss, reason = "a few passes")]
        let share = 1.0 / passes.len().max(1) as f32;
        for batch in passes {
            let mut tape = Tape::new(&self.stage);
            let model = Llama { frozen: &self.frozen, changes: &self.changes };
            let loss = forward(model, &mut tape, self.settings.batch, batch, &self.keeping)?;
            tape.backward(&loss, share, &mut self.gradients)?;
            sum += loss.tensor().item()?;
        }
        Ok((sum * share, self.gradients.size()?))
    }

    /// The mean loss of some passes; nothing is learned from them. Unless a plan of steps is held, it has a plan of its own,
    /// so that it needs no more room than one pass.
    pub fn evaluate(&self, passes: &[Batch]) -> Result<f32, TuneError> {
        let Some(first) = passes.first() else { return Ok(0.0) };
        let mut sum = 0.0;
        if self.held.is_some() {
            for batch in passes {
                sum += self.look(batch)?;
            }
        } else {
            let (_, rehearsal) = self.stage.rehearse(|| self.look(first))?;
            let held = self.stage.hold(&rehearsal)?;
            for batch in passes {
                sum += held.step(|| self.look(batch))?.0;
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a few passes")]
        let share = 1.0 / passes.len() as f32;
        Ok(sum * share)
    }

    fn look(&self, batch: &Batch) -> Result<f32, TensorError> {
        let mut tape = Tape::without_gradients(&self.stage);
        let model = Llama { frozen: &self.frozen, changes: &self.changes };
        forward(model, &mut tape, self.settings.batch, batch, &[])?.tensor().item()
    }
}

/// The mean loss of a pass of so many rows.
fn forward<'m>(
    model: Llama<'m>,
    tape: &mut Tape<'m>,
    rows: usize,
    batch: &Batch,
    keeping: &[Keeping],
) -> Result<Var, TensorError> {
    let dims = [rows, batch.tokens.len() / rows];
    let tokens = tape.stage().ids(&batch.tokens, &dims)?;
    let targets = tape.stage().ids(&batch.targets, &dims)?;
    model.loss(tape, &tokens, &targets, counted(&batch.targets), keeping)
}
