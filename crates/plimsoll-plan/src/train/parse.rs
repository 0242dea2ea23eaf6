//! How a training is written: `NETWORK:METHOD:key=value,key,…`.

use super::network::Network;
use super::training::{
    AttentionKind, Companions, Method, Optimizer, Shape, Training, TrainingError, Weights,
};
use crate::wording::{Wording, WordingError, choose};

const WHAT: &str = "a training";
const EXAMPLE: &str = "sdxl:lora:rank=32,px=1024,batch=1,checkpointing";
const KEYS: [&str; 12] = [
    "rank",
    "targets",
    "batch",
    "tokens",
    "seq",
    "px",
    "accumulate",
    "checkpointing",
    "optimizer",
    "weights",
    "attention",
    "encoders",
];

impl Training {
    /// Reads `sdxl:lora:rank=32,px=1024,batch=1,checkpointing`, `llama-3.1-8b:qlora:seq=4096` or `qwen3-8b:full`.
    ///
    /// The method is `full`, `lora` or `qlora`, and may be left out for `lora`. What is not said is as
    /// [`Training::of`] has it.
    pub fn parse(text: &str) -> Result<Self, TrainingError> {
        let mut heads = text.splitn(3, ':').map(str::trim);
        let (first, second, third) = (heads.next().unwrap_or_default(), heads.next(), heads.next());
        // The keys stand behind the second colon, or behind a comma anywhere before it.
        let (name, method, rest) = match (first.split_once(','), second) {
            (Some((name, rest)), _) => (name, "lora", rest),
            (None, None) => (first, "lora", ""),
            (None, Some(second)) => match (second.split_once(','), third) {
                (Some((method, rest)), _) => (first, method, rest),
                (None, rest) => (first, second, rest.unwrap_or_default()),
            },
        };
        let network = Network::named(name).ok_or_else(|| TrainingError::UnknownNetwork {
            name: name.to_owned(),
            known: Network::names().collect::<Vec<_>>().join(", "),
        })?;
        // What is not said is as usual, so nothing may be said at all.
        let said = Wording::parse(WHAT, if rest.trim().is_empty() { "usual" } else { rest }, EXAMPLE)?;
        said.keys(&KEYS)?;
        if let Some(word) = said.words().find(|word| !["checkpointing", "usual"].contains(word)) {
            return Err(WordingError::Unknown { found: word.to_owned(), known: KEYS.join(", ") }.into());
        }
        let mut training = Self::of(name, network);
        training.method(&said, method.trim())?;
        training.sizes(&said)?;
        training.choices(&said)?;
        training.check()?;
        Ok(training)
    }

    fn method(&mut self, said: &Wording, method: &str) -> Result<(), WordingError> {
        match choose(method, &[("full", 0), ("lora", 1), ("qlora", 2)])? {
            0 => self.method = Method::Full,
            1 => {}
            _ => self.weights = Weights::Nf4,
        }
        let (rank_said, targets_said) = (said.number("rank", 1..=u64::MAX)?, said.text("targets"));
        match &mut self.method {
            Method::Lora { rank, targets } => {
                *rank = rank_said.unwrap_or(*rank);
                if let Some(found) = targets_said {
                    *targets = found.split(['|', '+']).map(|target| target.trim().to_owned()).collect();
                }
                Ok(())
            }
            Method::Full => match rank_said.map(|_| "rank").or(targets_said.map(|_| "targets")) {
                Some(key) => Err(WordingError::Conflict {
                    key: key.to_owned(),
                    other: "full".to_owned(),
                    reason: "adapters have ranks and targets; say lora, or leave it out",
                }),
                None => Ok(()),
            },
        }
    }

    fn sizes(&mut self, said: &Wording) -> Result<(), WordingError> {
        let all = 1..=u64::MAX;
        self.batch = said.number_or("batch", all.clone(), self.batch)?;
        self.accumulation = said.number_or("accumulate", all, self.accumulation)?;
        for key in ["tokens", "seq"] {
            if let Some(found) = said.text(key) {
                self.shape = Shape::Tokens(crate::workload::tokens(found)?);
            }
        }
        if let Some(found) = said.text("px") {
            let (width, height) = found.split_once('x').unwrap_or((found, found));
            let side = |text: &str| {
                text.trim().parse().map_err(|_| WordingError::Shape {
                    what: "the sides of an image",
                    found: found.to_owned(),
                    example: "1344x768",
                })
            };
            self.shape = Shape::Pixels(side(width)?, side(height)?);
        }
        Ok(())
    }

