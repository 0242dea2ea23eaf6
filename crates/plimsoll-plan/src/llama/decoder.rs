//! The graph of a decoder: layer after layer, and logits at the end.

use super::graph::{Graph, Id, row_bytes};
use super::net::{Net, flat};
use super::setup::Setup;
use super::style::{Act, Order, Style, Wanted};
use crate::model::{Attention, Experts, Ffn, Layer, Model, RecurrentKind, TensorType};

/// The graph that llama.cpp reserves memory by, and whether its rules are those of an architecture that was checked.
pub(crate) fn graph_of(model: &Model, setup: &Setup) -> (Graph, Style) {
    let mut net = Net::new(model, setup);
    let mut current = net.embedding();
    if net.style.layer_embedding > 0 {
        net.layer_embeddings = Some(net.layer_embeddings(current, net.style.layer_embedding));
    }
    for index in 0..model.hyper.layers.len() {
        current = net.layer(index, &model.hyper.layers[index], current);
    }
    if net.style.wanted == Wanted::BeforeNorm {
        net.graph.output(current);
        current = net.wanted(current);
    }
    let mut normed = net.norm(None, current);
    net.graph.output(normed);
    if net.style.wanted == Wanted::AfterNorm {
        normed = net.wanted(normed);
        net.graph.output(normed);
    }
    net.logits(normed);
    (net.graph, net.style)
}

