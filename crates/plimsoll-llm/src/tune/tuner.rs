//! Steps of a fine-tuning.

use std::sync::Arc;

use plimsoll::Bytes;
use plimsoll_tensor::{
    AdamW, AdamWSettings, Dtype, Gradients, Held, LossScale, Rehearsal, Stage, Tape, TensorError, Together,
    Var, counted,
};

use super::changes::Changes;
use super::error::TuneError;
use super::fit::Keeping;
use super::frozen::Frozen;
use super::homes::Stages;
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
    /// How often it was begun and given up before, because gradients overflowed.
    pub overflows: u32,
    /// The most bytes that tensors had in it.
    pub peak: Bytes,
    /// The most that they had elsewhere.
    pub away: Bytes,
    /// Whether its buffers lay as planned.
    pub as_planned: bool,
}

/// One that learns alone has all of what is learned.
impl AsRef<[Self]> for Tuner {
    fn as_ref(&self) -> &[Self] {
        std::slice::from_ref(self)
    }
}

/// What became of an attempt at a step.
struct Attempt {
    loss: f32,
    size: f32,
    rate: f32,
    changed: bool,
}

/// What an attempt needed.
struct Facts {
    peak: Bytes,
    away: Bytes,
    as_planned: bool,
}

/// The plans that steps are held to, in each place.
#[derive(Debug)]
struct Plans {
    here: Held,
    away: Option<Held>,
}

/// A fine-tuning under way: the model, what is learned of it, its gradients and the optimizer's states.
#[derive(Debug)]
pub struct Tuner {
    settings: TuneSettings,
    frozen: Frozen,
    changes: Changes,
    gradients: Gradients,
    adam: AdamW,
    scale: LossScale,
    keeping: Vec<Keeping>,
    held: Option<Plans>,
    together: Option<Arc<dyn Together>>,
}

impl Tuner {
    /// Begins, on the stages of the model: changes nothing yet, keeps everything for the way back.
    pub fn new(frozen: Frozen, settings: TuneSettings) -> Result<Self, TuneError> {
        settings.check(frozen.shape())?;
        let stages = &frozen.stages;
        let changes = Changes::new(frozen.shape(), &stages.here, &settings)?;
        let gradients = Gradients::new(&stages.here, &changes.leaves)?;
        let adam = AdamWSettings {
            decay: settings.decay,
            states: settings.states,
            share: settings.share,
            ..AdamWSettings::default()
        };
        let adam = AdamW::new(stages.of(frozen.homes().states)?, &changes.leaves, adam)?;
        let scale = if frozen.dtype() == Dtype::F16 { LossScale::moving() } else { LossScale::one() };
        let keeping = vec![Keeping::All; frozen.shape().layers];
        let mut tuner =
            Self { settings, frozen, changes, gradients, adam, scale, keeping, held: None, together: None };
        tuner.keep(tuner.keeping.clone());
        Ok(tuner)
    }

