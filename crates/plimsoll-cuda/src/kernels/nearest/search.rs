//! What the kernels of a search take.

use plimsoll_device::kernels::nearest::{Form, Measure};

use super::plan::{Plan, coded_bytes, whole};

/// Where the operands are on the device, and the number of the first row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NearestAt {
    pub rows: u64,
    /// 0 where there are none, and so of squares and the mask.
    pub scales: u64,
    pub squares: u64,
    pub queries: u64,
    pub mask: u64,
    pub first: u32,
    pub lists: u64,
    pub desk: u64,
}

/// What the kernels take; the same struct is in `nearest.cuh`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    pub(super) rows: u64,
    pub(super) scales: u64,
    pub(super) queries: u64,
    pub(super) mask: u64,
    pub(super) lists: u64,
    pub(super) singles: u64,
    pub(super) coded: u64,
    pub(super) each: u64,
    pub(super) candidates: u64,
    pub(super) squares: u64,
    pub(super) row_bytes: u64,
    pub(super) coded_bytes: u64,
    pub(super) count: u32,
    pub(super) queries_count: u32,
    pub(super) dimension: u32,
    pub(super) padded: u32,
    pub(super) first: u32,
    pub(super) k: u32,
    pub(super) room: u32,
    pub(super) stride: u32,
    pub(super) direct: u32,
    pub(super) distance: u32,
    pub(super) whole: u32,
    pub(super) bounded: u32,
    pub(super) places: u32,
    pub(super) from: u32,
    pub(super) slack: f32,
    pub(super) begin: u32,
    pub(super) end: u32,
    pub(super) sample: u32,
}

impl Search {
    pub(super) fn new(plan: &Plan, at: &NearestAt) -> Self {
        let shape = &plan.shape;
        Self {
            rows: at.rows,
            scales: at.scales,
            queries: at.queries,
            mask: at.mask,
            lists: at.lists,
            singles: at.desk,
            coded: if shape.form == Form::F32 { at.queries } else { at.desk + plan.desk.coded },
            each: at.desk + plan.desk.each,
            candidates: at.desk + plan.desk.candidates,
            squares: if shape.squares { at.squares } else { at.desk + plan.desk.squares },
            row_bytes: shape.row_bytes(),
            coded_bytes: coded_bytes(shape),
            count: shape.rows,
            queries_count: shape.queries,
            dimension: shape.dimension,
            padded: plan.padded,
            first: at.first,
            k: shape.k,
            room: plan.room,
            stride: 0,
            direct: u32::from(plan.stride == 0),
            distance: u32::from(shape.measure == Measure::Distance),
            whole: u32::from(whole(shape)),
            bounded: u32::from(plan.bounded),
            places: plan.places(),
            from: 0,
            slack: plan.slack(),
            begin: 0,
            end: shape.rows,
            sample: plan.sample,
        }
    }

    pub(super) fn looked_at(&self) -> u64 {
        u64::from(if self.stride == 0 { self.end - self.begin } else { self.sample })
    }
}
