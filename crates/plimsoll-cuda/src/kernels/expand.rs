//! Rows of levels times a matrix: by which kernel, and what the desk holds.

use std::ffi::CStr;

use plimsoll_device::Bytes;
use plimsoll_device::kernels::expand::ExpandShape;

use super::launch::{KernelError, KernelSet, Shape, THREADS, narrow, parameters};
use super::program::Program;
use crate::driver::RawStream;

/// Columns of a pair of tiles, levels of a step, and rows that a warp has at once.
const PAIR: u32 = 16;
const STEP: u32 = 16;
const ROWS: u32 = 32;
/// Levels of rows that the matrix units take: whole units of 16, as many as registers hold.
const DEPTH_MOST: u32 = 192;
/// A thread block's own memory: what every GPU with such units has. Two thread blocks share a multiprocessor.
const SHARED: u64 = 96 << 10;
const PER_MULTIPROCESSOR: u32 = 2;

/// How a shape is expanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExpandPlan {
    pub shape: ExpandShape,
    /// By the matrix units.
    units: bool,
    /// Steps of a row, filled up to 64 levels.
    steps: u32,
    /// Pairs that a thread block keeps, and how many of such slices there are.
    slice: u32,
    slices: u32,
    /// Where on the desk columns' worths begin, and its end.
    worth: u64,
    end: u64,
}

impl ExpandPlan {
    /// For a GPU of this compute capability.
    pub(crate) fn of(shape: ExpandShape, capability: (u32, u32)) -> Self {
        let ExpandShape { depth, width, .. } = shape;
        let units = capability >= (8, 0)
            && depth.is_multiple_of(STEP)
            && depth <= DEPTH_MOST
            && width.is_multiple_of(PAIR);
        if !units {
            return Self { shape, units, steps: 0, slice: 0, slices: 1, worth: 0, end: 0 };
        }
        let steps = depth.next_multiple_of(64) / STEP;
        let pairs = width / PAIR;
        let slices = pairs.div_ceil(narrow(SHARED / pair_bytes(steps))).max(1);
        let worth = u64::from(pairs) * pair_bytes(steps);
        let end = worth + u64::from(width) * 4;
        Self { shape, units, steps, slice: pairs.div_ceil(slices), slices, worth, end }
    }

    /// What the desk has to hold.
    pub(crate) fn desk_bytes(&self) -> Bytes {
        Bytes::new(self.end)
    }

    fn shared(&self) -> u64 {
        u64::from(self.slice) * pair_bytes(self.steps)
    }
}

/// Sixteen columns as the units take them: two halves a number, of all lanes.
const fn pair_bytes(steps: u32) -> u64 {
    steps as u64 * 2 * 32 * 16
}

/// The bytes of its own that a thread block may have, where it is more than what all have.
pub(super) fn shared_bytes(entry: &str) -> u32 {
    let by_units = entry.starts_with("expand_") && entry != "expand_any" && entry != "expand_prepare";
    if by_units { narrow(SHARED) } else { 0 }
}

/// Where the operands are on the device.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExpandAt {
    pub levels: u64,
    pub scales: u64,
    pub matrix: u64,
    pub offsets: u64,
    pub target: u64,
    pub desk: u64,
}

/// What the kernels take; the same struct is in `expand.cu`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Expand {
    levels: u64,
    scales: u64,
    matrix: u64,
    offsets: u64,
    target: u64,
    pairs: u64,
    worth: u64,
    rows: u32,
    depth: u32,
    width: u32,
    steps: u32,
    slice: u32,
    slices: u32,
}

impl KernelSet {
    /// Puts an expansion on a stream.
    ///
    /// # Safety
    /// As of every launch of the set; the desk has [`ExpandPlan::desk_bytes`].
    pub(crate) unsafe fn expand(
        &self,
        stream: RawStream,
        plan: &ExpandPlan,
        at: &ExpandAt,
    ) -> Result<(), KernelError> {
        let ExpandShape { rows, depth, width } = plan.shape;
        let expand = Expand {
            levels: at.levels,
            scales: at.scales,
            matrix: at.matrix,
            offsets: at.offsets,
            target: at.target,
            pairs: at.desk,
            worth: at.desk + plan.worth,
            rows,
            depth,
            width,
            steps: plan.steps,
            slice: plan.slice,
            slices: plan.slices,
        };
        let start = |entry: &CStr, shape: Shape| {
            // SAFETY: the caller's promise; the parameter is the kernels' only one.
            unsafe { self.launch(Program::Expand, entry, shape, stream, parameters![expand]) }
        };
        if !plan.units {
            return start(c"expand_any", self.filling(u64::from(rows) * u64::from(width), 1));
        }
        let block = (narrow(THREADS), 1);
        let columns = width.div_ceil(narrow(THREADS / 32));
        start(c"expand_prepare", Shape { grid: (columns, 1), block, shared: 0 })?;
        let most = (self.multiprocessors * PER_MULTIPROCESSOR / plan.slices).max(1);
        let groups = rows.div_ceil(ROWS * narrow(THREADS / 32)).min(most);
        let entry = match plan.steps {
            4 => c"expand_64",
            8 => c"expand_128",
            _ => c"expand_192",
        };
        start(entry, Shape { grid: (groups * plan.slices, 1), block, shared: narrow(plan.shared()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_has_the_same_numbers() {
        let source = Program::Expand.source();
        assert!(source.contains(&format!("constexpr u32 PAIR = {PAIR};")));
        assert!(source.contains(&format!("constexpr u32 STEP = {STEP};")));
        assert_eq!(size_of::<Expand>(), 80, "as the compiler of the kernels lays it out");
    }

    #[test]
    fn what_the_units_take_is_cut_so_that_it_fits_and_the_rest_goes_another_way() {
        for (depth, width) in [(16, 16), (64, 384), (64, 768), (128, 768), (192, 4096), (176, 48)] {
            let plan = ExpandPlan::of(ExpandShape { rows: 1000, depth, width }, (9, 0));
            assert!(plan.units && plan.shared() <= SHARED, "{plan:?}");
            assert!(
                plan.slice * plan.slices >= width / PAIR && plan.slice * (plan.slices - 1) < width / PAIR
            );
            assert!([4, 8, 12].contains(&plan.steps) && plan.steps * STEP >= depth, "{plan:?}");
            assert_eq!(plan.worth % 16, 0);
        }
        let wide = ExpandPlan::of(ExpandShape { rows: 1, depth: 128, width: 768 }, (9, 0));
        assert_eq!((wide.slices, wide.desk_bytes()), (4, Bytes::new(768 * (128 * 4 + 4))));
        for (depth, width, capability) in
            [(8, 16, (9, 0)), (64, 10, (9, 0)), (256, 16, (9, 0)), (64, 64, (7, 5))]
        {
            let plan = ExpandPlan::of(ExpandShape { rows: 1, depth, width }, capability);
            assert!(!plan.units && plan.desk_bytes() == Bytes::ZERO, "{plan:?}");
        }
    }
}
