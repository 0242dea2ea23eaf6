//! A training's peak as parts of a plan, each with its certainty and how it came about.

use std::fmt;

use plimsoll::{Bytes, Place};

use super::torch::{Kind, Phase};
use super::training::{Companions, Method, Optimizer, Shape, Training, TrainingError, Weights};
use super::walk::Walk;
use crate::{Certainty, Formula, Part};

/// What a training takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The most that is allocated in a step, once steps are alike: the sum of `parts`.
    pub peak: Bytes,
    /// When in a step that is.
    pub phase: Phase,
    /// What is allocated after the forward pass.
    pub after_forward: Bytes,
    /// What the allocator holds of the device, its caches included.
    pub reserved: Bytes,
    /// Parameters of the network.
    pub parameters: u64,
    /// Parameters that are trained.
    pub trained: u64,
    /// What makes up the peak.
    pub parts: Vec<Part>,
    /// What the process takes besides, outside of what its allocator counts.
    pub beside: Vec<Part>,
}

/// The share that peaks were off by at most, of 62 that were measured on an H200 (0.7%), rounded up.
const MEASURED: f64 = 0.01;

/// The same for what no measurement covers: quantized weights and states of eight bits.
const BY_FORMULA: f64 = 0.08;

impl Training {
    /// What it takes.
    pub fn predict(&self) -> Result<Prediction, TrainingError> {
        let walk = Walk::of(self)?;
        let mut parts = self.parts(&walk);
        parts.extend(self.companion_parts());
        let sum = |sum: Bytes, part: &Part| sum.saturating_add(part.bytes);
        let peak = parts.iter().fold(Bytes::ZERO, sum);
        let companions = peak.saturating_sub(Bytes::new(walk.peak.bytes));
        Ok(Prediction {
            peak,
            phase: walk.peak.phase,
            after_forward: Bytes::new(walk.after_forward_bytes).saturating_add(companions),
            reserved: Bytes::new(walk.reserved_bytes).saturating_add(companions),
            parameters: walk.parameters,
            trained: walk.trained,
            parts,
            beside: vec![libraries()],
        })
    }

    /// Whether formulas alone stand behind it.
    fn is_measured(&self) -> bool {
        matches!(self.weights, Weights::Bf16 | Weights::Fp32) && self.optimizer != Optimizer::AdamW8bit
    }

