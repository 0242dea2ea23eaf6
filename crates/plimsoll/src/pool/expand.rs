//! Rows of levels times a matrix, all of it in leases.

use plimsoll_device::kernels::check;
use plimsoll_device::kernels::expand::{Expand, ExpandShape};
use plimsoll_device::{DeviceError, Fence, Span, Stream};

use super::error::LeaseError;
use super::lease::Lease;
use super::operate::kernels;

/// What is expanded, from the beginning of each lease. [`Expand`] says what each thing is.
#[derive(Debug)]
pub struct ExpandIn<'l> {
    /// The sizes.
    pub shape: ExpandShape,
    /// The levels.
    pub levels: &'l mut Lease,
    /// Their scales.
    pub scales: &'l mut Lease,
    /// The matrix.
    pub matrix: &'l mut Lease,
    /// What is added.
    pub offsets: &'l mut Lease,
    /// Memory to work in, as [`Kernels::expand_desk`](plimsoll_device::Kernels::expand_desk) says.
    pub desk: &'l mut Lease,
}

impl Lease {
    /// Puts on a stream: this lease takes, from its beginning, the rows that levels are expanded to.
    /// [`Kernels::expand`](plimsoll_device::Kernels::expand) says how.
    pub fn expand_from(&mut self, stream: Stream, ask: ExpandIn<'_>) -> Result<Option<Fence>, LeaseError> {
        let ExpandIn { shape, levels, scales, matrix, offsets, desk } = ask;
        if shape.is_empty() {
            return Ok(None);
        }
        let fence = {
            let (device, target) = self.part_of(stream, 0, shape.target_bytes())?.ok_or_else(missing)?;
            let room = match desk.part_of(stream, 0, desk.bytes().get())? {
                Some((_, desk)) => desk,
                None => target.region().span(target.offset()..target.offset())?,
            };
            let asked = Expand {
                shape,
                levels: part(levels, stream, shape.levels_bytes())?,
                scales: part(scales, stream, shape.scales_bytes())?,
                matrix: part(matrix, stream, shape.matrix_bytes())?,
                offsets: part(offsets, stream, shape.offsets_bytes())?,
                target,
                desk: room,
            };
            kernels(device.as_ref())?.expand(stream, &asked)?;
            device.fence(stream)
        };
        for from in [levels, scales, matrix, offsets, desk] {
            from.started(stream, &fence);
        }
        self.started(stream, &fence);
        Ok(Some(fence?))
    }
}

/// The first bytes of a lease.
fn part(lease: &Lease, stream: Stream, bytes: u64) -> Result<Span<'_>, LeaseError> {
    Ok(lease.part_of(stream, 0, bytes)?.ok_or_else(missing)?.1)
}

fn missing() -> DeviceError {
    check::bad("an expansion of rows", "one of its leases has no bytes")
}
