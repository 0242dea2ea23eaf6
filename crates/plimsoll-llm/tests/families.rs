//! Models of each family, as GGUF and as safetensors, against a reference in doubles.

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a scenario fails by panicking, and sizes are tiny"
)]

mod support;

use std::path::Path;
use std::sync::Arc;

use plimsoll_kv::layout::Element;
use plimsoll_llm::{Decoder, Family, ModelError, OwnPages, Sequence};
use serde_json::{Value, json};
use support::files::config;
use support::{Kind, Model, SMALL, Sizes};

const QWEN: Sizes = Sizes { key_width: 32, value_width: 32, rope_width: 32, ..SMALL };

fn tokens() -> Vec<u32> {
    (0..40).map(|index| (index * 11 + 3) % 50).collect()
}

fn logits(decoder: Decoder) -> Vec<Vec<f32>> {
    let decoder = Arc::new(decoder);
    let layout = decoder.layout(16, Element::F32);
    let (mut pages, mut all) = (OwnPages::new(&layout), Vec::new());
    let mut sequence = Sequence::begin(&decoder, &layout).unwrap();
    sequence.score(&tokens(), &mut pages, &mut |_, logits| all.push(logits.to_vec())).unwrap();
    all
}

/// The greatest difference, relative to how far logits spread.
fn apart(ours: &[Vec<f32>], wanted: &[Vec<f64>]) -> f64 {
    assert_eq!(ours.len(), wanted.len());
    let one = |(ours, wanted): (&Vec<f32>, &Vec<f64>)| {
        let spread = wanted.iter().fold(0.0_f64, |most, logit| most.max(logit.abs()));
        let most = |most: f64, (one, other): (&f32, &f64)| most.max((f64::from(*one) - other).abs());
        ours.iter().zip(wanted).fold(0.0, most) / spread
    };
    ours.iter().zip(wanted).map(one).fold(0.0, f64::max)
}

fn of_gguf(model: &Model) -> Decoder {
    Decoder::over("made-up.gguf", Arc::new(model.write())).unwrap()
}

fn of_files(model: &Model, sizes: Sizes, config: &Value, files: usize) -> Result<Decoder, ModelError> {
    let folder = tempfile::tempdir().unwrap();
    model.write_files(folder.path(), sizes, config, files);
    // The files stay mapped when the folder is gone.
    Decoder::open(folder.path())
}

#[test]
fn every_family_computes_the_reference_out_of_either_format() {
    for (gguf, name, sizes, family) in [
        ("llama", "llama", SMALL, Family::Llama),
        ("llama", "mistral", SMALL, Family::Mistral),
        ("qwen2", "qwen2", SMALL, Family::Qwen2),
        ("qwen3", "qwen3", QWEN, Family::Qwen3),
    ] {
        for (kind, tied, files) in [(Kind::F32, true, 1), (Kind::Bf16, false, 3), (Kind::F16, false, 2)] {
            let model = Model::of(gguf, sizes, kind, tied, 21);
            let wanted = model.logits(sizes, 1.0, &tokens());
            let distance = apart(&logits(of_gguf(&model)), &wanted);
            assert!(distance < 2e-5, "{name} {kind:?} as GGUF: {distance}");
            let decoder = of_files(&model, sizes, &config(name, sizes, tied), files).unwrap();
            assert_eq!((decoder.shape().family, decoder.shape().first_token), (family, Some(1)));
            let distance = apart(&logits(decoder), &wanted);
            assert!(distance < 2e-5, "{name} {kind:?} as {files} safetensors: {distance}");
        }
        // What a family has besides is seen in the logits.
        let plain = Model::of("llama", sizes, Kind::F32, true, 21).logits(sizes, 1.0, &tokens());
        let ours = logits(of_gguf(&Model::of(gguf, sizes, Kind::F32, true, 21)));
        assert_eq!(apart(&ours, &plain) > 1e-2, gguf != "llama", "{name}");
    }
}

#[test]
fn q8_weights_of_every_family_compute_the_reference() {
    for (gguf, sizes) in [("qwen2", SMALL), ("qwen3", QWEN)] {
        let model = Model::of(gguf, sizes, Kind::Q8, true, 4);
        let distance = apart(&logits(of_gguf(&model)), &model.logits(sizes, 1.0, &tokens()));
        assert!(distance < 0.01, "{gguf}: {distance}");
    }
}

/// The divisors of Llama 3's scaling, as its authors describe it.
fn llama3(width: usize, base: f64, factor: f64, low: f64, high: f64, trained: f64) -> Vec<f64> {
    let of = |pair: usize| {
        let frequency = 1.0
            / base.powf(
                2.0 * f64::from(u32::try_from(pair).unwrap()) / f64::from(u32::try_from(width).unwrap()),
            );
        let wavelength = 2.0 * std::f64::consts::PI / frequency;
        if wavelength < trained / high {
            return 1.0;
        }
        if wavelength > trained / low {
            return factor;
        }
        let smooth = (trained / wavelength - low) / (high - low);
        frequency / ((1.0 - smooth) * frequency / factor + smooth * frequency)
    };
    (0..width / 2).map(of).collect()
}

