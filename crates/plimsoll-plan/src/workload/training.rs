//! Training: the ways in which what does not fit as it is may be made to.

use plimsoll::Place;

use super::workload::best_place;
use crate::plan::{Choices, Configuration, Knob, Site};
use crate::train::{Method, Optimizer, Shape, Training, Weights};
use crate::{Part, Phases};

/// A change of a training.
type Change<'c> = &'c dyn Fn(&mut Training);

/// A training on one device, as it was asked for; with checkpoints where that was left open.
#[derive(Clone, Debug)]
pub struct TrainingChoices {
    training: Training,
    /// Whether checkpointing was left to the plan.
    free: bool,
}

impl TrainingChoices {
    /// A training; `free` lets the plan choose whether blocks are computed again.
    pub const fn new(training: Training, free: bool) -> Self {
        Self { training, free }
    }

    /// What it is called, short enough for an account.
    pub fn name(&self) -> String {
        let plain =
            |c: char| if c.is_alphanumeric() || ".-_".contains(c) { c.to_ascii_lowercase() } else { '-' };
        format!("train-{}", self.training.name.chars().map(plain).take(48).collect::<String>())
    }

    fn at(training: &Training, place: Place, worth: f64) -> Option<Configuration> {
        let prediction = training.predict().ok()?;
        let parts = prediction.parts.into_iter().chain(prediction.beside);
        let resident = parts.map(|part| Part { place, ..part }).collect();
        Some(Configuration {
            title: format!("{}; the peak is {}", title(training), prediction.phase),
            knobs: knobs(training),
            phases: Phases { resident, turns: Vec::new() },
            worth,
            speed: None,
            launch: None,
            finetune: Some(training.clone()),
            doubts: Vec::new(),
        })
    }

    fn with(&self, changes: &[Change<'_>]) -> Training {
        let mut training = self.training.clone();
        for change in changes {
            change(&mut training);
        }
        training
    }
}

impl Choices for TrainingChoices {
    fn configurations(&self, site: &Site<'_>) -> Vec<Configuration> {
        let place = best_place(site);
        let again = self.free && !self.training.checkpointing;
        let again = again.then(|| self.with(&[&|training| training.checkpointing = true]));
        // Computing blocks again costs about a third of the time.
        let ways =
            std::iter::once((&self.training, 1.0)).chain(again.as_ref().map(|training| (training, 0.75)));
        ways.filter_map(|(training, worth)| Self::at(training, place, worth)).collect()
    }

    fn relaxed(&self, site: &Site<'_>) -> Vec<Configuration> {
        let place = best_place(site);
        let again = |training: &mut Training| training.checkpointing = true;
        let states = |training: &mut Training| training.optimizer = Optimizer::AdamW8bit;
        let one = |training: &mut Training| {
            training.accumulation = training.accumulation.saturating_mul(training.batch);
            training.batch = 1;
        };
        let four_bits = |training: &mut Training| {
            if training.method != Method::Full {
                training.weights = Weights::Nf4;
            }
        };
        let half = |training: &mut Training| {
            training.shape = match training.shape {
                Shape::Tokens(tokens) => Shape::Tokens((tokens / 2).max(1)),
                Shape::Pixels(width, height) => Shape::Pixels((width / 2).max(64), (height / 2).max(64)),
            };
        };
        let adapters = |training: &mut Training| {
            if training.method == Method::Full {
                let usual = Training::of("", training.network.clone());
                training.method = usual.method;
            }
        };
        let ways: [(&[Change<'_>], f64); 9] = [
            (&[&again], 0.75),
            (&[&one], 0.9),
            (&[&states], 0.9),
            (&[&again, &one], 0.7),
            (&[&again, &four_bits], 0.6),
            (&[&again, &one, &four_bits], 0.55),
            (&[&adapters, &again], 0.5),
            (&[&adapters, &again, &one, &four_bits], 0.4),
            (&[&again, &one, &four_bits, &half], 0.3),
        ];
        ways.into_iter().filter_map(|(changes, worth)| Self::at(&self.with(changes), place, worth)).collect()
    }
}

fn title(training: &Training) -> String {
    let method = match &training.method {
        Method::Full => "all weights".to_owned(),
        Method::Lora { rank, .. } => format!("LoRA of rank {rank}"),
    };
    let again = if training.checkpointing { ", blocks computed again" } else { "" };
    format!("{}, {method}, batch {}, {}{again}", training.name, training.batch, shape(training))
}

fn shape(training: &Training) -> String {
    match training.shape {
        Shape::Tokens(tokens) => format!("{tokens} tokens"),
        Shape::Pixels(width, height) => format!("{width} × {height}"),
    }
}

fn knobs(training: &Training) -> Vec<Knob> {
    #[expect(clippy::cast_precision_loss, reason = "an order among few numbers")]
    let rank = |number: u64| number as f64;
    let (method, order) = match &training.method {
        Method::Full => ("all weights", 1.0),
        Method::Lora { .. } => ("adapters", 0.0),
    };
    let (weights, bits) = match training.weights {
        Weights::Fp32 => ("fp32", 32.0),
        Weights::Bf16 => ("bf16", 16.0),
        Weights::Int8 => ("int8", 8.0),
        Weights::Nf4 => ("nf4", 4.0),
    };
    let (optimizer, states) = match training.optimizer {
        Optimizer::AdamW => ("adamw", 4.0),
        Optimizer::AdamWFused => ("fused adamw", 4.0),
        Optimizer::AdamW8bit => ("adamw of 8 bits", 3.0),
        Optimizer::SgdMomentum => ("sgd with momentum", 2.0),
        Optimizer::Sgd => ("sgd", 1.0),
    };
    let size = match training.shape {
        Shape::Tokens(tokens) => tokens,
        Shape::Pixels(width, height) => width.saturating_mul(height),
    };
    let again = if training.checkpointing { ("computed again", 0.0) } else { ("kept", 1.0) };
    vec![
        Knob::new("what is trained", method, order),
        Knob::new("weights", weights, bits),
        Knob::new("optimizer", optimizer, states),
        Knob::new("batch", &training.batch.to_string(), rank(training.batch)),
        Knob::new("size", &shape(training), rank(size)),
        Knob::new("activations", again.0, again.1),
    ]
}
