//! What a step computes on the host: tokens of one sequence or of several, through all layers.
//!
//! Rows of all tokens stand together, so that one pass over the weights serves all of them; attention is each sequence's
//! own. What a token gives does not depend on the others: products add up in one order whatever stands beside them.
//!
//! A layer is five jobs of the decoder's crew (three products, attention, the gate with many tokens), and what is between
//! them is done by the thread that steps: with one token that takes less time than a job.

use std::ops::Range;
use std::sync::Arc;

use plimsoll_kv::layout::Layout;
use plimsoll_tensor::packed::{Attend, AttendDesk, Desk};
use plimsoll_tensor::wide::widest;

use super::linear::{Between, Linear, multiply};
use super::stage::{Share, angles};
use super::stored::Stored;
use crate::math::{Gate, Normalize, Rope, add};
use crate::tune::Projection;
use crate::weights::Layer;
use crate::{Decoder, StepError};

/// How many tokens are computed side by side: enough to use each row of weights many times, few enough that what is
/// held for them stays small.
pub(super) const SIDE_BY_SIDE: usize = 256;

/// Tokens of a piece of attention.
pub(super) const TOGETHER: usize = 32;

/// Tokens from which on a second thread is worth a job for what is done row by row.
const MANY: usize = 8;

/// A decoder, the form of its pages, and what a step needs for a moment.
#[derive(Debug)]
pub(super) struct HostStage {
    decoder: Arc<Decoder>,
    form: Form,
    stored: Stored,
    buffers: Buffers,
    desk: Desk,
    between: Between,
}

/// What a page is, looked at once: every page of every layer is held to it.
#[derive(Debug)]
struct Form {
    tokens: usize,
    bytes: usize,
    /// Bytes of a number.
    width: usize,
    /// Where each layer's keys and values lie.
    places: Vec<(Range<usize>, Range<usize>)>,
}

impl Form {
    fn of(layout: &Layout) -> Self {
        let place = |layer: usize| {
            let span = layout.span(layer..layer + 1);
            let middle = span.start + layout.key_bytes(layer);
            (span.start..middle, middle..span.end)
        };
        Self {
            tokens: layout.block_tokens as usize,
            bytes: layout.block_bytes(),
            width: layout.element.width(),
            places: (0..layout.layers.len()).map(place).collect(),
        }
    }
}

/// A layer, and the bytes that its matrices are in.
struct Lent<'l> {
    number: usize,
    layer: &'l Layer,
    file: &'l [u8],
}

/// A row for each token, each.
#[derive(Debug, Default)]
struct Buffers {
    /// What flows from layer to layer.
    stream: Vec<f32>,
    inputs: Vec<f32>,
    queries: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
    /// Attention of one head of keys and values after the other: its queries' means, for each token.
    means: Vec<f32>,
    mixed: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    logits: Vec<f32>,
    ropes: Vec<Rope>,
    running: Vec<AttendDesk>,
}

impl HostStage {
    /// Over pages of this form.
    pub(super) fn begin(decoder: &Arc<Decoder>, layout: &Layout) -> Result<Self, StepError> {
        let ours = decoder.layout(layout.block_tokens, layout.element);
        let stored = Stored::of(layout.element).filter(|_| ours == *layout);
        let Some(stored) = stored else { return Err(StepError::Layout { found: layout.describe() }) };
        let shape = decoder.shape();
        let columns = shape.width.max(shape.inner).max(shape.heads * shape.value_width);
        let threads = decoder.crew().threads();
        let mut buffers = Buffers::default();
        buffers.running.resize_with(threads, AttendDesk::default);
        let desk = Desk::new(threads, columns, 1);
        let (decoder, form) = (Arc::clone(decoder), Form::of(layout));
        Ok(Self { decoder, form, stored, buffers, desk, between: Between::default() })
    }