    fn parts(&self, walk: &Walk) -> Vec<Part> {
        let bytes = |kind: Kind| Bytes::new(walk.peak.by_kind[kind as usize]);
        let share = if self.is_measured() { MEASURED } else { BY_FORMULA };
        let sure = if self.is_measured() { Certainty::Exact } else { Certainty::Estimated(share) };
        let near = Certainty::Estimated(share);
        let rows: [(&str, &'static str, Kind, Certainty, Formula); 7] = [
            ("weights", "weights", Kind::Weights, sure, self.weights_formula(walk)),
            ("adapters", "adapters", Kind::Adapters, Certainty::Exact, self.adapters_formula(walk)),
            ("gradients", "gradients", Kind::Gradients, near, gradients_formula(walk)),
            ("optimizer", "optimizer", Kind::Optimizer, sure, self.optimizer_formula(walk)),
            ("saved activations", "activations", Kind::Saved, near, self.saved_formula(walk)),
            ("temporaries", "scratch", Kind::Temporary, near, temporaries_formula(walk)),
            ("allocator's rounding", "scratch", Kind::Rounding, near, rounding_formula()),
        ];
        let part =
            |(name, account, kind, certainty, formula): (&str, &'static str, Kind, Certainty, Formula)| {
                let bytes = bytes(kind);
                (bytes > Bytes::ZERO).then(|| part(name, account, bytes, certainty, formula))
            };
        rows.into_iter().filter_map(part).collect()
    }

    fn weights_formula(&self, walk: &Walk) -> Formula {
        let each = match self.weights {
            Weights::Bf16 => "2 B",
            Weights::Fp32 => "4 B",
            Weights::Int8 => "1 B in linear layers of blocks, 2 B elsewhere",
            Weights::Nf4 => "33 B for 64 in linear layers of blocks, 2 B elsewhere",
        };
        Formula::new("parameters × bytes each, and buffers")
            .term("parameters", walk.parameters)
            .term("each", each)
    }

    fn adapters_formula(&self, walk: &Walk) -> Formula {
        let Method::Lora { rank, targets } = &self.method else { return Formula::default() };
        Formula::new("sum over target layers of rank × (inputs + outputs) × 4 B")
            .term("rank", rank)
            .term("targets", targets.join("|"))
            .term("adapter parameters", walk.trained)
    }

    fn optimizer_formula(&self, walk: &Walk) -> Formula {
        let states = match self.optimizer {
            Optimizer::AdamW | Optimizer::AdamWFused => "2 of the parameter's type",
            Optimizer::AdamW8bit => "2 of 1 B and 4 B for 256",
            Optimizer::Sgd => "0",
            Optimizer::SgdMomentum => "1 of the parameter's type",
        };
        Formula::new("trained parameters × states").term("trained", walk.trained).term("states", states)
    }

    fn saved_formula(&self, walk: &Walk) -> Formula {
        let size = match self.shape {
            Shape::Tokens(tokens) => format!("{tokens} tokens"),
            Shape::Pixels(width, height) => format!("{width}×{height} px"),
        };
        let how =
            if self.checkpointing { "inputs of blocks only, and one block run again" } else { "all blocks" };
        Formula::new("what autograd keeps under autocast, walked operation by operation, at the peak")
            .term("batch", self.batch)
            .term("size", size)
            .term("blocks", self.network.blocks())
            .term("kept", how)
            .term("allocated after the forward pass", Bytes::new(walk.after_forward_bytes))
    }

    fn companion_parts(&self) -> Vec<Part> {
        let (encoders, image) = self.network.companions();
        let there = match self.companions {
            Companions::Cached => [("text encoders", 0), ("image encoder", 0)],
            Companions::ImageEncoderOnly => [("text encoders", 0), ("image encoder", image)],
            Companions::Resident => [("text encoders", encoders), ("image encoder", image)],
        };
        let part = |(name, parameters): (&str, u64)| {
            let formula = Formula::new("parameters × 2 B").term("parameters", parameters);
            let bytes = Bytes::new(parameters.saturating_mul(2));
            (parameters > 0).then(|| part(name, "weights", bytes, Certainty::Estimated(0.02), formula))
        };
        there.into_iter().filter_map(part).collect()
    }
}

fn part(name: &str, account: &'static str, bytes: Bytes, certainty: Certainty, formula: Formula) -> Part {
    Part { name: name.to_owned(), place: Place::Cuda(0), account, bytes, certainty, formula }
}

fn gradients_formula(walk: &Walk) -> Formula {
    Formula::new("gradients that are there at the peak")
        .term("trained", walk.trained)
        .term("peak", walk.peak.phase)
}

fn temporaries_formula(walk: &Walk) -> Formula {
    Formula::new("tensors on their way between operations at the peak").term("peak", walk.peak.phase)
}

fn rounding_formula() -> Formula {
    Formula::new("blocks are multiples of 512 B, and up to 1 MiB that is left of a large one stays with it")
}

/// What CUDA and its libraries take of the device.
fn libraries() -> Part {
    let formula = Formula::new("context and kernels, and the workspaces of cuBLAS")
        .term("context", "300 to 700 MiB")
        .term("workspaces", "8 to 66 MiB");
    let certainty = Certainty::Bounded(Bytes::mib(308), Bytes::mib(766));
    part("CUDA and its libraries", "scratch", Bytes::mib(564), certainty, formula)
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Start => "before the step",
            Self::Forward => "in the forward pass",
            Self::Backward => "in the backward pass",
            Self::Recompute => "in the backward pass, in a block that is run again",
            Self::Optimizer => "in the optimizer's step",
        })
    }
}
