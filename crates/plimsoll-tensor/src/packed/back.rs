//! Products with the transpose: what a gradient with respect to inputs is.

use super::desk::{BACK, Desk, SIDE, Slot};
use super::kernels::{Beside, singles};
use super::registers::{Instructions, Job, LANES, Registers};
use super::spread::Spread;
use super::{PackedView, decode};
use crate::Crew;

/// Rows of weights that are made singles at a time.
const ROWS: usize = 64;

/// Multiplies each row of gradients, `view.rows()` numbers, by the transpose of the matrix: `out` gets a row of
/// `view.columns()` numbers for each. In singles throughout.
///
/// # Panics
/// If gradients are no whole rows, or `out` is not as many rows.
pub fn multiply_back(crew: &Crew, view: PackedView<'_>, gradients: &[f32], out: &mut [f32], desk: &mut Desk) {
    back_with(Instructions::best(), crew, view, gradients, out, desk);
}

/// The same, with a set of instructions that this processor has.
pub(super) fn back_with(
    set: Instructions,
    crew: &Crew,
    view: PackedView<'_>,
    gradients: &[f32],
    out: &mut [f32],
    desk: &mut Desk,
) {
    let (rows, columns) = (view.rows(), view.columns());
    if rows == 0 || columns == 0 || gradients.is_empty() {
        return out.fill(0.0);
    }
    let count = gradients.len() / rows;
    assert_eq!(count * rows, gradients.len(), "gradients are whole rows");
    assert_eq!(out.len(), count * columns, "a row for each row of gradients");
    let desk = &*desk;
    for (gradients, out) in gradients.chunks(SIDE * rows).zip(out.chunks_mut(SIDE * columns)) {
        let count = gradients.len() / rows;
        let spread = Spread::new(out, columns);
        let pieces: Vec<usize> = (0..columns).step_by(BACK).collect();
        let threads = crew.threads().min(desk.slots());
        let next = std::sync::Mutex::new(pieces.into_iter());
        crew.each(threads, &|number| {
            let mut slot = desk.slot(number, count);
            let take = || next.lock().ok().and_then(|mut next| next.next());
            while let Some(first) = take() {
                let wide = BACK.min(columns - first);
                set.run(Columns { view: &view, first, wide, gradients, count, slot: &mut slot });
                // SAFETY: pieces are apart, and each is done once.
                unsafe { spread.write(first, wide, &slot.totals, BACK) };
            }
        });
    }
}

/// Some columns of the transpose's product.
struct Columns<'a> {
    view: &'a PackedView<'a>,
    first: usize,
    wide: usize,
    gradients: &'a [f32],
    count: usize,
    slot: &'a mut Slot,
}

impl Job for Columns<'_> {
    #[inline(always)]
    unsafe fn run<R: Registers>(self) {
        let Self { view, first, wide, gradients, count, slot } = self;
        let (rows, packing) = (view.rows(), view.packing());
        let Slot { panel, totals } = slot;
        totals[..count * BACK].fill(0.0);
        let weights = &mut panel.levels[..ROWS * BACK];
        let at = first / packing.block_numbers() * packing.block_bytes();
        let len = wide / packing.block_numbers() * packing.block_bytes();
        for row in (0..rows).step_by(ROWS) {
            let some = ROWS.min(rows - row);
            for (number, weights) in weights.chunks_exact_mut(BACK).enumerate().take(some) {
                let bytes = &view.bytes()[(row + number) * view.row_bytes() + at..][..len];
                decode(packing, bytes, &mut weights[..wide]);
                // Lanes behind the last column compute something that nobody reads; it should be finite.
                weights[wide..].fill(0.0);
            }
            for lane in (0..wide).step_by(LANES) {
                let mut input = 0;
                while input < count {
                    let (gradients, totals) =
                        (&gradients[input * rows + row..], &mut totals[input * BACK + lane..]);
                    let weights = &weights[lane..];
                    // SAFETY: the caller promises the instructions; so many gradients and totals are there.
                    input += unsafe {
                        match count - input {
                            8.. => some_rows::<R, 8>(weights, gradients, rows, totals, some),
                            4.. => some_rows::<R, 4>(weights, gradients, rows, totals, some),
                            2.. => some_rows::<R, 2>(weights, gradients, rows, totals, some),
                            _ => some_rows::<R, 1>(weights, gradients, rows, totals, some),
                        }
                    };
                }
            }
        }
    }
}

/// Sixteen columns of some rows times `T` rows of gradients.
///
/// # Safety
/// The processor has the instructions of `R`.
#[inline(always)]
unsafe fn some_rows<R: Registers, const T: usize>(
    weights: &[f32],
    gradients: &[f32],
    stride: usize,
    totals: &mut [f32],
    rows: usize,
) -> usize {
    debug_assert!(weights.len() >= (rows - 1) * BACK + LANES);
    let beside = Beside::<T> {
        totals: std::array::from_fn(|at| totals[at * BACK..][..LANES].as_mut_ptr()),
        singles: std::array::from_fn(|at| gradients[at * stride..][..rows].as_ptr()),
        bytes: [std::ptr::null(); T],
        scales: [std::ptr::null(); T],
        sums: [std::ptr::null(); T],
        halves: [std::ptr::null(); T],
    };
    // SAFETY: `rows` groups of weights are there, and as many gradients; single numbers read nothing else.
    unsafe { singles::<R, T>(weights.as_ptr(), BACK, &beside, rows) };
    T
}
