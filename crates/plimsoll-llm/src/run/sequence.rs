//! Tokens that were decoded, and going on from them.

use std::ops::Range;
use std::sync::Arc;

use plimsoll_kv::block::Token;
use plimsoll_kv::layout::Layout;

use super::attention::{Page, Running, Stored};
use super::pages::PageTable;
use crate::math::{Angles, Inputs, Rope, add, gate, linear, normalize, widest};
use crate::weights::Layer;
use crate::{Decoder, StepError};

/// How many tokens are computed side by side: enough to use each row of weights many times, few enough that what is
/// held for them stays small.
pub(super) const SIDE_BY_SIDE: usize = 64;

/// Gets a token's index and the logits of the one after it.
type Each<'e> = &'e mut dyn FnMut(usize, &[f32]);

/// One sequence of tokens, whose keys and values are in the pages of a [`PageTable`].
///
/// # Who owns what
/// It knows how many tokens stand in the pages, and owns what a step needs for a moment. The pages are the caller's, and
/// are passed to each step; between steps they may be moved, shared and restored, as long as their bytes are the same.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use plimsoll_kv::layout::Element;
/// # use plimsoll_llm::{Decoder, OwnPages, Sequence};
/// # fn go(decoder: &Arc<Decoder>, mut pages: OwnPages, tokens: &[u32]) -> Result<(), plimsoll_llm::StepError> {
/// let layout = decoder.layout(16, Element::F16);
/// let mut sequence = Sequence::begin(decoder, &layout)?;
/// sequence.resume(3 * 16); // three blocks of the prefix were found in a cache
/// let logits = sequence.step(&tokens[3 * 16..], &mut pages)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Sequence {
    decoder: Arc<Decoder>,
    layout: Layout,
    stored: Stored,
    /// Tokens in the pages.
    len: usize,
    buffers: Buffers,
}

/// What a step needs for a moment.
#[derive(Debug, Default)]
struct Buffers {
    /// A row for each token: what flows from layer to layer.
    stream: Vec<f32>,
    inputs: Inputs,
    queries: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
    mixed: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    logits: Vec<f32>,
    rope: Rope,
    running: Running,
}

impl Sequence {
    /// An empty one, over pages of this form.
    pub fn begin(decoder: &Arc<Decoder>, layout: &Layout) -> Result<Self, StepError> {
        let ours = decoder.layout(layout.block_tokens, layout.element);
        let stored = Stored::of(layout.element).filter(|_| ours == *layout);
        let Some(stored) = stored else { return Err(StepError::Layout { found: layout.describe() }) };
        let layout = layout.clone();
        Ok(Self { decoder: Arc::clone(decoder), layout, stored, len: 0, buffers: Buffers::default() })
    }

    /// How many tokens stand in the pages.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Goes on from so many tokens, whose keys and values stand in the pages already: a prefix that was found in a cache,
    /// or less than there was.
    pub const fn resume(&mut self, tokens: usize) {
        self.len = tokens;
    }

    /// Decodes some more tokens. Their keys and values go to the pages; what comes back are the logits of the token that
    /// follows the last.
    pub fn step(&mut self, tokens: &[Token], table: &mut dyn PageTable) -> Result<&[f32], StepError> {
        self.whole(tokens, table, None)?;
        Ok(&self.buffers.logits)
    }

