//! `plimsoll plan` as a user meets it.
#![expect(clippy::unwrap_used, reason = "a test")]

mod program;

use std::path::{Path, PathBuf};
use std::process::Output;

use plimsoll::{Bytes, Engine, Place};
use program::{plimsoll, run, text};
use serde_json::Value;

/// Arguments of a plan for a machine of the catalogue, with nothing learnt from this user's own runs.
fn plan(args: &[&str]) -> Output {
    run(&[&["plan", "--no-runs", "--machine", "rtx-4090+64g"], args].concat())
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)))
}

fn bytes(report: &Value, workload: usize, part: &str, place: &str) -> u64 {
    let parts = report["workloads"][workload]["parts"].as_array().unwrap();
    let here = parts.iter().filter(|found| found["name"] == part && found["place"] == place);
    here.map(|found| found["bytes"].as_u64().unwrap()).sum()
}

#[test]
fn a_named_model_is_planned_in_the_numbers_that_are_known_of_it() {
    let output = plan(&["--model", "llama-3.1-8b:Q4_K_M,context=8k,kv=f16", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report = json(&output);
    assert_eq!(report["verdict"], "fits");
    assert_eq!(bytes(&report, 0, "key-value cache", "cuda:0"), 8192 * 128 * 1024, "128 KiB a token");
    let weights = bytes(&report, 0, "weights", "cuda:0") + bytes(&report, 0, "weights", "host");
    assert!((4_850_000_000..4_970_000_000).contains(&weights), "{weights}: a file of 4.92 GB");
    assert!(report["workloads"][0]["speed"]["decode_limited_by"].as_str().unwrap().contains("cuda:0"));
}

#[test]
fn people_see_parts_bars_places_and_what_else_there_is() {
    let shown = text(&plan(&["--model", "qwen3-14b", "--context", "32k"]).stdout);
    for word in
        ["it fits", "weights", "key-value cache", "GB)", "cuda:0", "█", "tokens/s", "instead of", "headroom"]
    {
        assert!(shown.contains(word), "{word} is not in\n{shown}");
    }
    assert!(!shown.contains("cells × (row"), "formulas are for those who ask");
    let explained = text(&plan(&["--model", "qwen3-14b", "--context", "32k", "--explain"]).stdout);
    assert!(explained.contains("cells × (row of K + row of V)"), "{explained}");
}

#[test]
fn what_does_not_fit_says_what_is_missing_and_what_would_and_writes_no_plan() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plan.toml");
    let asked = ["--model", "llama-3.1-405b:Q8_0,context=8k", "-o", file.to_str().unwrap()];
    let output = plan(&asked);
    assert_eq!(output.status.code(), Some(1));
    let shown = text(&output.stdout);
    assert!(shown.contains("does not fit") && shown.contains("it lacks"), "{shown}");
    assert!(shown.contains("would fit: model Llama"), "{shown}");
    assert!(text(&output.stderr).contains("no plan was written"));
    assert!(!file.exists());
}

/// The tiny model that the project may ship; `None` where the shared data are not.
fn tiny() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/models/tiny-7m-q8_0.gguf");
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
    }
    path.exists().then_some(path)
}

