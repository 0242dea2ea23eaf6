//! Panels times inputs: the inner loops.
//!
//! In every kernel a lane is a row of weights, and `T` inputs are multiplied side by side. A total is what its row and its
//! input give, block after block in order, whatever else is computed beside it: so a batch gives what its inputs give
//! alone.
//!
//! Loops over the inputs are written with an index: a closure is compiled by itself, without the instructions, and its
//! registers then travel through memory.

#![expect(clippy::needless_range_loop, reason = "see above")]

use super::panel::Panel;
use super::registers::{LANES, Registers};

/// `T` inputs from where a panel begins, and where their sixteen totals are.
pub(super) struct Beside<const T: usize> {
    pub(super) totals: [*mut f32; T],
    pub(super) singles: [*const f32; T],
    pub(super) bytes: [*const i8; T],
    pub(super) scales: [*const f32; T],
    /// Of 32 inputs, with the other sign; and of 16.
    pub(super) sums: [*const i32; T],
    pub(super) halves: [*const i32; T],
}

/// Blocks of 32, whose levels are stored `offset` too high where they are stored without a sign.
///
/// # Safety
/// The processor has the instructions of `R`; the panel has so many blocks, and the inputs too.
#[inline(always)]
pub(super) unsafe fn short<R: Registers, const T: usize>(
    panel: &Panel,
    beside: &Beside<T>,
    blocks: usize,
    offset: i32,
) {
    let levels = panel.levels.as_ptr().cast::<i8>();
    // SAFETY: as the caller promises.
    unsafe {
        let mut totals = load::<R, T>(&beside.totals);
        for block in 0..blocks {
            let mut wholes = begin::<R, T>(&beside.sums, block, offset);
            for group in 0..8 {
                let levels = levels.add((block * 8 + group) * 64);
                for at in 0..T {
                    wholes[at] = R::dot(wholes[at], levels, beside.bytes[at].add(block * 32 + group * 4));
                }
            }
            let scale = R::load(panel.scales.as_ptr().add(block * LANES));
            for at in 0..T {
                let scale = R::mul(scale, R::splat(*beside.scales[at].add(block)));
                totals[at] = R::add(totals[at], R::mul(R::to_singles(wholes[at]), scale));
            }
        }
        for at in 0..T {
            R::store(beside.totals[at], totals[at]);
        }
    }
}

/// # Safety
/// The processor has the instructions of `R`; there are sixteen totals for each input.
#[inline(always)]
unsafe fn load<R: Registers, const T: usize>(from: &[*mut f32; T]) -> [R::Singles; T] {
    // SAFETY: as the caller promises.
    unsafe {
        let mut totals = [R::splat(0.0); T];
        for at in 0..T {
            totals[at] = R::load(from[at]);
        }
        totals
    }
}

/// Where sums begin, so that they end as if no level were stored too high.
///
/// # Safety
/// The processor has the instructions of `R`, and there are so many sums.
#[inline(always)]
unsafe fn begin<R: Registers, const T: usize>(
    sums: &[*const i32; T],
    block: usize,
    offset: i32,
) -> [R::Wholes; T] {
    // SAFETY: as the caller promises.
    unsafe {
        let mut wholes = [R::splat_whole(0); T];
        if R::UNSIGNED {
            for at in 0..T {
                wholes[at] = R::splat_whole(*sums[at].add(block) * offset);
            }
        }
        wholes
    }
}

