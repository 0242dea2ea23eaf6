//! All layers of a model, and what stands around them.

use std::path::Path;

use super::attention::Attending;
use super::ffn::Feeding;
use super::recurrent::Recurrence;
use super::{known, seen};
use crate::model::{Doubt, Hyper, Layer, Tensor};
use crate::read::keys::{Keys, Value};
use crate::read::{ReadError, role, tied};

/// The most layers. No model has a third of them.
const LAYERS_MAX: u64 = 4096;

/// What a figure is worth that rests on an architecture whose rules are not known.
const UNKNOWN_SHARE: f64 = 0.1;

/// The shape that keys and tensors say, and in `doubts` what they leave open.
///
/// What is no language model has no layers.
pub(in crate::read) fn hyper(
    keys: &Keys,
    tensors: &[Tensor],
    path: &Path,
    doubts: &mut Vec<Doubt>,
) -> Result<Hyper, ReadError> {
    let name = keys.architecture();
    if let Some(bare) = without_layers(keys, tensors) {
        return Ok(bare);
    }
    let Some(all_layers) = keys.positive("block_count").or_else(|| seen::shown(tensors)) else {
        return bare(keys, tensors, path, doubts);
    };
    if all_layers > LAYERS_MAX {
        let (path, offset) = (path.to_owned(), 0);
        return Err(ReadError::Excess { path, offset, what: "layers", found: all_layers, most: LAYERS_MAX });
    }
    if !known::is_known(name) {
        let text = format!(
            "the architecture {name:?} is not known: it is taken for what its keys say, by common rules"
        );
        doubts.push(Doubt { text, share: UNKNOWN_SHARE });
    }
    let embedding = tensors.iter().find(|tensor| tensor.name == "token_embd.weight");
    let width = keys.positive("embedding_length").or_else(|| embedding?.shape.first().copied());
    let width = width.filter(|width| *width > 0);
    let width =
        width.ok_or(ReadError::Silent { path: path.to_owned(), missing: "the width of the embedding" })?;
    // Layers that only predict further tokens are not part of the model's own pass, and keep nothing in its caches.
    let layers = all_layers.saturating_sub(keys.number("nextn_predict_layers").unwrap_or(0));
    let attending = Attending::of(keys, width, all_layers, doubts);
    let listed = layers_of(keys, tensors, width, layers, &attending);
    index_doubt(keys, &listed, doubts);
    Ok(Hyper {
        architecture: name.to_owned(),
        context_trained: keys.number("context_length").unwrap_or(0),
        width,
        vocabulary: vocabulary(keys, embedding),
        layers: listed,
        rope_width: keys.number("rope.dimension_count").unwrap_or(attending.key_width()),
        tied_embedding: tied::tied(tensors),
        attention_softcap: is_capped(keys, "attn_logit_softcapping", &["gemma2", "grok"]),
        logits_softcap: is_capped(keys, "final_logit_softcapping", &["gemma2"]),
    })
}

fn layers_of(keys: &Keys, tensors: &[Tensor], width: u64, layers: u64, attending: &Attending) -> Vec<Layer> {
    let recurrence = Recurrence::of(keys, width, attending.heads());
    let feeding = Feeding::of(keys);
    let count = usize::try_from(layers).unwrap_or(0);
    let seen = seen::seen(tensors, count);
    let layer = |index: usize| {
        let recurrent = recurrence.layer(index, attending.kv_heads.of(index), feeding.widths.as_ref());
        let both = recurrent.is_none() || recurrence.beside_attention;
        let attention = attending.layer(index).filter(|_| both);
        let ffn = feeding.layer(index, seen.get(index), attention.is_some(), recurrent.is_some());
        Layer { attention, recurrent, ffn }
    };
    (0..count).map(layer).collect()
}

/// What is known to have no layers of its own: a projector, an adapter, a model of another sort.
fn without_layers(keys: &Keys, tensors: &[Tensor]) -> Option<Hyper> {
    let name = keys.architecture();
    let kind = keys.text("general.type").unwrap_or_default();
    let projector = name == "clip" || kind == "mmproj";
    let adapter = kind == "adapter" || tensors.iter().any(|tensor| role::is_adapter(&tensor.name));
    if !projector && !adapter && !known::is_weights(name) {
        return None;
    }
    let architecture = if projector { "clip" } else { name }.to_owned();
    Some(Hyper { architecture, width: keys.number("embedding_length").unwrap_or(0), ..Hyper::default() })
}

/// What says nothing of layers, and shows none: weights, if it has any.
fn bare(keys: &Keys, tensors: &[Tensor], path: &Path, doubts: &mut Vec<Doubt>) -> Result<Hyper, ReadError> {
    if tensors.is_empty() {
        return Err(ReadError::Silent { path: path.to_owned(), missing: "the number of layers" });
    }
    let text = "nothing is said of layers: only the weights are counted".to_owned();
    doubts.push(Doubt { text, share: UNKNOWN_SHARE });
    Ok(Hyper { architecture: keys.architecture().to_owned(), ..Hyper::default() })
}

/// Tokens: those listed, else as many as stated, else as the embedding has rows.
fn vocabulary(keys: &Keys, embedding: Option<&Tensor>) -> u64 {
    let listed = keys.whole("tokenizer.ggml.tokens").and_then(Value::count);
    let listed = listed.filter(|count| *count > 0).or_else(|| keys.positive("vocab_size"));
    listed.or_else(|| embedding?.shape.get(1).copied()).unwrap_or(0)
}

fn is_capped(keys: &Keys, key: &str, always: &[&str]) -> bool {
    match keys.real(key) {
        Some(cap) => cap > 0.0,
        None => always.contains(&keys.architecture()),
    }
}

/// Some keep an index of keys beside the keys themselves, to find the few that matter. It is not part of the shape.
fn index_doubt(keys: &Keys, layers: &[Layer], doubts: &mut Vec<Doubt>) {
    let index = keys
        .number("attention.indexer.key_length")
        .filter(|_| keys.positive("attention.indexer.top_k").is_some());
    let attention = layers.iter().find_map(|layer| layer.attention.as_ref());
    if let (Some(index), Some(attention)) = (index, attention) {
        let kept = match attention.mla {
            Some(mla) => mla.kv_rank.saturating_add(mla.rope_width),
            None => {
                attention.kv_heads.saturating_mul(attention.key_width.saturating_add(attention.value_width))
            }
        };
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let share = (index as f64 / kept.max(1) as f64).min(1.0);
        let text =
            format!("an index of keys, {index} numbers a token and layer, is kept besides and not counted");
        doubts.push(Doubt { text, share });
    }
}
