//! GGUF files, whole ones: what they say is what is read.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a scenario fails by panicking")]

mod support;

use std::path::Path;

use plimsoll::Bytes;
use plimsoll_plan::model::{Experts, Ffn, Mla, Model, RecurrentKind, Seat, TensorType};
use plimsoll_plan::read::{self, ReadError, Role, gguf};
use support::{Gguf, Value};

fn read(gguf: &Gguf) -> Model {
    gguf::read(&gguf.file(), Path::new("test.gguf")).unwrap()
}

/// A model of an architecture with usual keys.
fn usual(name: &str, layers: u32) -> Gguf {
    let key = |key: &str| format!("{name}.{key}");
    Gguf::new(name)
        .number(&key("block_count"), layers)
        .number(&key("context_length"), 8192)
        .number(&key("embedding_length"), 1024)
        .number(&key("feed_forward_length"), 4096)
        .number(&key("attention.head_count"), 8)
        .number(&key("attention.head_count_kv"), 2)
        .number(&key("vocab_size"), 1000)
}

#[test]
fn a_real_file_is_read_to_the_byte() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/models/tiny-7m-q8_0.gguf");
    if !Path::new(path).is_file() {
        eprintln!("skipped: {path} is not there");
        return;
    }
    let model = read::open(path).unwrap();
    assert_eq!((model.name.as_str(), model.hyper.architecture.as_str()), ("plimsoll-tiny-7m", "llama"));
    assert_eq!((model.hyper.layers.len(), model.hyper.width, model.hyper.vocabulary), (8, 256, 4096));
    assert_eq!((model.hyper.context_trained, model.hyper.rope_width), (1024, 64));
    assert!(model.hyper.tied_embedding && model.doubts.is_empty());
    let attention = model.hyper.layers[7].attention.clone().unwrap();
    assert_eq!((attention.heads, attention.kv_heads, attention.key_width), (4, 2, 64));
    assert_eq!(model.hyper.layers[0].ffn, Ffn::Dense { width: 768, gated: true });
    // The file's length, less a header of 132,401 bytes padded to 132,416; no tensor here needs padding.
    assert_eq!(model.weight_bytes(), Bytes::new(7_948_608 - 132_416));
    assert_eq!(model.seat_bytes(Seat::Input), Bytes::new(4096 * 256 / 32 * 34));
    assert_eq!(read::role(&model), Role::Model);
}

#[test]
fn both_versions_and_both_orders_of_bytes_are_read_alike() {
    let fill = |gguf: Gguf| {
        gguf.key("general.architecture", &Value::Text("llama"))
            .number("llama.block_count", 1)
            .number("llama.embedding_length", 64)
            .number("llama.attention.head_count", 4)
            .tensor("token_embd.weight", &[64, 10], 8, 680)
            .tensor("blk.0.ffn_down.weight", &[32, 64], 1, 4096)
    };
    let one = read(&fill(Gguf::bare()));
    assert_eq!(one, read(&fill(Gguf::bare().version(2))));
    assert_eq!(one, read(&fill(Gguf::big_endian())));
    assert_eq!(one.hyper.vocabulary, 10);
    assert_eq!(one.weight_bytes(), Bytes::new(680 + 4096));
    for version in [0, 1, 4, 255] {
        let error = gguf::read(&fill(Gguf::bare().version(version)).file(), Path::new("x")).unwrap_err();
        assert!(matches!(error, ReadError::Version { version: found, .. } if found == version), "{error}");
    }
}

#[test]
fn layers_may_differ_in_heads_and_widths() {
    let name = "deci";
    let model = read(
        &Gguf::new(name)
            .number("deci.block_count", 3)
            .number("deci.embedding_length", 512)
            .key("deci.attention.head_count", &Value::List(&[8, 0, 8]))
            .key("deci.attention.head_count_kv", &Value::List(&[2, 0, 4]))
            .key("deci.feed_forward_length", &Value::List(&[100, 200, 0])),
    );
    let kv =
        |layer: usize| model.hyper.layers[layer].attention.as_ref().map(|own| (own.kv_heads, own.key_width));
    assert_eq!([kv(0), kv(1), kv(2)], [Some((2, 64)), None, Some((4, 64))]);
    assert_eq!(model.hyper.layers[1].ffn, Ffn::Dense { width: 200, gated: true });
    assert_eq!(model.hyper.layers[2].ffn, Ffn::None);
}

