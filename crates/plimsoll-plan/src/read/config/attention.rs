//! Heads, windows and latents of a configuration.

use super::facts::Facts;
use crate::read::keys::{Keys, Value};

/// Puts what a configuration says of attention into keys.
pub(super) fn set(keys: &mut Keys, facts: &Facts<'_>, width: u64, layers: usize) {
    let gemma3 = keys.architecture() == "gemma3";
    let heads = facts.numbers(&["num_attention_heads_per_layer"]).map(Value::List).or_else(|| {
        let names =
            ["num_attention_heads", "n_head", "n_heads", "num_heads", "attention_heads", "num_query_heads"];
        let heads = facts.positive(&names).or(gemma3.then_some(8));
        heads.filter(|_| !is_stateful(keys)).map(Value::Number)
    });
    let heads_most = heads.as_ref().and_then(Value::number).unwrap_or(0);
    let kv_names = [
        "num_key_value_heads",
        "num_kv_heads",
        "n_head_kv",
        "multi_query_group_num",
        "n_kv_heads",
        "kv_n_heads",
    ];
    let one = facts
        .flag(&["multi_query"])
        .filter(|one| *one && facts.flag(&["new_decoder_architecture"]) != Some(true));
    let kv_heads = facts.numbers(&kv_names).map(Value::List).or_else(|| {
        let nested = facts.within("attn_config").and_then(|inner| inner.positive(&kv_names));
        let stated = one.map(|_| 1).or(facts.positive(&kv_names)).or(nested).or(gemma3.then_some(4));
        stated.filter(|_| heads_most > 0).map(Value::Number)
    });
    if let Some(heads) = heads {
        keys.set("attention.head_count", heads);
    }
    if let Some(kv_heads) = kv_heads {
        keys.set("attention.head_count_kv", kv_heads);
    }
    let head_width =
        facts.positive(&["head_dim", "kv_channels", "attention_head_dim"]).or(gemma3.then_some(256));
    keys.set_number("attention.key_length", head_width);
    keys.set_number("attention.value_length", head_width);
    rotated(keys, facts, head_width.or_else(|| width.checked_div(heads_most)).unwrap_or(0));
    latent(keys, facts, heads_most);
    windows(keys, facts, layers);
    if keys.architecture() == "gemma4" {
        // The configuration's usual width is that of the windows; whole attention has one of its own.
        keys.set_number("attention.key_length_swa", head_width);
        keys.set_number("attention.value_length_swa", head_width);
        let global = facts.positive(&["global_head_dim"]).or(head_width);
        keys.set_number("attention.key_length", global);
        keys.set_number("attention.value_length", global);
        global_heads(keys, facts, layers);
    }
    keys.set_number("attention.shared_kv_layers", facts.number(&["num_kv_shared_layers"]));
}

/// What has no attention at all, though its configuration counts heads of something else.
fn is_stateful(keys: &Keys) -> bool {
    ["mamba", "mamba2", "rwkv6", "rwkv7"].contains(&keys.architecture())
}

/// How much of a head is rotated.
fn rotated(keys: &mut Keys, facts: &Facts<'_>, head_width: u64) {
    let share = facts.real(&["partial_rotary_factor", "rotary_pct", "rotary_percent", "rope_pct"]);
    let share = share.or_else(|| facts.within("rope_parameters")?.real(&["partial_rotary_factor"]));
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a head's width, and the cast saturates"
    )]
    let part =
        share.filter(|share| (0.0..=1.0).contains(share)).map(|share| (head_width as f64 * share) as u64);
    let stated = facts.positive(&["rotary_dim"]);
    let part = part.or_else(|| (keys.architecture() == "chatglm").then_some(head_width / 2));
    keys.set_number("rope.dimension_count", part.or(stated).or(Some(head_width)).filter(|width| *width > 0));
}

