//! Products of packed matrices with rows of singles.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::desk::{Desk, SIDE, Slot};
use super::kernels::{Beside, long, short, singles};
use super::packing::Rounding;
use super::panel::CHUNK;
use super::registers::{Instructions, Job, LANES, One, Registers};
use super::rounded::Rounded;
use super::spread::Spread;
use super::{PackedView, Packing};
use crate::Crew;

/// A matrix and where its products go: for each input a row of `view.rows()` numbers.
#[derive(Debug)]
pub struct Product<'a> {
    /// The matrix.
    pub view: PackedView<'a>,
    /// The products.
    pub out: &'a mut [f32],
}

/// Multiplies each input, a row of `view.columns()` numbers, by the matrix.
///
/// Weights of 32 or 256 numbers a block meet inputs that are rounded to eight bits in the same blocks; products of whole
/// numbers are exact, and what the blocks give is added up in their order. So an input gives the same to the bit, whatever
/// is computed beside it, on however many threads, with whichever instructions. Weights that are single numbers are
/// multiplied in singles.
///
/// # Panics
/// If inputs are no whole rows, or `out` is not as many rows.
pub fn multiply(crew: &Crew, view: PackedView<'_>, inputs: &[f32], out: &mut [f32], desk: &mut Desk) {
    products(crew, inputs, &mut [Product { view, out }], desk);
}

/// Multiplies the same inputs by several matrices of as many columns, in one job.
///
/// # Panics
/// As [`multiply`].
pub fn products(crew: &Crew, inputs: &[f32], list: &mut [Product<'_>], desk: &mut Desk) {
    products_with(Instructions::best(), crew, inputs, list, desk);
}

/// The same, with a set of instructions that this processor has.
pub(super) fn products_with(
    set: Instructions,
    crew: &Crew,
    inputs: &[f32],
    list: &mut [Product<'_>],
    desk: &mut Desk,
) {
    let Some(columns) = list.first().map(|product| product.view.columns()) else { return };
    if columns == 0 || inputs.is_empty() {
        for product in list {
            product.out.fill(0.0);
        }
        return;
    }
    let rows = inputs.len() / columns;
    assert_eq!(rows * columns, inputs.len(), "inputs are whole rows");
    for product in list.iter() {
        assert_eq!(product.view.columns(), columns, "matrices take the same inputs");
        assert_eq!(product.out.len(), rows * product.view.rows(), "a row for each input");
    }
    for (turn, inputs) in inputs.chunks(SIDE * columns).enumerate() {
        let first = turn * SIDE;
        for rounding in [Rounding::None, Rounding::By32, Rounding::By256] {
            let mut parts: Vec<Part<'_>> = Vec::with_capacity(list.len());
            for product in list.iter_mut().filter(|product| product.view.packing().rounding() == rounding) {
                let view = product.view;
                let (from, to) = (first * view.rows(), (first + inputs.len() / columns) * view.rows());
                parts.push(Part { view, out: Spread::new(&mut product.out[from..to], view.rows()) });
            }
            if !parts.is_empty() {
                desk.rounded.round(crew, rounding, inputs, columns);
                share(set, crew, inputs, &parts, desk);
            }
        }
    }
}

struct Part<'a> {
    view: PackedView<'a>,
    out: Spread<'a>,
}

/// Weights that are read in a few microseconds: sharing them takes longer.
const ALONE: usize = 96 << 10;
/// From so many bytes for each thread on, a thread takes several runs, so that one that is held up holds up nobody.
const SEVERAL: usize = 1 << 20;

/// Shares the tiles of all matrices among the threads, in runs: what is read one after the other lies side by side.
fn share(set: Instructions, crew: &Crew, inputs: &[f32], parts: &[Part<'_>], desk: &Desk) {
    let tiles: usize = parts.iter().map(|part| part.view.rows().div_ceil(LANES)).sum();
    let bytes: usize = parts.iter().map(|part| part.view.bytes().len()).sum();
    let threads = crew.threads().min(desk.slots());
    let count = inputs.len() / parts[0].view.columns();
    let run = |begin: usize, end: usize, slot: &mut Slot| {
        set.run(Run { parts, begin, end, inputs, count, rounded: &desk.rounded, slot });
    };
    let work = bytes.saturating_mul(count);
    if threads == 1 || work < ALONE {
        return run(0, tiles, &mut desk.slot(0, count));
    }
    if work < threads * SEVERAL {
        // A piece for each thread, which the crew hands out: threads meet once.
        let each = tiles.div_ceil(threads);
        return crew.each(threads, &|piece| {
            let (begin, end) = (piece * each, ((piece + 1) * each).min(tiles));
            if begin < end {
                run(begin, end, &mut desk.slot(piece, count));
            }
        });
    }
    let each = tiles.div_ceil(threads * 4).max(1);
    let next = AtomicUsize::new(0);
    crew.each(threads, &|number| {
        let mut slot = desk.slot(number, count);
        loop {
            let begin = next.fetch_add(each, Ordering::Relaxed);
            if begin >= tiles {
                return;
            }
            run(begin, (begin + each).min(tiles), &mut slot);
        }
    });
}

/// Some tiles, counted through all matrices. A tile is sixteen rows.
struct Run<'a> {
    parts: &'a [Part<'a>],
    begin: usize,
    end: usize,
    inputs: &'a [f32],
    /// How many inputs there are.
    count: usize,
    rounded: &'a Rounded,
    slot: &'a mut Slot,
}

