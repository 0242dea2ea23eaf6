//! Products of levels: bytes from 0 on against bytes with a sign. All sums are integers, so their order does not matter and
//! every processor has the same.

use super::{GROUP, TILE};
use crate::BLOCK_ROWS;
use crate::scan::wide::Wide;

/// Bytes of levels that are a step: rows are filled up to whole steps.
pub(crate) const STEP: usize = 64;

/// What a row's levels are, as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 1..=255, zero at 128.
    Int8,
    /// 0..=255.
    Int8Affine,
    /// 0..=15; the front half of the numbers, then, from a whole step on, the back half.
    Int4,
    /// 2..=254: what the four bits stand for, zero at 128.
    Planes,
    /// 0 and 2.
    Signs,
}

impl Kind {
    /// The level that counts as nothing: products are told without their share of it, which keeps them small.
    pub(crate) fn middle(self) -> u8 {
        match self {
            Self::Int8 | Self::Int8Affine | Self::Planes => 128,
            Self::Int4 => 8,
            Self::Signs => 1,
        }
    }

    /// Bytes of a row whose levels are unpacked.
    pub(crate) fn places(self, dimension: usize) -> usize {
        match self {
            Self::Int4 => 2 * dimension.div_ceil(2).next_multiple_of(STEP),
            _ => dimension.next_multiple_of(STEP),
        }
    }

    /// Where a number's level is among those.
    pub(crate) fn place(self, dimension: usize, at: usize) -> usize {
        let half = dimension.div_ceil(2);
        if self == Self::Int4 && at >= half { half.next_multiple_of(STEP) + at - half } else { at }
    }
}

/// Rows of `int8`, `int8a` or `int4` against one query.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LevelRows<'a> {
    /// Which of the three.
    pub kind: Kind,
    /// The levels of the query by place.
    pub query: &'a [i8],
    /// The codes of a block.
    pub codes: &'a [u8],
    /// Bytes of a row's code.
    pub bytes: usize,
}

/// For each row the product with the query, the sum of its levels and of their squares. The latter two are counted from the
/// middle.
#[derive(Clone, Debug)]
pub(crate) struct Sums {
    /// Products, not from the middle.
    pub dot: [i32; BLOCK_ROWS],
    /// Sums of `level − middle`.
    pub first: [i32; BLOCK_ROWS],
    /// Sums of `level · (level − middle)`.
    pub second: [i32; BLOCK_ROWS],
}

impl Sums {
    /// All zero.
    pub(crate) fn new() -> Self {
        Self { dot: [0; BLOCK_ROWS], first: [0; BLOCK_ROWS], second: [0; BLOCK_ROWS] }
    }
}

/// Sums of the live rows; those of the levels only if `all`.
///
/// # Safety
/// The processor has the instructions of `W`.
#[inline(always)]
pub(super) unsafe fn sum_rows<W: Wide>(rows: &LevelRows, live: u64, all: bool, sums: &mut Sums) {
    let places = rows.bytes.next_multiple_of(STEP);
    assert!(rows.query.len() >= if rows.kind == Kind::Int4 { 2 * places } else { places });
    // Rows behind the last live one need not be there.
    let needed = BLOCK_ROWS - live.leading_zeros() as usize;
    assert!(rows.codes.len() >= needed * rows.bytes);
    // SAFETY: checked just now; the caller has the instructions.
    unsafe {
        match (rows.kind, all) {
            (Kind::Int8, false) => each::<W, 0, false>(rows, live, sums),
            (Kind::Int8, true) => each::<W, 0, true>(rows, live, sums),
            (Kind::Int4, false) => each::<W, 2, false>(rows, live, sums),
            (Kind::Int4, true) => each::<W, 2, true>(rows, live, sums),
            (_, false) => each::<W, 1, false>(rows, live, sums),
            (_, true) => each::<W, 1, true>(rows, live, sums),
        }
    }
}