#[test]
fn scalings_of_positions_are_as_the_configuration_says() {
    let mut model = Model::of("llama", SMALL, Kind::F32, true, 8);
    let with = |key: &str, value: Value| {
        let mut config = config("llama", SMALL, true);
        config[key] = value;
        config
    };
    let linear = with("rope_scaling", json!({"type": "linear", "factor": 4.0}));
    let wanted = model.logits(SMALL, 4.0, &tokens());
    assert!(apart(&logits(of_files(&model, SMALL, &linear, 1).unwrap()), &wanted) < 2e-5);
    let scaling = json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 64});
    let mut newer = scaling.clone();
    newer["rope_theta"] = json!(10_000.0);
    let factors = llama3(16, 10_000.0, 8.0, 1.0, 4.0, 64.0);
    assert!(factors.iter().any(|factor| *factor > 1.0 && *factor < 8.0), "{factors:?}");
    model.numbers.insert("rope_freqs.weight".to_owned(), factors);
    let wanted = model.logits(SMALL, 1.0, &tokens());
    for config in [with("rope_scaling", scaling), with("rope_parameters", newer)] {
        let distance = apart(&logits(of_files(&model, SMALL, &config, 1).unwrap()), &wanted);
        assert!(distance < 2e-5, "{distance}");
    }
}

/// By what `YaRN` divides the frequency of each pair, written down from its definition: a share of each frequency is what it
/// was, the rest is slowed down.
fn yarn(width: usize, factor: f64, trained: f64, (fast, slow): (f64, f64)) -> Vec<f64> {
    let at = |rounds: f64| {
        width as f64 * (trained / (rounds * 2.0 * std::f64::consts::PI)).ln() / (2.0 * 10_000_f64.ln())
    };
    let (low, high) = (at(fast).floor().max(0.0), at(slow).ceil().min(width as f64 - 1.0));
    let of = |pair: usize| {
        let slowed = ((pair as f64 - low) / (high - low)).clamp(0.0, 1.0);
        let frequency = 10_000_f64.powf(-2.0 * pair as f64 / width as f64);
        frequency / (frequency / factor * slowed + frequency * (1.0 - slowed))
    };
    (0..width / 2).map(of).collect()
}

#[test]
fn yarn_is_as_files_of_both_kinds_say() {
    let tokens = tokens();
    let mut reference = Model::of("llama", SMALL, Kind::F32, true, 8);
    let mut gguf = reference.clone();
    let plain = reference.logits(SMALL, 1.0, &tokens);
    for (more, factors, length) in [
        (json!({}), yarn(16, 4.0, 32.0, (32.0, 1.0)), 0.1 * 4_f64.ln() + 1.0),
        (
            json!({"beta_fast": 2.0, "beta_slow": 0.25}),
            yarn(16, 4.0, 32.0, (2.0, 0.25)),
            0.1 * 4_f64.ln() + 1.0,
        ),
        (json!({"attention_factor": 0.9}), yarn(16, 4.0, 32.0, (32.0, 1.0)), 0.9),
        (
            json!({"mscale": 0.5, "mscale_all_dim": 1.0}),
            yarn(16, 4.0, 32.0, (32.0, 1.0)),
            (0.05 * 4_f64.ln() + 1.0) / (0.1 * 4_f64.ln() + 1.0),
        ),
    ] {
        assert!(factors.iter().any(|factor| *factor > 1.5 && *factor < 4.0), "{factors:?}");
        reference.numbers.insert("rope_freqs.weight".to_owned(), factors);
        reference.length = length;
        let wanted = reference.logits(SMALL, 1.0, &tokens);
        let mut config = config("llama", SMALL, true);
        config["rope_scaling"] =
            json!({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32});
        for (key, value) in more.as_object().unwrap() {
            config["rope_scaling"][key] = value.clone();
        }
        let decoder = of_files(&gguf, SMALL, &config, 1).unwrap();
        let ours = logits(decoder);
        let distance = apart(&ours, &wanted);
        assert!(distance < 2e-5, "{more}: {distance}");
        // A mistake would be seen.
        assert!(apart(&ours, &plain) > 1e-3);
        // The same in GGUF's words; what it has none for is left out.
        if more.get("mscale").is_some() {
            continue;
        }
        gguf.text("llama.rope.scaling.type", "yarn");
        gguf.real("llama.rope.scaling.factor", 4.0);
        gguf.count("llama.rope.scaling.original_context_length", 32);
        for (key, name) in [("beta_fast", "yarn_beta_fast"), ("beta_slow", "yarn_beta_slow")] {
            let usual = if key == "beta_fast" { 32.0 } else { 1.0 };
            let value = more.get(key).and_then(Value::as_f64).unwrap_or(usual);
            gguf.real(&format!("llama.rope.scaling.{name}"), value as f32);
        }
        let written = length / (0.1 * 4_f64.ln() + 1.0);
        gguf.real("llama.rope.scaling.attn_factor", written as f32);
        let decoder = Decoder::over("yarn.gguf", Arc::new(gguf.write())).unwrap();
        assert_eq!(decoder.shape().context, 128);
        let distance = apart(&logits(decoder), &wanted);
        assert!(distance < 2e-5, "GGUF, {more}: {distance}");
    }
    // Positions reach as far as the factor says, where the file says less.
    gguf.count("llama.rope.scaling.original_context_length", 64);
    assert_eq!(Decoder::over("yarn.gguf", Arc::new(gguf.write())).unwrap().shape().context, 256);
    gguf.real("llama.rope.scaling.yarn_log_multiplier", 0.1);
    assert!(Decoder::over("yarn.gguf", Arc::new(gguf.write())).unwrap_err().to_string().contains("YaRN"));
}

