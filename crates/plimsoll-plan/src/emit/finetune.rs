//! A training in the words of kohya's sd-scripts and of the training scripts of diffusers.

use super::{Program, command};
use crate::train::{Companions, Method, Optimizer, Shape, Training, Weights};

/// What a program that trains is told; `None` for one that does not train such networks.
pub fn finetune(training: &Training, program: Program) -> Option<String> {
    let Shape::Pixels(width, height) = training.shape else { return None };
    match program {
        Program::Kohya => Some(kohya(training, width, height)),
        Program::Diffusers => Some(diffusers(training, width, height)),
        _ => None,
    }
}

fn kohya(training: &Training, width: u64, height: u64) -> String {
    let mut lines = vec![
        format!(
            "# {} as planned by plimsoll. Model, data set and learning rate are yours to add.",
            training.name
        ),
        "# Everything below decides memory.".to_owned(),
        format!("resolution = \"{width},{height}\""),
        format!("train_batch_size = {}", training.batch),
        format!("gradient_accumulation_steps = {}", training.accumulation),
        format!("gradient_checkpointing = {}", training.checkpointing),
        "mixed_precision = \"bf16\"".to_owned(),
        "sdpa = true".to_owned(),
        format!("optimizer_type = \"{}\"", optimizer(training.optimizer)),
    ];
    if let Method::Lora { rank, .. } = &training.method {
        lines.push("network_module = \"networks.lora\"".to_owned());
        lines.push(format!("network_dim = {rank}"));
        lines.push(format!("network_alpha = {rank}"));
        lines.push("network_train_unet_only = true".to_owned());
    } else if training.weights == Weights::Bf16 {
        lines.push("full_bf16 = true".to_owned());
    }
    if training.companions != Companions::Resident {
        lines.push("cache_text_encoder_outputs = true".to_owned());
    }
    if training.companions == Companions::Cached {
        lines.push("cache_latents = true".to_owned());
    }
    match training.weights {
        Weights::Int8 => lines.push("fp8_base = true".to_owned()),
        Weights::Nf4 => {
            lines.push("# 4-bit weights cannot be told; fp8_base = true is the nearest.".to_owned());
        }
        Weights::Bf16 | Weights::Fp32 => {}
    }
    lines.join("\n") + "\n"
}

const fn optimizer(optimizer: Optimizer) -> &'static str {
    match optimizer {
        Optimizer::AdamW | Optimizer::AdamWFused => "AdamW",
        Optimizer::AdamW8bit => "AdamW8bit",
        Optimizer::Sgd | Optimizer::SgdMomentum => "SGDNesterov",
    }
}

fn diffusers(training: &Training, width: u64, height: u64) -> String {
    let script = match (&training.method, training.name.to_ascii_lowercase()) {
        (Method::Full, _) => "train_text_to_image.py",
        (Method::Lora { .. }, name) if name.contains("flux") => "train_dreambooth_lora_flux.py",
        (Method::Lora { .. }, name) if name.contains("sd3") => "train_dreambooth_lora_sd3.py",
        (Method::Lora { .. }, name) if name.contains("xl") => "train_text_to_image_lora_sdxl.py",
        (Method::Lora { .. }, _) => "train_text_to_image_lora.py",
    };
    let mut options = vec![
        format!("--resolution {}", width.max(height)),
        format!("--train_batch_size {}", training.batch),
        format!("--gradient_accumulation_steps {}", training.accumulation),
        "--mixed_precision bf16".to_owned(),
    ];
    if let Method::Lora { rank, .. } = &training.method {
        options.push(format!("--rank {rank}"));
    }
    if training.checkpointing {
        options.push("--gradient_checkpointing".to_owned());
    }
    if training.optimizer == Optimizer::AdamW8bit {
        options.push("--use_8bit_adam".to_owned());
    }
    if training.companions == Companions::Cached {
        options.push("--cache_latents".to_owned());
    }
    let mut notes = "# Model, data set, output folder and learning rate are yours to add.\n".to_owned();
    if width != height {
        notes.push_str("# Scripts take one side; the plan is for others.\n");
    }
    notes + &command(&format!("accelerate launch {script}"), &options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decides_memory_is_told() {
        let training =
            Training::parse("sdxl:lora:rank=32,px=1024,checkpointing,optimizer=adamw8bit").unwrap();
        let kohya = finetune(&training, Program::Kohya).unwrap();
        for told in
            ["network_dim = 32", "gradient_checkpointing = true", "\"AdamW8bit\"", "cache_latents = true"]
        {
            assert!(kohya.contains(told), "{kohya}");
        }
        let diffusers = finetune(&training, Program::Diffusers).unwrap();
        for told in ["lora_sdxl.py", "--rank 32", "--gradient_checkpointing", "--use_8bit_adam"] {
            assert!(diffusers.contains(told), "{diffusers}");
        }
        assert_eq!(finetune(&training, Program::Vllm), None);
        assert_eq!(finetune(&Training::parse("llama-3.1-8b:lora").unwrap(), Program::Kohya), None);
    }
}
