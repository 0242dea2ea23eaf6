//! The nearest rows of queries, all of it in leases.

use plimsoll_device::kernels::check;
use plimsoll_device::kernels::nearest::{Nearest, NearestShape};
use plimsoll_device::{DeviceError, Fence, Span, Stream};

use super::error::LeaseError;
use super::lease::Lease;
use super::operate::kernels;

/// What is searched, and in which leases; of some, from which byte on, a multiple of 16. [`Nearest`] says what each thing is.
#[derive(Debug)]
pub struct NearestIn<'l> {
    /// The sizes.
    pub shape: NearestShape,
    /// The rows.
    pub rows: (&'l mut Lease, u64),
    /// Their scales, if they have any.
    pub scales: Option<(&'l mut Lease, u64)>,
    /// The queries.
    pub queries: &'l mut Lease,
    /// Which rows may be found; all, where there is none.
    pub mask: Option<(&'l mut Lease, u64)>,
    /// The number of the first row.
    pub first: u32,
    /// Memory to work in, as [`Kernels::nearest_desk`](plimsoll_device::Kernels::nearest_desk) says.
    pub desk: &'l mut Lease,
}

impl Lease {
    /// Puts on a stream: the lists at the start of this lease take the rows that are nearest to their queries.
    /// [`Kernels::nearest`](plimsoll_device::Kernels::nearest) says how.
    pub fn nearest_from(
        &mut self,
        stream: Stream,
        mut ask: NearestIn<'_>,
    ) -> Result<Option<Fence>, LeaseError> {
        let shape = ask.shape;
        if shape.is_empty() {
            return Ok(None);
        }
        let fence = {
            let (device, lists) = self.part_of(stream, 0, shape.lists_bytes())?.ok_or_else(missing)?;
            let desk = match ask.desk.part_of(stream, 0, ask.desk.bytes().get())? {
                Some((_, desk)) => desk,
                None => lists.region().span(lists.offset()..lists.offset())?,
            };
            let queries = ask.queries.part_of(stream, 0, shape.queries_bytes())?.ok_or_else(missing)?.1;
            let scales =
                ask.scales.as_ref().map(|from| part(from, stream, shape.scales_bytes())).transpose()?;
            let mask = ask.mask.as_ref().map(|from| part(from, stream, shape.mask_bytes())).transpose()?;
            let rows = part(&ask.rows, stream, shape.rows_bytes())?;
            let asked = Nearest { shape, rows, scales, queries, mask, first: ask.first, lists, desk };
            kernels(device.as_ref())?.nearest(stream, &asked)?;
            device.fence(stream)
        };
        for from in [Some(&mut ask.rows), ask.scales.as_mut(), ask.mask.as_mut()].into_iter().flatten() {
            from.0.started(stream, &fence);
        }
        ask.queries.started(stream, &fence);
        ask.desk.started(stream, &fence);
        self.started(stream, &fence);
        Ok(Some(fence?))
    }
}

fn part<'l>(
    (lease, start): &'l (&mut Lease, u64),
    stream: Stream,
    bytes: u64,
) -> Result<Span<'l>, LeaseError> {
    Ok(lease.part_of(stream, *start, bytes)?.ok_or_else(missing)?.1)
}

fn missing() -> DeviceError {
    check::bad("a search for the nearest rows", "one of its leases has no bytes")
}
