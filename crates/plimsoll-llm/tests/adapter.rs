//! What a fine-tuning left changes what the decoder computes, and as much as the fine-tuning says.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a scenario fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plimsoll::{Bytes, Engine, Place};
use plimsoll_kv::layout::Element;
use plimsoll_llm::text::Tokenizer;
use plimsoll_llm::tune::{Batch, Corpus, Frozen, Homes, Keep, Projection, TuneSettings, Tuner};
use plimsoll_llm::{Adapter, Decoder, ModelError, OwnPages, Sequence, Strand};
use plimsoll_tensor::{Dtype, Stage};
use serde_json::{Value, json};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/tiny-7m-q8_0.gguf");

/// Learns a little, and keeps it: the folder, a text as learning sees it, and its loss before and after.
fn learned(folder: &Path) -> (PathBuf, Batch, f32, f32) {
    let engine = Engine::in_memory(Bytes::mib(256), "tuning").unwrap();
    let stage = Stage::host(engine.account("tuning").unwrap().scratch(Place::Host).unwrap(), 2);
    let settings = TuneSettings {
        rank: 4,
        sequence: 64,
        warmup: 1,
        steps: 6,
        rate: 4e-3,
        targets: Projection::ALL.to_vec(),
        ..TuneSettings::default()
    };
    let frozen =
        Frozen::of(&Decoder::open(MODEL).unwrap(), &stage, Dtype::F32, None, Homes::default()).unwrap();
    let mut tuner = Tuner::new(frozen, settings).unwrap();
    let path = folder.join("words.txt");
    fs::write(&path, "Every lease returns its bytes when it is dropped, and not before. ".repeat(200))
        .unwrap();
    let corpus = Corpus::read(&path, &Tokenizer::open(MODEL).unwrap(), 64).unwrap();
    let batch = corpus.batch(&[0]);
    let before = tuner.evaluate(std::slice::from_ref(&batch)).unwrap();
    for step in 0..6 {
        tuner.step(&corpus.step(step, 1, 1, 1)).unwrap();
    }
    let after = tuner.evaluate(std::slice::from_ref(&batch)).unwrap();
    let kept = folder.join("kept");
    Keep::new(&kept, "tiny", "one").unwrap().save(&tuner).unwrap();
    (kept, batch, before, after)
}

fn with(adapter: Option<&Path>) -> Result<Arc<Decoder>, ModelError> {
    let decoder = Decoder::open(MODEL).unwrap();
    Ok(Arc::new(match adapter {
        None => decoder,
        Some(folder) => {
            let adapter = Adapter::open(folder, decoder.shape())?;
            decoder.with_adapter(adapter)
        }
    }))
}

/// The mean loss of a text, as the decoder has it.
fn loss(decoder: &Arc<Decoder>, batch: &Batch) -> f32 {
    let layout = decoder.layout(16, Element::F32);
    let mut sequence = Sequence::begin(decoder, &layout).unwrap();
    let (mut sum, mut count) = (0.0_f64, 0_u32);
    let mut each = |index: usize, logits: &[f32]| {
        let Some(logit) = logits.get(batch.targets[index] as usize) else { return };
        let most = logits.iter().fold(f32::NEG_INFINITY, |most, x| most.max(*x));
        let all: f64 = logits.iter().map(|x| f64::from(x - most).exp()).sum();
        sum += f64::from(most) + all.ln() - f64::from(*logit);
        count += 1;
    };
    sequence.score(&batch.tokens, &mut OwnPages::new(&layout), &mut each).unwrap();
    (sum / f64::from(count)) as f32
}

