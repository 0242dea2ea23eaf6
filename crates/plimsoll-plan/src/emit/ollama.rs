//! Ollama: a Modelfile. What it takes from the environment only stands in comments.

use super::{Launch, Weights};

pub(super) fn text(launch: &Launch) -> String {
    let from = match &launch.weights {
        Weights::File(path) => path.display().to_string(),
        named @ Weights::Named { .. } => format!("./{}", named.file()),
    };
    let mut lines = vec![
        format!("# {} as planned by plimsoll. The server reads these from its environment:", launch.name),
        format!("#   OLLAMA_NUM_PARALLEL={}", launch.parallel),
        format!("#   OLLAMA_FLASH_ATTENTION={}", u8::from(launch.flash)),
        format!("#   OLLAMA_KV_CACHE_TYPE={}", launch.kv.0),
    ];
    if launch.kv.0 != launch.kv.1 {
        lines.push(format!(
            "# Keys and values have one type there; the plan has {} and {}.",
            launch.kv.0, launch.kv.1
        ));
    }
    if launch.gpus.len() > 1 {
        lines.push("# It splits layers over GPUs by itself; the plan's split cannot be told.".to_owned());
    }
    lines.push(format!("FROM {from}"));
    lines.extend(launch.adapters.iter().map(|file| format!("ADAPTER {}", file.display())));
    lines.push(format!("PARAMETER num_ctx {}", launch.context));
    lines.push(format!("PARAMETER num_batch {}", launch.batch.1));
    lines.push(format!("PARAMETER num_gpu {}", launch.offload.0));
    lines.join("\n") + "\n"
}
