//! What each program is told.

use std::path::PathBuf;

use plimsoll::{Bytes, Place};

use super::*;
use crate::model::TensorType;

fn launch() -> Launch {
    Launch {
        name: "chat".to_owned(),
        weights: Weights::File(PathBuf::from("/models/it's here/qwen3.gguf")),
        context: 8192,
        parallel: 4,
        unified: false,
        batch: (2048, 512),
        kv: (TensorType::Q8_0, TensorType::Q4_0),
        flash: true,
        offload: (30, 41),
        gpus: vec![(Place::Cuda(0), Bytes::gib(10)), (Place::Cuda(1), Bytes::gib(5))],
        gpu_share: Some(0.401),
        draft: Some(Weights::Named { model: "qwen3-0.6b".to_owned(), scheme: "Q8_0".to_owned() }),
        projector: Some(PathBuf::from("see.gguf")),
        adapters: vec![PathBuf::from("rust.gguf")],
        prompt_cache: Bytes::gib(2),
    }
}

fn text(program: &str) -> String {
    launch().text(program.parse().unwrap()).unwrap()
}

#[test]
fn the_server_of_llama_cpp_is_told_all_of_it() {
    let text = text("llama-server");
    for told in [
        "--model '/models/it'\\''s here/qwen3.gguf'",
        "--ctx-size 32768",
        "--parallel 4",
        "--ubatch-size 512",
        "--cache-type-k q8_0 --cache-type-v q4_0",
        "--n-gpu-layers 30",
        "--tensor-split 10240,5120",
        "--model-draft qwen3-0.6b-Q8_0.gguf",
        "--mmproj see.gguf",
        "--lora rust.gguf",
        "--cache-ram 2048",
    ] {
        assert!(text.contains(told), "{told} is not in\n{text}");
    }
    let unified = Launch { unified: true, ..launch() }.text(Program::LlamaServer).unwrap();
    assert!(unified.contains("--ctx-size 8192") && unified.contains("--kv-unified"), "{unified}");
}

#[test]
fn others_are_told_what_they_can_be_told_and_the_rest_stands_in_comments() {
    let ollama = text("ollama");
    assert!(
        ollama.contains("PARAMETER num_ctx 8192\n") && ollama.contains("PARAMETER num_gpu 30\n"),
        "{ollama}"
    );
    assert!(
        ollama.contains("#   OLLAMA_KV_CACHE_TYPE=q8_0\n") && ollama.contains("q8_0 and q4_0"),
        "{ollama}"
    );
    let vllm = text("vllm");
    assert!(
        vllm.contains("--gpu-memory-utilization 0.41") && vllm.contains("--tensor-parallel-size 2"),
        "{vllm}"
    );
    assert!(vllm.contains("--kv-cache-dtype fp8") && vllm.contains("--cpu-offload-gb"), "{vllm}");
    let mlx = text("mlx_lm");
    assert!(mlx.contains("--max-kv-size 8192") && mlx.contains("--kv-bits 8"), "{mlx}");
}

#[test]
fn programs_are_found_by_name() {
    for (program, name) in NAMES {
        assert_eq!(name.parse(), Ok(program));
        assert_eq!(program.to_string(), name);
    }
    assert_eq!("LLAMA-SERVER".parse(), Ok(Program::LlamaServer));
    let refused = "tgi".parse::<Program>().unwrap_err().to_string();
    assert!(refused.contains("vllm"), "{refused}");
}
