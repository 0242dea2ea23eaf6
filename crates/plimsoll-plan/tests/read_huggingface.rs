//! Configurations and safetensors as Hugging Face has them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a scenario fails by panicking")]

mod support;

use std::fs;
use std::path::Path;

use plimsoll::Bytes;
use plimsoll_plan::model::{Experts, Ffn, Hyper, Mla, Origin, RecurrentKind, TensorType};
use plimsoll_plan::read::{self, Role, read_config, safetensors};
use support::safetensors as wrap;

fn config(text: &str) -> Hyper {
    let model = read_config(&text.as_bytes().to_vec(), Path::new("some-model/config.json")).unwrap();
    assert!(model.doubts.is_empty(), "{:?}", model.doubts);
    assert_eq!(model.name, "some-model");
    model.hyper
}

/// Letters of layers: a attention, w with a window, b with borrowed keys, r recurrent, - neither.
fn letters(hyper: &Hyper) -> String {
    let letter = |layer: &plimsoll_plan::model::Layer| match (&layer.attention, &layer.recurrent) {
        (Some(own), None) if own.borrows_kv => 'b',
        (Some(own), None) if own.window.is_some() => 'w',
        (Some(_), None) => 'a',
        (None, Some(_)) => 'r',
        (Some(_), Some(_)) => '+',
        (None, None) => '-',
    };
    hyper.layers.iter().map(letter).collect()
}

#[test]
fn dense_ones() {
    let llama = config(
        r#"{"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":4096,"intermediate_size":14336,
        "max_position_embeddings":131072,"num_attention_heads":32,"num_hidden_layers":32,"num_key_value_heads":8,
        "vocab_size":128256,"tie_word_embeddings":false,"torch_dtype":"bfloat16"}"#,
    );
    assert_eq!((llama.architecture.as_str(), llama.layers.len(), llama.width), ("llama", 32, 4096));
    assert_eq!((llama.vocabulary, llama.context_trained, llama.rope_width), (128_256, 131_072, 128));
    let attention = llama.layers[31].attention.clone().unwrap();
    assert_eq!(
        (attention.heads, attention.kv_heads, attention.key_width, attention.value_width),
        (32, 8, 128, 128)
    );
    assert_eq!(llama.layers[0].ffn, Ffn::Dense { width: 14_336, gated: true });
    assert!(!llama.tied_embedding);

    let qwen = config(
        r#"{"model_type":"qwen3","hidden_size":1024,"intermediate_size":3072,"num_attention_heads":16,"head_dim":128,
        "num_hidden_layers":28,"num_key_value_heads":8,"vocab_size":151936,"tie_word_embeddings":true,
        "use_sliding_window":false,"sliding_window":4096,"max_window_layers":28}"#,
    );
    assert_eq!((qwen.layers[0].attention.as_ref().unwrap().key_width, qwen.tied_embedding), (128, true));
    assert_eq!(letters(&qwen), "a".repeat(28));
    let falcon = config(
        r#"{"model_type":"falcon","hidden_size":4544,"num_attention_heads":71,"num_hidden_layers":2,"multi_query":true,
        "vocab_size":65024}"#,
    );
    assert_eq!(falcon.layers[0].attention.as_ref().unwrap().kv_heads, 1);
    assert_eq!(falcon.layers[0].ffn, Ffn::Dense { width: 18_176, gated: false });
    let gpt2 = config(
        r#"{"model_type":"gpt2","n_embd":768,"n_head":12,"n_layer":12,"n_positions":1024,"vocab_size":50257}"#,
    );
    assert_eq!((gpt2.layers.len(), gpt2.context_trained), (12, 1024));
}

