//! Apple's `mlx_lm`.

use std::fmt::Write as _;

use super::{Launch, Weights, command, word};

pub(super) fn text(launch: &Launch) -> String {
    let model = match &launch.weights {
        Weights::File(path) => path.parent().unwrap_or(path).display().to_string(),
        Weights::Named { model, .. } => model.clone(),
    };
    let mut options = vec![format!("--model {}", word(&model)), format!("--max-kv-size {}", launch.context)];
    if launch.kv.0.bits() < 15.0 {
        let bits = if launch.kv.0.bits() > 6.0 { 8 } else { 4 };
        options.push(format!("--kv-bits {bits} --kv-group-size 64"));
    }
    if let Some(adapter) = launch.adapters.first() {
        options.push(format!("--adapter-path {}", word(&adapter.display().to_string())));
    }
    if let Some(draft) = &launch.draft {
        options.push(format!("--draft-model {}", word(&draft.file())));
    }
    let mut notes = String::new();
    if launch.parallel > 1 {
        let _ = writeln!(notes, "# One sequence at a time; the plan has {}.", launch.parallel);
    }
    if let Weights::Named { scheme, .. } = &launch.weights {
        let _ = writeln!(
            notes,
            "# The plan counts with {scheme}; take an MLX repository with weights of that size."
        );
    }
    notes + &command("mlx_lm.generate", &options)
}
