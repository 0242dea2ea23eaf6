//! A training's peak as parts of a plan, each with its certainty and how it came about.

use std::fmt;

use plimsoll::{Bytes, Place};

use super::torch::{Kind, Phase};
use super::training::{
    AttentionKind, Companions, Method, Optimizer, Shape, Training, TrainingError, Weights,
};
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

/// The share that peaks were off by at most, of 62 that were measured on an H200 (0.7%), rounded up. Most of that is
/// the allocator's rounding, which depends on which cached block happens to be free: as a part it may be off by all.
const MEASURED: f64 = 0.01;

/// The same for what no measurement covers: quantized weights, states of eight bits, scores of images.
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
        let written_out = self.attention == AttentionKind::WrittenOut && self.network.takes_pixels();
        let quantized = matches!(self.weights, Weights::Int8 | Weights::Nf4);
        !(written_out || quantized || self.optimizer == Optimizer::AdamW8bit)
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
            (
                "allocator's rounding",
                "scratch",
                Kind::Rounding,
                Certainty::Estimated(1.0),
                rounding_formula(),
            ),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn predicted(text: &str) -> Prediction {
        Training::parse(text).unwrap().predict().unwrap()
    }

    #[test]
    fn parts_add_up_and_each_says_how_it_came_about() {
        for text in [
            "llama-3.2-1b:lora:tokens=512",
            "sdxl:lora:px=512,checkpointing,encoders=resident",
            "qwen3-0.6b:full",
        ] {
            let prediction = predicted(text);
            let sum = prediction.parts.iter().fold(Bytes::ZERO, |sum, part| sum.saturating_add(part.bytes));
            assert_eq!(sum, prediction.peak, "{text}");
            assert!(prediction.reserved >= prediction.peak, "{text}");
            assert!(prediction.after_forward <= prediction.peak, "{text}");
            assert!(prediction.parts.iter().all(|part| !part.formula.rule.is_empty()), "{text}");
        }
    }

    #[test]
    fn each_choice_moves_the_peak_the_right_way() {
        let peak = |text: &str| predicted(text).peak;
        let base = peak("llama-3.2-1b:lora:tokens=1024");
        assert!(peak("llama-3.2-1b:lora:tokens=1024,checkpointing") < base);
        assert!(peak("llama-3.2-1b:qlora:tokens=1024") < base);
        assert!(peak("llama-3.2-1b:lora:tokens=1024,weights=int8") < base);
        assert!(peak("llama-3.2-1b:lora:tokens=1024,attention=eager") > base);
        assert!(peak("llama-3.2-1b:lora:tokens=1024,batch=2") > base);
        assert!(peak("llama-3.2-1b:lora:tokens=1024,rank=256") > base);
        assert!(peak("llama-3.2-1b:lora:tokens=1024,accumulate=8") >= base);
        assert!(peak("sdxl:lora:px=512,attention=eager") > peak("sdxl:lora:px=512"));
        let full = peak("llama-3.2-1b:full:tokens=256");
        assert!(peak("llama-3.2-1b:full:tokens=256,optimizer=adamw8bit") < full);
        assert!(peak("llama-3.2-1b:full:tokens=256,optimizer=adamw-fused") < full);
        assert!(peak("llama-3.2-1b:full:tokens=256,optimizer=sgd") < full);
        assert!(peak("llama-3.2-1b:full:tokens=256,weights=fp32") > full);
    }

    #[test]
    fn accumulation_holds_gradients_through_the_second_pass_and_no_more() {
        let peak = |text: &str| predicted(text).peak;
        let once = peak("llama-3.2-1b:full:tokens=2048,optimizer=sgd");
        let (twice, often) = (
            peak("llama-3.2-1b:full:tokens=2048,optimizer=sgd,accumulate=2"),
            peak("llama-3.2-1b:full:tokens=2048,optimizer=sgd,accumulate=64"),
        );
        assert!(twice > once);
        assert_eq!(twice, often);
    }

    #[test]
    fn the_largest_numbers_are_no_panic() {
        for text in [
            "llama-3.1-405b:full:batch=1048576,tokens=256M",
            "sdxl:lora:px=268435456x268435456,batch=1048576,rank=1048576",
            "flux1:full:px=268435456,batch=1048576,checkpointing",
            "sd3.5-large:lora:px=1,checkpointing",
            "sd1.5:full:px=1,attention=eager",
        ] {
            let prediction = predicted(text);
            assert!(prediction.peak > Bytes::ZERO, "{text}");
        }
    }

    /// Counted with peft, which also finds its layers by the ends of their names.
    #[test]
    fn targets_are_found_wherever_they_are() {
        for (text, trained) in [
            ("sdxl:lora:targets=conv1|conv2", 2_616_320),
            ("sdxl:lora:targets=to_q|time_emb_proj|proj_in|conv", 3_351_040),
            ("sd1.5:lora:targets=proj_in|conv_shortcut|conv_in", 479_008),
            ("flux1:lora:targets=norm.linear|ff.net.0.proj|add_k_proj|proj_out", 12_632_576),
            (
                "sd3.5-medium:lora:targets=norm1.linear|to_add_out|ff_context.net.2|context_embedder",
                4_567_040,
            ),
        ] {
            assert_eq!(predicted(&format!("{text},rank=8,px=64")).trained, trained, "{text}");
        }
    }

    #[test]
    fn a_target_that_is_nowhere_is_refused_with_those_that_are() {
        let refused = Training::parse("sdxl:lora:targets=q_proj").unwrap().predict().unwrap_err().to_string();
        assert!(refused.contains("q_proj") && refused.contains("to_q|to_k"), "{refused}");
        let all = predicted("llama-3.2-1b:lora:targets=all-linear,tokens=64");
        assert_eq!(all.trained, predicted("llama-3.2-1b:lora:tokens=64").trained);
    }
}
