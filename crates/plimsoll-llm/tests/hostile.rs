//! Files that are cut, changed, or of another kind: refused with the reason, never computed with.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a scenario fails by panicking")]

mod support;

use std::sync::Arc;

use plimsoll_llm::{Decoder, ModelError};
use proptest::prelude::*;
use support::{Kind, Model, SMALL};

fn open(file: Vec<u8>) -> Result<Decoder, ModelError> {
    Decoder::over("made-up.gguf", Arc::new(file))
}

fn refusal(change: impl FnOnce(&mut Model)) -> ModelError {
    let mut model = Model::new(SMALL, Kind::F16, true, 1);
    change(&mut model);
    open(model.write()).map(|_| ()).unwrap_err()
}

#[test]
fn what_is_wrong_is_named() {
    let error = refusal(|model| model.text("general.architecture", "gpt2"));
    assert!(matches!(&error, ModelError::Architecture { found, .. } if found == "gpt2"));
    assert_eq!(
        error.to_string(),
        "made-up.gguf: its architecture is \"gpt2\", and only llama, mistral, qwen2 and qwen3 are computed here; use another engine for it"
    );
    let error = refusal(|model| drop(model.tensors.remove("blk.1.attn_k.weight")));
    assert!(matches!(&error, ModelError::Missing { name, .. } if name == "blk.1.attn_k.weight"));
    let error = refusal(|model| drop(model.tensors.remove("token_embd.weight")));
    assert!(matches!(&error, ModelError::Missing { name, .. } if name == "token_embd.weight"));
    let error = refusal(|model| model.count("llama.feed_forward_length", 64));
    assert!(matches!(&error, ModelError::Sides { name, .. } if name == "blk.0.ffn_gate.weight"));
    let error = refusal(|model| model.tensors.get_mut("output_norm.weight").unwrap().1 = 2);
    assert!(matches!(error, ModelError::Read(_) | ModelError::Kind { .. }));
    let error = refusal(|model| {
        // 64 numbers of type q4_0 are two blocks of 18 bytes.
        model.tensors.insert("output_norm.weight".to_owned(), (vec![64], 2, vec![0; 36]));
    });
    assert!(matches!(&error, ModelError::Kind { found, .. } if found == "q4_0"));
    let error = refusal(|model| {
        model.put("blk.0.attn_output.bias", vec![64], Kind::F32, &[0.0; 64]);
    });
    assert!(matches!(&error, ModelError::Feature { what, .. } if what.contains("blk.0.attn_output.bias")));
    for layers in [1, 3] {
        let error = refusal(|model| model.count("llama.block_count", layers));
        assert!(matches!(error, ModelError::Feature { .. } | ModelError::Missing { .. }), "{error}");
    }
}

#[test]
fn numbers_that_make_no_sense_are_refused() {
    for (key, count) in [
        ("attention.head_count", 0),
        ("attention.head_count_kv", 3),
        ("rope.dimension_count", 15),
        ("rope.dimension_count", 18),
        ("context_length", 0),
        ("block_count", u32::MAX),
    ] {
        let error = refusal(|model| model.count(&format!("llama.{key}"), count));
        assert!(
            matches!(&error, ModelError::Key { key: found, .. } if found.ends_with(key)),
            "{key}: {error}"
        );
    }
    for epsilon in [f32::NAN, 0.0, -1.0, f32::INFINITY] {
        let error = refusal(|model| model.real("llama.attention.layer_norm_rms_epsilon", epsilon));
        assert!(matches!(error, ModelError::Key { .. }), "{epsilon}: {error}");
    }
    let error = refusal(|model| drop(model.keys.remove("llama.embedding_length")));
    assert!(matches!(error, ModelError::Key { key: ".embedding_length", .. }));
}

#[test]
fn what_would_be_computed_otherwise_is_refused() {
    for (key, count) in [("expert_count", 8), ("attention.causal", 0)] {
        let error = refusal(|model| model.count(&format!("llama.{key}"), count));
        assert!(matches!(error, ModelError::Feature { .. }), "{key}: {error}");
    }
    for kind in ["longrope", "anything"] {
        let error = refusal(|model| model.text("llama.rope.scaling.type", kind));
        assert!(matches!(&error, ModelError::Feature { what, .. } if what.contains(kind)), "{error}");
    }
    let error = refusal(|model| model.count("split.count", 2));
    assert!(matches!(error, ModelError::Feature { .. }), "{error}");
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let whole = Model::new(SMALL, Kind::Q8, false, 1).write();
    assert!(open(whole.clone()).is_ok());
    // Behind the last tensor, 50 × 64 numbers in blocks of 34 bytes, stand 24 bytes that belong to none.
    let end = whole.len() - 24;
    let lengths = (0..end).step_by(end / 300).chain(end - 40..end);
    for length in lengths {
        let read = open(whole[..length].to_vec());
        assert!(read.is_err(), "{length} of {}", whole.len());
    }
}

#[test]
fn a_file_that_is_not_there_or_empty_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let error = Decoder::open(&path).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("cannot be opened"), "{error}");
    std::fs::write(&path, []).unwrap();
    let error = Decoder::open(&path).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("empty"), "{error}");
    std::fs::write(&path, Model::new(SMALL, Kind::F16, true, 1).write()).unwrap();
    assert_eq!(Decoder::open(&path).unwrap().shape().layers, 2);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn a_header_with_any_byte_changed_never_panics(at in 0_usize..2600, byte in any::<u8>()) {
        let mut file = Model::new(SMALL, Kind::Q8, true, 1).write();
        file[at] = byte;
        if let Ok(decoder) = open(file) {
            let decoder = Arc::new(decoder);
            // Whatever it says, what can be opened can be computed with.
            prop_assert!(decoder.generate(&[1, 2, 3], 2, plimsoll_llm::Draw::Likeliest).is_ok_and(|text| text.len() <= 2));
        }
    }
}