#[test]
fn windows() {
    let gemma = config(
        r#"{"architectures":["Gemma3ForConditionalGeneration"],"model_type":"gemma3","text_config":{"hidden_size":2560,
        "intermediate_size":10240,"model_type":"gemma3_text","num_hidden_layers":12,"sliding_window":1024},
        "vision_config":{"hidden_size":1152,"num_hidden_layers":27}}"#,
    );
    assert_eq!(letters(&gemma), "wwwwwawwwwwa");
    let attention = gemma.layers[0].attention.clone().unwrap();
    assert_eq!(
        (attention.heads, attention.kv_heads, attention.key_width, attention.window),
        (8, 4, 256, Some(1024))
    );
    assert!(gemma.tied_embedding && gemma.vocabulary == 262_208);
    let oss = config(
        r#"{"model_type":"gpt_oss","hidden_size":2880,"intermediate_size":2880,"head_dim":64,"num_attention_heads":64,
        "num_key_value_heads":8,"num_hidden_layers":4,"num_local_experts":32,"num_experts_per_tok":4,"sliding_window":128,
        "layer_types":["sliding_attention","full_attention","sliding_attention","full_attention"],"vocab_size":201088}"#,
    );
    assert_eq!(letters(&oss), "wawa");
    let experts = Experts { count: 32, used: 4, width: 2880, shared_width: 0 };
    assert_eq!(oss.layers[0].ffn, Ffn::Experts(experts));
    let exaone = config(
        r#"{"model_type":"exaone4","hidden_size":5120,"intermediate_size":27392,"num_attention_heads":40,
        "num_key_value_heads":8,"num_hidden_layers":64,"sliding_window":4096,"sliding_window_pattern":"LLLG",
        "vocab_size":102400}"#,
    );
    assert_eq!(letters(&exaone), "wwwa".repeat(16));
    let three_n = config(
        r#"{"model_type":"gemma3n","text_config":{"model_type":"gemma3n_text","hidden_size":2048,"num_hidden_layers":5,
        "intermediate_size":[8192,8192,8192,8192,8192],"num_attention_heads":8,"num_key_value_heads":2,"head_dim":256,
        "sliding_window":512,"num_kv_shared_layers":2,"vocab_size":262400,
        "layer_types":["sliding_attention","sliding_attention","full_attention","sliding_attention","full_attention"]}}"#,
    );
    assert_eq!(letters(&three_n), "wwabb");
}

#[test]
fn latents_and_experts() {
    let deepseek = config(
        r#"{"model_type":"deepseek_v3","hidden_size":7168,"intermediate_size":18432,"num_attention_heads":128,
        "num_key_value_heads":128,"num_hidden_layers":61,"kv_lora_rank":512,"q_lora_rank":1536,"qk_nope_head_dim":128,
        "qk_rope_head_dim":64,"v_head_dim":128,"n_routed_experts":256,"n_shared_experts":1,"num_experts_per_tok":8,
        "moe_intermediate_size":2048,"first_k_dense_replace":3,"num_nextn_predict_layers":1,"vocab_size":129280}"#,
    );
    assert_eq!(deepseek.layers.len(), 61);
    let attention = deepseek.layers[60].attention.clone().unwrap();
    assert_eq!(attention.mla, Some(Mla { kv_rank: 512, rope_width: 64, query_rank: Some(1536) }));
    assert_eq!((attention.heads, attention.key_width, attention.value_width), (128, 192, 128));
    assert_eq!(deepseek.layers[2].ffn, Ffn::Dense { width: 18_432, gated: true });
    let experts = Experts { count: 256, used: 8, width: 2048, shared_width: 2048 };
    assert_eq!(deepseek.layers[3].ffn, Ffn::Experts(experts));
    let llama4 = config(
        r#"{"model_type":"llama4","text_config":{"model_type":"llama4_text","hidden_size":5120,"intermediate_size":8192,
        "intermediate_size_mlp":16384,"num_hidden_layers":4,"num_attention_heads":40,"num_key_value_heads":8,
        "head_dim":128,"num_local_experts":128,"num_experts_per_tok":1,"interleave_moe_layer_step":2,
        "attention_chunk_size":8192,"vocab_size":202048}}"#,
    );
    assert_eq!(llama4.layers[0].ffn, Ffn::Dense { width: 16_384, gated: true });
    let experts = Experts { count: 128, used: 1, width: 8192, shared_width: 8192 };
    assert_eq!(llama4.layers[1].ffn, Ffn::Experts(experts));
    assert_eq!(letters(&llama4), "wwwa");
    let moe = config(
        r#"{"model_type":"qwen3_moe","hidden_size":2048,"intermediate_size":6144,"moe_intermediate_size":768,
        "num_attention_heads":32,"num_key_value_heads":4,"head_dim":128,"num_hidden_layers":48,"num_experts":128,
        "num_experts_per_tok":8,"vocab_size":151936,"decoder_sparse_step":1}"#,
    );
    assert_eq!(moe.layers[0].ffn, Ffn::Experts(Experts { count: 128, used: 8, width: 768, shared_width: 0 }));
    let mixtral = config(
        r#"{"model_type":"mixtral","hidden_size":4096,"intermediate_size":14336,"num_attention_heads":32,
        "num_key_value_heads":8,"num_hidden_layers":32,"num_local_experts":8,"num_experts_per_tok":2,"vocab_size":32000,
        "sliding_window":null}"#,
    );
    assert_eq!(
        mixtral.layers[0].ffn,
        Ffn::Experts(Experts { count: 8, used: 2, width: 14_336, shared_width: 0 })
    );
}