/// Keys and values as one latent vector.
fn latent(keys: &mut Keys, facts: &Facts<'_>, heads: u64) {
    let Some(rank) = facts.positive(&["kv_lora_rank"]) else { return };
    let rope = facts.number(&["qk_rope_head_dim"]).unwrap_or(0);
    let plain = facts.number(&["qk_nope_head_dim"]).unwrap_or(0);
    let value = facts.positive(&["v_head_dim"]).unwrap_or(plain);
    keys.set_number("attention.kv_lora_rank", Some(rank));
    keys.set_number("attention.q_lora_rank", facts.positive(&["q_lora_rank"]));
    keys.set_number("rope.dimension_count", Some(rope));
    let key = plain.saturating_add(rope);
    // Of these the engines keep whole keys and values all the same.
    if matches!(keys.architecture(), "minicpm3" | "plm") {
        keys.set_number("attention.key_length", Some(key));
        let width =
            facts.positive(&["v_head_dim"]).or_else(|| facts.positive(&["hidden_size"])?.checked_div(heads));
        keys.set_number("attention.value_length", width);
        return;
    }
    keys.set_number("attention.key_length_mla", Some(key).filter(|key| *key > 0));
    keys.set_number("attention.value_length_mla", Some(value).filter(|value| *value > 0));
    keys.set_number("attention.key_length", Some(rank.saturating_add(rope)));
    keys.set_number("attention.value_length", Some(rank));
    keys.set_number("attention.head_count_kv", Some(1));
    keys.set_number("attention.indexer.key_length", facts.positive(&["index_head_dim"]));
    keys.set_number("attention.indexer.top_k", facts.positive(&["index_topk"]));
}

/// Windows, and which layers have them.
fn windows(keys: &mut Keys, facts: &Facts<'_>, layers: usize) {
    let used = facts.flag(&["use_sliding_window"]) != Some(false);
    let stated = facts.number(&["sliding_window", "sliding_window_size", "attention_chunk_size"]);
    let usual = match keys.architecture() {
        "gemma3" => Some(1024),
        "gemma3n" | "gemma4" => Some(512),
        _ => None,
    };
    let window = if used { stated.or(usual) } else { None };
    keys.set_number("attention.sliding_window", window);
    let limited = |kind: &str| kind.contains("sliding") || kind.contains("chunked") || kind.contains("local");
    let kinds = facts.texts(&["layer_types"]).filter(|kinds| !kinds.is_empty());
    if let Some(kinds) = kinds.filter(|_| window.is_some() && layers > 0) {
        let list: Vec<u64> = kinds.into_iter().map(|kind| u64::from(limited(kind))).collect();
        if list.contains(&1) {
            keys.set("attention.sliding_window_pattern", Value::List(list));
        } else {
            // Nothing is limited, whatever the architecture usually does.
            keys.set_number("attention.sliding_window", Some(0));
        }
        return;
    }
    // A letter for each layer of a round: L sees the last tokens, G all of them.
    if let Some(round) =
        facts.text(&["sliding_window_pattern"]).filter(|round| !round.is_empty() && layers > 0)
    {
        let list = round.bytes().cycle().take(layers).map(|letter| u64::from(letter == b'L')).collect();
        keys.set("attention.sliding_window_pattern", Value::List(list));
        return;
    }
    let pattern =
        facts.positive(&["sliding_window_pattern", "_sliding_window_pattern", "global_attn_every_n_layers"]);
    keys.set_number("attention.sliding_window_pattern", pattern.filter(|_| window.is_some()));
}

/// Heads of keys in layers that attend to everything, where those have a number of their own.
fn global_heads(keys: &mut Keys, facts: &Facts<'_>, layers: usize) {
    let (Some(global), Some(usual)) =
        (facts.positive(&["num_global_key_value_heads"]), keys.number("attention.head_count_kv"))
    else {
        return;
    };
    let Some(pattern) = keys.list("attention.sliding_window_pattern").map(<[u64]>::to_vec) else { return };
    let heads = |layer: usize| if pattern.get(layer).is_some_and(|flag| *flag != 0) { usual } else { global };
    keys.set("attention.head_count_kv", Value::List((0..layers).map(heads).collect()));
}