impl Net<'_> {
    fn layer(&mut self, index: usize, layer: &Layer, before: Id) -> Id {
        match self.style.order {
            Order::Behind => self.layer_behind(index, layer, before),
            Order::Beside | Order::BesideNormed => self.layer_beside(index, layer, before),
        }
    }

    fn is_last_wanted(&self, index: usize) -> bool {
        index == self.last() && self.style.wanted == Wanted::InLast
    }

    /// What mixes tokens: attention with its projections, a recurrent part, or both.
    fn mixing_part(&mut self, index: usize, layer: &Layer, before: Id, of: Id) -> Id {
        match (&layer.attention, &layer.recurrent) {
            (Some(attention), None) => self.attention_part(index, attention, of),
            (None, Some(state)) => {
                // Delta nets compute their input before they touch their state, Mamba the other way round.
                if state.kind == RecurrentKind::DeltaNet {
                    self.graph.expand(of);
                }
                self.recur(index, state, of)
            }
            (Some(attention), Some(state)) => {
                let attended = self.attention_part(index, attention, of);
                let again = self.norm(Some(index), before);
                let carried = self.recur(index, state, again);
                self.graph.each(&[attended, carried])
            }
            (None, None) => of,
        }
    }

    fn attention_part(&mut self, index: usize, attention: &Attention, of: Id) -> Id {
        if let Some(mla) = attention.mla {
            let mixed = self.attend_latent(index, attention, mla, of);
            return self.project(index, "attn_output", mixed, self.hyper.width);
        }
        let heads = self.heads(index, attention, of);
        let mut mixed = self.attend(index, attention, heads);
        if let Some(gate) = heads.gate {
            let rows = flat(attention.heads.saturating_mul(attention.key_width), self.tokens());
            let gate = self.graph.packed_as(gate, rows);
            let gate = self.graph.each(&[gate]);
            mixed = self.graph.each(&[mixed, gate]);
        }
        let width = self.hyper.width;
        let out = self.project(index, "attn_output", mixed, width);
        if self.style.output_projection_bias { self.bias(index, out) } else { out }
    }

    /// Attention first, then the feed-forward part on its sum with the input.
    fn layer_behind(&mut self, index: usize, layer: &Layer, before: Id) -> Id {
        let style = self.style;
        let mut residual = before;
        let input = if style.no_norms_before { before } else { self.norm(Some(index), before) };
        let mut current = self.mixing_part(index, layer, before, input);
        if layer.attention.is_some() && layer.recurrent.is_some() {
            return self.layer_of_both(index, current, residual);
        }
        if self.is_last_wanted(index) {
            current = self.wanted(current);
            residual = self.wanted(residual);
        }
        if style.norms_behind {
            current = self.norm(Some(index), current);
        }
        if style.scaled_residual {
            current = self.graph.each(&[current]);
        }
        let middle = self.graph.each(&[current, residual]);
        if layer.ffn == Ffn::None {
            return middle;
        }
        let mut current = self.feed_forward_part(index, layer, middle);
        if style.norms_behind {
            current = self.norm_loose(index, current);
        }
        if style.scaled_residual {
            current = self.graph.each(&[current]);
        }
        let summands = if style.residual_first { [middle, current] } else { [current, middle] };
        let sum = self.graph.each(&summands);
        if style.normed_values { self.layer_end(index, sum) } else { sum }
    }

    /// The rest of a layer that has attention and a state side by side: their sum is taken before rows are left out.
    fn layer_of_both(&mut self, index: usize, current: Id, residual: Id) -> Id {
        let mut middle = self.graph.each(&[current, residual]);
        if self.is_last_wanted(index) {
            middle = self.wanted(middle);
        }
        let input = self.norm(Some(index), middle);
        let current = self.ffn(index, input);
        self.graph.each(&[current, middle])
    }

    fn feed_forward_part(&mut self, index: usize, layer: &Layer, middle: Id) -> Id {
        if let (true, Ffn::Experts(experts)) = (self.style.normed_values, &layer.ffn) {
            return self.experts_beside(index, experts, middle);
        }
        let input = if self.style.no_norms_before { middle } else { self.norm(Some(index), middle) };
        self.ffn(index, input)
    }

    /// One part for all tokens and experts beside it, each with norms of its own (Gemma 4).
    fn experts_beside(&mut self, index: usize, experts: &Experts, middle: Id) -> Id {
        let input = self.norm(Some(index), middle);
        let common = self.dense(index, input, experts.shared_width, Act::Gated);
        let common = self.norm(Some(index), common);
        let input = self.norm(Some(index), middle);
        let bare = self.graph.each(&[middle]);
        let scaled = self.graph.each(&[bare]);
        let scaled = self.bias(index, scaled);
        let logits = self.project(index, "ffn_gate_inp", scaled, experts.count);
        let chosen = self.experts(index, input, experts, Some(logits));
        let chosen = self.norm(Some(index), chosen);
        self.graph.each(&[common, chosen])
    }

    /// What Gemma 4's layers end in: their own embedding of the token, where there is one, and a factor.
    fn layer_end(&mut self, index: usize, sum: Id) -> Id {
        let mut sum = sum;
        if let Some(embeddings) = self.layer_embeddings {
            let width = self.style.layer_embedding;
            let gate = self.project(index, "inp_gate", sum, width);
            let gate = self.graph.each(&[gate]);
            let row = row_bytes(TensorType::F32, width);
            let all = row.saturating_mul(self.tokens());
            let own = self.graph.view(embeddings, flat(width, self.tokens()), [row, all, all]);
            let gated = self.graph.each(&[gate, own]);
            let back = self.project(index, "proj", gated, self.hyper.width);
            let back = self.norm(Some(index), back);
            sum = self.graph.each(&[sum, back]);
        }
        let factor = self.vector(Some(index), 1);
        self.graph.each(&[sum, factor])
    }

    /// Both on the same input.
    fn layer_beside(&mut self, index: usize, layer: &Layer, before: Id) -> Id {
        let mut residual = before;
        let mut input = self.norm(Some(index), before);
        let mut attended = self.mixing_part(index, layer, before, input);
        if self.is_last_wanted(index) {
            attended = self.wanted(attended);
            residual = self.wanted(residual);
            if self.style.order == Order::Beside {
                input = self.wanted(input);
            }
        }
        if self.style.order == Order::BesideNormed {
            input = self.norm(Some(index), residual);
        }
        let current = self.ffn(index, input);
        let current = self.graph.each(&[current, residual]);
        self.graph.each(&[current, attended])
    }
}