impl Job for Run<'_> {
    #[inline(always)]
    unsafe fn run<R: Registers>(self) {
        let Self { parts, begin, end, inputs, count, rounded, slot } = self;
        let mut before = 0;
        for part in parts {
            let tiles = part.view.rows().div_ceil(LANES);
            for tile in begin.max(before)..end.min(before + tiles) {
                let row = (tile - before) * LANES;
                let side = Side { view: &part.view, row, inputs, count, rounded };
                // SAFETY: the caller promises the instructions; the row is one of the matrix. Tiles are apart, and each is
                // done once.
                unsafe {
                    side.tile::<R>(slot);
                    part.out.write(row, LANES.min(part.view.rows() - row), &slot.totals, LANES);
                }
            }
            before += tiles;
        }
    }
}

/// Sixteen rows of a matrix, and the inputs.
struct Side<'a> {
    view: &'a PackedView<'a>,
    row: usize,
    inputs: &'a [f32],
    count: usize,
    rounded: &'a Rounded,
}

impl Side<'_> {
    /// Leaves the products in the slot's totals: sixteen for each input.
    ///
    /// # Safety
    /// The processor has the instructions of `R`, and `row` is one of the matrix.
    #[inline(always)]
    unsafe fn tile<R: Registers>(&self, slot: &mut Slot) {
        let (view, columns) = (self.view, self.view.columns());
        let Slot { panel, totals } = slot;
        if self.count == 1 && self.row + LANES <= view.rows() && R::takes_alone(view.packing(), columns) {
            let Rounded { bytes, scales, sums, halves } = self.rounded;
            let input = One { singles: self.inputs, bytes, scales, sums, halves };
            let rows = &view.bytes()[self.row * view.row_bytes()..];
            // SAFETY: sixteen rows are there, and one input of as many blocks; totals are at least sixteen.
            unsafe {
                R::alone(view.packing(), rows.as_ptr(), view.row_bytes(), &input, totals.as_mut_ptr());
            }
            return;
        }
        totals[..self.count * LANES].fill(0.0);
        for first in (0..columns).step_by(CHUNK) {
            let chunk = CHUNK.min(columns - first);
            // SAFETY: the columns are there, and whole blocks: chunks begin at multiples of every block.
            unsafe { panel.fill::<R>(view, self.row, first, chunk) };
            let mut at = 0;
            while at < self.count {
                let totals = &mut totals[at * LANES..];
                // SAFETY: there are so many inputs from `at` on, and totals for them; the panel holds the chunk.
                at += unsafe {
                    match self.count - at {
                        8.. => self.beside::<R, 8>(panel, totals, at, first, chunk),
                        4.. => self.beside::<R, 4>(panel, totals, at, first, chunk),
                        2.. => self.beside::<R, 2>(panel, totals, at, first, chunk),
                        _ => self.beside::<R, 1>(panel, totals, at, first, chunk),
                    }
                };
            }
        }
    }

    /// The inputs from `at` on times the panel; how many those are.
    ///
    /// # Safety
    /// The processor has the instructions of `R`, and the panel holds the chunk from column `first` on.
    #[inline(always)]
    unsafe fn beside<R: Registers, const T: usize>(
        &self,
        panel: &super::panel::Panel,
        totals: &mut [f32],
        at: usize,
        first: usize,
        chunk: usize,
    ) -> usize {
        let columns = self.view.columns();
        let start = |input: usize, each: usize| ((at + input) * columns + first) / each;
        let Rounded { bytes, scales, sums, halves } = self.rounded;
        let block = self.view.packing().block_numbers();
        let rounded = block > 1;
        let beside = Beside::<T> {
            totals: std::array::from_fn(|input| totals[input * LANES..][..LANES].as_mut_ptr()),
            singles: std::array::from_fn(|input| self.inputs[start(input, 1)..][..chunk].as_ptr()),
            bytes: std::array::from_fn(|input| {
                if rounded { bytes[start(input, 1)..].as_ptr() } else { bytes.as_ptr() }
            }),
            scales: std::array::from_fn(|input| {
                if rounded { scales[start(input, block)..].as_ptr() } else { scales.as_ptr() }
            }),
            sums: std::array::from_fn(|input| {
                if rounded { sums[start(input, 32)..].as_ptr() } else { sums.as_ptr() }
            }),
            halves: std::array::from_fn(|input| {
                if rounded { halves[start(input, 16)..].as_ptr() } else { halves.as_ptr() }
            }),
        };
        // SAFETY: as the caller promises; the inputs from their starts on are `chunk` numbers, rounded if the packing is one
        // of blocks.
        unsafe {
            match self.view.packing() {
                Packing::F32 | Packing::F16 | Packing::Bf16 => {
                    singles::<R, T>(panel.levels.as_ptr(), LANES, &beside, chunk);
                }
                Packing::Q8_0 => short::<R, T>(panel, &beside, chunk / 32, 128),
                Packing::Q4_0 => short::<R, T>(panel, &beside, chunk / 32, 8),
                Packing::Q4K | Packing::Q5K => long::<R, T, 8>(panel, &beside, chunk / 256, 0),
                Packing::Q6K => long::<R, T, 16>(panel, &beside, chunk / 256, 32),
            }
        }
        T
    }
}
