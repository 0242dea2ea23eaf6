//! Made-up models as safetensors.

use std::path::Path;

use super::{Model, Sizes};

/// The name of a tensor in safetensors, by GGUF's.
fn name(gguf: &str) -> String {
    match gguf {
        "token_embd.weight" => return "model.embed_tokens.weight".to_owned(),
        "output_norm.weight" => return "model.norm.weight".to_owned(),
        "output.weight" => return "lm_head.weight".to_owned(),
        _ => {}
    }
    let (layer, rest) = gguf.strip_prefix("blk.").unwrap().split_once('.').unwrap();
    let (part, end) = rest.rsplit_once('.').unwrap();
    let part = match part {
        "attn_norm" => "input_layernorm",
        "ffn_norm" => "post_attention_layernorm",
        "attn_q" => "self_attn.q_proj",
        "attn_k" => "self_attn.k_proj",
        "attn_v" => "self_attn.v_proj",
        "attn_q_norm" => "self_attn.q_norm",
        "attn_k_norm" => "self_attn.k_norm",
        "attn_output" => "self_attn.o_proj",
        "ffn_gate" => "mlp.gate_proj",
        "ffn_up" => "mlp.up_proj",
        "ffn_down" => "mlp.down_proj",
        other => panic!("{other} has no name"),
    };
    format!("model.layers.{layer}.{part}.{end}")
}

/// The rows of queries or keys in the order in which safetensors have them: what GGUF of Llama has as neighbours are the
/// halves of a head.
fn in_halves(bytes: &[u8], rows: usize, head: usize) -> Vec<u8> {
    let row = bytes.len() / rows;
    let place = |index: usize| {
        let (head_begin, within) = (index / head * head, index % head);
        head_begin + if within < head / 2 { 2 * within } else { 2 * (within - head / 2) + 1 }
    };
    (0..rows).flat_map(|index| bytes[place(index) * row..(place(index) + 1) * row].iter().copied()).collect()
}

impl Model {
    /// Writes a folder with this configuration, in so many files.
    pub fn write_files(&self, folder: &Path, sizes: Sizes, config: &serde_json::Value, files: usize) {
        let mut parts = vec![(serde_json::Map::new(), Vec::<u8>::new()); files];
        let mut index = serde_json::Map::new();
        let file = |number: usize| match files {
            1 => "model.safetensors".to_owned(),
            _ => format!("model-{:05}-of-{files:05}.safetensors", number + 1),
        };
        let stored = self.tensors.iter().filter(|(name, _)| *name != "rope_freqs.weight");
        for (number, (gguf, (sides, kind, bytes))) in stored.enumerate() {
            let turned = gguf.ends_with("attn_q.weight") || gguf.ends_with("attn_k.weight");
            let bytes = if turned && !self.halves {
                in_halves(bytes, usize::try_from(sides[1]).unwrap(), sizes.key_width)
            } else {
                bytes.clone()
            };
            let (header, data) = &mut parts[number % files];
            let dtype = match kind {
                0 => "F32",
                1 => "F16",
                _ => "BF16",
            };
            let shape: Vec<u64> = sides.iter().rev().copied().collect();
            let offsets = [data.len(), data.len() + bytes.len()];
            let entry = serde_json::json!({"dtype": dtype, "shape": shape, "data_offsets": offsets});
            header.insert(name(gguf), entry);
            data.extend(bytes);
            index.insert(name(gguf), file(number % files).into());
        }
        for (number, (header, data)) in parts.into_iter().enumerate() {
            let header = serde_json::Value::Object(header).to_string();
            let length = (header.len() as u64).to_le_bytes();
            let bytes = [&length[..], header.as_bytes(), &data].concat();
            std::fs::write(folder.join(file(number)), bytes).unwrap();
        }
        if files > 1 {
            let index = serde_json::json!({"weight_map": index}).to_string();
            std::fs::write(folder.join("model.safetensors.index.json"), index).unwrap();
        }
        std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    }
}

/// The configuration of a family.
pub fn config(family: &str, sizes: Sizes, tied: bool) -> serde_json::Value {
    serde_json::json!({
        "model_type": family, "hidden_size": sizes.width, "intermediate_size": sizes.inner,
        "num_hidden_layers": sizes.layers, "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.kv_heads, "head_dim": sizes.key_width, "rms_norm_eps": 1e-5,
        "max_position_embeddings": 128, "tie_word_embeddings": tied, "hidden_act": "silu",
        "vocab_size": sizes.vocabulary, "bos_token_id": 1,
    })
}
