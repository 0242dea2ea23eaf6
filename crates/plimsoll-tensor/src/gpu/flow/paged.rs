//! Attention over pages, while they are lent.

use plimsoll_device::DeviceError;
use plimsoll_device::programs::Argument::{Long, Words};
use plimsoll_device::programs::Threads;

use super::book::StepBook;
use super::flow::{Flow, address};
use super::inputs::{FEW, Inputs};
use super::orders::{Orders, Placed, SIDE, Told, Way, parts_at_most};
use super::room::Piece;
use crate::compute::Done;
use crate::gpu::launch::{blocks, warps};
use crate::gpu::programs::Program::{self, Pages};
use crate::{Dtype, TensorError};

const WHAT: &str = "attention over pages";
/// Keys that are looked at together.
const KEYS: usize = 32;
/// Rows of a block of matrix units: as `prompts.cu`.
const UNIT_ROWS: usize = 64;
/// Heads of queries of a block where each sequence has one token.
const ALONE: usize = 4;
/// The widest head.
const WIDEST: usize = 256;

/// What pages hold: heads of keys and values, and where each layer's lie.
#[derive(Clone, Debug)]
pub struct PageForm {
    /// Heads of queries.
    pub heads: usize,
    /// Heads of keys and values.
    pub kv_heads: usize,
    /// Numbers of a key.
    pub key_width: usize,
    /// Numbers of a value.
    pub value_width: usize,
    /// Tokens of a page.
    pub page_tokens: usize,
    /// Bytes of a page.
    pub page_bytes: u64,
    /// How numbers are kept.
    pub dtype: Dtype,
    /// Where each layer's keys and values begin.
    pub places: Vec<(usize, usize)>,
}

/// What is done to queries and keys, and before that to values too.
#[derive(Clone, Copy, Debug)]
pub struct Turning<'f> {
    /// Added to queries, keys and values, where there is something.
    pub bias: [Option<&'f Piece>; 3],
    /// Norms of heads of queries and of keys, where there are any.
    pub norm: [Option<&'f Piece>; 2],
    /// Numbers of a head that are rotated.
    pub width: usize,
    /// Whether a number is rotated with the one half a head's rotated width away, and not with its neighbour.
    pub halves: bool,
    /// Added to the mean square of a head.
    pub epsilon: f32,
}

/// Pages of a step's sequences, for as long as they are lent: until all that was put on the flow is done.
#[derive(Debug)]
pub struct Paged<'p> {
    flow: &'p Flow,
    orders: &'p Orders,
    form: &'p PageForm,
    parts: &'p Piece,
}

impl PageForm {
    /// Refuses what the programs are not made for.
    pub fn check(&self) -> Done {
        let widths = [self.key_width, self.value_width];
        let fits = widths.iter().all(|width| width.is_multiple_of(8) && (8..=WIDEST).contains(width));
        let pages = self.places.iter().all(|(keys, values)| keys % 16 == 0 && values % 16 == 0);
        if fits && pages && self.dtype.is_float() && self.heads.is_multiple_of(self.kv_heads.max(1)) {
            return Ok(());
        }
        let why = format!("heads of {widths:?} numbers; a device takes multiples of 8 up to {WIDEST}");
        Err(TensorError::shape(WHAT, why))
    }

    pub(super) fn group(&self) -> usize {
        (self.heads / self.kv_heads.max(1)).max(1)
    }

    /// Tokens that a block of attention has.
    pub(super) fn tokens_of_a_block(&self) -> usize {
        SIDE / self.group().min(SIDE)
    }

    /// Tokens that a block has whose attention matrix units compute.
    pub(super) fn tokens_of_units(&self) -> usize {
        UNIT_ROWS / self.group().min(UNIT_ROWS)
    }

    /// Whether there is a program for matrix units.
    pub(super) fn fits_units(&self) -> bool {
        let wide = self.key_width == self.value_width && matches!(self.key_width, 64 | 128);
        wide && self.group() <= UNIT_ROWS && matches!(self.dtype, Dtype::F16 | Dtype::Bf16)
    }

