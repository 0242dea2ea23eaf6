//! Attention over pages: each page's rows are made singles once for all queries, and the softmax runs along.
//!
//! What is held at a time is one page as singles, and for each query the greatest score so far, the sum of weights and
//! the weighted sum of values; when a greater score turns up, both sums are scaled down. So nothing grows with the
//! context.

use plimsoll_kv::layout::Element;

use crate::math::{Work, add, dot, scale};
use crate::weights::{Kind, Shape, decode};

/// How the numbers of pages are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stored(pub(super) Kind);

impl Stored {
    /// For an element that can be computed with.
    pub(super) fn of(element: Element) -> Option<Self> {
        match element {
            Element::F32 => Some(Self(Kind::F32)),
            Element::F16 => Some(Self(Kind::F16)),
            Element::Bf16 => Some(Self(Kind::Bf16)),
            Element::Opaque => None,
        }
    }

    /// Writes a row.
    pub(super) fn encode(self, row: &[f32], into: &mut [u8]) {
        use crate::math::{to_bf16, to_f16};
        match self.0 {
            Kind::F16 => {
                for (two, number) in into.chunks_exact_mut(2).zip(row) {
                    two.copy_from_slice(&to_f16(*number).to_le_bytes());
                }
            }
            Kind::Bf16 => {
                for (two, number) in into.chunks_exact_mut(2).zip(row) {
                    two.copy_from_slice(&to_bf16(*number).to_le_bytes());
                }
            }
            Kind::F32 | Kind::Q8 => {
                for (four, number) in into.chunks_exact_mut(4).zip(row) {
                    four.copy_from_slice(&number.to_le_bytes());
                }
            }
        }
    }
}

/// What is kept for the queries of one step, a query being a head of a token.
#[derive(Debug, Default)]
pub(super) struct Running {
    /// The greatest score and the sum of weights, for each query.
    marks: Vec<(f32, f32)>,
    /// A page's keys and values as singles.
    keys: Vec<f32>,
    values: Vec<f32>,
    scores: Vec<f32>,
}

impl Running {
    /// Begins for so many queries with pages of so many tokens.
    pub(super) fn begin(&mut self, queries: usize, page_tokens: usize, shape: &Shape) {
        self.marks.clear();
        self.marks.resize(queries, (f32::NEG_INFINITY, 0.0));
        self.keys.resize(page_tokens * shape.kv_heads * shape.key_width, 0.0);
        self.values.resize(page_tokens * shape.kv_heads * shape.value_width, 0.0);
        self.scores.resize(page_tokens, 0.0);
    }

    /// Divides by the sums of weights; `out` then holds means of values.
    pub(super) fn finish(&self, value_width: usize, out: &mut [f32]) {
        for ((_, sum), out) in self.marks.iter().zip(out.chunks_exact_mut(value_width)) {
            let inverse = 1.0 / sum;
            scale(out, inverse);
        }
    }
}

/// One page's share in the attention of all tokens of a step.
pub(super) struct Page<'a> {
    pub(super) shape: &'a Shape,
    pub(super) stored: Stored,
    /// One layer's keys and values in the page.
    pub(super) keys: &'a [u8],
    pub(super) values: &'a [u8],
    /// The position of the page's first token, and that of the step's first.
    pub(super) from: usize,
    pub(super) begin: usize,
    pub(super) capacity: usize,
    /// All queries: token after token, in each head after head.
    pub(super) queries: &'a [f32],
    pub(super) running: &'a mut Running,
    pub(super) out: &'a mut [f32],
}

impl Work for Page<'_> {
    #[expect(clippy::inline_always, reason = "compiled once for each set of instructions, within the caller")]
    #[inline(always)]
    fn run(self) {
        let Self { shape, stored, queries, running, out, .. } = self;
        let tokens = queries.len() / (shape.heads * shape.key_width);
        // Rows beyond the last token are not there yet, and what stands in them is undefined.
        let rows = (self.begin + tokens).saturating_sub(self.from).min(self.capacity);
        let (key_row, value_row) = (shape.kv_heads * shape.key_width, shape.kv_heads * shape.value_width);
        decode(stored.0, self.keys, &mut running.keys[..rows * key_row]);
        decode(stored.0, self.values, &mut running.values[..rows * value_row]);
        #[expect(clippy::cast_precision_loss, reason = "a width")]
        let sharpness = 1.0 / (shape.key_width as f32).sqrt();
        let group = shape.heads / shape.kv_heads;
        let Running { marks, keys, values, scores } = running;
        let heads = queries.chunks_exact(shape.key_width).zip(out.chunks_exact_mut(shape.value_width));
        for (index, ((query, out), mark)) in heads.zip(marks).enumerate() {
            let (token, head) = (index / shape.heads, index % shape.heads / group);
            let seen = (self.begin + token + 1).saturating_sub(self.from).min(rows);
            let scores = &mut scores[..seen];
            let mut greatest = mark.0;
            for (score, row) in scores.iter_mut().zip(keys.chunks_exact(key_row)) {
                *score = dot(query, &row[head * shape.key_width..(head + 1) * shape.key_width]) * sharpness;
                greatest = greatest.max(*score);
            }
            if greatest > mark.0 {
                let shrink = (mark.0 - greatest).exp();
                scale(out, shrink);
                *mark = (greatest, mark.1 * shrink);
            }
            for (score, row) in scores.iter().zip(values.chunks_exact(value_row)) {
                let weight = (score - greatest).exp();
                mark.1 += weight;
                add(out, weight, &row[head * shape.value_width..(head + 1) * shape.value_width]);
            }
        }
    }
}
