//! Feed-forward parts and experts of a configuration.

use super::facts::Facts;
use crate::read::keys::{Keys, Value};

/// Puts what a configuration says of feed-forward parts into keys.
pub(super) fn set(keys: &mut Keys, facts: &Facts<'_>, width: u64) {
    let inner = facts.within("ffn_config");
    let count_names =
        ["num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts", "num_moe_experts"];
    let nested = |names: &[&str]| inner.and_then(|inner| inner.positive(names));
    let count = facts.positive(&count_names).or_else(|| nested(&count_names)).filter(|count| *count > 1);
    let dense_names = ["intermediate_size", "ffn_hidden_size", "n_inner", "ffn_dim", "feed_forward_length"];
    let dense = facts.positive(&dense_names).or_else(|| nested(&dense_names));
    // Without any other word, the inner width is four times the outer.
    let usual = matches!(keys.architecture(), "gpt2" | "gptj" | "mpt" | "bloom" | "falcon" | "starcoder");
    let dense = dense.or_else(|| usual.then(|| width.saturating_mul(4)));
    let dense = match keys.architecture() {
        "lfm2" | "lfm2moe" => short_width(facts).or(dense),
        // Their state is all they have.
        "mamba" | "mamba2" => Some(0),
        // Without experts, what would be beside them is all there is.
        "granitehybrid" if count.is_none() => facts.positive(&["shared_intermediate_size"]).or(dense),
        // The plain name is that of the experts there.
        "llama4" => facts.positive(&["intermediate_size_mlp"]).or(dense),
        _ => dense,
    };
    match facts.numbers(&["intermediate_size", "ffn_hidden_sizes"]) {
        Some(widths) if widths.len() > 1 => keys.set("feed_forward_length", Value::List(widths)),
        _ if facts.flag(&["use_double_wide_mlp"]) == Some(true) => {
            double_wide(keys, facts, dense.unwrap_or(0));
        }
        _ => keys.set_number("feed_forward_length", dense),
    }
    let Some(count) = count else { return };
    keys.set_number("expert_count", Some(count));
    let used =
        ["num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_top_k", "top_k_experts", "moe_k"];
    keys.set_number("expert_used_count", facts.positive(&used).or_else(|| nested(&used)));
    let expert =
        facts.positive(&["moe_intermediate_size", "expert_ffn_hidden_size", "expert_intermediate_size"]);
    let expert = match keys.architecture() {
        "llama4" => facts.positive(&["intermediate_size"]),
        _ => expert.or(dense),
    };
    keys.set_number("expert_feed_forward_length", expert);
    let shared = [
        "shared_expert_intermediate_size",
        "shared_intermediate_size",
        "moe_shared_expert_intermediate_size",
        "shared_mlp_intermediate_size",
    ];
    let mut shared = facts.positive(&shared);
    if keys.architecture() == "llama4" {
        shared = expert;
    }
    let times = facts.positive(&[
        "n_shared_experts",
        "num_shared_experts",
        "num_shared_expert",
        "moe_num_shared_experts",
    ]);
    if keys.architecture() != "deepseek2" || shared.is_some() {
        keys.set_number("expert_shared_feed_forward_length", shared);
    }
    keys.set_number("expert_shared_count", times);
    let leading =
        ["first_k_dense_replace", "first_last_k_dense_replace", "num_dense_layers", "moe_layer_start_index"];
    keys.set_number("leading_dense_block_count", facts.number(&leading));
    let step = facts.positive(&["interleave_moe_layer_step", "moe_layer_interval", "decoder_sparse_step"]);
    keys.set_number("interleave_moe_layer_step", step);
}

/// Layers that borrow keys and values are twice as wide inside instead.
fn double_wide(keys: &mut Keys, facts: &Facts<'_>, dense: u64) {
    let layers = keys.number("block_count").unwrap_or(0).min(super::keys::LAYERS_MAX as u64);
    let own = layers.saturating_sub(facts.number(&["num_kv_shared_layers"]).unwrap_or(0));
    let width = |layer| if layer < own { dense } else { dense.saturating_mul(2) };
    keys.set("feed_forward_length", Value::List((0..layers).map(width).collect()));
}

/// LFM2's inner width: two thirds of what is stated, in whole steps, where it is to be adjusted.
fn short_width(facts: &Facts<'_>) -> Option<u64> {
    let stated = facts.positive(&["block_ff_dim", "intermediate_size"])?;
    if facts.flag(&["block_auto_adjust_ff_dim"]) != Some(true) {
        return Some(stated);
    }
    let times = facts.real(&["block_ffn_dim_multiplier"]).filter(|times| times.is_finite() && *times > 0.0);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a width, and the cast saturates"
    )]
    let scaled = ((stated.saturating_mul(2) / 3) as f64 * times.unwrap_or(1.0)) as u64;
    let step = facts.positive(&["block_multiple_of"]).unwrap_or(1);
    Some(scaled.checked_next_multiple_of(step).unwrap_or(scaled))
}