#[test]
fn windows_shared_keys_and_widths_of_their_own() {
    let gemma = usual("gemma4", 6)
        .number("gemma4.attention.sliding_window", 512)
        .key(
            "gemma4.attention.sliding_window_pattern",
            &Value::Flags(&[true, true, false, true, true, false]),
        )
        .number("gemma4.attention.shared_kv_layers", 2)
        .number("gemma4.attention.key_length", 512)
        .number("gemma4.attention.value_length", 512)
        .number("gemma4.attention.key_length_swa", 256)
        .number("gemma4.attention.value_length_swa", 256)
        .key("gemma4.final_logit_softcapping", &Value::F32(30.0));
    let hyper = read(&gemma).hyper;
    let layers: Vec<_> = hyper.layers.iter().map(|layer| layer.attention.clone().unwrap()).collect();
    let windows: Vec<_> = layers.iter().map(|own| own.window).collect();
    assert_eq!(windows, [Some(512), Some(512), None, Some(512), Some(512), None]);
    assert_eq!(layers.iter().map(|own| own.key_width).collect::<Vec<_>>(), [256, 256, 512, 256, 256, 512]);
    assert_eq!(
        layers.iter().map(|own| own.borrows_kv).collect::<Vec<_>>(),
        [false, false, false, false, true, true]
    );
    assert!(hyper.logits_softcap && !hyper.attention_softcap);
    assert!(read(&usual("gemma2", 2)).hyper.attention_softcap);
}

#[test]
fn a_latent_is_recognised_only_where_the_file_has_been_made_for_it() {
    let new = usual("deepseek2", 4)
        .number("deepseek2.attention.q_lora_rank", 1536)
        .number("deepseek2.attention.kv_lora_rank", 512)
        .number("deepseek2.rope.dimension_count", 64)
        .number("deepseek2.attention.key_length", 576)
        .number("deepseek2.attention.value_length", 512)
        .number("deepseek2.attention.key_length_mla", 192)
        .number("deepseek2.attention.value_length_mla", 128)
        .number("deepseek2.expert_count", 16)
        .number("deepseek2.expert_used_count", 4)
        .number("deepseek2.expert_shared_count", 2)
        .number("deepseek2.expert_feed_forward_length", 100)
        .number("deepseek2.leading_dense_block_count", 1)
        .number("deepseek2.nextn_predict_layers", 1);
    let model = read(&new);
    assert_eq!(model.hyper.layers.len(), 3, "a layer that predicts further tokens is none of these");
    let attention = model.hyper.layers[1].attention.clone().unwrap();
    assert_eq!(attention.mla, Some(Mla { kv_rank: 512, rope_width: 64, query_rank: Some(1536) }));
    assert_eq!((attention.heads, attention.kv_heads), (8, 8));
    assert_eq!((attention.key_width, attention.value_width), (192, 128));
    assert_eq!(model.hyper.layers[0].ffn, Ffn::Dense { width: 4096, gated: true });
    let experts = Experts { count: 16, used: 4, width: 100, shared_width: 200 };
    assert_eq!(model.hyper.layers[1].ffn, Ffn::Experts(experts));

    let old = usual("deepseek2", 4)
        .number("deepseek2.attention.kv_lora_rank", 512)
        .number("deepseek2.attention.key_length", 192)
        .number("deepseek2.attention.value_length", 128);
    let model = read(&old);
    let attention = model.hyper.layers[1].attention.clone().unwrap();
    assert_eq!((attention.mla, attention.kv_heads, attention.key_width), (None, 2, 192));
    assert!(model.doubts.iter().any(|doubt| doubt.text.contains("older")));
    assert!(model.doubts[0].text.contains("no tensors"), "{}", model.doubts[0]);
}

