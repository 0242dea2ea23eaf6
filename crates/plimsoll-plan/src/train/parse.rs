//! How a training is written: `NETWORK:METHOD:key=value,key,…`.

use super::network::Network;
use super::training::{
    AttentionKind, Companions, Method, Optimizer, Shape, Training, TrainingError, Weights,
};
use crate::spec::{Spec, SpecError};

impl Training {
    /// Reads `sdxl:lora:rank=32,px=1024,batch=1,checkpointing`, `llama-3.1-8b:qlora:tokens=4096` or `qwen3-8b:full`.
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
        let spec_text = format!("{name}:{method},{rest}");
        let mut spec = Spec::new(&spec_text)?;
        let mut training = Self::of(name, network);
        training.method(&mut spec, method.trim())?;
        training.sizes(&mut spec)?;
        training.choices(&mut spec)?;
        spec.finish()?;
        training.check()?;
        Ok(training)
    }

    fn method(&mut self, spec: &mut Spec<'_>, method: &str) -> Result<(), SpecError> {
        match method {
            "full" => self.method = Method::Full,
            "lora" => {}
            "qlora" => self.weights = Weights::Nf4,
            _ => return Err(spec.wrong("method", method, "full, lora or qlora stands there")),
        }
        if let Method::Lora { rank, targets } = &mut self.method {
            if let Some(found) = spec.number("rank")? {
                *rank = found;
            }
            if let Some(found) = spec.take("targets") {
                *targets = found.split(['|', '+']).map(|target| target.trim().to_owned()).collect();
                if targets.iter().any(String::is_empty) {
                    return Err(spec.wrong("targets", found, "names with | between stand there: to_q|to_k"));
                }
            }
        }
        Ok(())
    }

    fn sizes(&mut self, spec: &mut Spec<'_>) -> Result<(), SpecError> {
        if let Some(batch) = spec.number("batch")? {
            self.batch = batch;
        }
        if let Some(tokens) = spec.tokens("tokens")? {
            self.shape = Shape::Tokens(tokens);
        }
        if let Some(found) = spec.take("px") {
            let (width, height) = found.split_once('x').unwrap_or((found, found));
            let (Ok(width), Ok(height)) = (width.trim().parse(), height.trim().parse()) else {
                return Err(spec.wrong("px", found, "a side or two stand there: 1024, 1344x768"));
            };
            self.shape = Shape::Pixels(width, height);
        }
        if let Some(accumulation) = spec.number("accumulate")? {
            self.accumulation = accumulation;
        }
        Ok(())
    }

    fn choices(&mut self, spec: &mut Spec<'_>) -> Result<(), SpecError> {
        if let Some(checkpointing) = spec.flag("checkpointing")? {
            self.checkpointing = checkpointing;
        }
        if let Some(found) = spec.take("optimizer") {
            self.optimizer = optimizer(found).ok_or_else(|| {
                spec.wrong("optimizer", found, "adamw, adamw-fused, adamw8bit, sgd or momentum stands there")
            })?;
        }
        if let Some(found) = spec.take("weights") {
            self.weights = weights(found)
                .ok_or_else(|| spec.wrong("weights", found, "bf16, fp32, int8 or nf4 stands there"))?;
        }
        if let Some(found) = spec.take("attention") {
            self.attention = attention(found)
                .ok_or_else(|| spec.wrong("attention", found, "fused or eager stands there"))?;
        }
        if let Some(found) = spec.take("encoders") {
            self.companions = match found {
                "cached" => Companions::Cached,
                "resident" => Companions::Resident,
                "vae" => Companions::ImageEncoderOnly,
                _ => return Err(spec.wrong("encoders", found, "cached, resident or vae stands there")),
            };
        }
        Ok(())
    }
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
            ("sdxl:dora", "full, lora or qlora"),
            ("sdxl:lora:px=big", "1344x768"),
            ("sdxl:lora:tokens=2048", "px=1024"),
            ("qwen3-8b:lora:px=512", "tokens=2048"),
            ("qwen3-8b:full:weights=nf4", "lora"),
            ("qwen3-8b:full:rank=4", "batch, tokens"),
            ("sdxl:lora:rank=99999999", "1048576"),
            ("sdxl:lora:optimizer=lion", "adamw8bit"),
            ("sdxl:lora:encoders=gone", "resident"),
            ("sdxl:lora:px=0", "1 to"),
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