#[test]
fn recurrent_and_hybrid_ones() {
    let next = config(
        r#"{"model_type":"qwen3_next","hidden_size":2048,"intermediate_size":5120,"num_attention_heads":16,
        "num_key_value_heads":2,"head_dim":256,"num_hidden_layers":8,"num_experts":512,"num_experts_per_tok":10,
        "moe_intermediate_size":512,"shared_expert_intermediate_size":512,"full_attention_interval":4,
        "linear_conv_kernel_dim":4,"linear_key_head_dim":128,"linear_num_key_heads":16,"linear_num_value_heads":32,
        "linear_value_head_dim":128,"partial_rotary_factor":0.25,"vocab_size":151936}"#,
    );
    assert_eq!(letters(&next), "rrrarrra");
    assert_eq!(next.rope_width, 64);
    let own = next.layers[0].recurrent.clone().unwrap();
    assert_eq!((own.kind, own.inner_width, own.state_width), (RecurrentKind::DeltaNet, 4096, 128));
    assert_eq!((own.groups, own.heads, own.taps), (16, 32, 4));
    let mamba = config(
        r#"{"model_type":"mamba","hidden_size":768,"intermediate_size":1536,"state_size":16,"conv_kernel":4,
        "num_hidden_layers":3,"time_step_rank":48,"vocab_size":50280}"#,
    );
    assert_eq!((letters(&mamba).as_str(), &mamba.layers[0].ffn), ("rrr", &Ffn::None));
    let own = mamba.layers[0].recurrent.clone().unwrap();
    assert_eq!((own.kind, own.inner_width, own.groups), (RecurrentKind::Mamba, 1536, 0));
    let falcon = config(
        r#"{"model_type":"falcon_h1","hidden_size":1024,"intermediate_size":2048,"num_attention_heads":8,
        "num_key_value_heads":2,"head_dim":64,"num_hidden_layers":2,"mamba_d_ssm":1536,"mamba_d_state":128,
        "mamba_d_conv":4,"mamba_n_heads":24,"mamba_n_groups":1,"vocab_size":32784}"#,
    );
    assert_eq!(letters(&falcon), "++");
}