#[test]
fn a_file_is_exact_and_its_plan_is_enforced_and_answered() {
    let Some(tiny) = tiny() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (file, runs) = (folder.path().join("plan.toml"), folder.path().join("runs.jsonl"));
    let model = format!("{},context=1024,kv=f16,cache_ram=1MiB", tiny.display());
    let args = ["plan", "--model", &model, "--machine", "cpu-32g", "--runs", runs.to_str().unwrap()];
    let output = run(&[&args[..], &["-o", file.to_str().unwrap(), "--json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report = json(&output);
    assert_eq!(bytes(&report, 0, "key-value cache", "host"), 1024 * 8 * (128 + 128) * 2);
    let part = &report["workloads"][0]["parts"][0];
    assert_eq!((&part["name"], &part["certainty"]), (&"weights".into(), &"exact".into()));

    // The engine holds the plan, and says what the run needed.
    let engine = Engine::open(&file).unwrap();
    let kv = engine.account("tiny-7m-q8_0/kv").unwrap();
    let recording = engine.record();
    let lease = kv.scratch(Place::Host).unwrap().lease(Bytes::mib(4)).unwrap();
    drop(lease);
    let recorded = folder.path().join("run.plimsoll");
    recording.finish().save(&recorded).unwrap();
    drop((kv, engine));
    let kept = plimsoll::runs::read(&runs).unwrap();
    assert!(kept.runs[0].pairs.iter().any(|pair| pair.part() == "kv" && pair.measured_bytes >= 4 << 20));

    // What it needed stands beside what was predicted.
    let compared = run(&["plan", "--compare", recorded.to_str().unwrap(), "--json"]);
    assert_eq!(compared.status.code(), Some(0), "{}", text(&compared.stderr));
    let compared = json(&compared);
    let parts = compared["parts"].as_array().unwrap();
    let kv = parts.iter().find(|part| part["account"] == "tiny-7m-q8_0/kv").unwrap();
    assert_eq!(kv["predicted_bytes"], 1024 * 8 * (128 + 128) * 2);
    assert!(kv["measured_bytes"].as_u64().unwrap() >= 4 << 20);
}

#[test]
fn a_configuration_alone_is_enough_and_what_servers_keep_besides_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let config = serde_json::json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128_256,
        "max_position_embeddings": 131_072, "torch_dtype": "bfloat16", "tie_word_embeddings": false,
    });
    let file = folder.path().join("config.json");
    std::fs::write(&file, config.to_string()).unwrap();
    let model = format!("{}:Q4_K_M,context=8k,kv=f16", file.display());
    let report = json(&plan(&["--model", &model, "--json"]));
    assert_eq!(bytes(&report, 0, "key-value cache", "cuda:0"), 1 << 30);
    let weights = bytes(&report, 0, "weights", "cuda:0") + bytes(&report, 0, "weights", "host");
    assert!((4_850_000_000..4_970_000_000).contains(&weights), "{weights}");
    let drafted = json(&plan(&["--model", "qwen3-14b:Q4_K_M,draft=qwen3-0.6b,context=8k", "--json"]));
    let own = bytes(&drafted, 0, "weights", "cuda:0");
    let draft = bytes(&drafted, 0, "draft's weights", "cuda:0");
    assert!(draft > 400 << 20 && draft < own / 8, "{draft} and {own}");
    let windows = json(&plan(&["--model", "gemma-3-12b:Q4_K_M,context=8k", "--json"]));
    assert!(bytes(&windows, 0, "context checkpoints", "host") > 0, "{windows}");
    assert_eq!(bytes(&windows, 0, "prompt cache", "host"), 8 << 30);
}

#[test]
fn several_workloads_share_a_machine_and_other_programs_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("plan.svg");
    let args = [
        "--model",
        "qwen3-8b,context=16k",
        "--index",
        "2Mx768,ivf,originals=disk",
        "--documents",
        "1GiB,chunk=512,model=nomic-embed-text-v1.5",
        "--svg",
        picture.to_str().unwrap(),
        "--json",
    ];
    let report = json(&plan(&args));
    assert_eq!(report["verdict"], "fits");
    assert_eq!(report["workloads"].as_array().unwrap().len(), 3);
    let drawn = std::fs::read_to_string(&picture).unwrap();
    assert!(drawn.starts_with("<svg") && drawn.trim_end().ends_with("</svg>"));
    for (program, word) in [
        ("llama-server", "--n-gpu-layers"),
        ("ollama", "PARAMETER num_ctx 8192"),
        ("vllm", "--max-model-len 8192"),
    ] {
        let told = text(&plan(&["--model", "qwen3-8b:Q4_K_M,context=8k", "--for", program]).stdout);
        assert!(told.contains(word), "{program}: {told}");
    }
    let image = plan(&["--image", "flux.1-dev,1024x1024", "--machine", "h100-sxm"]);
    assert!(text(&image.stderr).contains("cannot be used multiple times"), "one machine at a time");
    let image = run(&["plan", "--no-runs", "--machine", "h100-sxm", "--image", "flux.1-dev,1024x1024"]);
    assert!(text(&image.stdout).contains("denoiser"), "{}", text(&image.stderr));
    let kohya = text(&plan(&["--train", "sdxl:lora:rank=8,px=512", "--for", "kohya"]).stdout);
    assert!(kohya.contains("network_dim = 8"), "{kohya}");
}