    /// Blocks of heads of queries for each head of keys.
    pub(super) fn layers_of_heads(&self) -> usize {
        self.group().div_ceil(SIDE)
    }

    /// What attention in parts works in.
    pub fn parts_bytes(&self) -> u64 {
        let wide = self.kv_heads * self.layers_of_heads();
        (parts_at_most(wide) * wide * SIDE * (self.value_width + 2) * 4) as u64
    }

    /// `Heads` of `pages.cuh`.
    fn words(&self, layer: usize) -> Result<[u32; 8], TensorError> {
        let Some((keys, values)) = self.places.get(layer) else {
            return Err(TensorError::shape(WHAT, format!("layer {layer} of {}", self.places.len())));
        };
        let small = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
        let kind = match self.dtype {
            Dtype::F16 => 1,
            Dtype::Bf16 => 2,
            _ => 0,
        };
        Ok([
            small(self.heads),
            small(self.kv_heads),
            small(self.key_width),
            small(self.value_width),
            small(self.page_tokens),
            kind,
            small(*keys),
            small(*values),
        ])
    }
}

impl Flow {
    /// Brings a step's orders and works over its pages. Returns when all that was put on the flow is done, so that pages may go: also
    /// when `work` panics, and where the device takes longer than is waited for, however long that is.
    ///
    /// With few tokens `work` is what `book` says of steps like this, where there was one: it is not called again then, so it must put the same
    /// on the flow each time, and nothing but launches.
    pub fn over_pages(
        &self,
        (orders, parts, book): (&mut Orders, &Piece, &mut StepBook),
        form: &PageForm,
        told: &Told<'_>,
        work: impl FnOnce(&Paged<'_>) -> Done,
    ) -> Done {
        orders.bring(self, form, told)?;
        self.hold([parts, orders.piece()])?;
        let placed = orders.placed;
        let paged = Paged { flow: self, orders, form, parts };
        let lent = Lent(self);
        let done = if placed.tokens <= FEW {
            let (rows, alone) = (told.rows.len(), usize::from(placed.way == Way::Alone));
            let like = [placed.tokens, alone, placed.shares, placed.crowds, rows, told.then];
            book.run(self, like, || work(&paged))
        } else {
            work(&paged)
        };
        // Also what failed may have put something there.
        let finished = self.finish();
        if finished.is_ok() {
            std::mem::forget(lent);
        }
        done.and(finished)
    }
}

/// Pages that a device may read: who goes on waits until it is done with them, or lost.
struct Lent<'f>(&'f Flow);

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        while let Err(TensorError::Device(DeviceError::FenceTimeout { .. })) = self.0.finish() {}
    }
}