#[test]
fn recurrent_and_hybrid_layers_carry_their_state() {
    let state = |gguf: Gguf, name: &str| {
        gguf.number(&format!("{name}.ssm.conv_kernel"), 4)
            .number(&format!("{name}.ssm.inner_size"), 2048)
            .number(&format!("{name}.ssm.state_size"), 128)
            .number(&format!("{name}.ssm.group_count"), 8)
            .number(&format!("{name}.ssm.time_step_rank"), 32)
    };
    let kinds = |model: &Model| -> String {
        let letter = |layer: &plimsoll_plan::model::Layer| match (&layer.attention, &layer.recurrent) {
            (Some(_), None) => 'a',
            (None, Some(_)) => 'r',
            (Some(_), Some(_)) => 'b',
            (None, None) => '-',
        };
        model.hyper.layers.iter().map(letter).collect()
    };
    let next = read(&state(usual("qwen3next", 8), "qwen3next"));
    assert_eq!(kinds(&next), "rrrarrra");
    let own = next.hyper.layers[0].recurrent.clone().unwrap();
    assert_eq!(
        (own.kind, own.inner_width, own.state_width, own.groups, own.heads, own.taps),
        (RecurrentKind::DeltaNet, 2048, 128, 8, 32, 4)
    );
    assert_eq!(kinds(&read(&state(usual("falcon-h1", 3), "falcon-h1"))), "bbb");
    let mamba = Gguf::new("mamba2").number("mamba2.block_count", 2).number("mamba2.embedding_length", 1024);
    let mamba = read(&state(mamba, "mamba2").number("mamba2.feed_forward_length", 0));
    assert_eq!(kinds(&mamba), "rr");
    assert_eq!(mamba.hyper.layers[0].ffn, Ffn::None);
    let nemotron = Gguf::new("nemotron_h")
        .number("nemotron_h.block_count", 4)
        .number("nemotron_h.embedding_length", 1024)
        .number("nemotron_h.attention.head_count", 8)
        .key("nemotron_h.attention.head_count_kv", &Value::List(&[0, 0, 2, 0]))
        .key("nemotron_h.feed_forward_length", &Value::List(&[0, 4096, 0, 0]));
    assert_eq!(kinds(&read(&state(nemotron, "nemotron_h"))), "r-ar");
    let rwkv = Gguf::new("rwkv7")
        .number("rwkv7.block_count", 1)
        .number("rwkv7.embedding_length", 2048)
        .number("rwkv7.wkv.head_size", 64)
        .number("rwkv7.attention.head_count", 0)
        .number("rwkv7.feed_forward_length", 8192);
    let rwkv = read(&rwkv);
    assert_eq!(kinds(&rwkv), "r");
    assert_eq!(rwkv.hyper.layers[0].recurrent.as_ref().unwrap().kind, RecurrentKind::Rwkv7);
    let lfm = Gguf::new("lfm2")
        .number("lfm2.block_count", 3)
        .number("lfm2.embedding_length", 2048)
        .number("lfm2.shortconv.l_cache", 3)
        .number("lfm2.attention.head_count", 32)
        .key("lfm2.attention.head_count_kv", &Value::List(&[0, 0, 8]))
        .number("lfm2.feed_forward_length", 7168);
    assert_eq!(kinds(&read(&lfm)), "rra");
    let kimi = Gguf::new("kimi-linear")
        .number("kimi-linear.block_count", 4)
        .number("kimi-linear.embedding_length", 2304)
        .number("kimi-linear.attention.head_count", 32)
        .key("kimi-linear.attention.head_count_kv", &Value::List(&[0, 0, 0, 1]))
        .number("kimi-linear.attention.kv_lora_rank", 512)
        .number("kimi-linear.attention.key_length", 576)
        .number("kimi-linear.attention.key_length_mla", 192)
        .number("kimi-linear.attention.value_length_mla", 128)
        .number("kimi-linear.ssm.conv_kernel", 4)
        .number("kimi-linear.kda.head_dim", 128);
    let kimi = read(&kimi);
    assert_eq!(kinds(&kimi), "rrra");
    assert_eq!(kimi.hyper.layers[0].recurrent.as_ref().unwrap().heads, 32);
    assert!(kimi.hyper.layers[3].attention.as_ref().unwrap().mla.is_some());
}

#[test]
fn tensors_decide_what_a_layer_is_made_of() {
    let mixed = usual("arctic", 3)
        .number("arctic.expert_count", 4)
        .number("arctic.expert_used_count", 2)
        .tensor("token_embd.weight", &[1024, 1000], 0, 4_096_000)
        .tensor("output.weight", &[1024, 1000], 0, 4_096_000)
        .tensor("blk.0.ffn_down_exps.weight", &[64, 1024, 4], 0, 1_048_576)
        .tensor("blk.0.ffn_down.weight", &[32, 1024], 0, 131_072)
        .tensor("blk.1.ffn_down.weight", &[48, 1024], 0, 196_608)
        .tensor("blk.1.ffn_up.weight", &[1024, 96], 0, 393_216);
    let model = read(&mixed);
    let experts = Experts { count: 4, used: 2, width: 64, shared_width: 32 };
    assert_eq!(model.hyper.layers[0].ffn, Ffn::Experts(experts));
    assert_eq!(model.hyper.layers[1].ffn, Ffn::Dense { width: 48, gated: true }, "its gate is within");
    assert!(!model.hyper.tied_embedding);
}

