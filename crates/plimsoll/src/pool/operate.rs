//! Operations of a device's kernels on leases.
//!
//! Like the copies beside them, each puts its work on a stream and records the fence in every lease that it uses.
//! The leases may be of two pools, of devices that reach each other's memory (page-locked host memory and a GPU):
//! their streams are numbered together, so a fence of one can be asked of the other. The device of the target does
//! the work; where it does not reach the source, the device of the source does.

use std::sync::Arc;

use plimsoll_device::kernels::{Number, Numbers, Rows, Scales, check};
use plimsoll_device::{Bytes, Device, DeviceError, Fence, Kernels, Span, Stream};

use super::error::LeaseError;
use super::lease::{Lease, Part};

/// How the numbers in a lease are stored, and the lease with their scales if they have any.
///
/// ```
/// # use plimsoll::pool::{Lease, NumbersIn};
/// # use plimsoll_device::kernels::Number;
/// # fn show(weights: &mut Lease, scales: &mut Lease, packed: &mut Lease) -> Result<(), plimsoll::pool::LeaseError> {
/// # let stream = plimsoll_device::Stream(0);
/// let packed_as = NumbersIn::scaled(Number::Int4, scales, 64);
/// packed.convert_from(stream, packed_as, weights, NumbersIn::floats(Number::F16))?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct NumbersIn<'l> {
    number: Number,
    scales: Option<(&'l mut Lease, u32)>,
}

impl<'l> NumbersIn<'l> {
    /// Numbers that need no scales.
    pub fn floats(number: Number) -> Self {
        Self { number, scales: None }
    }

    /// Small integers, of which each `group` shares one of the scales in a lease.
    pub fn scaled(number: Number, scales: &'l mut Lease, group: u32) -> Self {
        Self { number, scales: Some((scales, group)) }
    }

    fn view<'s>(&'s self, stream: Stream, span: Span<'s>) -> Result<Numbers<'s>, LeaseError> {
        let scales = match &self.scales {
            None => None,
            Some((lease, group)) => match lease.all_on(stream)? {
                Some((_, span)) => Some(Scales { span, group: *group }),
                None => return Err(check::bad("a conversion", "the lease for scales has no bytes").into()),
            },
        };
        Ok(Numbers { span, number: self.number, scales })
    }

    fn started(&mut self, stream: Stream, fence: &Result<Fence, DeviceError>) {
        if let Some((lease, _)) = &mut self.scales {
            lease.started(stream, fence);
        }
    }
}

/// Where rows lie in a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowsIn {
    /// Where the first row starts.
    pub start: u64,
    /// From the start of a row to the start of the next.
    pub pitch: u64,
}

impl RowsIn {
    /// From the first byte of the first of `rows` to the last of the last.
    fn bytes(self, rows: u64, row: u64) -> Result<u64, LeaseError> {
        let before = rows.saturating_sub(1).checked_mul(self.pitch);
        let bytes = before.and_then(|before| before.checked_add(if rows == 0 { 0 } else { row }));
        bytes.ok_or_else(|| {
            check::bad("a copy of rows", format!("{rows} rows at a pitch of {} are too many", self.pitch))
                .into()
        })
    }
}

impl Lease {
    /// Puts on a stream: `rows` rows of `row` bytes go from where they lie in `source` to where they are to lie here.
    pub fn copy_rows_from(
        &mut self,
        stream: Stream,
        to: RowsIn,
        source: &mut Self,
        from: RowsIn,
        rows: u64,
        row: u64,
    ) -> Result<Option<Fence>, LeaseError> {
        let (reads, writes) = (from.bytes(rows, row)?, to.bytes(rows, row)?);
        let fence = {
            let (Some(target), Some(source)) =
                (self.part_of(stream, to.start, writes)?, source.part_of(stream, from.start, reads)?)
            else {
                return Ok(None);
            };
            let rows_in = |span, pitch| Rows { span, row, pitch };
            let (read, written) = (rows_in(source.1, from.pitch), rows_in(target.1, to.pitch));
            on_either(&target, &source, stream, |device| kernels(device)?.copy_rows(stream, read, written))?
        };
        self.both_started(source, stream, fence)
    }

    /// Puts on a stream: the pattern of 1, 2, 4, 8 or 16 bytes is repeated through all of this lease.
    pub fn fill_pattern(&mut self, stream: Stream, pattern: &[u8]) -> Result<Option<Fence>, LeaseError> {
        let fence = {
            let Some((device, target)) = self.all_on(stream)? else {
                return Ok(None);
            };
            kernels(device.as_ref())?.fill_pattern(stream, target, pattern)?;
            device.fence(stream)
        };
        self.started(stream, &fence);
        Ok(Some(fence?))
    }

