//! What a search works with on a device.

use std::borrow::Cow;

use plimsoll::Bytes;
use plimsoll::pool::{Lease, LeaseError, NearestIn, Pool};
use plimsoll_device::kernels::nearest::{Key, NearestShape, Run};
use plimsoll_device::{Fence, Kernels, Stream};

use super::GpuError;
use super::settings::{FlatShape, STEP};
use crate::code::{Shape, finite};
use crate::neural::view;
use crate::{CodeError, Codec, Hit, Metric};

/// Queries, their lists, and the memory that the device's kernels work in.
#[derive(Debug)]
pub(crate) struct Desk {
    shape: FlatShape,
    queries: Lease,
    lists: Lease,
    room: Lease,
    /// Queries of this pass, and places of a list.
    count: usize,
    k: usize,
}

/// Rows that lie one after the other.
#[derive(Debug)]
pub(crate) struct Look<'l> {
    pub(crate) rows: (&'l mut Lease, u64),
    pub(crate) scales: Option<(&'l mut Lease, u64)>,
    pub(crate) squares: Option<(&'l mut Lease, u64)>,
    pub(crate) mask: Option<(&'l mut Lease, u64)>,
    pub(crate) count: u64,
    /// The number of the first one.
    pub(crate) first: u64,
}

impl Desk {
    /// For as many of the queries at a time as there is room for, over no more rows at a time than these, whose squares are
    /// kept or not. Whatever else so many queries want to work in is told by `beside`. Says how many queries.
    pub(crate) fn take(
        pool: &Pool,
        shape: FlatShape,
        rows: &(impl Iterator<Item = (u64, bool)> + Clone),
        (queries, k): (usize, usize),
        beside: &dyn Fn(usize) -> Result<Bytes, GpuError>,
    ) -> Result<(Self, usize), GpuError> {
        let mut at_once = queries.max(1);
        loop {
            let desk = beside(at_once)
                .and_then(|least| Self::exactly(pool, shape, rows.clone(), (at_once, k), least));
            match desk {
                Err(GpuError::Lease(LeaseError::Refused { .. } | LeaseError::TooLarge { .. }))
                    if at_once > 1 =>
                {
                    at_once = at_once.div_ceil(2);
                }
                desk => return Ok((desk?, at_once)),
            }
        }
    }

    /// For just so many queries, with so much room at least.
    pub(crate) fn exactly(
        pool: &Pool,
        shape: FlatShape,
        rows: impl Iterator<Item = (u64, bool)>,
        (count, k): (usize, usize),
        least: Bytes,
    ) -> Result<Self, GpuError> {
        let kernels = kernels(pool)?;
        let mut room = least;
        for (rows, squares) in rows {
            let shape = NearestShape { squares, ..shape.search(rows, count, k)? };
            room = room.max(kernels.nearest_desk(&shape));
        }
        let one = shape.search(1, count, k)?;
        let queries = pool.lease(Bytes::new(one.queries_bytes()))?;
        let lists = pool.lease(Bytes::new(one.lists_bytes()))?;
        Ok(Self { shape, queries, lists, room: pool.lease(room)?, count, k })
    }

    /// Puts queries there, and empties their lists.
    pub(crate) fn begin(&mut self, stream: Stream, queries: &[f32]) -> Result<(), GpuError> {
        self.count = queries.len() / self.shape.dimension;
        self.queries.upload(stream, 0, view::bytes(queries))?;
        self.lists.fill(stream, 0xff)?;
        Ok(())
    }

    /// The same with queries that another desk has.
    pub(crate) fn begin_as(&mut self, stream: Stream, other: &mut Self) -> Result<(), GpuError> {
        self.count = other.count;
        let numbers = Bytes::new((self.count * self.shape.dimension * 4) as u64);
        self.queries.copy_from(stream, 0, &mut other.queries, 0, numbers)?;
        self.lists.fill(stream, 0xff)?;
        Ok(())
    }

    /// Rows are put into the lists that they belong in.
    pub(crate) fn look(&mut self, stream: Stream, look: Look<'_>) -> Result<Option<Fence>, GpuError> {
        let (lists, ask) = self.ask(look)?;
        Ok(lists.nearest_from(stream, ask)?)
    }

    /// Runs of rows are put into the lists of the queries that want them. `first` is the number of the mask's first bit.
    pub(crate) fn look_at(
        &mut self,
        stream: Stream,
        look: Look<'_>,
        runs: &[Run],
        wants: &[u32],
    ) -> Result<Option<Fence>, GpuError> {
        let (lists, ask) = self.ask(look)?;
        Ok(lists.nearest_runs_from(stream, ask, runs, wants)?)
    }

    /// The lists, and what is asked for them.
    fn ask<'a>(&'a mut self, look: Look<'a>) -> Result<(&'a mut Lease, NearestIn<'a>), GpuError> {
        let shape = self.shape.search(look.count, self.count, self.k)?;
        let ask = NearestIn {
            shape: NearestShape { squares: look.squares.is_some(), ..shape },
            rows: look.rows,
            scales: look.scales.filter(|_| shape.scales_bytes() > 0),
            squares: look.squares,
            queries: &mut self.queries,
            mask: look.mask,
            first: u32::try_from(look.first).unwrap_or(u32::MAX),
            desk: &mut self.room,
        };
        Ok((&mut self.lists, ask))
    }

    /// Waits for the lists, and reads them.
    pub(crate) fn read(&self, stream: Stream, into: &mut Vec<Vec<Hit>>) -> Result<(), GpuError> {
        let hit = |(score, row)| Hit { score, row: u64::from(row) };
        into.extend(self.found(stream)?.lists().map(|list| list.map(hit).collect()));
        Ok(())
    }

    /// Waits for the lists, and brings them as they are.
    pub(crate) fn found(&self, stream: Stream) -> Result<Found, GpuError> {
        let mut bytes = vec![0; self.count * self.k * 8];
        self.lists.download(stream, 0, &mut bytes)?;
        Ok(Found { bytes, list_bytes: self.k * 8 })
    }
}

/// Lists as a device has them.
#[derive(Debug)]
pub(crate) struct Found {
    bytes: Vec<u8>,
    list_bytes: usize,
}

impl Found {
    /// The scores and rows of each query.
    pub(crate) fn lists(&self) -> impl Iterator<Item = impl Iterator<Item = (f32, u32)>> {
        self.bytes.chunks_exact(self.list_bytes).map(|list| Key::read(list).filter_map(Key::found))
    }
}

/// What a pool's device does.
pub(crate) fn kernels(pool: &Pool) -> Result<&dyn Kernels, GpuError> {
    let device = pool.device();
    device.kernels().ok_or_else(|| GpuError::NoKernels { device: device.facts().name.clone() })
}

/// Queries as they are compared: of length one where directions are, and rotated where rows are.
pub(crate) fn ready(
    codec: Codec,
    metric: Metric,
    dimension: usize,
    queries: &[f32],
) -> Result<Cow<'_, [f32]>, GpuError> {
    for (at, query) in queries.chunks_exact(dimension).enumerate() {
        finite(at, query)?;
    }
    let shape = Shape::new(codec, metric);
    if shape.is_plain() {
        return Ok(Cow::Borrowed(queries));
    }
    let mut turned = queries.to_vec();
    for (vector, query) in turned.chunks_exact_mut(dimension).enumerate() {
        if !shape.apply(query) {
            return Err(CodeError::NoDirection { vector }.into());
        }
    }
    Ok(Cow::Owned(turned))
}

/// What marks of so many rows take on the device: filled up to whole steps, so that every run has its part.
pub(crate) fn mask_bytes(rows: u64) -> u64 {
    (rows.div_ceil(64) * 8).next_multiple_of(STEP / 8)
}

/// Marks of who may be found, a bit a row, on the device.
pub(crate) fn mask_on(pool: &Pool, stream: Stream, live: &[u64]) -> Result<Lease, GpuError> {
    let mut bytes = vec![0; live.len() * 8];
    let (places, _) = bytes.as_chunks_mut::<8>();
    for (place, word) in places.iter_mut().zip(live) {
        *place = word.to_le_bytes();
    }
    let mut mask = pool.lease(Bytes::new(mask_bytes(live.len() as u64 * 64)))?;
    mask.upload(stream, 0, &bytes)?;
    Ok(mask)
}