    /// Where it computes.
    pub const fn stage(&self) -> &Stage {
        &self.frozen.stages.here
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

    /// What was learned, the optimizer's states and the scale of losses, to be kept or replaced.
    pub const fn state_mut(&mut self) -> (&mut Changes, &mut AdamW, &mut LossScale) {
        (&mut self.changes, &mut self.adam, &mut self.scale)
    }

    /// How many times as large gradients are made while they flow.
    pub const fn scale(&self) -> LossScale {
        self.scale
    }

    /// The optimizer.
    pub const fn adam(&self) -> &AdamW {
        &self.adam
    }

    /// From here on layers keep this; those whose matrices are away or divided their inputs at most. A plan that was held is given up.
    pub fn keep(&mut self, keeping: Vec<Keeping>) {
        self.held = None;
        self.keeping = keeping;
        for (layer, keeping) in self.keeping.iter_mut().enumerate() {
            if self.frozen.comes(layer) {
                *keeping = (*keeping).max(Keeping::Input);
            }
        }
    }

    /// From here on gradients are added up with others', who learn the same.
    pub(super) fn join(&mut self, together: Arc<dyn Together>) {
        self.held = None;
        self.frozen.join(Arc::clone(&together));
        self.together = Some(together);
    }

    /// A step without arithmetic: what it would need where it computes.
    pub fn rehearse(&mut self) -> Result<Rehearsal, TuneError> {
        Ok(self.rehearse_all()?.0)
    }

    /// The same, and what it would need elsewhere, if there is an elsewhere.
    pub fn rehearse_all(&mut self) -> Result<(Rehearsal, Option<Rehearsal>), TuneError> {
        let tokens = self.settings.batch * self.settings.sequence;
        let blank = Batch { tokens: vec![0; tokens], targets: vec![0; tokens] };
        let passes = vec![blank; self.settings.passes];
        let Stages { here, away, .. } = self.frozen.stages.clone();
        let mut elsewhere = None;
        let ((), found) = here.rehearse(|| {
            let Some(away) = &away else { return self.attempt(&passes).map(drop) };
            let (_, found) = away.rehearse(|| self.attempt(&passes))?;
            elsewhere = Some(found);
            Ok::<_, TuneError>(())
        })?;
        Ok((found, elsewhere))
    }

    /// Holds later steps to a plan of their buffers, in every place.
    pub fn hold(&mut self) -> Result<&Held, TuneError> {
        self.held = None;
        let (here, elsewhere) = self.rehearse_all()?;
        let Stages { here: stage, away, .. } = &self.frozen.stages;
        let away = away.as_ref().zip(elsewhere).map(|(away, found)| away.hold(&found)).transpose()?;
        let here = stage.hold(&here)?;
        Ok(&self.held.insert(Plans { here, away }).here)
    }

    /// Gives up the plan that is held, and its memory.
    pub fn let_go(&mut self) {
        self.held = None;
    }

    /// One step, and nobody is left waiting if it fails.
    pub fn step(&mut self, passes: &[Batch]) -> Result<StepReport, TuneError> {
        let done = self.step_alone(passes);
        if let (Err(_), Some(together)) = (&done, &self.together) {
            together.leave();
        }
        done
    }

    /// One whose gradients overflow in halves is made again at half the [scale](LossScale).
    fn step_alone(&mut self, passes: &[Batch]) -> Result<StepReport, TuneError> {
        let wanted = self.settings.batch * self.settings.sequence;
        let odd = passes.iter().flat_map(|batch| [batch.tokens.len(), batch.targets.len()]);
        if let Some(found) = odd.into_iter().find(|found| *found != wanted) {
            return Err(TuneError::Batch { found, wanted });
        }
        if self.settings.share.is_part() && self.together.is_none() {
            let what =
                "it has a share of the optimizer's states and nobody has the others; let it learn in a team";
            return Err(TuneError::Settings { what: what.to_owned() });
        }
        let mut overflows = 0;
        loop {
            let held = self.held.take();
            let done = self.attempt_in(held.as_ref(), passes);
            self.held = held;
            let (Attempt { loss, size, rate, changed }, facts) = done?;
            let step = self.adam.steps();
            if changed {
                self.scale.went_well();
                let Facts { peak, away, as_planned } = facts;
                return Ok(StepReport { step, loss, size, rate, overflows, peak, away, as_planned });
            }
            if !self.scale.overflowed() {
                return Err(TuneError::NotFinite { step: step + 1, loss, size, rate });
            }
            overflows += 1;
        }
    }

    /// An attempt at a step, and what it needed.
    fn attempt_in(&mut self, held: Option<&Plans>, passes: &[Batch]) -> Result<(Attempt, Facts), TuneError> {
        let Stages { here, away, .. } = self.frozen.stages.clone();
        let Some(Plans { here: plan, away: elsewhere }) = held else {
            here.restart_peak();
            away.iter().for_each(Stage::restart_peak);
            let done = self.attempt(passes)?;
            let away = away.map_or(Bytes::ZERO, |away| away.peak());
            return Ok((done, Facts { peak: here.peak(), away, as_planned: false }));
        };
        let mut other = None;
        let (done, facts) = plan.step(|| {
            let Some(elsewhere) = elsewhere else { return self.attempt(passes) };
            let (done, facts) = elsewhere.step(|| self.attempt(passes))?;
            other = Some(facts);
            Ok(done)
        })?;
        let as_planned = facts.as_planned && other.is_none_or(|other| other.as_planned);
        let away = other.map_or(Bytes::ZERO, |other| other.peak);
        Ok((done, Facts { peak: facts.peak, away, as_planned }))
    }

    /// Forward and back through all passes, and a step of the optimizer unless gradients are no numbers.
    fn attempt(&mut self, passes: &[Batch]) -> Result<Attempt, TuneError> {
        self.frozen.rest();
        let (loss, size) = self.all_passes(passes)?;
        self.frozen.rest();
        let step = self.adam.steps() + 1;
        let rate = self.settings.rate_at(step);
        if !loss.is_finite() {
            return Err(TuneError::NotFinite { step, loss, size, rate });
        }
        if !size.is_finite() {
            return Ok(Attempt { loss, size, rate, changed: false });
        }
        let clip = self.settings.clip;
        let factor = if clip > 0.0 && size > clip { clip / size } else { 1.0 };
        let factor = factor / self.scale.scale();
        self.adam.step(&mut self.changes.leaves, &self.gradients, rate, factor)?;
        if let Some(together) = &self.together {
            self.adam.spread(&mut self.changes.leaves, together.as_ref())?;
        }
        Ok(Attempt { loss, size, rate, changed: true })
    }

    /// Forward and back through all passes; the mean loss, and how long the gradients are.
    fn all_passes(&mut self, passes: &[Batch]) -> Result<(f32, f32), TuneError> {
        self.gradients.clear()?;
        let mut sum = 0.0;
        let members = self.together.as_ref().map_or(1, |together| together.members());
        #[expect(clippy::cast_precision_loss, reason = "a few passes")]
        let share = 1.0 / (passes.len() * members).max(1) as f32;
        let scale = self.scale.scale();
        for batch in passes {
            let mut tape = Tape::new(&self.frozen.stages.here).scaled(scale);
            let model = Llama { frozen: &self.frozen, changes: &self.changes };
            let loss = forward(model, &mut tape, self.settings.batch, batch, &self.keeping)?;
            tape.backward(&loss, share * scale, &mut self.gradients)?;
            sum += loss.tensor().item()?;
        }
        let mut loss = sum * share;
        if let Some(together) = self.together.clone() {
            // What decides whether a step is made is the same for all.
            let mut all = self.stage().floats(&[loss], &[1])?;
            together.sum(&mut [&mut all])?;
            loss = all.item()?;
            self.gradients.sum(together.as_ref())?;
        }
        Ok((loss, self.gradients.size()? / scale))
    }

    /// The mean loss of some passes; nothing is learned from them. Unless a plan of steps is held, it has a plan of its own,
    /// so that it needs no more room than one pass.
    pub fn evaluate(&self, passes: &[Batch]) -> Result<f32, TuneError> {
        Ok(mean(&self.losses(&passes.iter().collect::<Vec<_>>())?))
    }

    /// The loss of each of some passes, and nobody is left waiting if there is none.
    pub(super) fn losses(&self, passes: &[&Batch]) -> Result<Vec<f32>, TuneError> {
        let done = self.losses_alone(passes);
        if let (Err(_), Some(together)) = (&done, &self.together) {
            together.leave();
        }
        done
    }

    fn losses_alone(&self, passes: &[&Batch]) -> Result<Vec<f32>, TuneError> {
        let Some(first) = passes.first() else { return Ok(Vec::new()) };
        if self.held.is_some() {
            return Ok(passes.iter().map(|batch| self.look(batch)).collect::<Result<_, _>>()?);
        }
        let (_, rehearsal) = self.stage().rehearse(|| self.look(first))?;
        let held = self.stage().hold(&rehearsal)?;
        passes.iter().map(|batch| Ok(held.step(|| self.look(batch))?.0)).collect()
    }

    fn look(&self, batch: &Batch) -> Result<f32, TensorError> {
        self.frozen.rest();
        let mut tape = Tape::without_gradients(self.stage());
        let model = Llama { frozen: &self.frozen, changes: &self.changes };
        let loss = forward(model, &mut tape, self.settings.batch, batch, &[])?;
        self.frozen.rest();
        loss.tensor().item()
    }
}

/// The mean of what passes have lost.
#[expect(clippy::cast_precision_loss, reason = "a few passes")]
pub(super) fn mean(losses: &[f32]) -> f32 {
    losses.iter().sum::<f32>() / losses.len().max(1) as f32
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
    let tokens = model.frozen.reads_tokens_on().ids(&batch.tokens, &dims)?;
    let targets = tape.stage().ids(&batch.targets, &dims)?;
    model.loss(tape, &tokens, &targets, counted(&batch.targets), keeping)
}