#[test]
fn the_decoder_finds_the_loss_that_learning_found() {
    let folder = tempfile::tempdir().unwrap();
    let (kept, batch, before, after) = learned(folder.path());
    assert!(after < 0.8 * before, "it has learned: {before} to {after}");
    let (plain, changed) = (with(None).unwrap(), with(Some(&kept)).unwrap());
    for (decoder, wanted) in [(&plain, before), (&changed, after)] {
        let found = loss(decoder, &batch);
        // The decoder rounds inputs to eight bits, which learning does not.
        assert!((found - wanted).abs() < 5e-3 * before, "{found} here, {wanted} when it was learned");
    }
    // Blocks of one are not those of the other.
    assert_ne!(plain.fingerprint(), changed.fingerprint());
    assert!(changed.bytes() > plain.bytes());
    // Some tokens at once give what they give one by one.
    let layout = changed.layout(16, Element::F32);
    let tokens = &batch.tokens[..20];
    let mut together = plimsoll_llm::Batch::begin(&changed, &layout).unwrap();
    let mut table = OwnPages::new(&layout);
    let mut strands = [Strand { tokens, len: 0, table: &mut table }];
    let wanted = together.step(&mut strands).unwrap().to_vec();
    let (mut alone, mut table) = (Sequence::begin(&changed, &layout).unwrap(), OwnPages::new(&layout));
    let mut found = Vec::new();
    for token in tokens {
        found = alone.step(&[*token], &mut table).unwrap().to_vec();
    }
    assert_eq!(
        found.iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
        wanted.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
    );
}

#[test]
fn what_is_no_adapter_of_this_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (kept, ..) = learned(folder.path());
    let step = fs::read_dir(&kept).unwrap().next().unwrap().unwrap().path();
    let (file, config) = (step.join("adapter_model.safetensors"), step.join("adapter_config.json"));
    let (good_file, good_config) = (fs::read(&file).unwrap(), fs::read(&config).unwrap());
    let told = || with(Some(&kept)).unwrap_err().to_string();
    for (key, value, says) in [
        ("use_dora", json!(true), "use_dora"),
        ("bias", json!("all"), "bias"),
        ("peft_type", json!("IA3"), "IA3"),
        ("rank_pattern", json!({"q_proj": 2}), "rank_pattern"),
        ("modules_to_save", json!(["embed_tokens"]), "embed_tokens"),
        ("r", json!(0), "above zero"),
        ("lora_alpha", json!(null), "lora_alpha"),
    ] {
        let mut changed: Value = serde_json::from_slice(&good_config).unwrap();
        changed[key] = value;
        fs::write(&config, changed.to_string()).unwrap();
        let found = told();
        assert!(found.contains(says), "{key}: {found}");
    }
    fs::write(&config, "no json").unwrap();
    assert!(told().contains("adapter_config.json"));
    fs::write(&config, &good_config).unwrap();
    // Another name, of as many letters, and other bytes.
    let replaced = |from: &str, to: &str| {
        let at = good_file.windows(from.len()).position(|part| part == from.as_bytes()).unwrap();
        let mut bytes = good_file.clone();
        bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
        fs::write(&file, bytes).unwrap();
        told()
    };
    assert!(
        replaced("layers.0.self_attn.q_proj.lora_A", "layers.9.self_attn.q_proj.lora_A").contains("missing")
    );
    assert!(replaced("\"shape\":[4,256]", "\"shape\":[2,512]").contains("sides"), "{}", told());
    fs::write(&file, &good_file[..good_file.len() - 5]).unwrap();
    assert!(told().contains("cut short"), "{}", told());
    let mut bytes = good_file.clone();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&file, bytes).unwrap();
    assert!(told().contains("NaN"), "{}", told());
    fs::remove_file(&file).unwrap();
    assert!(told().contains("adapter"), "{}", told());
    fs::write(&file, &good_file).unwrap();
    // A whole layer less, and it is an adapter of a model with fewer layers: of another model it is none.
    let mut shape = Decoder::open(MODEL).unwrap().shape().clone();
    shape.layers = 7;
    let found = Adapter::open(&kept, &shape).unwrap_err().to_string();
    assert!(found.contains("layers.7"), "{found}");
}