#[test]
fn layers_of_several_kinds() {
    let nemotron = config(
        r#"{"model_type":"nemotron_h","hidden_size":4480,"intermediate_size":15680,"num_attention_heads":40,
        "num_key_value_heads":8,"head_dim":128,"num_hidden_layers":5,"hybrid_override_pattern":"M-M*-",
        "mamba_num_heads":128,"mamba_head_dim":80,"ssm_state_size":128,"n_groups":8,"conv_kernel":4,"vocab_size":131072}"#,
    );
    assert_eq!(letters(&nemotron), "r-ra-");
    assert_eq!(nemotron.layers[1].ffn, Ffn::Dense { width: 15_680, gated: false });
    assert_eq!(nemotron.layers[0].ffn, Ffn::None);
    assert_eq!(nemotron.layers[0].recurrent.as_ref().unwrap().inner_width, 10_240);
    let listed = config(
        r#"{"model_type":"nemotron_h","hidden_size":2688,"intermediate_size":1856,"num_attention_heads":32,
        "num_key_value_heads":2,"head_dim":128,"num_hidden_layers":4,"n_routed_experts":128,"num_experts_per_tok":6,
        "moe_intermediate_size":1856,"moe_shared_expert_intermediate_size":3712,"n_shared_experts":1,
        "layers_block_type":["mamba","moe","attention","moe"],"mamba_num_heads":64,"mamba_head_dim":64,
        "ssm_state_size":128,"n_groups":8,"conv_kernel":4,"vocab_size":131072}"#,
    );
    assert_eq!((listed.architecture.as_str(), letters(&listed).as_str()), ("nemotron_h_moe", "r-a-"));
    assert_eq!(
        listed.layers[1].ffn,
        Ffn::Experts(Experts { count: 128, used: 6, width: 1856, shared_width: 3712 })
    );
    let minimax = config(
        r#"{"model_type":"minimax_text_01","hidden_size":6144,"intermediate_size":9216,"num_attention_heads":64,
        "num_key_value_heads":8,"head_dim":128,"num_hidden_layers":4,"attn_type_list":[0,0,1,0],"num_local_experts":32,
        "num_experts_per_tok":2,"rotary_dim":64,"vocab_size":200064}"#,
    );
    assert_eq!((letters(&minimax).as_str(), minimax.rope_width), ("rrar", 64));
    let granite = config(
        r#"{"model_type":"granitemoehybrid","hidden_size":1536,"intermediate_size":512,"num_attention_heads":12,
        "num_key_value_heads":4,"num_hidden_layers":3,"layer_types":["mamba","attention","mamba"],"mamba_d_state":128,
        "mamba_d_conv":4,"mamba_n_heads":48,"mamba_d_head":64,"mamba_n_groups":1,"num_local_experts":64,
        "num_experts_per_tok":6,"shared_intermediate_size":1024,"vocab_size":100352}"#,
    );
    assert_eq!(letters(&granite), "rar");
    let kimi = config(
        r#"{"model_type":"kimi_linear","hidden_size":2304,"intermediate_size":9216,"num_attention_heads":32,
        "num_hidden_layers":4,"kv_lora_rank":512,"qk_nope_head_dim":128,"qk_rope_head_dim":64,"v_head_dim":128,
        "linear_attn_config":{"full_attn_layers":[4],"kda_layers":[1,2,3],"head_dim":128,"num_heads":32,
        "short_conv_kernel_size":4},"vocab_size":163840}"#,
    );
    assert_eq!(letters(&kimi), "rrra");
    let lfm = config(
        r#"{"model_type":"lfm2","hidden_size":1024,"num_attention_heads":16,"num_key_value_heads":8,
        "num_hidden_layers":3,"layer_types":["conv","conv","full_attention"],"conv_L_cache":3,"block_ff_dim":6656,
        "block_auto_adjust_ff_dim":true,"block_multiple_of":256,"block_ffn_dim_multiplier":1.0,"vocab_size":65536}"#,
    );
    assert_eq!(
        (letters(&lfm).as_str(), &lfm.layers[0].ffn),
        ("rra", &Ffn::Dense { width: 4608, gated: true })
    );
}

#[test]
fn an_unknown_one_is_read_by_common_names() {
    let text = r#"{"model_type":"brand_new","hidden_size":512,"num_hidden_layers":2,"num_attention_heads":8,
        "intermediate_size":1024,"vocab_size":100}"#;
    let model = read_config(&text.as_bytes().to_vec(), Path::new("config.json")).unwrap();
    assert_eq!(model.hyper.layers.len(), 2);
    assert!(model.doubts[0].text.contains("brand_new"));
    assert!(matches!(model.origin, Origin::Config(_)));
}

const CONFIG: &str = r#"{"model_type":"llama","hidden_size":64,"intermediate_size":128,"num_attention_heads":4,
    "num_hidden_layers":1,"num_key_value_heads":2,"vocab_size":10,"tie_word_embeddings":true}"#;

