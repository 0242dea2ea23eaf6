//! Recurrent layers of a configuration.

use super::facts::Facts;
use crate::read::keys::{Keys, Value};

/// Puts what a configuration says of recurrent layers into keys.
pub(super) fn set(keys: &mut Keys, facts: &Facts<'_>, width: u64, layers: usize) {
    match keys.architecture() {
        "rwkv6" | "rwkv7" | "rwkv6qwen2" | "arwkv7" => {
            keys.set_number("wkv.head_size", facts.positive(&["head_size", "head_dim"]).or(Some(64)));
        }
        "qwen3next" | "qwen35" | "qwen35moe" => delta_net(keys, facts),
        "kimi-linear" => kimi(keys, facts, layers),
        "lfm2" | "lfm2moe" => {
            keys.set_number("shortconv.l_cache", facts.positive(&["conv_L_cache"]).or(Some(3)));
            attending(keys, &attends(facts, layers));
        }
        "minimax-01" => {
            // One for layers that attend to everything, zero for those that carry state.
            if let Some(kinds) = facts.numbers(&["attn_type_list"]).filter(|kinds| !kinds.is_empty()) {
                let list = kinds.into_iter().map(|kind| u64::from(kind == 0)).collect();
                keys.set("attention.recurrent_layers", Value::List(list));
            }
        }
        _ => mamba(keys, facts, width, layers),
    }
}

fn delta_net(keys: &mut Keys, facts: &Facts<'_>) {
    let heads = facts.positive(&["linear_num_value_heads"]);
    let inner = heads.and_then(|heads| heads.checked_mul(facts.positive(&["linear_value_head_dim"])?));
    keys.set_number("ssm.conv_kernel", facts.positive(&["linear_conv_kernel_dim"]));
    keys.set_number("ssm.inner_size", inner);
    keys.set_number("ssm.state_size", facts.positive(&["linear_key_head_dim"]));
    keys.set_number("ssm.group_count", facts.positive(&["linear_num_key_heads"]));
    keys.set_number("ssm.time_step_rank", heads);
    keys.set_number("full_attention_interval", facts.positive(&["full_attention_interval"]));
    if let Some(kinds) = facts.texts(&["layer_types"]).filter(|kinds| !kinds.is_empty()) {
        let list = kinds.iter().map(|kind| u64::from(kind.contains("linear"))).collect();
        keys.set("attention.recurrent_layers", Value::List(list));
    }
}

fn kimi(keys: &mut Keys, facts: &Facts<'_>, layers: usize) {
    let Some(linear) = facts.within("linear_attn_config") else { return };
    keys.set_number("ssm.conv_kernel", linear.positive(&["short_conv_kernel_size"]));
    keys.set_number("kda.head_dim", linear.positive(&["head_dim"]));
    // Layers are counted from one there.
    let full = linear.numbers(&["full_attn_layers"]).unwrap_or_default();
    attending(keys, &(1..=layers as u64).map(|layer| full.contains(&layer)).collect::<Vec<_>>());
}

fn mamba(keys: &mut Keys, facts: &Facts<'_>, width: u64, layers: usize) {
    let state = facts.positive(&["mamba_d_state", "ssm_state_size", "state_size", "d_state"]);
    let Some(state) = state else { return };
    let pure = matches!(keys.architecture(), "mamba" | "mamba2");
    let heads =
        facts.positive(&["mamba_n_heads", "mamba_num_heads"]).or_else(|| facts.positive(&["num_heads"]));
    let head_width = facts
        .positive(&["mamba_d_head", "mamba_head_dim"])
        .or_else(|| facts.positive(&["head_dim"]).filter(|_| pure));
    let times = facts.positive(&["mamba_expand", "expand"]).unwrap_or(2);
    let inner = facts
        .positive(&["mamba_d_ssm", "d_inner"])
        .or_else(|| facts.positive(&["intermediate_size"]).filter(|_| pure));
    let by_heads = heads.and_then(|heads| heads.checked_mul(head_width?));
    keys.set_number("ssm.inner_size", inner.or(by_heads).or_else(|| width.checked_mul(times)));
    keys.set_number("ssm.state_size", Some(state));
    let taps = ["mamba_d_conv", "conv_kernel", "d_conv", "conv_kernel_size"];
    keys.set_number("ssm.conv_kernel", facts.positive(&taps).or(Some(4)));
    if !matches!(keys.architecture(), "mamba" | "jamba") {
        keys.set_number("ssm.group_count", facts.positive(&["mamba_n_groups", "n_groups"]).or(Some(1)));
    }
    let rank = facts.positive(&["time_step_rank", "mamba_dt_rank", "dt_rank"]);
    keys.set_number("ssm.time_step_rank", heads.or(rank).or(Some(width.div_ceil(16))));
    if pure || keys.architecture() == "falcon-h1" {
        return;
    }
    let pattern = facts.text(&["hybrid_override_pattern"]).map(|text| text.as_bytes().to_vec());
    let pattern = pattern.or_else(|| {
        let kinds =
            facts.texts(&["layers_block_type"]).filter(|_| keys.architecture().starts_with("nemotron"))?;
        Some(kinds.into_iter().map(letter).collect())
    });
    match pattern.filter(|pattern| pattern.len() <= layers) {
        Some(pattern) => parted(keys, &pattern),
        None => attending(keys, &attends(facts, layers)),
    }
}

/// Which layers attend.
fn attends(facts: &Facts<'_>, layers: usize) -> Vec<bool> {
    if let Some(kinds) = facts.texts(&["layer_types", "layers_block_type"]) {
        return kinds.into_iter().map(|kind| kind.contains("attention")).collect();
    }
    if let Some(full) = facts.numbers(&["full_attn_idxs", "attn_layer_indices"]) {
        return (0..layers as u64).map(|layer| full.contains(&layer)).collect();
    }
    let period = facts.positive(&["attn_layer_period"]);
    let offset = facts.number(&["attn_layer_offset"]).unwrap_or(0);
    (0..layers as u64).map(|layer| period.is_none_or(|period| layer % period == offset % period)).collect()
}

/// Lists the heads of layers that attend, and none for others.
fn attending(keys: &mut Keys, attends: &[bool]) {
    let heads =
        keys.number("attention.head_count_kv").or_else(|| keys.number("attention.head_count")).unwrap_or(0);
    if attends.is_empty() {
        return;
    }
    let list = attends.iter().map(|attends| if *attends { heads } else { 0 }).collect();
    keys.set("attention.head_count_kv", Value::List(list));
}

/// The letter of a layer's kind, where kinds are written out.
fn letter(kind: &str) -> u8 {
    match kind {
        "attention" => b'*',
        "mlp" => b'-',
        "moe" => b'E',
        _ => b'M',
    }
}

/// A pattern with a letter for each layer, which is one thing only: M state, * attention, - dense, E experts.
fn parted(keys: &mut Keys, pattern: &[u8]) {
    attending(keys, &pattern.iter().map(|letter| *letter == b'*').collect::<Vec<_>>());
    let width = keys.number("feed_forward_length").unwrap_or(0);
    let expert = keys.number("expert_feed_forward_length").unwrap_or(width);
    let widths = pattern.iter().map(|letter| match letter {
        b'-' => width,
        b'E' => expert,
        _ => 0,
    });
    keys.set("feed_forward_length", Value::List(widths.collect()));
}