#[inline(always)]
unsafe fn each<W: Wide, const KIND: u8, const ALL: bool>(rows: &LevelRows, live: u64, sums: &mut Sums) {
    let mut left = live;
    let whole = rows.bytes / STEP * STEP;
    let back = rows.bytes.next_multiple_of(STEP);
    while left != 0 {
        let row = left.trailing_zeros() as usize;
        left &= left - 1;
        // SAFETY: the row and its whole steps are within the block, which was checked; the rest goes through a copy.
        unsafe {
            let code = rows.codes.as_ptr().add(row * rows.bytes);
            let query = rows.query.as_ptr();
            let mut sum = [[W::zero_ints(); 3]; 2];
            let mut at = 0;
            while at < whole {
                step::<W, KIND, ALL>(code.add(at), query.add(at), back, &mut sum);
                at += STEP;
            }
            if at < rows.bytes {
                let mut rest = [[0_u8, 128, 0x88][KIND as usize]; STEP];
                std::ptr::copy_nonoverlapping(code.add(at), rest.as_mut_ptr(), rows.bytes - at);
                step::<W, KIND, ALL>(rest.as_ptr(), query.add(at), back, &mut sum);
            }
            sums.dot[row] = W::sum_lanes(W::add_ints(sum[0][0], sum[1][0]));
            if ALL {
                sums.first[row] = W::sum_lanes(W::add_ints(sum[0][1], sum[1][1]));
                sums.second[row] = W::sum_lanes(W::add_ints(sum[0][2], sum[1][2]));
            }
        }
    }
}

/// 64 bytes of codes.
#[inline(always)]
unsafe fn step<W: Wide, const KIND: u8, const ALL: bool>(
    code: *const u8,
    query: *const i8,
    back: usize,
    sum: &mut [[W::I; 3]; 2],
) {
    let wide = W::LANES * 4;
    for part in 0..STEP / wide {
        // SAFETY: the caller vouches for a step of codes, and of the query at both halves.
        unsafe {
            let bytes = W::load_ints(code.add(part * wide));
            let query = query.add(part * wide).cast::<u8>();
            match KIND {
                0 => {
                    let levels = W::xor(bytes, W::splat_ints(MIDDLE_128));
                    add::<W, ALL>(levels, query, bytes, &mut sum[part % 2]);
                }
                1 => {
                    let from_middle = W::xor(bytes, W::splat_ints(MIDDLE_128));
                    add::<W, ALL>(bytes, query, from_middle, &mut sum[part % 2]);
                }
                _ => {
                    let front = W::and(bytes, W::splat_ints(0x0f0f_0f0f));
                    let upper = W::upper_nibbles(bytes);
                    let middle = W::splat_ints(0x0808_0808);
                    add::<W, ALL>(front, query, W::sub_bytes(front, middle), &mut sum[0]);
                    add::<W, ALL>(upper, query.add(back), W::sub_bytes(upper, middle), &mut sum[1]);
                }
            }
        }
    }
}

/// 128 in each byte.
const MIDDLE_128: i32 = i32::from_ne_bytes([128; 4]);

#[inline(always)]
unsafe fn add<W: Wide, const ALL: bool>(
    levels: W::I,
    query: *const u8,
    from_middle: W::I,
    sum: &mut [W::I; 3],
) {
    // SAFETY: the caller vouches for a register of the query.
    unsafe {
        sum[0] = W::dot(sum[0], levels, W::load_ints(query));
        if ALL {
            sum[1] = W::dot(sum[1], W::splat_ints(0x0101_0101), from_middle);
            sum[2] = W::dot(sum[2], levels, from_middle);
        }
    }
}