    /// Puts on a stream: all numbers in `source` are converted into this lease, which has room for as many.
    /// [`Kernels::convert`] says how.
    pub fn convert_from(
        &mut self,
        stream: Stream,
        mut to: NumbersIn<'_>,
        source: &mut Self,
        mut from: NumbersIn<'_>,
    ) -> Result<Option<Fence>, LeaseError> {
        let fence = {
            let (target, source) = match (self.all_on(stream)?, source.all_on(stream)?) {
                (Some(target), Some(source)) => (target, source),
                (None, None) => return Ok(None),
                _ => return Err(check::bad("a conversion", "one of its leases has no bytes").into()),
            };
            let (read, written) = (from.view(stream, source.1)?, to.view(stream, target.1)?);
            on_either(&target, &source, stream, |device| kernels(device)?.convert(stream, read, written))?
        };
        from.started(stream, &fence);
        to.started(stream, &fence);
        self.both_started(source, stream, fence)
    }

    /// Puts on a stream: the blocks of `source` that the index names are collected at the start of this lease.
    /// [`Kernels::gather`] says how.
    pub fn gather_from(
        &mut self,
        stream: Stream,
        source: &mut Self,
        index: &[u32],
        block: u64,
    ) -> Result<Option<Fence>, LeaseError> {
        let fence = {
            let Some((target, source)) = blocks(
                "a gather",
                index,
                self.part_of(stream, 0, moved(index, block))?,
                source.all_on(stream)?,
            )?
            else {
                return Ok(None);
            };
            on_either(&target, &source, stream, |device| {
                kernels(device)?.gather(stream, source.1, index, block, target.1)
            })?
        };
        self.both_started(source, stream, fence)
    }

    /// Puts on a stream: the blocks at the start of `source` are spread to those of this lease that the index names.
    /// [`Kernels::scatter`] says how.
    pub fn scatter_from(
        &mut self,
        stream: Stream,
        source: &mut Self,
        index: &[u32],
        block: u64,
    ) -> Result<Option<Fence>, LeaseError> {
        let fence = {
            let Some((target, source)) = blocks(
                "a scatter",
                index,
                self.all_on(stream)?,
                source.part_of(stream, 0, moved(index, block))?,
            )?
            else {
                return Ok(None);
            };
            on_either(&target, &source, stream, |device| {
                kernels(device)?.scatter(stream, source.1, index, block, target.1)
            })?
        };
        self.both_started(source, stream, fence)
    }

    /// Waits for the work already on `stream`, and sums these bytes up so that two leases can be compared:
    /// [`Kernels::sum`] says how.
    pub fn sum(&self, stream: Stream) -> Result<u64, LeaseError> {
        self.check_done_elsewhere(stream)?;
        match self.all_on(stream)? {
            Some((device, span)) => Ok(kernels(device.as_ref())?.sum(stream, span)?),
            None => Ok(0),
        }
    }

    /// A part of this lease for work on a stream.
    pub(super) fn part_of(
        &self,
        stream: Stream,
        from: u64,
        bytes: u64,
    ) -> Result<Option<Part<'_>>, LeaseError> {
        self.part_on(stream, from, Bytes::new(bytes).as_usize())
    }

    fn all_on(&self, stream: Stream) -> Result<Option<Part<'_>>, LeaseError> {
        self.part_of(stream, 0, self.bytes().get())
    }

    pub(super) fn both_started(
        &mut self,
        source: &mut Self,
        stream: Stream,
        fence: Result<Fence, DeviceError>,
    ) -> Result<Option<Fence>, LeaseError> {
        source.started(stream, &fence);
        self.started(stream, &fence);
        Ok(Some(fence?))
    }
}

/// How many bytes an index moves.
fn moved(index: &[u32], block: u64) -> u64 {
    block.saturating_mul(index.len() as u64)
}

/// Both sides of a gather or scatter, unless there is nothing to move.
fn blocks<'l>(
    what: &'static str,
    index: &[u32],
    target: Option<Part<'l>>,
    source: Option<Part<'l>>,
) -> Result<Option<(Part<'l>, Part<'l>)>, LeaseError> {
    match (target, source) {
        (Some(target), Some(source)) => Ok(Some((target, source))),
        _ if index.is_empty() => Ok(None),
        _ => Err(check::bad(what, "there are no bytes in a lease or in a block").into()),
    }
}

/// Does the work on the target's device or, where that one does not reach the source, on the source's; the fence
/// of the one that did it.
pub(super) fn on_either(
    target: &Part<'_>,
    source: &Part<'_>,
    stream: Stream,
    work: impl Fn(&dyn Device) -> Result<(), DeviceError>,
) -> Result<Result<Fence, DeviceError>, LeaseError> {
    let (here, there) = (target.0, source.0);
    match work(here.as_ref()) {
        Ok(()) => Ok(here.fence(stream)),
        Err(DeviceError::WrongDevice) if !Arc::ptr_eq(here, there) => {
            work(there.as_ref())?;
            Ok(there.fence(stream))
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) fn kernels(device: &dyn Device) -> Result<&dyn Kernels, DeviceError> {
    device.kernels().ok_or_else(|| DeviceError::Unsupported {
        device: device.facts().name.clone(),
        what: "operate on memory beyond copies and fills; copy it to a device that can",
    })
}