/// Blocks of 256: `PARTS` parts with a scale each, and leasts if there are eight of them; levels may be stored `offset` too
/// high.
///
/// # Safety
/// As [`short`].
#[inline(always)]
pub(super) unsafe fn long<R: Registers, const T: usize, const PARTS: usize>(
    panel: &Panel,
    beside: &Beside<T>,
    blocks: usize,
    offset: i32,
) {
    let levels = panel.levels.as_ptr().cast::<i8>();
    let groups = 64 / PARTS;
    // SAFETY: as the caller promises.
    unsafe {
        let mut totals = load::<R, T>(&beside.totals);
        for block in 0..blocks {
            let mut wholes = [R::splat_whole(0); T];
            for part in block * PARTS..(block + 1) * PARTS {
                let mut parts = match PARTS {
                    16 => begin::<R, T>(&beside.halves, part, offset),
                    _ => [R::splat_whole(0); T],
                };
                for group in part * groups..(part + 1) * groups {
                    let levels = levels.add(group * 64);
                    for at in 0..T {
                        parts[at] = R::dot(parts[at], levels, beside.bytes[at].add(group * 4));
                    }
                }
                let scale = R::load_whole(panel.part_scales.as_ptr().add(part * LANES));
                for at in 0..T {
                    wholes[at] = R::add_whole(wholes[at], R::mul_whole(parts[at], scale));
                }
            }
            let scale = R::load(panel.scales.as_ptr().add(block * LANES));
            for at in 0..T {
                let scale = R::mul(scale, R::splat(*beside.scales[at].add(block)));
                totals[at] = R::add(totals[at], R::mul(R::to_singles(wholes[at]), scale));
            }
            if PARTS == 8 {
                leasts::<R, T>(panel, beside, block, &mut totals);
            }
        }
        for at in 0..T {
            R::store(beside.totals[at], totals[at]);
        }
    }
}

/// Takes away what the leasts of a block amount to.
///
/// # Safety
/// As [`short`].
#[inline(always)]
unsafe fn leasts<R: Registers, const T: usize>(
    panel: &Panel,
    beside: &Beside<T>,
    block: usize,
    totals: &mut [R::Singles; T],
) {
    // SAFETY: as the caller promises.
    unsafe {
        let mut wholes = [R::splat_whole(0); T];
        for part in block * 8..(block + 1) * 8 {
            let least = R::load_whole(panel.part_leasts.as_ptr().add(part * LANES));
            for at in 0..T {
                let sum = R::splat_whole(*beside.sums[at].add(part));
                wholes[at] = R::add_whole(wholes[at], R::mul_whole(least, sum));
            }
        }
        let least = R::load(panel.leasts.as_ptr().add(block * LANES));
        for at in 0..T {
            let least = R::mul(least, R::splat(*beside.scales[at].add(block)));
            totals[at] = R::add(totals[at], R::mul(R::to_singles(wholes[at]), least));
        }
    }
}

/// Single numbers: `count` groups of sixteen lanes, `stride` numbers apart.
///
/// # Safety
/// The processor has the instructions of `R`; the groups are there, and as many inputs.
#[inline(always)]
pub(super) unsafe fn singles<R: Registers, const T: usize>(
    lanes: *const f32,
    stride: usize,
    beside: &Beside<T>,
    count: usize,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let mut sums = [R::splat(0.0); T];
        for at in 0..count {
            let lanes = R::load(lanes.add(at * stride));
            for input in 0..T {
                sums[input] = R::fuse(lanes, R::splat(*beside.singles[input].add(at)), sums[input]);
            }
        }
        // Sums of a panel are added up by themselves, which keeps more of the last bits than one long sum.
        for input in 0..T {
            let to = beside.totals[input];
            R::store(to, R::add(R::load(to), sums[input]));
        }
    }
}

/// The same for `L` groups of lanes at once, `apart` numbers from each other, so that few inputs keep the processor busy;
/// their totals lie one behind the other.
///
/// # Safety
/// As [`singles`], for each of the groups.
#[inline(always)]
pub(super) unsafe fn several<R: Registers, const T: usize, const L: usize>(
    lanes: *const f32,
    (stride, apart): (usize, usize),
    beside: &Beside<T>,
    count: usize,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let mut sums = [[R::splat(0.0); L]; T];
        for at in 0..count {
            let mut inputs = [R::splat(0.0); T];
            for input in 0..T {
                inputs[input] = R::splat(*beside.singles[input].add(at));
            }
            for group in 0..L {
                let lanes = R::load(lanes.add(at * stride + group * apart));
                for input in 0..T {
                    sums[input][group] = R::fuse(lanes, inputs[input], sums[input][group]);
                }
            }
        }
        for input in 0..T {
            for group in 0..L {
                let to = beside.totals[input].add(group * LANES);
                R::store(to, R::add(R::load(to), sums[input][group]));
            }
        }
    }
}
