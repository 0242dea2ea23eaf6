//! The attention of each layer: heads, their widths, and whose keys and values it uses.

use super::windows::Windows;
use crate::model::{Attention, Doubt, Mla};
use crate::read::keys::{Keys, PerLayer};

/// The most common width of a head, for models that say nothing of heads.
const HEAD_WIDTH: u64 = 128;

/// The rules for the attention of a model.
pub(super) struct Attending {
    heads: PerLayer,
    pub(super) kv_heads: PerLayer,
    key_width: u64,
    value_width: u64,
    key_width_window: u64,
    value_width_window: u64,
    windows: Windows,
    mla: Option<Mla>,
    mla_window: Option<Mla>,
    /// From which layer on keys and values of earlier ones are used.
    borrows_from: u64,
}

impl Attending {
    pub(super) fn of(keys: &Keys, width: u64, layers: u64, doubts: &mut Vec<Doubt>) -> Self {
        let heads = heads(keys, width, doubts);
        let kv_heads = keys.per_layer("attention.head_count_kv").unwrap_or_else(|| heads.clone());
        let head_width = width.checked_div(first(&heads)).unwrap_or(0);
        let stated = |key, usual| keys.number(key).unwrap_or(usual);
        let key_width = stated("attention.key_length", head_width);
        let value_width = stated("attention.value_length", head_width);
        let mut own = Self {
            key_width,
            value_width,
            key_width_window: stated("attention.key_length_swa", key_width),
            value_width_window: stated("attention.value_length_swa", value_width),
            windows: Windows::of(keys, layers),
            mla: None,
            mla_window: None,
            borrows_from: borrows_from(keys, layers),
            heads,
            kv_heads,
        };
        own.latent(keys, doubts);
        own
    }

    /// Takes up what is kept as one latent vector.
    ///
    /// The file then states the latent's width as the key's, and one head, because that is what llama.cpp attends to;
    /// the heads' own widths are under keys of their own. Files that lack those were converted before; of them whole
    /// keys and values are kept.
    fn latent(&mut self, keys: &Keys, doubts: &mut Vec<Doubt>) {
        let Some(kv_rank) = keys.positive("attention.kv_lora_rank") else { return };
        let query_rank = keys.positive("attention.q_lora_rank");
        let widths = (keys.positive("attention.key_length_mla"), keys.positive("attention.value_length_mla"));
        let (Some(key_width), Some(value_width)) = widths else {
            if keys.architecture().starts_with("deepseek2") {
                let text = "the file is older than latent attention in llama.cpp: whole keys and values are kept; \
                            convert it anew to keep a fraction of that";
                doubts.push(Doubt { text: text.to_owned(), share: 0.0 });
            }
            return;
        };
        let stated = self.key_width.checked_sub(kv_rank).filter(|rope| *rope > 0);
        let rope_width = keys.positive("rope.dimension_count").or(stated).unwrap_or(0);
        self.mla = Some(Mla { kv_rank, rope_width, query_rank });
        (self.key_width, self.value_width) = (key_width, value_width);
        self.mla_window = self.mla;
        (self.key_width_window, self.value_width_window) = (key_width, value_width);
        if let Some(kv_rank) = keys.positive("attention.kv_lora_rank_swa") {
            let rope = keys.number("attention.key_length_swa").and_then(|key| key.checked_sub(kv_rank));
            self.mla_window = Some(Mla { kv_rank, rope_width: rope.unwrap_or(rope_width), query_rank });
            self.key_width_window = keys.number("attention.key_length_mla_swa").unwrap_or(key_width);
            self.value_width_window = keys.number("attention.value_length_mla_swa").unwrap_or(value_width);
        }
        // One head of keys only says that the latent is shared; a layer without any has no attention.
        let Self { heads, kv_heads, .. } = self;
        if let PerLayer::Each(list) = kv_heads {
            for (layer, kv) in list.iter_mut().enumerate().filter(|(_, kv)| **kv > 0) {
                *kv = heads.of(layer);
            }
        } else if kv_heads.most() > 0 {
            *kv_heads = heads.clone();
        }
    }

    /// The attention of a layer, `None` where it has none.
    pub(super) fn layer(&self, layer: usize) -> Option<Attention> {
        let (heads, kv_heads) = (self.heads.of(layer), self.kv_heads.of(layer));
        if heads == 0 || kv_heads == 0 {
            return None;
        }
        let window = self.windows.layer(layer);
        let (key_width, value_width, mla) = match window {
            None => (self.key_width, self.value_width, self.mla),
            Some(_) => (self.key_width_window, self.value_width_window, self.mla_window),
        };
        let borrows_kv = layer as u64 >= self.borrows_from;
        Some(Attention { heads, kv_heads, key_width, value_width, window, mla, borrows_kv })
    }

    /// Heads of a layer that attends, for state that comes in as many.
    pub(super) fn heads(&self) -> u64 {
        first(&self.heads)
    }

    /// Numbers of a key's head.
    pub(super) fn key_width(&self) -> u64 {
        self.key_width
    }
}

/// Those of the first layer that has any.
fn first(heads: &PerLayer) -> u64 {
    match heads {
        PerLayer::Same(heads) => *heads,
        PerLayer::Each(heads) => heads.iter().copied().find(|heads| *heads > 0).unwrap_or(0),
    }
}

fn heads(keys: &Keys, width: u64, doubts: &mut Vec<Doubt>) -> PerLayer {
    if let Some(heads) = keys.per_layer("attention.head_count") {
        return heads;
    }
    // What carries state instead of attending has no heads, and need not say so.
    if ["ssm.inner_size", "wkv.head_size"].iter().any(|key| keys.has(key)) {
        return PerLayer::Same(0);
    }
    let text = format!("nobody says how many heads attend: as many as {HEAD_WIDTH} numbers wide fit");
    doubts.push(Doubt { text, share: 0.5 });
    PerLayer::Same((width / HEAD_WIDTH).max(1))
}

fn borrows_from(keys: &Keys, layers: u64) -> u64 {
    match keys.number("attention.shared_kv_layers") {
        Some(shared) => layers.saturating_sub(shared),
        None if keys.architecture() == "gemma3n" => 20,
        None => u64::MAX,
    }
}