#[test]
fn a_folder_of_several_files_with_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write("config.json", CONFIG.as_bytes());
    let one = r#"{"model.embed_tokens.weight":{"dtype":"BF16","shape":[10,64],"data_offsets":[0,1280]}}"#;
    let two = r#"{"model.norm.weight":{"dtype":"F8_E4M3","shape":[64],"data_offsets":[0,64]},
        "model.layers.0.mlp.up_proj.weight":{"dtype":"U8","shape":[64,64],"data_offsets":[64,4160]},
        "odd":{"dtype":"Q7_X","shape":[64],"data_offsets":[4160,4216]}}"#;
    write("model-00001-of-00002.safetensors", &wrap(one, 1280));
    write("model-00002-of-00002.safetensors", &wrap(two, 4216));
    let by_names = read::open(folder.path().join("model-00002-of-00002.safetensors")).unwrap();
    write(
        "model.safetensors.index.json",
        br#"{"metadata":{"total_size":5496},"weight_map":{"model.embed_tokens.weight":"model-00001-of-00002.safetensors",
        "model.norm.weight":"model-00002-of-00002.safetensors","odd":"model-00002-of-00002.safetensors",
        "model.layers.0.mlp.up_proj.weight":"model-00002-of-00002.safetensors"}}"#,
    );
    let model = read::open(folder.path()).unwrap();
    assert_eq!((model.tensors.len(), model.weight_bytes()), (4, Bytes::new(1280 + 4216)));
    assert_eq!(model.tensors, by_names.tensors);
    assert_eq!(model.hyper.width, 64);
    assert!(model.hyper.tied_embedding);
    assert_eq!(model.tensors[0].shape, [64, 10], "the fastest first");
    let kind = |name: &str| model.tensors.iter().find(|tensor| tensor.name == name).unwrap().kind;
    assert_eq!((kind("model.norm.weight"), kind("odd")), (TensorType::F8, TensorType::I8));
    assert!(model.doubts.iter().any(|doubt| doubt.text.contains("Q7_X")));
    assert_eq!(read::role(&model), Role::Model);
    fs::remove_file(folder.path().join("model-00001-of-00002.safetensors")).unwrap();
    assert!(read::open(folder.path()).unwrap_err().to_string().contains("model-00001-of-00002.safetensors"));
}

#[test]
fn a_configuration_alone_and_an_adapter() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), CONFIG).unwrap();
    let model = read::open(folder.path()).unwrap();
    assert!(matches!(model.origin, Origin::Config(_)) && model.hyper.layers.len() == 1);
    let lora = r#"{"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight":{"dtype":"F32","shape":[8,64],
        "data_offsets":[0,2048]}}"#;
    fs::write(folder.path().join("adapter_model.safetensors"), wrap(lora, 2048)).unwrap();
    fs::write(folder.path().join("adapter_config.json"), r#"{"peft_type":"LORA","r":8}"#).unwrap();
    let adapter = read::open(folder.path()).unwrap();
    assert_eq!((read::role(&adapter), adapter.weight_bytes()), (Role::Adapter, Bytes::new(2048)));
    assert!(read::open(folder.path().join("adapter_config.json")).is_err());
}

#[test]
fn without_a_configuration_tensors_tell_what_is_kept() {
    let entry = |name: &str, rows: u64, columns: u64, at: u64| {
        let end = at + rows * columns * 2;
        format!(r#""{name}":{{"dtype":"F16","shape":[{rows},{columns}],"data_offsets":[{at},{end}]}}"#)
    };
    let rows = [
        ("model.embed_tokens.weight", 100, 256),
        ("lm_head.weight", 100, 256),
        ("model.layers.0.self_attn.q_proj.weight", 512, 256),
        ("model.layers.0.self_attn.k_proj.weight", 128, 256),
        ("model.layers.0.self_attn.v_proj.weight", 128, 256),
        ("model.layers.0.mlp.gate_proj.weight", 700, 256),
        ("model.layers.0.mlp.down_proj.weight", 256, 700),
    ];
    let mut at = 0;
    let mut entries = Vec::new();
    for (name, rows, columns) in rows {
        entries.push(entry(name, rows, columns, at));
        at += rows * columns * 2;
    }
    let file = wrap(&format!("{{{}}}", entries.join(",")), usize::try_from(at).unwrap());
    let model = safetensors::read(&file, Path::new("here/model.safetensors")).unwrap();
    let attention = model.hyper.layers[0].attention.clone().unwrap();
    assert_eq!(attention.kv_heads * attention.key_width, 128);
    assert_eq!((model.hyper.width, model.hyper.vocabulary, model.name.as_str()), (256, 100, "here"));
    assert_eq!(model.hyper.layers[0].ffn, Ffn::Dense { width: 700, gated: true });
    assert!(!model.doubts.is_empty() && !model.hyper.tied_embedding);
}