    /// The same, telling the logits behind every token: `each` gets the token's index and the logits of the one after it.
    pub fn score(
        &mut self,
        tokens: &[Token],
        table: &mut dyn PageTable,
        each: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<(), StepError> {
        self.whole(tokens, table, Some(each))
    }

    /// All of the tokens or none.
    fn whole(
        &mut self,
        tokens: &[Token],
        table: &mut dyn PageTable,
        each: Option<Each<'_>>,
    ) -> Result<(), StepError> {
        let before = self.len;
        let done = self.decode(tokens, table, each);
        if done.is_err() {
            self.len = before;
        }
        done
    }

    fn decode(
        &mut self,
        tokens: &[Token],
        table: &mut dyn PageTable,
        mut each: Option<Each<'_>>,
    ) -> Result<(), StepError> {
        let shape = self.decoder.shape();
        if tokens.is_empty() {
            return Err(StepError::Empty);
        }
        let wanted = self.len.saturating_add(tokens.len());
        if wanted > shape.context {
            return Err(StepError::Context { wanted, context: shape.context });
        }
        let vocabulary = shape.vocabulary;
        if let Some(token) = tokens.iter().find(|token| **token as usize >= vocabulary) {
            return Err(StepError::Token { token: *token, vocabulary });
        }
        let mut done = 0;
        for part in tokens.chunks(SIDE_BY_SIDE) {
            self.part(part, table)?;
            done += part.len();
            match &mut each {
                None if done == tokens.len() => self.logits(part.len() - 1),
                None => {}
                Some(each) => {
                    for index in 0..part.len() {
                        self.logits(index);
                        each(done - part.len() + index, &self.buffers.logits);
                    }
                }
            }
        }
        Ok(())
    }

    /// Computes a few tokens side by side, up to the last layer.
    fn part(&mut self, tokens: &[Token], table: &mut dyn PageTable) -> Result<(), StepError> {
        let decoder = Arc::clone(&self.decoder);
        let (shape, weights) = (decoder.shape(), &decoder.weights);
        self.buffers.stream.resize(tokens.len() * shape.width, 0.0);
        for (token, row) in tokens.iter().zip(self.buffers.stream.chunks_exact_mut(shape.width)) {
            weights.embedding.row(decoder.file(), *token as usize, row);
        }
        let angles = Angles {
            width: shape.rope_width,
            base: shape.rope_base,
            divisor: shape.rope_divisor,
            pairs: shape.rope_pairs,
            factors: &weights.rope_factors,
        };
        self.buffers.rope.set(&angles, self.len, tokens.len());
        for (number, layer) in weights.layers.iter().enumerate() {
            self.project(layer, tokens.len());
            self.keep(number, table)?;
            self.attend(number, tokens.len(), table)?;
            self.feed(layer, tokens.len());
        }
        self.len += tokens.len();
        Ok(())
    }

    /// Queries, keys and values of the new tokens, rotated.
    fn project(&mut self, layer: &Layer, tokens: usize) {
        let (shape, file) = (self.decoder.shape(), self.decoder.file());
        let buffers = &mut self.buffers;
        normalize_rows(&buffers.stream, &layer.attention_norm, shape.epsilon, &mut buffers.inputs);
        let products = [
            (&layer.query, &mut buffers.queries),
            (&layer.key, &mut buffers.keys),
            (&layer.value, &mut buffers.values),
        ];
        for (matrix, out) in products {
            out.resize(tokens * matrix.rows, 0.0);
            linear(matrix, file, &mut buffers.inputs, out);
        }
        let Buffers { queries, keys, values, .. } = buffers;
        layer.heads.apply(queries, keys, values, shape.epsilon);
        for (rows, row) in [
            (&mut buffers.queries, shape.heads * shape.key_width),
            (&mut buffers.keys, shape.kv_heads * shape.key_width),
        ] {
            for (index, row) in rows.chunks_exact_mut(row).enumerate() {
                buffers.rope.turn(row, shape.key_width, index);
            }
        }
    }

    /// Writes the new tokens' keys and values of a layer to the pages.
    fn keep(&self, layer: usize, table: &mut dyn PageTable) -> Result<(), StepError> {
        let shape = self.decoder.shape();
        let (key_row, value_row) = (shape.kv_heads * shape.key_width, shape.kv_heads * shape.value_width);
        let (keys_at, values_at) = self.places(layer);
        let page_tokens = self.layout.block_tokens as usize;
        let width = self.layout.element.width();
        let rows = self.buffers.keys.chunks_exact(key_row).zip(self.buffers.values.chunks_exact(value_row));
        for (position, (keys, values)) in (self.len..).zip(rows) {
            let (index, row) = (position / page_tokens, position % page_tokens);
            let missing = self.missing(index);
            let page = table.page_mut(index).filter(|page| page.len() == self.layout.block_bytes());
            let page = page.ok_or(missing)?;
            let at = keys_at.start + row * key_row * width;
            self.stored.encode(keys, &mut page[at..at + key_row * width]);
            let at = values_at.start + row * value_row * width;
            self.stored.encode(values, &mut page[at..at + value_row * width]);
        }
        Ok(())
    }

    /// Attention of the new tokens to all before and to themselves, over the pages of a layer.
    fn attend(&mut self, layer: usize, tokens: usize, table: &mut dyn PageTable) -> Result<(), StepError> {
        if !table.arrived(layer) {
            return Err(StepError::Layer { layer });
        }
        let decoder = Arc::clone(&self.decoder);
        let shape = decoder.shape();
        let (keys_at, values_at) = self.places(layer);
        let page_tokens = self.layout.block_tokens as usize;
        let block_bytes = self.layout.block_bytes();
        let rows = shape.heads * shape.value_width;
        let mixed = self.buffers.inputs.rows_mut(rows, tokens);
        mixed.fill(0.0);
        self.buffers.running.begin(tokens * shape.heads, page_tokens, shape);
        for index in 0..(self.len + tokens).div_ceil(page_tokens) {
            let page = table.page(index).filter(|page| page.len() == block_bytes);
            let page = page.ok_or(StepError::Page { page: index, bytes: block_bytes })?;
            widest(Page {
                shape,
                stored: self.stored,
                keys: &page[keys_at.clone()],
                values: &page[values_at.clone()],
                from: index * page_tokens,
                begin: self.len,
                capacity: page_tokens,
                queries: &self.buffers.queries,
                running: &mut self.buffers.running,
                out: mixed,
            });
        }
        self.buffers.running.finish(shape.value_width, mixed);
        let output = &decoder.weights.layers[layer].output;
        self.buffers.mixed.resize(tokens * output.rows, 0.0);
        linear(output, decoder.file(), &mut self.buffers.inputs, &mut self.buffers.mixed);
        add(&mut self.buffers.stream, 1.0, &self.buffers.mixed);
        Ok(())
    }

    /// The feed-forward part of a layer.
    fn feed(&mut self, layer: &Layer, tokens: usize) {
        let (shape, file) = (self.decoder.shape(), self.decoder.file());
        let buffers = &mut self.buffers;
        normalize_rows(&buffers.stream, &layer.ffn_norm, shape.epsilon, &mut buffers.inputs);
        for (matrix, out) in [(&layer.gate, &mut buffers.gate), (&layer.up, &mut buffers.up)] {
            out.resize(tokens * matrix.rows, 0.0);
            linear(matrix, file, &mut buffers.inputs, out);
        }
        gate(&mut buffers.gate, &buffers.up);
        buffers.inputs.rows_mut(shape.inner, tokens).copy_from_slice(&buffers.gate);
        linear(&layer.down, file, &mut buffers.inputs, &mut buffers.mixed);
        add(&mut buffers.stream, 1.0, &buffers.mixed);
    }

    /// The logits behind one of the tokens that were computed last.
    fn logits(&mut self, index: usize) {
        let (shape, weights) = (self.decoder.shape(), &self.decoder.weights);
        let row = &self.buffers.stream[index * shape.width..(index + 1) * shape.width];
        normalize_rows(row, &weights.norm, shape.epsilon, &mut self.buffers.inputs);
        self.buffers.logits.resize(shape.vocabulary, 0.0);
        linear(&weights.output, self.decoder.file(), &mut self.buffers.inputs, &mut self.buffers.logits);
    }

    /// Where a layer's keys and values lie in a page.
    fn places(&self, layer: usize) -> (Range<usize>, Range<usize>) {
        let span = self.layout.span(layer..layer + 1);
        let middle = span.start + self.layout.key_bytes(layer);
        (span.start..middle, middle..span.end)
    }

    fn missing(&self, page: usize) -> StepError {
        StepError::Page { page, bytes: self.layout.block_bytes() }
    }
}

/// Every row normalized, as inputs of the next products.
fn normalize_rows(rows: &[f32], weights: &[f32], epsilon: f32, inputs: &mut Inputs) {
    let width = weights.len();
    let into = inputs.rows_mut(width, rows.len() / width);
    for (row, into) in rows.chunks_exact(width).zip(into.chunks_exact_mut(width)) {
        normalize(row, weights, epsilon, into);
    }
}
