//! The nearest rows of queries, all of it in leases.

use plimsoll_device::kernels::check;
use plimsoll_device::kernels::nearest::{Nearest, NearestRuns, NearestShape, Run, Squares};
use plimsoll_device::{DeviceError, Fence, Kernels, Span, Stream};

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
    /// Their scales or sides, if they have any.
    pub scales: Option<(&'l mut Lease, u64)>,
    /// Their squares, where they are kept.
    pub squares: Option<(&'l mut Lease, u64)>,
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
    pub fn nearest_from(&mut self, stream: Stream, ask: NearestIn<'_>) -> Result<Option<Fence>, LeaseError> {
        let mask = ask.shape.mask_bytes();
        self.search(stream, ask, mask, |kernels, asked| kernels.nearest(stream, asked))
    }

    /// The same among runs of the rows, each for some of the queries; `first` is then the number of the mask's first bit, and
    /// the mask is all of its lease. [`Kernels::nearest_runs`](plimsoll_device::Kernels::nearest_runs) says how.
    pub fn nearest_runs_from(
        &mut self,
        stream: Stream,
        ask: NearestIn<'_>,
        runs: &[Run],
        wants: &[u32],
    ) -> Result<Option<Fence>, LeaseError> {
        let mask = ask.mask.as_ref().map_or(0, |(lease, start)| lease.bytes().get().saturating_sub(*start));
        self.search(stream, ask, mask, |kernels, asked| {
            kernels.nearest_runs(stream, &NearestRuns { ask: *asked, runs, wants })
        })
    }

    fn search(
        &mut self,
        stream: Stream,
        mut ask: NearestIn<'_>,
        mask_bytes: u64,
        run: impl FnOnce(&dyn Kernels, &Nearest<'_>) -> Result<(), DeviceError>,
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
            let mask = ask.mask.as_ref().map(|from| part(from, stream, mask_bytes)).transpose()?;
            let rows = part(&ask.rows, stream, shape.rows_bytes())?;
            let squares =
                ask.squares.as_ref().map(|from| part(from, stream, shape.squares_bytes())).transpose()?;
            let first = ask.first;
            let asked = Nearest { shape, rows, scales, squares, queries, mask, first, lists, desk };
            run(kernels(device.as_ref())?, &asked)?;
            device.fence(stream)
        };
        let others = [ask.scales.as_mut(), ask.squares.as_mut(), ask.mask.as_mut()];
        for from in others.into_iter().flatten().chain([&mut ask.rows]) {
            from.0.started(stream, &fence);
        }
        ask.queries.started(stream, &fence);
        ask.desk.started(stream, &fence);
        self.started(stream, &fence);
        Ok(Some(fence?))
    }
}

/// Rows whose squares are to be kept, in leases, each from which byte on.
#[derive(Debug)]
pub struct SquaresIn<'l> {
    /// Their sizes; what it says of queries and lists is of no account.
    pub shape: NearestShape,
    /// The rows.
    pub rows: (&'l mut Lease, u64),
    /// Their scales or sides, if they have any.
    pub scales: Option<(&'l mut Lease, u64)>,
}

impl Lease {
    /// Puts on a stream: this lease takes, from byte `at` on, the squares of rows.
    /// [`Kernels::squares`](plimsoll_device::Kernels::squares) says how.
    pub fn squares_from(
        &mut self,
        stream: Stream,
        at: u64,
        mut ask: SquaresIn<'_>,
    ) -> Result<Option<Fence>, LeaseError> {
        let shape = ask.shape;
        if shape.rows == 0 {
            return Ok(None);
        }
        let fence = {
            let (device, target) = self.part_of(stream, at, shape.squares_bytes())?.ok_or_else(missing)?;
            let scales =
                ask.scales.as_ref().map(|from| part(from, stream, shape.scales_bytes())).transpose()?;
            let rows = part(&ask.rows, stream, shape.rows_bytes())?;
            kernels(device.as_ref())?.squares(stream, &Squares { shape, rows, scales, target })?;
            device.fence(stream)
        };
        for from in [Some(&mut ask.rows), ask.scales.as_mut()].into_iter().flatten() {
            from.0.started(stream, &fence);
        }
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