impl Paged<'_> {
    /// Where the tokens' numbers stand.
    pub fn ids(&self) -> (&Piece, u64) {
        self.orders.ids()
    }

    /// Where the numbers of the rows that are chosen stand.
    pub fn rows(&self) -> (&Piece, u64) {
        (self.orders.piece(), self.orders.placed.rows_from)
    }

    /// Where what is asked of them stands.
    pub fn asks(&self) -> (&Piece, u64) {
        (self.orders.piece(), self.orders.placed.asks_from)
    }

    /// Makes queries, keys and values of a layer what they are at their positions; keys and values go to their pages. `divided`: what
    /// they were made from was, by what these inputs were divided by.
    pub fn turn(
        &self,
        layer: usize,
        how: &Turning<'_>,
        divided: Option<&Inputs>,
        [queries, keys, values]: [&Piece; 3],
    ) -> Done {
        let (form, placed, tokens) = (self.form, self.orders.placed, self.orders.placed.tokens);
        let pieces = [queries, keys, values].into_iter().chain(how.bias.into_iter().flatten());
        self.flow.hold(pieces.chain(how.norm.into_iter().flatten()))?;
        let counts =
            [form.heads * form.key_width, form.kv_heads * form.key_width, form.kv_heads * form.value_width];
        let mut words = [0; 16];
        for (at, (bias, count)) in how.bias.iter().zip(counts).enumerate() {
            let place = bias.map_or(Ok(0), |bias| bias.singles(WHAT, count))?;
            address(&mut words, 2 * at, place);
        }
        for (at, norm) in how.norm.iter().enumerate() {
            let place = norm.map_or(Ok(0), |norm| norm.singles(WHAT, form.key_width))?;
            address(&mut words, 6 + 2 * at, place);
        }
        address(&mut words, 10, placed.angles_at);
        words[12] = u32::try_from(how.width).unwrap_or(u32::MAX);
        words[13] = how.halves.into();
        words[14] = how.epsilon.to_bits();
        let divided = match divided {
            Some(inputs) => {
                self.flow.hold([&inputs.divided])?;
                inputs.divided.singles(WHAT, tokens)?
            }
            None => 0,
        };
        let heads = form.heads + 2 * form.kv_heads;
        let size = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
        let threads = warps(form.key_width.max(form.value_width), 256);
        self.flow.launches.launch(
            Pages,
            "turn",
            [size(tokens), size(heads), 1],
            threads,
            &[
                Words(&form.words(layer)?),
                Words(&words),
                Long(placed.tokens_at),
                Long(divided),
                Long(queries.singles(WHAT, tokens * counts[0])?),
                Long(keys.singles(WHAT, tokens * counts[1])?),
                Long(values.singles(WHAT, tokens * counts[2])?),
            ],
        )
    }

    /// Attention of the step's tokens to all before and to themselves, over the pages of a layer.
    pub fn attend(&self, layer: usize, queries: &Piece, out: &Piece) -> Done {
        let (form, placed) = (self.form, self.orders.placed);
        self.flow.hold([queries, out])?;
        let words = form.words(layer)?;
        let queries = queries.singles(WHAT, placed.tokens * form.heads * form.key_width)?;
        let out = out.singles(WHAT, placed.tokens * form.heads * form.value_width)?;
        if placed.way == Way::Units {
            return self.attend_by_units(&words, placed, (queries, out));
        }
        let alone = placed.way == Way::Alone;
        let parts = self.parts.at(WHAT, 0, form.parts_bytes())?;
        let size = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
        let name = match form.value_width {
            _ if alone => "attend_alone",
            0..=64 => "attend_2",
            65..=128 => "attend_4",
            _ => "attend_8",
        };
        let (key, value) = (form.key_width, form.value_width);
        let shared = 4 * (SIDE * key + KEYS * (key + 4) + KEYS * value);
        let (layers, shared) =
            if alone { (form.group().div_ceil(ALONE), 0) } else { (form.layers_of_heads(), shared) };
        let threads = Threads {
            blocks: [size(placed.shares), size(form.kv_heads), size(layers)],
            each: 128,
            shared: size(shared),
        };
        self.flow.launches.launch_with(
            Pages,
            name,
            threads,
            &[
                Words(&words),
                Long(placed.shares_at),
                Long(placed.tokens_at),
                Long(placed.pages_at),
                Long(queries),
                Long(out),
                Long(parts),
            ],
        )?;
        if placed.crowds == 0 {
            return Ok(());
        }
        let [crowds, _, _] = blocks(placed.crowds);
        self.flow.launches.launch(
            Pages,
            "gather",
            [crowds, size(form.heads), 1],
            warps(value, 128),
            &[Words(&words), Long(placed.crowds_at), Long(parts), Long(out)],
        )
    }

    fn attend_by_units(&self, words: &[u32], placed: Placed, (queries, out): (u64, u64)) -> Done {
        let form = self.form;
        let program = match (form.key_width, form.dtype) {
            (64, Dtype::F16) => Program::Prompts64F16,
            (64, _) => Program::Prompts64Bf16,
            (_, Dtype::F16) => Program::Prompts128F16,
            _ => Program::Prompts128Bf16,
        };
        let size = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
        let arguments = [
            Words(words),
            Long(placed.shares_at),
            Long(placed.tokens_at),
            Long(placed.pages_at),
            Long(queries),
            Long(out),
        ];
        let over = [size(placed.shares), size(form.kv_heads), 1];
        self.flow.launches.launch(program, "attend_prompt", over, 128, &arguments)
    }
}