/// Unpacks the levels of a block, row after row, `places` bytes each. What is no number is the middle.
///
/// # Safety
/// The processor has the instructions of `W`.
#[inline(always)]
pub(super) unsafe fn unpack<W: Wide>(kind: Kind, codes: &[u8], bytes: usize, levels: &mut [u8]) {
    let half = bytes.next_multiple_of(STEP);
    let places = if kind == Kind::Int4 { 2 * half } else { half };
    assert!(codes.len() >= BLOCK_ROWS * bytes && levels.len() >= BLOCK_ROWS * places);
    let wide = W::LANES * 4;
    for row in 0..BLOCK_ROWS {
        // SAFETY: whole steps of the row, which was checked; the rest goes through a copy. Targets have whole steps.
        unsafe {
            let code = codes.as_ptr().add(row * bytes);
            let to = levels.as_mut_ptr().add(row * places);
            let mut at = 0;
            while at < bytes {
                let mut rest = [if kind == Kind::Int8 { 0 } else { 128 }; STEP];
                if kind == Kind::Int4 {
                    rest = [0x88; STEP];
                }
                let from = if at + STEP <= bytes {
                    code.add(at)
                } else {
                    std::ptr::copy_nonoverlapping(code.add(at), rest.as_mut_ptr(), bytes - at);
                    rest.as_ptr()
                };
                for part in (0..STEP).step_by(wide) {
                    let x = W::load_ints(from.add(part));
                    match kind {
                        Kind::Int8 => W::store_ints(to.add(at + part), W::xor(x, W::splat_ints(MIDDLE_128))),
                        Kind::Int4 => {
                            W::store_ints(to.add(at + part), W::and(x, W::splat_ints(0x0f0f_0f0f)));
                            W::store_ints(to.add(half + at + part), W::upper_nibbles(x));
                        }
                        _ => W::store_ints(to.add(at + part), x),
                    }
                }
                at += STEP;
            }
        }
    }
}

/// Sums of unpacked levels and of their squares, as in [`Sums`].
///
/// # Safety
/// The processor has the instructions of `W`.
#[inline(always)]
pub(super) unsafe fn sum_levels<W: Wide>(kind: Kind, levels: &[u8], places: usize, sums: &mut Sums) {
    assert!(levels.len() >= BLOCK_ROWS * places && places.is_multiple_of(STEP));
    for row in 0..BLOCK_ROWS {
        // SAFETY: whole registers within the row, which was checked.
        unsafe {
            let from = levels.as_ptr().add(row * places);
            let middle = W::splat_ints(i32::from_ne_bytes([kind.middle(); 4]));
            let mut first = W::zero_ints();
            let mut second = W::zero_ints();
            for at in (0..places).step_by(W::LANES * 4) {
                let x = W::load_ints(from.add(at));
                let from_middle = W::sub_bytes(x, middle);
                first = W::dot(first, W::splat_ints(0x0101_0101), from_middle);
                second = W::dot(second, x, from_middle);
            }
            sums.first[row] = W::sum_lanes(first);
            sums.second[row] = W::sum_lanes(second);
        }
    }
}

/// Products of a block of unpacked levels with `G` groups of queries: `packed` has for each group and each four places the
/// sixteen queries' four levels; `tiles` gets a tile a group.
///
/// # Safety
/// The processor has the instructions of `W`, `R` divides the rows of a block, and `P` registers hold a group.
#[inline(always)]
#[expect(
    clippy::needless_range_loop,
    reason = "iterators over registers are not always made part of the loop"
)]
pub(super) unsafe fn tile<W: Wide, const R: usize, const G: usize, const P: usize>(
    levels: &[u8],
    places: usize,
    packed: &[i8],
    tiles: &mut [i32],
) {
    assert!(levels.len() >= BLOCK_ROWS * places && packed.len() >= G * places * GROUP);
    assert!(tiles.len() >= G * TILE && places.is_multiple_of(STEP) && P * W::LANES == GROUP);
    let mut first = 0;
    while first < BLOCK_ROWS {
        // SAFETY: rows, places and groups are within what was checked.
        unsafe {
            let from = levels.as_ptr().add(first * places);
            let mut sums = [[[W::zero_ints(); P]; G]; R];
            let mut at = 0;
            while at < places {
                let mut q = [[W::zero_ints(); P]; G];
                for group in 0..G {
                    for part in 0..P {
                        let from = (group * places + at) * GROUP + part * W::LANES * 4;
                        q[group][part] = W::load_ints(packed.as_ptr().add(from).cast());
                    }
                }
                for row in 0..R {
                    let x = W::splat_ints(from.add(row * places + at).cast::<i32>().read_unaligned());
                    for group in 0..G {
                        for part in 0..P {
                            sums[row][group][part] = W::dot(sums[row][group][part], x, q[group][part]);
                        }
                    }
                }
                at += 4;
            }
            for row in 0..R {
                for group in 0..G {
                    for part in 0..P {
                        let to = group * TILE + (first + row) * GROUP + part * W::LANES;
                        W::store_ints(tiles.as_mut_ptr().add(to).cast(), sums[row][group][part]);
                    }
                }
            }
        }
        first += R;
    }
}