    /// Computes tokens side by side, up to the last layer. What fails is told with the share that it failed for.
    pub(super) fn part(&mut self, shares: &mut [Share<'_>]) -> Result<(), (usize, StepError)> {
        let decoder = Arc::clone(&self.decoder);
        let (shape, weights) = (decoder.shape(), &decoder.weights);
        let count: usize = shares.iter().map(|share| share.tokens.len()).sum();
        self.buffers.stream.resize(count * shape.width, 0.0);
        let tokens = shares.iter().flat_map(|share| share.tokens);
        for (token, row) in tokens.zip(self.buffers.stream.chunks_exact_mut(shape.width)) {
            let found = decoder.kept().row(&weights.embedding, *token as usize, row);
            found.map_err(|error| (0, error))?;
        }
        let angles = angles(&decoder);
        self.buffers.ropes.resize_with(shares.len(), Rope::default);
        for (share, rope) in shares.iter().zip(&mut self.buffers.ropes) {
            rope.set(&angles, share.begin, share.tokens.len());
        }
        for (number, layer) in weights.layers.iter().enumerate() {
            // What is wrong with weights is wrong for all shares.
            let lent = decoder.kept().lend(number).map_err(|error| (0, error))?;
            let of = Lent { number, layer, file: lent.bytes() };
            self.project(&of, shares);
            self.keep(number, shares)?;
            self.attend(number, shares)?;
            self.mix(&of);
            self.feed(&of);
        }
        Ok(())
    }

    /// Queries, keys and values of the new tokens, rotated.
    fn project(&mut self, of: &Lent<'_>, shares: &[Share<'_>]) {
        let decoder = Arc::clone(&self.decoder);
        let (shape, layer) = (decoder.shape(), of.layer);
        self.normalize(&layer.attention_norm);
        let Buffers { inputs, queries, keys, values, ropes, .. } = &mut self.buffers;
        let change = |one| decoder.change(of.number, one);
        let list = [
            Linear { matrix: &layer.query, change: change(Projection::Query), out: queries },
            Linear { matrix: &layer.key, change: change(Projection::Key), out: keys },
            Linear { matrix: &layer.value, change: change(Projection::Value), out: values },
        ];
        multiply(&decoder, (&mut self.desk, &mut self.between), of.file, inputs, list);
        layer.heads.apply(queries, keys, values, shape.epsilon);
        let (query_row, key_row) = (shape.heads * shape.key_width, shape.kv_heads * shape.key_width);
        let mut rows = queries.chunks_exact_mut(query_row).zip(keys.chunks_exact_mut(key_row));
        for (share, rope) in shares.iter().zip(ropes) {
            for (index, (query, key)) in rows.by_ref().take(share.tokens.len()).enumerate() {
                rope.turn(query, shape.key_width, index);
                rope.turn(key, shape.key_width, index);
            }
        }
    }

