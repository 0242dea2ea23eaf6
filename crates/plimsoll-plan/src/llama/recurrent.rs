//! Layers that carry a state from token to token: Mamba, Mamba 2, gated delta nets.

use super::cache::{state_rows, state_width};
use super::graph::{Home, Id, row_bytes};
use super::net::{Net, flat};
use crate::model::{Recurrent, RecurrentKind, TensorType};

const F32: TensorType = TensorType::F32;

/// A layer's stored states: what its convolution needs, and the state itself.
#[derive(Clone, Copy, Debug)]
struct States {
    conv: Id,
    own: Id,
    conv_width: u64,
    own_width: u64,
}

/// An operation that reads states by number itself.
type Gather<'f, N> = &'f mut dyn FnMut(&mut N, Id, Id) -> Id;

impl Net<'_> {
    /// The recurrent part of a layer; the result has a row for each token.
    pub(crate) fn recur(&mut self, layer: usize, state: &Recurrent, of: Id) -> Id {
        match state.kind {
            RecurrentKind::Mamba => self.mamba(layer, state, of),
            RecurrentKind::Mamba2 => self.mamba2(layer, state, of),
            // Others are approximated by the delta net, whose sizes are the closest.
            RecurrentKind::DeltaNet
            | RecurrentKind::Kda
            | RecurrentKind::Rwkv6
            | RecurrentKind::Rwkv7
            | RecurrentKind::ShortConv => self.delta_net(layer, state, of),
        }
    }

    /// Tokens of one sequence in a batch.
    fn run(&self) -> u64 {
        self.tokens() / self.setup.sequences().max(1)
    }

    fn states(&mut self, layer: usize, state: &Recurrent) -> States {
        let (conv_width, own_width) = state_width(self.hyper, state);
        let home = Home::State(self.setup.cache_device(layer));
        let rows = state_rows(self.setup);
        let conv = self.graph.weight(F32, flat(conv_width, rows), home);
        let own = self.graph.weight(F32, flat(own_width, rows), home);
        States { conv, own, conv_width, own_width }
    }

    /// The states of the sequences of this batch: cleared, gathered, the others moved; `None` gathers within an
    /// operation of the caller.
    fn gather(&mut self, stored: Id, width: u64, own: Option<Gather<'_, Self>>) -> Id {
        let rows = self.graph.get(stored).sides[1];
        let states = self.graph.reshape(stored, flat(width, rows));
        let first = self.graph.view_row(states, width);
        let cleared = self.graph.in_place(first);
        self.graph.expand(cleared);
        let (wanted, rest) = self.state_numbers();
        let gathered = match own {
            Some(make) => make(self, states, wanted),
            None => self.graph.get_rows(states, wanted),
        };
        self.graph.expand(gathered);
        let others = self.graph.get_rows(states, rest);
        let row = row_bytes(F32, width);
        let place = self.graph.view(stored, [width, 0, 1, 1], [row, row, row]);
        let moved = self.graph.copy_into(others, place);
        self.graph.expand(moved);
        gathered
    }

    fn write_back(&mut self, what: Id, into: Id, elements: u64) {
        let place = self.graph.view_row(into, elements);
        let stored = self.graph.copy_into(what, place);
        self.graph.expand(stored);
    }

    /// What the convolution sees: its last inputs before this batch, and this batch's. The new last ones are stored.
    fn conv_input(&mut self, states: States, taps: u64, channels: u64, of: Id) -> Id {
        let sequences = self.setup.sequences();
        let before = self.gather(states.conv, states.conv_width, None);
        let before = self.graph.reshape(before, [taps.saturating_sub(1), channels, sequences, 1]);
        let turned = self.graph.transpose(of);
        let input = self.graph.concat(before, turned, 0);
        let t = self.graph.get(input).strides;
        for _ in 0..self.setup.options.rollback.saturating_add(1).min(self.run().max(1)) {
            let last =
                self.graph.view(input, [taps.saturating_sub(1), channels, sequences, 1], [t[1], t[2], t[3]]);
            let row = row_bytes(F32, states.conv_width);
            let place = self.graph.view(states.conv, flat(states.conv_width, sequences), [row, row, row]);
            let stored = self.graph.copy_into(last, place);
            self.graph.expand(stored);
        }
        input
    }

    /// The convolution of a layer over its input.
    fn conv(&mut self, layer: usize, input: Id, taps: u64, channels: u64) -> Id {
        let kernel = self.vector(Some(layer), taps.saturating_mul(channels));
        let kernel = self.graph.reshape(kernel, flat(taps, channels));
        let sides = self.graph.get(input).sides;
        let run = sides[0].saturating_sub(taps.saturating_sub(1));
        self.graph.fresh(F32, [channels, run, sides[2], 1], &[input, kernel])
    }

    fn mamba(&mut self, layer: usize, state: &Recurrent, of: Id) -> Id {
        let (run, sequences) = (self.run(), self.setup.sequences());
        let (inner, width) = (state.inner_width, self.graph.get(of).sides[0]);
        let (rank, own) = (state.heads, state.state_width);
        let states = self.states(layer, state);
        let input = self.graph.reshape(of, [width, run, sequences, 1]);
        let both = self.project(layer, "ssm_in", input, inner.saturating_mul(2));
        let strides = self.graph.get(both).strides;
        let x = self.graph.view(both, [inner, run, sequences, 1], [strides[1], strides[2], strides[3]]);
        let gated = self.graph.view(both, [inner, run, sequences, 1], [strides[1], strides[2], strides[3]]);
        let seen = self.conv_input(states, state.taps, inner, x);
        let x = self.conv(layer, seen, state.taps, inner);
        let x = self.bias(layer, x);
        let x = self.graph.each(&[x]);
        let parts = self.project(layer, "ssm_x", x, rank.saturating_add(own.saturating_mul(2)));
        let strides = self.graph.get(parts).strides;
        let step = self.graph.view(parts, [rank, run, sequences, 1], [strides[1], strides[2], strides[3]]);
        let b =
            self.graph.view(parts, [own, 1, run, sequences], [row_bytes(F32, own), strides[1], strides[2]]);
        let c =
            self.graph.view(parts, [own, 1, run, sequences], [row_bytes(F32, own), strides[1], strides[2]]);
        let step = self.graph.packed(step);
        let step = self.project(layer, "ssm_dt", step, inner);
        let step = self.bias(layer, step);
        let heads = self.graph.reshape(x, [1, inner, run, sequences]);
        let decay = self.vector(Some(layer), own.saturating_mul(inner));
        let length = self.graph.get(x).elements().saturating_add(states.own_width.saturating_mul(sequences));
        let mut scan = |net: &mut Self, stored: Id, wanted: Id| {
            let rows = net.graph.get(stored).sides[1];
            let stored = net.graph.reshape(stored, [own, 1, inner, rows]);
            net.graph.fresh(F32, flat(length, 1), &[stored, heads, step, decay, b, c, wanted])
        };
        let mixed = self.gather(states.own, states.own_width, Some(&mut scan));
        let last = self.graph.view_row(mixed, states.own_width.saturating_mul(sequences));
        self.write_back(last, states.own, states.own_width.saturating_mul(sequences));
        let row = row_bytes(F32, inner);
        let all = row.saturating_mul(run);
        let mixed = self.graph.view(mixed, [inner, run, sequences, 1], [row, all, all]);
        let skip = self.vector(Some(layer), inner);
        let skip = self.graph.each(&[x, skip]);
        let mixed = self.graph.each(&[mixed, skip]);
        let gated = self.graph.packed(gated);
        let mixed = self.graph.gate(gated, mixed);
        let out = self.project(layer, "ssm_out", mixed, width);
        self.graph.reshape(out, flat(width, run.saturating_mul(sequences)))
    }

    fn mamba2(&mut self, layer: usize, state: &Recurrent, of: Id) -> Id {
        let (run, sequences) = (self.run(), self.setup.sequences());
        let (inner, width) = (state.inner_width, self.graph.get(of).sides[0]);
        let (heads, own, groups) = (state.heads.max(1), state.state_width, state.groups.max(1));
        let head = inner / heads;
        let channels = inner.saturating_add(groups.saturating_mul(own).saturating_mul(2));
        let states = self.states(layer, state);
        let all = inner.saturating_add(channels).saturating_add(heads);
        let parts = self.project(layer, "ssm_in", of, all);
        let parts = self.graph.reshape(parts, [all, run, sequences, 1]);
        let strides = self.graph.get(parts).strides;
        let gated = self.graph.view(
            parts,
            [head, heads, run, sequences],
            [row_bytes(F32, head), strides[1], strides[2]],
        );
        let xbc = self.graph.view(parts, [channels, run, sequences, 1], [strides[1], strides[2], strides[3]]);
        let step = self.graph.view(parts, [heads, run, sequences, 1], [strides[1], strides[2], strides[3]]);
        let seen = self.conv_input(states, state.taps, channels, xbc);
        let xbc = self.conv(layer, seen, state.taps, channels);
        let xbc = self.bias(layer, xbc);
        let xbc = self.graph.each(&[xbc]);
        let strides = self.graph.get(xbc).strides;
        let x = self.graph.view(
            xbc,
            [head, heads, run, sequences],
            [row_bytes(F32, head), strides[1], strides[2]],
        );
        let b = self.graph.view(
            xbc,
            [own, groups, run, sequences],
            [row_bytes(F32, own), strides[1], strides[2]],
        );
        let c = self.graph.view(
            xbc,
            [own, groups, run, sequences],
            [row_bytes(F32, own), strides[1], strides[2]],
        );
        let step = self.graph.packed(step);
        let step = self.bias(layer, step);
        let decay = self.vector(Some(layer), heads);
        let kept = self.setup.options.rollback.saturating_add(1);
        let kept_width = states.own_width.saturating_mul(sequences).saturating_mul(kept);
        let length = self.graph.get(x).elements().saturating_add(kept_width);
        let mut scan = |net: &mut Self, stored: Id, wanted: Id| {
            let rows = net.graph.get(stored).sides[1];
            let stored = net.graph.reshape(stored, [own, head, heads, rows]);
            net.graph.fresh(F32, flat(length, 1), &[stored, x, step, decay, b, c, wanted])
        };
        let mixed = self.gather(states.own, states.own_width, Some(&mut scan));
        let last = self.graph.view_row(mixed, kept_width);
        self.write_back(last, states.own, kept_width);
        let row = row_bytes(F32, head);
        let line = row.saturating_mul(heads);
        let mixed =
            self.graph.view(mixed, [head, heads, run, sequences], [row, line, line.saturating_mul(run)]);
        let skip = self.vector(Some(layer), heads);
        let skip = self.graph.each(&[x, skip]);
        let mixed = self.graph.each(&[mixed, skip]);
        let gated = self.graph.packed(gated);
        let mut mixed = self.graph.gate(gated, mixed);
        if self.style.state_norm {
            mixed = self.graph.reshape(mixed, [inner / groups, groups, run, sequences]);
            mixed = self.norm_rms(Some(layer), mixed);
        }
        let mixed = self.graph.reshape(mixed, flat(inner, run.saturating_mul(sequences)));
        self.project(layer, "ssm_out", mixed, width)
    }

    fn delta_net(&mut self, layer: usize, state: &Recurrent, of: Id) -> Id {
        let (run, sequences) = (self.run(), self.setup.sequences());
        let width = self.graph.get(of).sides[0];
        let (heads, groups, side) = (state.heads.max(1), state.groups.max(1), state.state_width);
        let value_side = state.inner_width / heads;
        let keys = side.saturating_mul(groups);
        let channels = state.inner_width.saturating_add(keys.saturating_mul(2));
        let mixed = self.project(layer, "attn_qkv", of, channels);
        let mixed = self.graph.reshape(mixed, [channels, run, sequences, 1]);
        let z = self.project(layer, "attn_gate", of, state.inner_width);
        let (beta, gate) = if self.style.joint_beta {
            self.joint_beta(layer, of, heads, groups)
        } else {
            self.apart_beta(layer, of, heads)
        };
        let states = self.states(layer, state);
        let seen = self.conv_input(states, state.taps, channels, mixed);
        let own = self.gather(states.own, states.own_width, None);
        let own = self.graph.reshape(own, [value_side, value_side, heads, sequences]);
        let conv = self.conv(layer, seen, state.taps, channels);
        let conv = self.graph.each(&[conv]);
        let row = row_bytes(F32, channels);
        let all = row.saturating_mul(run);
        let mut part = |side: u64, count: u64| {
            self.graph.view(conv, [side, count, run, sequences], [row_bytes(F32, side), row, all])
        };
        let (query, key, value) = (part(side, groups), part(side, groups), part(value_side, heads));
        let mut made = [query, key];
        for slot in &mut made {
            let normed = self.graph.each(&[*slot]);
            *slot = self.graph.each(&[normed]);
            if self.style.joint_beta && groups != heads {
                *slot = self.spread_heads(*slot, side, groups, heads);
            }
        }
        let kept = self.setup.options.rollback.saturating_add(1);
        let rows = run.saturating_mul(sequences);
        let rows = rows.saturating_add(kept.saturating_mul(value_side).saturating_mul(sequences));
        let sides = flat(value_side.saturating_mul(heads), rows);
        let out = self.graph.fresh(F32, sides, &[made[0], made[1], value, gate, beta, own]);
        let (short, line) = (row_bytes(F32, value_side), row_bytes(F32, value_side.saturating_mul(heads)));
        let strides = [short, line, line.saturating_mul(run)];
        let result = self.graph.view(out, [value_side, heads, run, sequences], strides);
        let last = self.graph.view_row(out, states.own_width.saturating_mul(sequences));
        self.write_back(last, states.own, states.own_width.saturating_mul(sequences));
        let z = self.graph.reshape(z, [value_side, heads, run, sequences]);
        let normed = self.norm_rms(Some(layer), result);
        let gated = self.graph.each(&[z]);
        let mixed = self.graph.each(&[normed, gated]);
        let mixed = self.graph.reshape(mixed, [state.inner_width, run, sequences, 1]);
        let out = self.project(layer, "ssm_out", mixed, width);
        self.graph.reshape(out, flat(width, run.saturating_mul(sequences)))
    }

    /// Both gates from one projection (Qwen3-Next).
    fn joint_beta(&mut self, layer: usize, of: Id, heads: u64, groups: u64) -> (Id, Id) {
        let (run, sequences) = (self.run(), self.setup.sequences());
        let both = self.project(layer, "ssm_ba", of, heads.saturating_mul(2));
        let each = heads / groups;
        let both = self.graph.reshape(both, [each.saturating_mul(2), groups, run, sequences]);
        let t = self.graph.get(both).strides;
        let b = self.graph.view(both, [each, groups, run, sequences], [t[1], t[2], t[3]]);
        let a = self.graph.view(both, [each, groups, run, sequences], [t[1], t[2], t[3]]);
        let b = self.graph.packed(b);
        let beta = self.graph.each(&[b]);
        let alpha = self.graph.packed_as(a, [heads, run, sequences, 1]);
        let gate = self.decay(layer, alpha);
        let beta = self.graph.reshape(beta, [1, heads, run, sequences]);
        (beta, self.graph.reshape(gate, [1, heads, run, sequences]))
    }

    /// Each gate from a projection of its own (Qwen 3.5).
    fn apart_beta(&mut self, layer: usize, of: Id, heads: u64) -> (Id, Id) {
        let (run, sequences) = (self.run(), self.setup.sequences());
        let beta = self.project(layer, "ssm_beta", of, heads);
        let beta = self.graph.reshape(beta, [1, heads, run, sequences]);
        let beta = self.graph.each(&[beta]);
        let alpha = self.project(layer, "ssm_alpha", of, heads);
        let alpha = self.graph.reshape(alpha, [heads, run, sequences, 1]);
        let gate = self.decay(layer, alpha);
        (beta, self.graph.reshape(gate, [1, heads, run, sequences]))
    }

    fn decay(&mut self, layer: usize, alpha: Id) -> Id {
        let biased = self.bias(layer, alpha);
        let soft = self.graph.each(&[biased]);
        self.bias(layer, soft)
    }

    /// Heads repeated so that there are as many as of values.
    fn spread_heads(&mut self, of: Id, side: u64, groups: u64, heads: u64) -> Id {
        let (run, sequences) = (self.run(), self.setup.sequences());
        let rows = run.saturating_mul(sequences);
        let single = self.graph.reshape(of, [side, 1, groups, rows]);
        let many = self.graph.fresh(F32, [side, heads / groups, groups, rows], &[single]);
        self.graph.reshape(many, [side, heads, run, sequences])
    }
}