#[test]
fn what_is_not_known_is_read_with_a_doubt() {
    let unknown =
        usual("brandnew", 2).tensor("a.weight", &[512, 4], 139, 1152).tensor("b.weight", &[64], 0, 256);
    let model = read(&unknown);
    assert_eq!(model.hyper.layers.len(), 2);
    assert!(model.doubts.iter().any(|doubt| doubt.text.contains("brandnew") && doubt.share > 0.0));
    assert!(model.doubts.iter().any(|doubt| doubt.text.contains("139")));
    assert_eq!(model.tensors[0].bytes, Bytes::new(1152), "by its room");
    assert_eq!(model.tensors[0].kind.size(256), TensorType::Q4_K.size(256), "and by a type that is as large");
    let mute = Gguf::new("brandnew").number("brandnew.embedding_length", 64).tensor("blk.3.x", &[4], 0, 16);
    assert_eq!(read(&mute).hyper.layers.len(), 4, "as many layers as tensors show");
}

#[test]
fn what_goes_with_a_model_has_no_layers() {
    let projector =
        Gguf::new("clip").tensor("v.patch_embd.weight", &[64], 0, 256).tensor("mm.0.weight", &[8], 0, 32);
    let projector = read(&projector);
    assert_eq!((read::role(&projector), projector.weight_bytes()), (Role::Projector, Bytes::new(288)));
    let adapter = Gguf::new("llama")
        .key("general.type", &Value::Text("adapter"))
        .tensor("blk.0.attn_q.weight.lora_a", &[64, 8], 0, 2048)
        .tensor("blk.0.attn_q.weight.lora_b", &[8, 64], 0, 2048);
    let adapter = read(&adapter);
    assert_eq!((read::role(&adapter), adapter.hyper.layers.len()), (Role::Adapter, 0));
    assert_eq!(
        read::role(&read(&Gguf::new("flux").tensor("double_blocks.0.x", &[64], 0, 256))),
        Role::Weights
    );
    let imatrix = Gguf::bare().key("general.type", &Value::Text("imatrix")).tensor("a", &[1], 0, 4);
    let error = gguf::read(&imatrix.file(), Path::new("x.gguf")).unwrap_err();
    assert!(matches!(error, ReadError::Other { .. }), "{error}");
}

#[test]
fn any_part_opens_all_of_them_and_missing_ones_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (first, _) = support::deepseek_like(folder.path(), 9).unwrap();
    let model = read::open(&first).unwrap();
    assert_eq!(model, read::open(folder.path().join("like-00007-of-00009.gguf")).unwrap());
    assert_eq!(model, read::open(folder.path()).unwrap());
    assert_eq!((model.hyper.layers.len(), model.hyper.vocabulary), (61, 129_280));
    assert_eq!(model.doubts, []);
    assert_eq!(model.tensors.len(), 3 + 3 * 13 + 58 * 18);
    std::fs::remove_file(folder.path().join("like-00004-of-00009.gguf")).unwrap();
    std::fs::remove_file(folder.path().join("like-00009-of-00009.gguf")).unwrap();
    let error = read::open(&first).unwrap_err().to_string();
    assert!(error.contains("like-00004-of-00009.gguf, like-00009-of-00009.gguf"), "{error}");
}

#[test]
fn parts_under_false_names_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let part = |number: u32| {
        Gguf::new("llama").number("split.no", number).number("split.count", 2).tensor(
            &format!("t{number}"),
            &[4],
            0,
            16,
        )
    };
    part(1).write_sparse(&folder.path().join("m-00001-of-00002.gguf")).unwrap();
    part(0).write_sparse(&folder.path().join("m-00002-of-00002.gguf")).unwrap();
    part(0).write_sparse(&folder.path().join("alone.gguf")).unwrap();
    let error = read::open(folder.path().join("m-00002-of-00002.gguf")).unwrap_err();
    assert!(error.to_string().contains("part 2 of 2, but its name says 1"), "{error}");
    let error = read::open(folder.path().join("alone.gguf")).unwrap_err();
    assert!(matches!(error, ReadError::PartName { count: 2, .. }), "{error}");
    let one = gguf::read(
        &part(0).number("llama.block_count", 1).number("llama.embedding_length", 64).file(),
        Path::new("x"),
    );
    assert!(one.unwrap().doubts[0].text.contains("only this one"));
}
