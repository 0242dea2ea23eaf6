//! What comes after attention in a layer.

use super::known;
use super::seen::Seen;
use crate::model::{Experts, Ffn};
use crate::read::keys::{Keys, PerLayer};

/// The rules for the feed-forward parts of a model.
pub(super) struct Feeding<'k> {
    keys: &'k Keys,
    /// Inner widths, where they are stated.
    pub(super) widths: Option<PerLayer>,
    expert_widths: Option<PerLayer>,
    used: Option<PerLayer>,
    count: u64,
    leading_dense: u64,
    gated: bool,
}

impl<'k> Feeding<'k> {
    pub(super) fn of(keys: &'k Keys) -> Self {
        Self {
            keys,
            widths: keys.per_layer("feed_forward_length"),
            expert_widths: keys.per_layer("expert_feed_forward_length"),
            used: keys.per_layer("expert_used_count"),
            count: keys.number("expert_count").unwrap_or(0),
            leading_dense: keys.number("leading_dense_block_count").unwrap_or(0),
            gated: known::is_gated(keys.architecture()),
        }
    }

    /// The part of a layer: what its tensors say, else what the keys do.
    pub(super) fn layer(&self, layer: usize, seen: Option<&Seen>, attends: bool, recurs: bool) -> Ffn {
        match seen.filter(|seen| seen.any) {
            Some(seen) => self.seen(layer, seen),
            None => self.stated(layer, attends, recurs),
        }
    }

    fn used(&self, layer: usize) -> u64 {
        self.used.as_ref().map_or(0, |used| used.of(layer))
    }

    fn seen(&self, layer: usize, seen: &Seen) -> Ffn {
        if seen.experts > 0 {
            // What all tokens take beside the experts counts as shared, under either name.
            let shared_width = seen.shared.saturating_add(seen.dense.unwrap_or(0));
            let (count, width) = (seen.experts, seen.expert_width);
            let used = self.used(layer).min(count);
            return Ffn::Experts(Experts { count, used, width, shared_width });
        }
        let Some(width) = seen.dense else { return Ffn::None };
        let within = seen.up.is_some_and(|up| up > 0 && up == width.saturating_mul(2));
        Ffn::Dense { width, gated: seen.gate || within }
    }

    fn stated(&self, layer: usize, attends: bool, recurs: bool) -> Ffn {
        let width = self.widths.as_ref().map_or(0, |widths| widths.of(layer));
        if !self.is_mixture(layer, width, attends, recurs) {
            // A pure Mamba has no second part, and says so with a width of zero.
            return if width == 0 { Ffn::None } else { Ffn::Dense { width, gated: self.gated } };
        }
        let width = self
            .expert_widths
            .as_ref()
            .map(|widths| widths.of(layer))
            .filter(|own| *own > 0)
            .unwrap_or(width);
        let shared = self
            .keys
            .number("expert_shared_feed_forward_length")
            .unwrap_or_else(|| self.keys.number("expert_shared_count").unwrap_or(0).saturating_mul(width));
        let dense_beside = if matches!(self.keys.architecture(), "arctic" | "gemma4") {
            self.widths.as_ref().map_or(0, |widths| widths.of(layer))
        } else {
            0
        };
        let shared_width = shared.saturating_add(dense_beside);
        Ffn::Experts(Experts {
            count: self.count,
            used: self.used(layer).min(self.count),
            width,
            shared_width,
        })
    }

    fn is_mixture(&self, layer: usize, width: u64, attends: bool, recurs: bool) -> bool {
        let layer = layer as u64;
        if self.count == 0 || layer < self.leading_dense {
            return false;
        }
        let step = self.keys.positive("interleave_moe_layer_step").unwrap_or(1);
        match self.keys.architecture() {
            "llama4" | "ernie4_5-moe" => (layer + 1).is_multiple_of(step),
            "nomic-bert-moe" => {
                self.keys.positive("moe_every_n_layers").is_none_or(|every| layer % every == 1 % every)
            }
            // Each layer is one thing only: state, attention or experts.
            "nemotron_h_moe" => !attends && !recurs && width > 0,
            // Every second layer, from the second on.
            "jamba" => layer % 2 == 1,
            _ => true,
        }
    }
}
