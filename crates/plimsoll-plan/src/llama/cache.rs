//! What llama.cpp keeps between batches: keys and values, recurrent state, and the logits it hands out.

use super::setup::Setup;
use crate::llama::graph::row_bytes;
use crate::model::{Attention, Hyper, Layer, Recurrent, RecurrentKind, TensorType};

/// The caches of one layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LayerCache {
    /// Cells of one stream.
    pub(crate) cells: u64,
    /// Elements of a cell's key.
    pub(crate) key_width: u64,
    /// Elements of a cell's value; zero where only keys are kept.
    pub(crate) value_width: u64,
}

impl LayerCache {
    /// What it takes, in all streams.
    pub(crate) fn bytes(&self, setup: &Setup) -> u64 {
        let row = row_bytes(setup.options.key_kind, self.key_width)
            .saturating_add(row_bytes(setup.options.value_kind, self.value_width));
        row.saturating_mul(self.cells).saturating_mul(setup.streams)
    }
}

/// The widest value of any layer: without flash attention all are kept as wide.
pub(crate) fn widest_value(hyper: &Hyper) -> u64 {
    let widths = hyper.layers.iter().filter_map(|layer| layer.attention.as_ref()).map(value_width);
    widths.max().unwrap_or(0)
}

fn value_width(attention: &Attention) -> u64 {
    attention.value_width.saturating_mul(attention.kv_heads)
}

/// The cache of a layer, `None` where it keeps none.
pub(crate) fn layer_cache(hyper: &Hyper, layer: &Layer, setup: &Setup) -> Option<LayerCache> {
    let attention = layer.attention.as_ref().filter(|attention| !attention.borrows_kv)?;
    let cells = match (attention.window, setup.window_cells) {
        (Some(_), Some(cells)) => cells,
        _ => setup.cells,
    };
    if let Some(mla) = attention.mla {
        let key_width = mla.kv_rank.saturating_add(mla.rope_width);
        let value_width = if setup.options.latent_values { mla.kv_rank } else { 0 };
        return Some(LayerCache { cells, key_width, value_width });
    }
    let value = if setup.options.flash_attention { value_width(attention) } else { widest_value(hyper) };
    Some(LayerCache {
        cells,
        key_width: attention.key_width.saturating_mul(attention.kv_heads),
        value_width: value,
    })
}

/// Elements of recurrent state that a layer keeps for a sequence: what its convolution still needs, and the state itself.
pub(crate) fn state_width(hyper: &Hyper, state: &Recurrent) -> (u64, u64) {
    let before = state.taps.saturating_sub(1);
    let head_square = state.state_width.saturating_mul(state.state_width).saturating_mul(state.heads);
    match state.kind {
        RecurrentKind::Mamba | RecurrentKind::Mamba2 | RecurrentKind::DeltaNet => {
            let groups = state.groups.saturating_mul(state.state_width).saturating_mul(2);
            let conv = before.saturating_mul(state.inner_width.saturating_add(groups));
            (conv, state.state_width.saturating_mul(state.inner_width))
        }
        RecurrentKind::Kda => {
            let inner = state.heads.saturating_mul(state.state_width);
            (before.saturating_mul(inner).saturating_mul(3), head_square)
        }
        RecurrentKind::Rwkv6 | RecurrentKind::Rwkv7 => {
            (hyper.width.saturating_mul(2), hyper.width.saturating_mul(state.state_width))
        }
        RecurrentKind::ShortConv => (hyper.width.saturating_mul(before), 0),
    }
}

/// Rows of recurrent state: one a sequence, and as many again for each token that may be rolled back.
pub(crate) fn state_rows(setup: &Setup) -> u64 {
    setup.sequences().saturating_mul(setup.options.rollback.saturating_add(1))
}

/// What a layer's recurrent state takes, in all sequences.
pub(crate) fn state_bytes(hyper: &Hyper, layer: &Layer, setup: &Setup) -> u64 {
    let Some(state) = &layer.recurrent else { return 0 };
    let (conv, own) = state_width(hyper, state);
    row_bytes(TensorType::F32, conv.saturating_add(own)).saturating_mul(state_rows(setup))
}

/// The logits of one row for each sequence, in host memory.
pub(crate) fn output_bytes(hyper: &Hyper, setup: &Setup) -> u64 {
    row_bytes(TensorType::F32, hyper.vocabulary).saturating_mul(setup.sequences())
}

/// One sequence's recurrent state and caches of layers with a window.
pub(crate) fn checkpoint_bytes(hyper: &Hyper, setup: &Setup) -> u64 {
    let sequences = setup.sequences().max(1);
    let of = |layer: &Layer| {
        let state = state_bytes(hyper, layer, setup) / state_rows(setup).max(1);
        let windowed = layer.attention.as_ref().is_some_and(|attention| attention.window.is_some());
        let cache = layer_cache(hyper, layer, setup).filter(|_| windowed);
        state.saturating_add(cache.map_or(0, |cache| cache.bytes(setup)) / sequences)
    };
    hyper.layers.iter().map(of).fold(0, u64::saturating_add)
}
