//! vLLM.

use std::fmt::Write as _;

use super::{Launch, Weights, command, word};

pub(super) fn text(launch: &Launch) -> String {
    let model = match &launch.weights {
        Weights::File(path) => path.display().to_string(),
        Weights::Named { model, .. } => model.clone(),
    };
    let mut options = vec![
        format!("--max-model-len {}", launch.context),
        format!("--max-num-seqs {}", launch.parallel),
        format!("--max-num-batched-tokens {}", launch.batch.0.max(launch.batch.1)),
        format!("--kv-cache-dtype {}", if launch.kv.0.bits() > 8.5 { "auto" } else { "fp8" }),
    ];
    if let Some(share) = launch.gpu_share {
        // It takes this share of the card for everything; rounded up, since it fails below its weights.
        options
            .push(format!("--gpu-memory-utilization {:.2}", (share * 100.0).ceil().clamp(1.0, 98.0) / 100.0));
    }
    if launch.gpus.len() > 1 {
        options.push(format!("--tensor-parallel-size {}", launch.gpus.len()));
    }
    if !launch.adapters.is_empty() {
        options.push("--enable-lora".to_owned());
        let adapter = |(number, file): (usize, &std::path::PathBuf)| {
            word(&format!("adapter{number}={}", file.display()))
        };
        let adapters: Vec<String> = launch.adapters.iter().enumerate().map(adapter).collect();
        options.push(format!("--lora-modules {}", adapters.join(" ")));
    }
    if let Some(draft) = &launch.draft {
        let told = format!("{{\"model\": \"{}\", \"num_speculative_tokens\": 4}}", draft.file());
        options.push(format!("--speculative-config {}", word(&told)));
    }
    let mut notes = String::new();
    if launch.offload.0 < launch.offload.1 {
        notes.push_str("# The plan leaves layers on the host, which vLLM does slowly: --cpu-offload-gb.\n");
    }
    if let Weights::Named { scheme, .. } = &launch.weights {
        let _ =
            writeln!(notes, "# The plan counts with {scheme}; take a repository with weights of that size.");
    }
    notes + &command(&format!("vllm serve {}", word(&model)), &options)
}
