//! Sixteen rows of a matrix, made ready to be multiplied: lane beside lane.
//!
//! A panel holds some columns of the rows, few enough to stay in the nearest cache: levels in groups of four columns, in
//! each group the sixteen rows beside each other, and scales for sixteen rows likewise. All packings of 32 are one kind of
//! panel, those of 256 another, and single numbers a third, so that there are three kernels and not eight.

use super::blocks::{Long, half_at, nibbles, q4k, q5k, q6k};
use super::decode::decode;
use super::registers::{LANES, Registers};
use super::{PackedView, Packing};

/// Columns of a panel at most: a multiple of every block.
pub(super) const CHUNK: usize = 1024;

/// Room for a panel.
#[derive(Debug)]
pub(super) struct Panel {
    /// Levels, or single numbers: 64 bytes for four columns, or for one.
    pub(super) levels: Vec<f32>,
    pub(super) scales: Vec<f32>,
    pub(super) leasts: Vec<f32>,
    /// Whole numbers for each part of a long block: scales, and leasts.
    pub(super) part_scales: Vec<i32>,
    pub(super) part_leasts: Vec<i32>,
    /// Rows as they are unpacked, before they are spread: bytes, or single numbers.
    rows: Vec<f32>,
}

const NUMBERS: usize = LANES * CHUNK;

impl Panel {
    pub(super) const BYTES: usize = 4 * (2 * NUMBERS + 2 * (NUMBERS / 32) + NUMBERS / 16 + NUMBERS / 32);

    pub(super) fn new() -> Self {
        Self {
            levels: vec![0.0; NUMBERS],
            scales: vec![0.0; NUMBERS / 32],
            leasts: vec![0.0; NUMBERS / 32],
            part_scales: vec![0; NUMBERS / 16],
            part_leasts: vec![0; NUMBERS / 32],
            rows: vec![0.0; NUMBERS],
        }
    }

    /// Fills it with `columns` columns from `first` on, of the rows from `row` on. Rows that are not there are zeros.
    ///
    /// # Safety
    /// The processor has the instructions of `R`. `row` is a row of the matrix; the columns are whole blocks of it, and no
    /// more than [`CHUNK`].
    #[inline(always)]
    pub(super) unsafe fn fill<R: Registers>(
        &mut self,
        view: &PackedView<'_>,
        row: usize,
        first: usize,
        columns: usize,
    ) {
        let packing = view.packing();
        let at = first / packing.block_numbers() * packing.block_bytes();
        let len = columns / packing.block_numbers() * packing.block_bytes();
        let rows = LANES.min(view.rows() - row);
        let bytes = |lane: usize| &view.bytes()[(row + lane) * view.row_bytes() + at..][..len];
        // SAFETY: as the caller promises; rows are `columns` numbers each.
        unsafe {
            match packing {
                Packing::F32 | Packing::F16 | Packing::Bf16 => {
                    self.numbers::<R>(packing, columns, rows, bytes);
                }
                Packing::Q8_0 => {
                    // The next rows lie behind these, and are asked for line by line.
                    let behind =
                        view.bytes().as_ptr().wrapping_add((row + LANES) * view.row_bytes() + at * LANES);
                    self.q8::<R>(view.row_bytes(), columns, rows, bytes, behind);
                }
                Packing::Q4_0 => self.q4::<R>(columns, rows, bytes),
                Packing::Q4K => self.long::<R>(q4k, 8, 0, columns, rows, bytes),
                Packing::Q5K => self.long::<R>(q5k, 8, 0, columns, rows, bytes),
                Packing::Q6K => self.long::<R>(q6k, 16, 32, columns, rows, bytes),
            }
        }
    }

