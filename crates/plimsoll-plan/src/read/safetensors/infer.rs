//! The shape of a model whose configuration is not there, from its tensors alone.
//!
//! Widths of projections say what is kept of each token exactly; into how many heads it is divided they do not say, and
//! what is kept does not depend on it.

use std::collections::BTreeMap;

use crate::model::{Attention, Doubt, Experts, Ffn, Hyper, Layer, Tensor};

/// What is taken for a head's width.
const HEAD_WIDTH: u64 = 128;
/// The most layers that are listed.
const LAYERS_MAX: u64 = 4096;

/// What tensors of a layer show.
#[derive(Clone, Copy, Default)]
struct Shown {
    queries: u64,
    keys: u64,
    values: u64,
    head: u64,
    down: u64,
    gate: bool,
    experts: u64,
    expert_width: u64,
}

/// The shape that tensors show; without layers if they show none.
pub(super) fn hyper(tensors: &[Tensor], doubts: &mut Vec<Doubt>) -> Hyper {
    let mut layers: BTreeMap<u64, Shown> = BTreeMap::new();
    let mut hyper = Hyper::default();
    for tensor in tensors {
        let side = |index: usize| tensor.shape.get(index).copied().unwrap_or(0);
        if tensor.name.ends_with("embed_tokens.weight") || tensor.name.ends_with("wte.weight") {
            (hyper.width, hyper.vocabulary) = (side(0), side(1));
        }
        let Some((layer, part)) = within(&tensor.name).filter(|found| found.0 < LAYERS_MAX) else { continue };
        note(layers.entry(layer).or_default(), part, tensor);
    }
    let attends = layers.values().any(|shown| shown.keys > 0 && shown.values > 0);
    if hyper.width == 0 || !attends {
        let text =
            "no config.json is beside it, and the tensors show no layers: only the weights are counted"
                .to_owned();
        doubts.push(Doubt { text, share: 0.1 });
        return Hyper::default();
    }
    let text = "no config.json is beside it: layers are those that the tensors show, all of them with full attention";
    doubts.push(Doubt { text: text.to_owned(), share: 0.2 });
    hyper.tied_embedding = crate::read::tied::tied(tensors);
    hyper.layers = layers.into_values().map(layer).collect();
    hyper.rope_width =
        hyper.layers.iter().find_map(|layer| Some(layer.attention.as_ref()?.key_width)).unwrap_or(0);
    hyper
}

/// The layer of a tensor, and its name there.
fn within(name: &str) -> Option<(u64, &str)> {
    let rest = name.split_once("layers.").or_else(|| name.split_once(".h."))?.1;
    let (layer, part) = rest.split_once('.')?;
    Some((layer.parse().ok()?, part))
}

fn note(shown: &mut Shown, part: &str, tensor: &Tensor) {
    let side = |index: usize| tensor.shape.get(index).copied().unwrap_or(0);
    let Some(part) = part.strip_suffix(".weight") else { return };
    if let Some((_, expert)) = part.split_once("experts.") {
        // "mlp.experts.7.down_proj": the number says how many there are at least.
        let (number, matrix) = expert.split_once('.').unwrap_or(("", expert));
        if let Ok(number) = number.parse::<u64>() {
            shown.experts = shown.experts.max(number.saturating_add(1));
        }
        if matches!(matrix, "down_proj" | "w2") {
            shown.expert_width = side(0);
        }
        return;
    }
    let is = |ends: &[&str]| ends.iter().any(|end| part.ends_with(end));
    if is(&["q_proj"]) {
        shown.queries = side(1);
    } else if is(&["k_proj"]) {
        shown.keys = side(1);
    } else if is(&["v_proj"]) {
        shown.values = side(1);
    } else if is(&["q_norm", "k_norm"]) {
        shown.head = side(0);
    } else if is(&["mlp.down_proj", "feed_forward.w2"]) {
        shown.down = side(0);
    } else if is(&["mlp.gate_proj", "feed_forward.w1"]) {
        shown.gate = true;
    }
}

fn layer(shown: Shown) -> Layer {
    let divides =
        |width: u64| width > 0 && shown.keys.is_multiple_of(width) && shown.queries.is_multiple_of(width);
    let head =
        [shown.head, HEAD_WIDTH, 64].into_iter().find(|width| divides(*width)).unwrap_or(shown.keys.max(1));
    let kv_heads = shown.keys / head.max(1);
    let attention = (kv_heads > 0).then(|| Attention {
        heads: (shown.queries / head.max(1)).max(kv_heads),
        kv_heads,
        key_width: head,
        value_width: shown.values / kv_heads,
        ..Attention::default()
    });
    let ffn = if shown.experts > 0 {
        let (count, width, shared_width) = (shown.experts, shown.expert_width, shown.down);
        // How many a token takes no tensor says; eight is what most do.
        Ffn::Experts(Experts { count, used: count.min(8), width, shared_width })
    } else if shown.down > 0 {
        Ffn::Dense { width: shown.down, gated: shown.gate }
    } else {
        Ffn::None
    };
    Layer { attention, recurrent: None, ffn }
}
