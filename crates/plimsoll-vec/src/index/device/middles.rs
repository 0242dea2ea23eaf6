//! Which lists queries look into: a device compares them with the middles.

use plimsoll::Bytes;
use plimsoll::pool::{Lease, LeaseError, Pool};
use plimsoll_device::Stream;

use super::super::VecError;
use super::super::lists::{Division, Want, full_lists};
use super::super::search::Run;
use super::among::Among;
use crate::gpu::GpuError;
use crate::gpu::desk::{Desk, Look, mask_on, ready};

/// What compares some queries at a time with the middles.
#[derive(Debug)]
pub(super) struct Middles<'m> {
    among: Among,
    division: &'m Division,
    rows: &'m mut Lease,
    /// Those that have a row which may be found.
    mask: Lease,
    desk: Option<Desk>,
}

/// The middles in memory of the device, where they stay.
pub(super) fn bring(pool: &Pool, division: &Division, stream: Stream) -> Result<Lease, GpuError> {
    let numbers = division.middles();
    let mut rows = pool.lease(Bytes::new(numbers.len() as u64))?;
    rows.upload(stream, 0, numbers)?;
    Ok(rows)
}

impl<'m> Middles<'m> {
    pub(super) fn new(
        run: &Run<'_>,
        pool: &Pool,
        (among, division, rows): (Among, &'m Division, &'m mut Lease),
        stream: Stream,
    ) -> Result<Self, GpuError> {
        let mask = mask_on(pool, stream, &full_lists(run, division.count()))?;
        Ok(Self { among, division, rows, mask, desk: None })
    }

    pub(super) fn among(&self) -> &Among {
        &self.among
    }

    pub(super) fn division(&self) -> &'m Division {
        self.division
    }

    /// Makes ready for so many queries at a time; says whether there was room.
    pub(super) fn ready(&mut self, pool: &Pool, queries: usize) -> Result<bool, GpuError> {
        self.desk = None;
        let middles = self.among.middles;
        let rows = std::iter::once((u64::from(middles.rows), false));
        match Desk::exactly(pool, middles, rows, (queries, self.among.probed.lists), Bytes::ZERO) {
            Ok(desk) => self.desk = Some(desk),
            Err(GpuError::Lease(LeaseError::Refused { .. } | LeaseError::TooLarge { .. })) if queries > 1 => {
            }
            Err(error) => return Err(error),
        }
        Ok(self.desk.is_some())
    }

    /// The lists that each of these vectors wants. Where another desk has them already, as they are looked for, they are not brought
    /// again: `numbers` are what was put on it.
    pub(super) fn of(
        &mut self,
        stream: Stream,
        vectors: &[f32],
        (there, numbers): (&mut Desk, &[f32]),
    ) -> Result<Vec<Want>, VecError> {
        let Some(desk) = &mut self.desk else { return Ok(Vec::new()) };
        let middles = self.among.middles;
        let asked = self.division.asked(vectors);
        if middles.is_plain() && std::ptr::eq(&raw const *asked, numbers) {
            desk.begin_as(stream, there)?;
        } else {
            desk.begin(stream, &ready(middles.codec, middles.metric, middles.dimension, &asked)?)?;
        }
        let look = Look {
            rows: (&mut *self.rows, 0),
            scales: None,
            squares: None,
            mask: Some((&mut self.mask, 0)),
            count: middles.rows.into(),
            first: 0,
        };
        desk.look(stream, look)?;
        let found = desk.found(stream)?;
        let mut wants = Vec::with_capacity(vectors.len() / middles.dimension * self.among.probed.lists);
        for (query, lists) in (0..).zip(found.lists()) {
            wants.extend(lists.map(|(_, list)| Want { list, query }));
        }
        Ok(wants)
    }
}
