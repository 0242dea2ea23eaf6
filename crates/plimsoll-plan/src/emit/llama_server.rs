//! llama.cpp's server.

use plimsoll::Bytes;

use super::{Launch, command, word};

pub(super) fn text(launch: &Launch) -> String {
    // The server is told the context of all sequences together, unless they share one cache.
    let context =
        if launch.unified { launch.context } else { launch.context.saturating_mul(launch.parallel) };
    let mut options = vec![
        format!("--model {}", word(&launch.weights.file())),
        format!("--ctx-size {context}"),
        format!("--parallel {}", launch.parallel),
        format!("--batch-size {} --ubatch-size {}", launch.batch.0, launch.batch.1),
        format!("--cache-type-k {} --cache-type-v {}", launch.kv.0, launch.kv.1),
        format!("--flash-attn {}", if launch.flash { "on" } else { "off" }),
        format!("--n-gpu-layers {}", launch.offload.0),
        // Without this the program would fit the plan to its own estimate.
        "--fit off".to_owned(),
        format!("--cache-ram {}", launch.prompt_cache.get() / Bytes::mib(1).get()),
    ];
    if launch.unified && launch.parallel > 1 {
        options.push("--kv-unified".to_owned());
    }
    if launch.gpus.len() > 1 {
        let shares = launch.gpus.iter().map(|(_, bytes)| (bytes.get() / Bytes::mib(1).get()).to_string());
        options.push(format!("--tensor-split {}", shares.collect::<Vec<_>>().join(",")));
    }
    if let Some(draft) = &launch.draft {
        options.push(format!("--model-draft {}", word(&draft.file())));
    }
    if let Some(projector) = &launch.projector {
        options.push(format!("--mmproj {}", word(&projector.display().to_string())));
    }
    options
        .extend(launch.adapters.iter().map(|file| format!("--lora {}", word(&file.display().to_string()))));
    command("llama-server", &options)
}
