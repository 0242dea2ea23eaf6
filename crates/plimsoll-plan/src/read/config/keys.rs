//! A configuration's facts as GGUF's keys.

use super::facts::Facts;
use super::{attention, feeding, state};
use crate::read::keys::{Keys, Value};

/// The most layers whose differences are listed.
pub(super) const LAYERS_MAX: usize = 4096;

/// Brings facts into the keys of an architecture.
pub(super) fn keys(facts: &Facts<'_>, architecture: &str) -> Keys {
    let mut keys = Keys::new(architecture);
    let layers =
        facts.positive(&["num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_transformer_layers"]);
    let width = facts.positive(&["hidden_size", "n_embd", "d_model", "model_dim", "dim"]);
    keys.set_number("block_count", layers);
    keys.set_number("embedding_length", width);
    let context =
        ["max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "max_seq_length", "seq_length"];
    keys.set_number(
        "context_length",
        facts.positive(&context).or_else(|| facts.positive(&["model_max_length"])),
    );
    let vocabulary = facts.positive(&["padded_vocab_size", "vocab_size"]);
    let vocabulary = vocabulary.or_else(|| architecture.starts_with("gemma3").then_some(262_208));
    keys.set_number("vocab_size", vocabulary);
    for (name, key) in [
        ("attn_logit_softcapping", "attn_logit_softcapping"),
        ("final_logit_softcapping", "final_logit_softcapping"),
    ] {
        if let Some(cap) = facts.real(&[name]) {
            keys.set(key, Value::Real(cap));
        }
    }
    let count = usize::try_from(layers.unwrap_or(0)).unwrap_or(LAYERS_MAX).min(LAYERS_MAX);
    attention::set(&mut keys, facts, width.unwrap_or(0), count);
    feeding::set(&mut keys, facts, width.unwrap_or(0));
    state::set(&mut keys, facts, width.unwrap_or(0), count);
    keys
}