#[test]
fn what_is_typed_wrong_says_what_may_be_typed() {
    for (args, word) in [
        (vec![], "--model qwen3-14b"),
        (vec!["--model", "no-such-model-9b"], "no-such-model"),
        (vec!["--model", "qwen3-14b,context=0"], "context"),
        (vec!["--model", "qwen3-14b,contxt=8k"], "contxt"),
        (vec!["--model", "qwen3-14b,kv=q2_k"], "cache cannot be"),
        (vec!["--model", "qwen3-14b,kv_v=q8_0,flash=off"], "without fused attention"),
        (vec!["--model", "/no/such/file.gguf"], "/no/such/file.gguf"),
        (vec!["--index", "768"], "5Mx768"),
        (vec!["--train", "gpt-17:lora"], "sdxl"),
        (vec!["--model", "qwen3-8b", "--line", "120%"], "--line 75%"),
        (vec!["--model", "qwen3-8b", "--for", "kohya"], "llama-server"),
    ] {
        let output = plan(&args);
        assert_ne!(output.status.code(), Some(0), "{args:?}");
        let said = text(&output.stderr);
        assert!(said.contains(word), "{args:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
    let nowhere = run(&["plan", "--model", "qwen3-8b", "--machine", "m4-ultra-512g"]);
    assert_eq!(nowhere.status.code(), Some(1));
}

#[test]
fn operations_tiers_and_checks_answer() {
    let op = run(&["plan", "op", "matmul", "m=4096,k=4096,n=4096,dtype=bf16", "--json"]);
    assert_eq!(json(&op)["moved_bytes"], 3 * 4096 * 4096 * 2);
    let attention = text(&run(&["plan", "op", "attention", "heads=32,q=4096,d=128,fused=no"]).stdout);
    assert!(attention.contains("only while it runs"), "{attention}");
    let tiers = ["plan", "tiers", "--machine", "m3-max-128g", "--machine", "rtx-3060+32g"];
    for sort in ["llm", "index", "train"] {
        let shown = text(&run(&[&tiers[..], &["--for", sort]].concat()).stdout);
        assert!(shown.contains("m3-max-128g") && shown.contains("rtx-3060+32g"), "{shown}");
    }
    let nothing = tempfile::tempdir().unwrap();
    let output = run(&["plan", "check", nothing.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("train_peaks_h200.csv"));
}

#[test]
fn the_planner_is_held_against_what_was_measured() {
    let truth = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/plan-truth");
    if !truth.exists() {
        println!("skipped: {} is not there", truth.display());
        return;
    }
    let output = plimsoll(&["plan", "check", truth.to_str().unwrap(), "--json"]).output().unwrap();
    let report = json(&output);
    let number = |of: &str, name: &str| report[of][name].as_f64().unwrap();
    assert!(number("kv", "rows") >= 90.0 && number("kv", "within") >= 0.98, "{report}");
    assert!(number("compute", "rows") >= 70.0, "{report}");
    assert!(number("compute", "max_over") <= 0.03 && number("compute", "max_under") <= 0.005, "{report}");
    assert!(number("train", "rows") >= 15.0 && number("train", "max_abs") <= 0.05, "{report}");
    assert!(number("train", "median_abs") <= 0.02 && number("train", "max_under") <= 0.02, "{report}");
}
