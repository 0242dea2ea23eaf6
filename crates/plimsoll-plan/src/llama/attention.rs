//! Attention as llama.cpp builds it: projections, rotation, the cache, and the product with it, fused or not.

use super::graph::{Id, row_bytes};
use super::net::{CacheInput, Net, flat};
use super::options::Era;
use super::style::{KeyNorm, Order};
use crate::model::{Attention, TensorType};

/// What attention is made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heads {
    pub(crate) query: Id,
    /// Keys and values of the new tokens; none where an earlier layer's are used.
    pub(crate) new: Option<(Id, Id)>,
    /// What the result is weighed by, where queries come with a gate.
    pub(crate) gate: Option<Id>,
}

impl Net<'_> {
    /// Queries, keys and values from one input.
    pub(crate) fn heads(&mut self, layer: usize, attention: &Attention, of: Id) -> Heads {
        let ((query, gate), key, value) = if self.style.gated_attention {
            self.gated_projections(layer, attention, of)
        } else {
            let (query, key, value) = self.projections(layer, attention, of);
            ((query, None), key, value)
        };
        let mut query = self.normed_heads(layer, query);
        let value = if self.style.normed_values { self.graph.each(&[value]) } else { value };
        let rotated = self.style.ropes(layer, attention);
        if rotated {
            query = self.rope(layer, query);
        }
        let mut key = self.normed_heads(layer, key);
        if rotated {
            key = self.rope(layer, key);
        }
        if self.style.scaled_query {
            query = self.graph.each(&[query]);
        }
        Heads { query, new: (!attention.borrows_kv).then_some((key, value)), gate }
    }

    fn normed_heads(&mut self, layer: usize, of: Id) -> Id {
        match self.style.key_norm {
            KeyNorm::Head => self.norm(Some(layer), of),
            KeyNorm::None | KeyNorm::Whole => of,
        }
    }

    fn projections(&mut self, layer: usize, attention: &Attention, of: Id) -> (Id, Id, Id) {
        let tokens = self.tokens();
        let queries = attention.heads.saturating_mul(attention.key_width);
        let keys = attention.kv_heads.saturating_mul(attention.key_width);
        let values = attention.kv_heads.saturating_mul(attention.value_width);
        if self.style.fused_projection {
            let width = queries.saturating_add(keys).saturating_add(values);
            let mut fused = self.project(layer, "attn_qkv", of, width);
            if self.style.projection_bias {
                fused = self.bias(layer, fused);
            }
            let query = self.heads_of(fused, attention.key_width, attention.heads);
            let key = self.heads_of(fused, attention.key_width, attention.kv_heads);
            let value = self.heads_of(fused, attention.value_width, attention.kv_heads);
            if self.setup.is_early() {
                // The first programs took the three apart by copying.
                return (self.graph.packed(query), self.graph.packed(key), self.graph.packed(value));
            }
            return (query, key, value);
        }
        let mut made = [of; 3];
        for (slot, (name, width)) in
            made.iter_mut().zip([("attn_q", queries), ("attn_k", keys), ("attn_v", values)])
        {
            *slot = self.project(layer, name, of, width);
            if self.style.projection_bias {
                *slot = self.bias(layer, *slot);
            }
        }
        if self.style.key_norm == KeyNorm::Whole {
            made[0] = self.norm(Some(layer), made[0]);
            made[1] = self.norm(Some(layer), made[1]);
        }
        let query = self.graph.reshape(made[0], [attention.key_width, attention.heads, tokens, 1]);
        let key = self.graph.reshape(made[1], [attention.key_width, attention.kv_heads, tokens, 1]);
        let values = if self.style.keys_for_values && attention.window.is_none() { made[1] } else { made[2] };
        let value = self.graph.reshape(values, [attention.value_width, attention.kv_heads, tokens, 1]);
        (query, key, value)
    }

    /// Queries twice as wide, half of them a gate.
    fn gated_projections(
        &mut self,
        layer: usize,
        attention: &Attention,
        of: Id,
    ) -> ((Id, Option<Id>), Id, Id) {
        let tokens = self.tokens();
        let (side, heads, kv_heads) = (attention.key_width, attention.heads, attention.kv_heads);
        let both = self.project(layer, "attn_q", of, side.saturating_mul(heads).saturating_mul(2));
        let key = self.project(layer, "attn_k", of, side.saturating_mul(kv_heads));
        let value = self.project(layer, "attn_v", of, attention.value_width.saturating_mul(kv_heads));
        let (head, row) =
            (row_bytes(TensorType::F32, side.saturating_mul(2)), self.graph.get(both).strides[1]);
        let strides = [head, row, row.saturating_mul(tokens)];
        let query = self.graph.view(both, [side, heads, tokens, 1], strides);
        let gate = self.graph.view(both, [side, heads, tokens, 1], strides);
        let key = self.graph.reshape(key, [side, kv_heads, tokens, 1]);
        let value = self.graph.reshape(value, [attention.value_width, kv_heads, tokens, 1]);
        ((query, Some(gate)), key, value)
    }

    /// Writes new keys and values into the cache, and reads all of it. The result has a row for each token.
    pub(crate) fn attend(&mut self, layer: usize, attention: &Attention, heads: Heads) -> Id {
        let input = self.cache_input(layer);
        let Heads { mut query, mut new, .. } = heads;
        if let Some(rotation) = input.key_rotation {
            query = self.rotate(query, rotation);
            new = new.map(|(key, value)| (self.rotate(key, rotation), value));
        }
        if let Some(rotation) = input.value_rotation {
            new = new.map(|(key, value)| (key, self.rotate(value, rotation)));
        }
        self.expand_heads(query, new);
        let source = if attention.borrows_kv { self.lender(layer) } else { layer };
        let Some((keys, values)) = self.cache_tensors(source) else { return query };
        if let Some((key, value)) = new {
            self.store_keys(keys, key, input);
            self.store_values(values, value, input);
        }
        let (key, value) = (
            self.read_keys(keys, attention, input),
            self.read_values(values, attention.value_width, attention.kv_heads, input),
        );
        let mut out = self.mix(layer, query, key, value, input, None);
        if let Some(rotation) = input.value_rotation {
            out = self.rotate(out, rotation);
        }
        out
    }

    /// The order in which heads enter the graph: keys last where no layer has a window.
    fn expand_heads(&mut self, query: Id, new: Option<(Id, Id)>) {
        self.graph.expand(query);
        if let Some((key, value)) = new {
            let windowed = self.setup.window_cells.is_some();
            let (first, second) =
                if windowed || self.setup.options.era != Era::Now { (key, value) } else { (value, key) };
            self.graph.expand(first);
            self.graph.expand(second);
        }
    }

    /// The last earlier layer of the same sort that keeps keys and values.
    fn lender(&self, layer: usize) -> usize {
        let layers = &self.hyper.layers;
        let windowed =
            |index: usize| layers[index].attention.as_ref().is_some_and(|own| own.window.is_some());
        let keeps = |index: &usize| layers[*index].attention.as_ref().is_some_and(|own| !own.borrows_kv);
        (0..layer).rev().find(|index| keeps(index) && windowed(*index) == windowed(layer)).unwrap_or(layer)
    }

    /// A multiplication with an orthogonal matrix, head by head.
    fn rotate(&mut self, of: Id, rotation: Id) -> Id {
        let (tensor, side) = (self.graph.get(of), self.graph.get(rotation).sides[0]);
        let (sides, rows) = (tensor.sides, tensor.elements() / side.max(1));
        let rows = flat(side, rows);
        let split = if tensor.is_contiguous() {
            self.graph.reshape(of, rows)
        } else {
            self.graph.packed_as(of, rows)
        };
        let turned = self.graph.matmul(rotation, split);
        self.graph.reshape(turned, sides)
    }

    pub(crate) fn store_keys(&mut self, keys: Id, key: Id, input: CacheInput) {
        let tensor = self.graph.get(key);
        let (width, tokens) = (tensor.sides[0].saturating_mul(tensor.sides[1]), tensor.sides[2]);
        let row = tensor.strides[2];
        if self.setup.is_early() {
            let place = self.graph.view_row(keys, width.saturating_mul(tokens));
            let stored = self.graph.copy_into(key, place);
            self.graph.expand(stored);
            return;
        }
        let rows = self.graph.view(key, flat(width, tokens), [row, row.saturating_mul(tokens), 0]);
        let table = self.one_stream(keys, width);
        let stored = self.graph.set_rows(table, rows, input.key_rows);
        self.graph.expand(stored);
    }

    fn one_stream(&mut self, table: Id, width: u64) -> Id {
        let sides = self.graph.get(table).sides;
        if sides[2] == 1 {
            return table;
        }
        self.graph.reshape(table, flat(width, sides[1].saturating_mul(sides[2])))
    }

    pub(crate) fn store_values(&mut self, values: Id, value: Id, input: CacheInput) {
        let tensor = self.graph.get(value);
        let (width, tokens) = (tensor.sides[0].saturating_mul(tensor.sides[1]), tensor.sides[2]);
        let (row, kind) = (tensor.strides[2], tensor.kind);
        if self.setup.is_early() {
            let rows = self.graph.reshape(value, flat(width, tokens));
            let place = self.graph.view_row(values, width.saturating_mul(tokens));
            let turned = if self.setup.options.flash_attention { rows } else { self.graph.transpose(rows) };
            let stored = self.graph.copy_into(turned, place);
            self.graph.expand(stored);
            return;
        }
        let stored = if self.setup.options.flash_attention {
            let rows = self.graph.view(value, flat(width, tokens), [row, row.saturating_mul(tokens), 0]);
            let table = self.one_stream(values, width);
            self.graph.set_rows(table, rows, input.value_rows)
        } else {
            let mut rows = if row_bytes(kind, width) == row {
                self.graph.reshape(value, flat(width, tokens))
            } else {
                self.graph.packed_as(value, flat(width, tokens))
            };
            let kept = self.graph.get(values).sides[0];
            if width < kept {
                rows = self.graph.fresh(TensorType::F32, flat(kept, tokens), &[rows]);
            }
            let all = self.graph.get(values).elements();
            let table = self.graph.reshape(values, flat(1, all));
            let count = self.graph.get(rows).elements();
            let single = self.graph.reshape(rows, flat(1, count));
            self.graph.set_rows(table, single, input.value_rows)
        };
        self.graph.expand(stored);
    }

    pub(crate) fn read_keys(&mut self, keys: Id, attention: &Attention, input: CacheInput) -> Id {
        let (width, heads) = match attention.mla {
            Some(mla) => (mla.kv_rank.saturating_add(mla.rope_width), 1),
            None => (attention.key_width, attention.kv_heads),
        };
        self.read_rows(keys, width, heads, input)
    }

    fn read_rows(&mut self, table: Id, width: u64, heads: u64, input: CacheInput) -> Id {
        let tensor = self.graph.get(table);
        let (kind, kept, streams) = (tensor.kind, tensor.sides[0], tensor.sides[2]);
        let row = row_bytes(kind, kept);
        let strides = [row_bytes(kind, width), row, row.saturating_mul(tensor.sides[1])];
        self.graph.view(table, [width, heads, input.cells, streams], strides)
    }

    pub(crate) fn read_values(&mut self, values: Id, width: u64, heads: u64, input: CacheInput) -> Id {
        if self.setup.options.flash_attention {
            return self.read_rows(values, width, heads, input);
        }
        // Without flash attention values lie transposed.
        let tensor = self.graph.get(values);
        let (kind, cells, streams) = (tensor.kind, tensor.sides[1], tensor.sides[2]);
        let row = row_bytes(kind, cells);
        let all = row.saturating_mul(tensor.sides[0]);
        let strides = [row.saturating_mul(width), row, all];
        self.graph.view(values, [cells, heads, width, streams], strides)
    }

    /// The product of queries with all keys and of their shares with all values.
    pub(crate) fn mix(
        &mut self,
        layer: usize,
        query: Id,
        key: Id,
        value: Id,
        input: CacheInput,
        unpack: Option<Id>,
    ) -> Id {
        let transposed = self.graph.get(value).strides[1] > self.graph.get(value).strides[2];
        let streams = self.graph.get(key).sides[3].max(1);
        let tensor = self.graph.get(query);
        let (s, t) = (tensor.sides, tensor.strides);
        let rows = s[2] / streams;
        let strides = [t[1], t[2], t[2].saturating_mul(rows)];
        let query = self.graph.view(query, [s[0], s[1], rows, streams], strides);
        let query = self.graph.permute(query, [0, 2, 1, 3]);
        let key = self.graph.permute(key, [0, 2, 1, 3]);
        let value = self.graph.permute(value, [0, 2, 1, 3]);
        let heads = self.graph.get(query).sides[2];
        let sinks = self.style.sinks.then(|| self.vector(Some(layer), heads));
        let out = if self.setup.options.flash_attention {
            self.mix_fused(query, key, value, input.mask, sinks, unpack)
        } else {
            self.mix_apart(query, key, value, (input.mask, sinks, unpack, transposed))
        };
        if !self.setup.options.kv_offload && !self.setup.options.flash_attention {
            self.graph.pin(out, self.setup.host);
        }
        // The first programs left it to what follows when attention is computed, which matters where that is beside it.
        if !self.setup.is_early() || self.style.order == Order::Behind {
            self.graph.expand(out);
        }
        out
    }

    fn mix_fused(
        &mut self,
        query: Id,
        key: Id,
        value: Id,
        mask: Id,
        sinks: Option<Id>,
        unpack: Option<Id>,
    ) -> Id {
        let mut half = |id: Id| {
            let plain = self.graph.get(id).kind == TensorType::F32;
            if plain { self.graph.cast(id, TensorType::F16) } else { id }
        };
        let (key, value) = (half(key), half(value));
        let mut out = self.graph.flash(query, key, value, mask, sinks);
        if let Some(unpack) = unpack {
            out = self.graph.permute(out, [0, 2, 1, 3]);
            out = self.graph.matmul(unpack, out);
            out = self.graph.permute(out, [0, 2, 1, 3]);
            out = self.graph.packed(out);
        }
        let s = self.graph.get(out).sides;
        self.graph.reshape(out, flat(s[0].saturating_mul(s[1]), s[2].saturating_mul(s[3])))
    }

    fn mix_apart(&mut self, query: Id, key: Id, value: Id, rest: (Id, Option<Id>, Option<Id>, bool)) -> Id {
        let (mask, sinks, unpack, transposed) = rest;
        let mut scores = self.graph.matmul(key, query);
        if self.hyper.attention_softcap {
            for _ in 0..3 {
                scores = self.graph.each(&[scores]);
            }
        }
        let shares = self.graph.softmax(scores, Some(mask), sinks);
        let value = if transposed {
            value
        } else {
            let turned = self.graph.transpose(value);
            self.graph.packed(turned)
        };
        let mut out = self.graph.matmul(value, shares);
        if let Some(unpack) = unpack {
            out = self.graph.matmul(unpack, out);
        }
        let out = self.graph.permute(out, [0, 2, 1, 3]);
        let s = self.graph.get(out).sides;
        self.graph.packed_as(out, flat(s[0].saturating_mul(s[1]), s[2].saturating_mul(s[3])))
    }
}