#[test]
fn a_window_that_slides_bounds_the_context() {
    let model = Model::of("llama", SMALL, Kind::F32, true, 8);
    let context = |family: &str, more: Value| {
        let mut config = config(family, SMALL, true);
        for (key, value) in more.as_object().unwrap() {
            config[key] = value.clone();
        }
        of_files(&model, SMALL, &config, 1).map(|decoder| decoder.shape().context)
    };
    assert_eq!(context("mistral", json!({"sliding_window": 32})).unwrap(), 32);
    assert_eq!(context("mistral", json!({"sliding_window": null})).unwrap(), 128);
    assert_eq!(context("llama", json!({"sliding_window": 32, "use_sliding_window": false})).unwrap(), 128);
    let mixed = json!({"sliding_window": 32, "layer_types": ["full_attention", "sliding_attention"]});
    assert_eq!(context("llama", mixed).unwrap(), 32);
}

#[test]
fn what_is_not_computed_is_refused_by_name() {
    let model = Model::of("llama", SMALL, Kind::F32, true, 8);
    let refused = |key: &str, value: Value| {
        let mut config = config("llama", SMALL, true);
        config[key] = value;
        of_files(&model, SMALL, &config, 1).unwrap_err().to_string()
    };
    for (key, value, names) in [
        ("model_type", json!("gemma3"), "gemma3"),
        ("rope_scaling", json!({"rope_type": "longrope", "factor": 4.0}), "longrope"),
        ("rope_scaling", json!({"rope_type": "yarn"}), "factor"),
        ("hidden_act", json!("gelu"), "gelu"),
        ("quantization_config", json!({"quant_method": "gptq"}), "gptq"),
        ("partial_rotary_factor", json!(0.5), "0.5"),
        ("num_hidden_layers", json!(0), "num_hidden_layers"),
        ("num_key_value_heads", json!(3), "num_key_value_heads"),
        ("hidden_size", json!(32), "sides"),
        ("rms_norm_eps", json!(-1.0), "rms_norm_eps"),
    ] {
        let message = refused(key, value);
        assert!(message.contains(names), "{key}: {message}");
    }
    let mut other = model.clone();
    other.put("blk.0.attn_output.bias", vec![64], Kind::F32, &[0.0; 64]);
    let message = of_files(&other, SMALL, &config("llama", SMALL, true), 1).unwrap_err().to_string();
    assert!(message.contains("o_proj.bias"), "{message}");
    let biased = config("qwen2", SMALL, true);
    let message = of_files(&model, SMALL, &biased, 1).unwrap_err().to_string();
    assert!(message.contains("q_proj.bias") && message.contains("missing"), "{message}");
}

#[test]
fn files_that_are_not_there_are_named() {
    let model = Model::of("llama", SMALL, Kind::F32, true, 8);
    let folder = tempfile::tempdir().unwrap();
    model.write_files(folder.path(), SMALL, &config("llama", SMALL, true), 2);
    let part = folder.path().join("model-00002-of-00002.safetensors");
    // Any of the files is the whole model.
    assert!(Decoder::open(&part).is_ok());
    let bytes = std::fs::read(&part).unwrap();
    std::fs::write(&part, &bytes[..bytes.len() - 100]).unwrap();
    let refused = |path: &Path| Decoder::open(path).unwrap_err().to_string();
    assert!(refused(folder.path()).contains("100 bytes"), "{}", refused(folder.path()));
    std::fs::remove_file(&part).unwrap();
    assert!(refused(folder.path()).contains("model-00002-of-00002"), "{}", refused(folder.path()));
    std::fs::write(&part, &bytes).unwrap();
    std::fs::remove_file(folder.path().join("config.json")).unwrap();
    assert!(refused(folder.path()).contains("config.json"), "{}", refused(folder.path()));
    // A folder with a GGUF file and nothing else is that model.
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("m.gguf"), model.write()).unwrap();
    assert!(Decoder::open(other.path()).unwrap().path().ends_with("m.gguf"));
}

#[test]
fn the_configuration_is_part_of_the_fingerprint() {
    let model = Model::of("llama", SMALL, Kind::F32, true, 8);
    let mut other = config("llama", SMALL, true);
    let one = of_files(&model, SMALL, &other, 2).unwrap().fingerprint();
    assert_eq!(one, of_files(&model, SMALL, &other, 2).unwrap().fingerprint());
    other["rope_theta"] = json!(20_000.0);
    assert_ne!(one, of_files(&model, SMALL, &other, 2).unwrap().fingerprint());
}