    fn choices(&mut self, said: &Wording) -> Result<(), WordingError> {
        self.checkpointing = said.flag("checkpointing", self.checkpointing)?;
        if let Some(found) = said.text("optimizer") {
            self.optimizer = known(found, optimizer, "adamw, adamw-fused, adamw8bit, sgd, momentum")?;
        }
        if let Some(found) = said.text("weights") {
            self.weights = known(found, weights, "bf16, fp32, int8, nf4")?;
        }
        if let Some(found) = said.text("attention") {
            self.attention = known(found, attention, "fused, eager")?;
        }
        let encoders = [
            ("cached", Companions::Cached),
            ("resident", Companions::Resident),
            ("vae", Companions::ImageEncoderOnly),
        ];
        self.companions = said.choice("encoders", &encoders, self.companions)?;
        Ok(())
    }
}

/// What a name means.
fn known<T>(found: &str, read: impl Fn(&str) -> Option<T>, names: &str) -> Result<T, WordingError> {
    read(found).ok_or_else(|| WordingError::Unknown { found: found.to_owned(), known: names.to_owned() })
}

/// An optimizer by one of its names.
pub(super) fn optimizer(name: &str) -> Option<Optimizer> {
    Some(match name.trim().to_ascii_lowercase().replace('_', "-").as_str() {
        "adamw" | "adamw-fp32-lora" | "adamw-torch" | "adamw-32bit" | "adam" => Optimizer::AdamW,
        "adamw-fused" | "adamw-torch-fused" => Optimizer::AdamWFused,
        "adamw8bit" | "adamw-8bit" | "adamw-bnb-8bit" | "adamw-8bit-lora" => Optimizer::AdamW8bit,
        "sgd" | "sgd-lora" | "sgd-fp32-lora" => Optimizer::Sgd,
        "momentum" | "sgdm" | "sgd-momentum" | "sgd-momentum-lora" => Optimizer::SgdMomentum,
        _ => return None,
    })
}

/// A type of weights by one of its names.
pub(super) fn weights(name: &str) -> Option<Weights> {
    let small = name.trim().to_ascii_lowercase();
    Some(match small.strip_prefix("torch.").unwrap_or(&small) {
        "bf16" | "bfloat16" | "f16" | "fp16" | "float16" => Weights::Bf16,
        "fp32" | "f32" | "float32" => Weights::Fp32,
        "int8" | "8bit" | "uint8" => Weights::Int8,
        "nf4" | "4bit" | "fp4" => Weights::Nf4,
        _ => return None,
    })
}

/// A kind of attention by one of its names.
pub(super) fn attention(name: &str) -> Option<AttentionKind> {
    Some(match name.trim().to_ascii_lowercase().as_str() {
        "fused" | "sdpa" | "flash" | "flash_attention_2" => AttentionKind::Fused,
        "eager" | "math" => AttentionKind::WrittenOut,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_says_what_differs_from_the_usual() {
        let training = Training::parse("sdxl:lora:rank=32,px=1024x768,batch=2,checkpointing").unwrap();
        assert_eq!((training.batch, training.shape), (2, Shape::Pixels(1024, 768)));
        assert!(training.checkpointing);
        assert!(matches!(&training.method, Method::Lora { rank: 32, targets } if targets.len() == 4));
        let full = Training::parse("qwen3-8b:full,weights=fp32,optimizer=sgd,tokens=4k").unwrap();
        assert_eq!(
            (full.method, full.weights, full.shape),
            (Method::Full, Weights::Fp32, Shape::Tokens(4096))
        );
        assert_eq!(Training::parse("llama-3.1-8b:qlora").unwrap().weights, Weights::Nf4);
        let targets = Training::parse("llama-3.1-8b,targets=q_proj|v_proj").unwrap().method;
        assert!(matches!(targets, Method::Lora { rank: 16, targets } if targets == ["q_proj", "v_proj"]));
    }

    #[test]
    fn what_is_wrong_says_what_may_stand_there() {
        for (text, says) in [
            ("", "known are"),
            ("gpt-17:lora", "sdxl"),
            ("sdxl:dora", "full, lora, qlora"),
            ("sdxl:lora:px=big", "1344x768"),
            ("sdxl:lora:tokens=2048", "px=1024"),
            ("qwen3-8b:lora:px=512", "tokens=2048"),
            ("qwen3-8b:full:weights=nf4", "lora"),
            ("qwen3-8b:full:rank=4", "say lora"),
            ("sdxl:lora:rank=99999999", "1048576"),
            ("sdxl:lora:optimizer=lion", "adamw8bit"),
            ("sdxl:lora:encoders=gone", "resident"),
            ("sdxl:lora:px=0", "1 to"),
            ("sdxl:lora:tiling", "accumulate"),
        ] {
            let refused = Training::parse(text).unwrap_err().to_string();
            assert!(refused.contains(says), "{text:?}: {refused}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(text in "\\PC{0,30}", end in "[a-z=0-9,|:x]{0,40}") {
            let _ = Training::parse(&text);
            let _ = Training::parse(&format!("sdxl:lora:{end}"));
        }
    }
}