    /// Writes the new tokens' keys and values of a layer to the pages.
    fn keep(&self, layer: usize, shares: &mut [Share<'_>]) -> Result<(), (usize, StepError)> {
        let shape = self.decoder.shape();
        let (key_row, value_row) = (shape.kv_heads * shape.key_width, shape.kv_heads * shape.value_width);
        let (keys_at, values_at) = self.places(layer);
        let page_tokens = self.form.tokens;
        let width = self.form.width;
        let mut rows =
            self.buffers.keys.chunks_exact(key_row).zip(self.buffers.values.chunks_exact(value_row));
        for (number, share) in shares.iter_mut().enumerate() {
            let positions = share.begin..share.begin + share.tokens.len();
            for (position, (keys, values)) in positions.zip(rows.by_ref()) {
                let (index, row) = (position / page_tokens, position % page_tokens);
                let page = share.table.page_mut(index).filter(|page| page.len() == self.form.bytes);
                let page = page.ok_or_else(|| (number, self.missing(index)))?;
                let at = keys_at.start + row * key_row * width;
                self.stored.encode(keys, &mut page[at..at + key_row * width]);
                let at = values_at.start + row * value_row * width;
                self.stored.encode(values, &mut page[at..at + value_row * width]);
            }
        }
        Ok(())
    }

    /// Attention of the new tokens to all before and to themselves, over the pages of a layer.
    fn attend(&mut self, layer: usize, shares: &mut [Share<'_>]) -> Result<(), (usize, StepError)> {
        let (keys_at, values_at) = self.places(layer);
        let page_tokens = self.form.tokens;
        let mut tables = Vec::with_capacity(shares.len());
        for (number, share) in shares.iter_mut().enumerate() {
            if !share.table.arrived(layer) {
                return Err((number, StepError::Layer { layer }));
            }
            let mut pages = Vec::new();
            for index in 0..(share.begin + share.tokens.len()).div_ceil(page_tokens) {
                let page = share.table.page(index).filter(|page| page.len() == self.form.bytes);
                let page = page.ok_or_else(|| (number, self.missing(index)))?;
                pages.push((&page[keys_at.clone()], &page[values_at.clone()]));
            }
            tables.push((share.begin, share.tokens.len(), pages));
        }
        let shape = self.decoder.shape();
        let count: usize = tables.iter().map(|(_, tokens, _)| tokens).sum();
        let wide = shape.heads / shape.kv_heads * shape.value_width;
        let Buffers { queries, means, inputs, running, .. } = &mut self.buffers;
        means.resize(count * wide * shape.kv_heads, 0.0);
        let group = shape.heads / shape.kv_heads;
        let mut pieces = Vec::new();
        for (head, mut rest) in means.chunks_exact_mut(count * wide).enumerate() {
            let mut row = 0;
            for (begin, tokens, pages) in &tables {
                for first in (0..*tokens).step_by(TOGETHER) {
                    let some = TOGETHER.min(tokens - first);
                    let (out, others) = rest.split_at_mut(some * wide);
                    let query = ((row + first) * shape.heads + head * group) * shape.key_width;
                    pieces.push(Attend {
                        packing: self.stored.packing(),
                        pages,
                        page_tokens,
                        head: (head, shape.kv_heads),
                        widths: (shape.key_width, shape.value_width),
                        position: begin + first,
                        queries: &queries[query..],
                        stride: shape.heads * shape.key_width,
                        group,
                        out,
                    });
                    rest = others;
                }
                row += tokens;
            }
        }
        self.decoder.crew().over_with(running, pieces, Attend::run);
        // Token after token again.
        inputs.resize(means.len(), 0.0);
        for (head, means) in means.chunks_exact(count * wide).enumerate() {
            for (row, means) in means.chunks_exact(wide).enumerate() {
                inputs[(row * shape.kv_heads + head) * wide..][..wide].copy_from_slice(means);
            }
        }
        Ok(())
    }

    /// What attention gave, multiplied and added to what flows.
    fn mix(&mut self, of: &Lent<'_>) {
        let decoder = Arc::clone(&self.decoder);
        let Buffers { stream, inputs, mixed, .. } = &mut self.buffers;
        let change = decoder.change(of.number, Projection::Output);
        let list = [Linear { matrix: &of.layer.output, change, out: mixed }];
        multiply(&decoder, (&mut self.desk, &mut self.between), of.file, inputs, list);
        add(stream, mixed);
    }

    /// The feed-forward part of a layer.
    fn feed(&mut self, of: &Lent<'_>) {
        let decoder = Arc::clone(&self.decoder);
        let shape = decoder.shape();
        self.normalize(&of.layer.ffn_norm);
        let Buffers { stream, inputs, mixed, gate, up, .. } = &mut self.buffers;
        let change = |one| decoder.change(of.number, one);
        let pair = [
            Linear { matrix: &of.layer.gate, change: change(Projection::Gate), out: gate },
            Linear { matrix: &of.layer.up, change: change(Projection::Up), out: up },
        ];
        multiply(&decoder, (&mut self.desk, &mut self.between), of.file, inputs, pair);
        let run = rows_of(gate.len(), shape.inner);
        let rows = gate.chunks_mut(run).zip(up.chunks(run));
        each(&decoder, rows, |(gate, up)| widest(Gate { gate, up }));
        let list = [Linear { matrix: &of.layer.down, change: change(Projection::Down), out: mixed }];
        multiply(&decoder, (&mut self.desk, &mut self.between), of.file, gate, list);
        add(stream, mixed);
    }

    /// What flows, normalized, as inputs of the next products.
    fn normalize(&mut self, weights: &[f32]) {
        let epsilon = self.decoder.shape().epsilon;
        let Buffers { stream, inputs, .. } = &mut self.buffers;
        inputs.resize(stream.len(), 0.0);
        let run = rows_of(stream.len(), weights.len());
        let rows = stream.chunks(run).zip(inputs.chunks_mut(run));
        each(&self.decoder, rows, |(rows, into)| widest(Normalize { rows, weights, epsilon, into }));
    }

    /// What so many tokens that were computed last are behind the last layer, a row for each.
    pub(super) fn inner(&self, tokens: usize) -> &[f32] {
        &self.buffers.stream[..tokens * self.decoder.shape().width]
    }

    /// The logits behind some of the tokens that were computed last, a row for each.
    pub(super) fn logits(&mut self, tokens: &[usize]) -> Result<&mut [f32], StepError> {
        let decoder = Arc::clone(&self.decoder);
        let (shape, weights) = (decoder.shape(), &decoder.weights);
        let Buffers { stream, inputs, logits, mixed, .. } = &mut self.buffers;
        inputs.resize(tokens.len() * shape.width, 0.0);
        for (token, into) in tokens.iter().zip(inputs.chunks_exact_mut(shape.width)) {
            let rows = &stream[token * shape.width..(token + 1) * shape.width];
            widest(Normalize { rows, weights: &weights.norm, epsilon: shape.epsilon, into });
        }
        let beside = (&mut self.desk, &mut self.between);
        if let [output] = &weights.output[..] {
            let lent = decoder.kept().lend(weights.layers.len())?;
            let list = [Linear { matrix: output, change: None, out: logits }];
            multiply(&decoder, beside, lent.bytes(), inputs, list);
            return Ok(logits);
        }
        // An output in pieces: each gives some of every row.
        logits.resize(tokens.len() * shape.vocabulary, 0.0);
        let mut first = 0;
        for (piece, output) in weights.output.iter().enumerate() {
            let lent = decoder.kept().lend(weights.layers.len() + piece)?;
            let list = [Linear { matrix: output, change: None, out: mixed }];
            multiply(&decoder, (&mut *beside.0, &mut *beside.1), lent.bytes(), inputs, list);
            let rows = logits.chunks_exact_mut(shape.vocabulary).zip(mixed.chunks_exact(output.rows));
            rows.for_each(|(row, part)| row[first..first + output.rows].copy_from_slice(part));
            first += output.rows;
        }
        Ok(logits)
    }

    /// Where a layer's keys and values lie in a page.
    fn places(&self, layer: usize) -> (Range<usize>, Range<usize>) {
        self.form.places[layer].clone()
    }

    fn missing(&self, page: usize) -> StepError {
        StepError::Page { page, bytes: self.form.bytes }
    }
}

/// Numbers of a piece when rows are shared among threads, or all of them.
fn rows_of(numbers: usize, row: usize) -> usize {
    if numbers >= MANY * row { 4 * row } else { numbers.max(1) }
}

/// Does the pieces on all threads, if there are several.
fn each<I: Iterator + ExactSizeIterator + Send>(decoder: &Decoder, pieces: I, work: impl Fn(I::Item) + Sync) {
    if pieces.len() > 1 { decoder.crew().over(pieces, work) } else { pieces.for_each(work) }
}