    /// # Safety
    /// As [`fill`](Self::fill).
    #[inline(always)]
    unsafe fn numbers<'v, R: Registers>(
        &mut self,
        packing: Packing,
        columns: usize,
        rows: usize,
        bytes: impl Fn(usize) -> &'v [u8],
    ) {
        // Eight numbers are what is spread at once; behind the last ones of a row may stand anything.
        let stride = columns.next_multiple_of(8);
        for lane in 0..LANES {
            let into = &mut self.rows[lane * stride..][..columns];
            if lane < rows { decode(packing, bytes(lane), into) } else { into.fill(0.0) }
        }
        for at in (0..columns).step_by(8) {
            let (from, to) = (self.rows[at..].as_ptr(), self.levels[at * LANES..].as_mut_ptr());
            // SAFETY: sixteen rows of `stride` numbers, and as many in the panel: at most `CHUNK` each.
            unsafe { R::spread(from.cast(), stride * 4, 0, to.cast()) };
        }
    }

    /// # Safety
    /// As [`fill`](Self::fill).
    #[inline(always)]
    unsafe fn q8<'v, R: Registers>(
        &mut self,
        row_bytes: usize,
        columns: usize,
        rows: usize,
        bytes: impl Fn(usize) -> &'v [u8],
        behind: *const u8,
    ) {
        let flip = if R::UNSIGNED { 0x80 } else { 0 };
        let levels = self.levels.as_mut_ptr().cast::<u8>();
        let first = bytes(0).as_ptr();
        for block in 0..columns / 32 {
            let to = levels.wrapping_add(block * LANES * 32);
            let scales = &mut self.scales[block * LANES..][..LANES];
            if rows == LANES {
                // SAFETY: 512 bytes for each block, of at most `CHUNK / 32`, and sixteen scales. All rows are there.
                unsafe {
                    for line in 0..9 {
                        R::prefetch(behind.wrapping_add(block * LANES * 34 + line * 64));
                    }
                    let block = first.add(block * 34);
                    R::store(scales.as_mut_ptr(), R::halves(block, row_bytes));
                    R::spread(block.add(2), row_bytes, flip, to);
                }
                continue;
            }
            scales.fill(0.0);
            let mut copy = [[0_u8; 32]; LANES];
            for (lane, (copy, scale)) in copy.iter_mut().zip(scales).enumerate().take(rows) {
                let block = &bytes(lane)[block * 34..][..34];
                *scale = half_at(block, 0);
                copy.copy_from_slice(&block[2..]);
            }
            // SAFETY: as above; the rows are copied.
            unsafe { R::spread(copy.as_ptr().cast(), 32, flip, to) };
        }
    }

    /// # Safety
    /// As [`fill`](Self::fill).
    #[inline(always)]
    unsafe fn q4<'v, R: Registers>(
        &mut self,
        columns: usize,
        rows: usize,
        bytes: impl Fn(usize) -> &'v [u8],
    ) {
        let levels = self.levels.as_mut_ptr().cast::<u8>();
        let zero = if R::UNSIGNED { 0 } else { 8 };
        for block in 0..columns / 32 {
            let scales = &mut self.scales[block * LANES..][..LANES];
            // What a level of zero means is stored as eight where levels have no sign.
            let mut copy = [[8_i8 - zero; 32]; LANES];
            for (lane, (scale, copy)) in scales.iter_mut().zip(&mut copy).enumerate() {
                *scale = 0.0;
                if lane < rows {
                    let bytes = &bytes(lane)[block * 18..][..18];
                    *scale = half_at(bytes, 0);
                    if let Some(bytes) = bytes[2..].first_chunk() {
                        nibbles(bytes, copy);
                    }
                    for level in copy.iter_mut() {
                        *level -= zero;
                    }
                }
            }
            // SAFETY: 512 bytes for each block, of at most `CHUNK / 32`.
            unsafe { R::spread(copy.as_ptr().cast(), 32, 0, levels.add(block * LANES * 32)) };
        }
    }

    /// # Safety
    /// As [`fill`](Self::fill).
    #[inline(always)]
    unsafe fn long<'v, R: Registers>(
        &mut self,
        open: impl Fn(&[u8], &mut Long),
        parts: usize,
        zero: i8,
        columns: usize,
        rows: usize,
        bytes: impl Fn(usize) -> &'v [u8],
    ) {
        let zero = if R::UNSIGNED { 0 } else { zero };
        let mut block = Long::EMPTY;
        for number in 0..columns / 256 {
            for lane in 0..LANES {
                block.scale = 0.0;
                block.least = 0.0;
                if lane < rows {
                    let bytes = bytes(lane);
                    let len = bytes.len() / (columns / 256);
                    open(&bytes[number * len..][..len], &mut block);
                    block.levels.iter_mut().for_each(|level| *level -= zero);
                }
                self.scales[number * LANES + lane] = block.scale;
                self.leasts[number * LANES + lane] = block.least;
                for part in 0..parts {
                    self.part_scales[(number * parts + part) * LANES + lane] = block.scales[part];
                }
                for part in 0..8 {
                    self.part_leasts[(number * 8 + part) * LANES + lane] = block.leasts[part];
                }
                // SAFETY: a row is 256 bytes of `rows`, which has room for many more.
                unsafe {
                    let to = self.rows.as_mut_ptr().cast::<[i8; 256]>().add(lane);
                    to.write(block.levels);
                }
            }
            let (from, to) = (self.rows.as_ptr().cast::<u8>(), self.levels.as_mut_ptr().cast::<u8>());
            for part in 0..8 {
                let at = (number * 8 + part) * LANES * 32;
                // SAFETY: 512 bytes for each 32 columns, of at most `CHUNK`.
                unsafe { R::spread(from.add(part * 32), 256, 0, to.add(at)) };
            }
        }
    }
}
