//! The graph of a decoder: layer after layer, and logits at the end.

use super::graph::{Graph, Id};
use super::net::Net;
use super::setup::Setup;
use super::style::{Order, Style};
use crate::model::{Layer, Model};

/// The graph that llama.cpp reserves memory by, and whether its rules are those of an architecture that was checked.
pub(crate) fn graph_of(model: &Model, setup: &Setup) -> (Graph, Style) {
    let mut net = Net::new(model, setup);
    let mut current = net.embedding();
    for index in 0..model.hyper.layers.len() {
        current = net.layer(index, &model.hyper.layers[index], current);
    }
    if net.style.wanted_at_end {
        net.graph.output(current);
        current = net.wanted(current);
    }
    let normed = net.norm(None, current);
    net.graph.output(normed);
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
        index == self.last() && !self.style.wanted_at_end
    }

    /// Attention with its projections.
    fn attention_part(&mut self, index: usize, layer: &Layer, of: Id) -> Id {
        let Some(attention) = &layer.attention else { return of };
        let heads = self.heads(index, attention, of);
        let mixed = self.attend(index, attention, heads);
        let width = self.hyper.width;
        let out = self.project(index, "attn_output", mixed, width);
        if self.style.output_projection_bias { self.bias(index, out) } else { out }
    }

    /// Attention first, then the feed-forward part on its sum with the input.
    fn layer_behind(&mut self, index: usize, layer: &Layer, before: Id) -> Id {
        let style = self.style;
        let mut residual = before;
        let input = if style.no_norms_before { before } else { self.norm(Some(index), before) };
        let mut current = self.attention_part(index, layer, input);
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
        let input = if style.no_norms_before { middle } else { self.norm(Some(index), middle) };
        let mut current = self.ffn(index, input);
        if style.norms_behind {
            current = self.norm(None, current);
        }
        if style.scaled_residual {
            current = self.graph.each(&[current]);
        }
        self.graph.each(&[current, middle])
    }

    /// Both on the same input.
    fn layer_beside(&mut self, index: usize, layer: &Layer, before: Id) -> Id {
        let mut residual = before;
        let mut input = self.norm(Some(index), before);
        let mut attended = self.attention_part(index, layer, input);
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
