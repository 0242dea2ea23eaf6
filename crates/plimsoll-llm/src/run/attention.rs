//! Attention over pages: each page's rows are made singles once for all queries, and the softmax runs along.
//!
//! What is held at a time is one page of a head as singles, and for each query the greatest score so far, the sum of
//! weights and the weighted sum of values; when a greater score turns up, both sums are scaled down. So nothing grows with
//! the context. A head of keys and values, with some of the tokens, is a piece of work by itself: what a query gives does
//! not depend on what is computed beside it.

use plimsoll_kv::layout::Element;
use plimsoll_tensor::half::{to_bf16, to_f16};
use plimsoll_tensor::packed::{Packing, decode};
use plimsoll_tensor::wide::Work;

use crate::math::{add, dot, exp, scale};
use crate::weights::Shape;

/// How the numbers of pages are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stored(Packing);

impl Stored {
    /// For an element that can be computed with.
    pub(super) fn of(element: Element) -> Option<Self> {
        match element {
            Element::F32 => Some(Self(Packing::F32)),
            Element::F16 => Some(Self(Packing::F16)),
            Element::Bf16 => Some(Self(Packing::Bf16)),
            Element::Opaque => None,
        }
    }

    /// Writes a row.
    pub(super) fn encode(self, row: &[f32], into: &mut [u8]) {
        match self.0 {
            Packing::F16 => {
                for (two, number) in into.chunks_exact_mut(2).zip(row) {
                    two.copy_from_slice(&to_f16(*number).to_le_bytes());
                }
            }
            Packing::Bf16 => {
                for (two, number) in into.chunks_exact_mut(2).zip(row) {
                    two.copy_from_slice(&to_bf16(*number).to_le_bytes());
                }
            }
            _ => {
                for (four, number) in into.chunks_exact_mut(4).zip(row) {
                    four.copy_from_slice(&number.to_le_bytes());
                }
            }
        }
    }

    /// Bytes of a number.
    const fn width(self) -> usize {
        self.0.block_bytes()
    }
}

/// What one thread needs for a moment.
#[derive(Debug, Default)]
pub(super) struct Running {
    /// The greatest score and the sum of weights, for each query.
    marks: Vec<(f32, f32)>,
    /// A page's keys and values of a head, as singles.
    keys: Vec<f32>,
    values: Vec<f32>,
    scores: Vec<f32>,
}

/// What the pieces of a layer share.
pub(super) struct Heads<'a> {
    pub(super) shape: &'a Shape,
    pub(super) stored: Stored,
    pub(super) page_tokens: usize,
    /// All queries: token after token, in each head after head.
    pub(super) queries: &'a [f32],
}

/// Some tokens of one sequence and the queries of one head of keys and values.
pub(super) struct Piece<'a> {
    /// The keys and the values of the layer in each page of the sequence.
    pub(super) pages: &'a [(&'a [u8], &'a [u8])],
    /// The head of keys and values.
    pub(super) head: usize,
    /// The first token's row among the queries, and its position.
    pub(super) row: usize,
    pub(super) position: usize,
    /// A row for each token: its queries' means of values.
    pub(super) out: &'a mut [f32],
}

/// A piece, and what to do it with.
pub(super) struct Attend<'a, 'p> {
    pub(super) heads: &'a Heads<'a>,
    pub(super) piece: Piece<'p>,
    pub(super) running: &'a mut Running,
}

impl Work for Attend<'_, '_> {
    #[expect(clippy::inline_always, reason = "compiled once for each set of instructions, within the caller")]
    #[inline(always)]
    fn run(self) {
        let Self { heads: Heads { shape, stored, page_tokens, queries }, piece, running } = self;
        let group = shape.heads / shape.kv_heads;
        let tokens = piece.out.len() / (group * shape.value_width);
        running.marks.clear();
        running.marks.resize(tokens * group, (f32::NEG_INFINITY, 0.0));
        running.keys.resize(page_tokens * shape.key_width, 0.0);
        running.values.resize(page_tokens * shape.value_width, 0.0);
        running.scores.resize(*page_tokens, 0.0);
        piece.out.fill(0.0);
        for (number, (keys, values)) in piece.pages.iter().enumerate() {
            let from = number * page_tokens;
            // Rows beyond the last token are not there yet, and what stands in them is undefined.
            let rows = (piece.position + tokens).saturating_sub(from).min(*page_tokens);
            if rows == 0 {
                break;
            }
            open(*stored, keys, shape.kv_heads, piece.head, rows, shape.key_width, &mut running.keys);
            open(*stored, values, shape.kv_heads, piece.head, rows, shape.value_width, &mut running.values);
            page(shape, (piece.head, piece.row, piece.position), queries, from, rows, running, piece.out);
        }
        for ((_, sum), out) in running.marks.iter().zip(piece.out.chunks_exact_mut(shape.value_width)) {
            scale(out, 1.0 / sum);
        }
    }
}

/// A head's rows as singles.
#[expect(clippy::inline_always, reason = "compiled once for each set of instructions, within the caller")]
#[inline(always)]
fn open(
    stored: Stored,
    bytes: &[u8],
    heads: usize,
    head: usize,
    rows: usize,
    width: usize,
    into: &mut [f32],
) {
    let len = width * stored.width();
    let bytes = bytes.chunks_exact(len * heads).map(|row| &row[head * len..(head + 1) * len]);
    for (row, into) in bytes.zip(into.chunks_exact_mut(width)).take(rows) {
        decode(stored.0, row, into);
    }
}

/// One page's share: keys and values of the rows are in `running`.
#[expect(clippy::inline_always, reason = "compiled once for each set of instructions, within the caller")]
#[inline(always)]
fn page(
    shape: &Shape,
    (head, row, position): (usize, usize, usize),
    queries: &[f32],
    from: usize,
    rows: usize,
    running: &mut Running,
    out: &mut [f32],
) {
    #[expect(clippy::cast_precision_loss, reason = "a width")]
    let sharpness = 1.0 / (shape.key_width as f32).sqrt();
    let group = shape.heads / shape.kv_heads;
    let Running { marks, keys, values, scores } = running;
    let tokens = out.chunks_exact_mut(group * shape.value_width).zip(marks.chunks_exact_mut(group));
    for (token, (out, marks)) in tokens.enumerate() {
        let seen = (position + token + 1).saturating_sub(from).min(rows);
        let at = ((row + token) * shape.heads + head * group) * shape.key_width;
        let queries = queries[at..].chunks_exact(shape.key_width);
        for ((query, out), mark) in queries.zip(out.chunks_exact_mut(shape.value_width)).zip(marks) {
            let scores = &mut scores[..seen];
            let mut greatest = mark.0;
            for (score, row) in scores.iter_mut().zip(keys.chunks_exact(shape.key_width)) {
                *score = dot(query, row) * sharpness;
                greatest = greatest.max(*score);
            }
            if greatest > mark.0 {
                let shrink = (mark.0 - greatest).exp();
                scale(out, shrink);
                *mark = (greatest, mark.1 * shrink);
            }
            for score in scores.iter_mut() {
                *score = exp(*score - greatest);
            }
            for (weight, row) in scores.iter().zip(values.chunks_exact(shape.value_width)) {
                mark.1 += weight;
                add(out, *weight, row);
            }
        }
    }
}
