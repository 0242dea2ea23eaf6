//! A flat index on a device.

use plimsoll::Bytes;
use plimsoll::pool::{Lease, Pool};
use plimsoll_device::Stream;

use super::GpuError;
use super::desk::{Desk, Look, kernels, mask_on, ready};
use super::pieces::{Chunk, Pieces};
use super::ring::Ring;
use super::settings::{FlatSettings, FlatShape};
use crate::code::{finite, whole};
use crate::{Hit, TOP_MAX};

/// Rows of one shape, every one of which is looked at by a search on a device.
///
/// # What it does not do
/// It keeps nothing on disk and takes nothing out: [`index`](crate::index) does. What is deleted is masked.
///
/// # Who owns what
/// It owns leases: of rows in the pool that it was given for them, of a ring where they are streamed, and, while it
/// searches, of queries, lists and a desk. All are charged to the accounts of the pools.
///
/// # Formula
/// Rows: [`FlatShape::bytes`], and 4 bytes each for their squares where they are searched in place by a device that wants
/// those ([`wants_squares`](plimsoll_device::Kernels::wants_squares)). A ring: `ring · chunk`. A search of q queries: `q · (4 D + 8 k)`, 1/8 byte a row
/// for a mask, and what the device's [`nearest_desk`](plimsoll_device::Kernels::nearest_desk) says; where that is refused, queries are
/// searched in halves, quarters and so on, one after the other.
///
/// ```
/// use std::sync::Arc;
/// use plimsoll::{Bytes, Engine, Place};
/// use plimsoll_vec::gpu::{Flat, FlatShape};
/// use plimsoll_vec::{Codec, Metric};
///
/// let engine = Engine::in_memory(Bytes::mib(16), "vec")?;
/// // The host's own memory here; a pool of a GPU does as well.
/// let pool = engine.account("vec")?.scratch(Place::Host)?;
/// let shape = FlatShape { codec: Codec::F16, metric: Metric::L2, dimension: 2, rows: 3 };
/// let mut flat = Flat::resident(&pool, shape)?;
/// flat.push(&[0.0, 1.0, 5.0, 5.0, 1.0, 1.0])?;
/// let found = flat.search(&[1.0, 1.5], 2, None)?;
/// assert_eq!((found[0][0].row, found[0][1].row), (2, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Flat {
    shape: FlatShape,
    pool: Pool,
    pieces: Pieces,
    ring: Option<Ring>,
    stream: Stream,
}

impl Flat {
    /// Rows in the memory of the pool's device, where they stay.
    pub fn resident(pool: &Pool, shape: FlatShape) -> Result<Self, GpuError> {
        Self::over(pool, pool, shape, None)
    }

    /// Rows in another pool's memory, from which they are streamed to this pool's device in each search: page-locked
    /// memory of the host, for a GPU.
    pub fn streamed(
        rows: &Pool,
        pool: &Pool,
        shape: FlatShape,
        settings: FlatSettings,
    ) -> Result<Self, GpuError> {
        Self::over(rows, pool, shape, Some(settings))
    }

    fn over(
        rows: &Pool,
        pool: &Pool,
        shape: FlatShape,
        ring: Option<FlatSettings>,
    ) -> Result<Self, GpuError> {
        shape.measure()?;
        kernels(pool)?;
        let pieces = Pieces::take(rows, &shape, ring.is_none())?;
        let ring = ring.map(|settings| Ring::take(pool, &shape, settings)).transpose()?;
        Ok(Self { shape, pool: pool.clone(), pieces, ring, stream: pool.device().stream()? })
    }

    /// What it was made for.
    pub fn shape(&self) -> FlatShape {
        self.shape
    }

    /// How many rows are there.
    pub fn rows(&self) -> u32 {
        u32::try_from(self.pieces.filled).unwrap_or(u32::MAX)
    }

    /// Puts vectors behind those that are there. All or none, but for a device that fails.
    pub fn push(&mut self, vectors: &[f32]) -> Result<(), GpuError> {
        let count = whole(vectors, self.shape.dimension)?;
        let (room, filled) = (self.shape.rows, self.rows());
        if count as u64 > u64::from(room - filled) {
            return Err(GpuError::Full { room, filled, more: count });
        }
        for (vector, numbers) in vectors.chunks_exact(self.shape.dimension).enumerate() {
            finite(vector, numbers)?;
        }
        let stream = self.ring.is_none().then_some(self.stream);
        let before = self.pieces.filled;
        self.pieces.push(vectors, stream).inspect_err(|_| self.pieces.filled = before)
    }

    /// The `k` nearest rows of each query, nearest first; fewer where there are fewer. `live` has a bit for each row
    /// that may be found, in words of 64: without it all may.
    pub fn search(
        &mut self,
        queries: &[f32],
        k: usize,
        live: Option<&[u64]>,
    ) -> Result<Vec<Vec<Hit>>, GpuError> {
        if k == 0 || k > TOP_MAX {
            return Err(GpuError::Count { k });
        }
        let dimension = self.shape.dimension;
        let count = whole(queries, dimension)?;
        let queries = ready(self.shape.codec, self.shape.metric, dimension, queries)?;
        let words = Bytes::new(self.pieces.filled.div_ceil(64)).as_usize();
        if let Some(live) = live.filter(|live| live.len() != words) {
            return Err(GpuError::Mask { found: live.len(), wanted: words, rows: self.rows() });
        }
        if count == 0 || self.pieces.filled == 0 {
            return Ok(vec![Vec::new(); count]);
        }
        let chunks = self.chunks();
        self.start(&chunks)?;
        let mut mask = live.map(|live| mask_on(&self.pool, self.stream, live)).transpose()?;
        let kept = |chunk: &Chunk| self.pieces.all[chunk.piece].squares.is_some();
        let rows = chunks.iter().map(|chunk| (chunk.rows, kept(chunk)));
        let (mut desk, at_once) =
            Desk::take(&self.pool, self.shape, &rows, (count, k), &|_| Ok(Bytes::ZERO))?;
        let mut found = Vec::with_capacity(count);
        for (number, part) in queries.chunks(at_once * dimension).enumerate() {
            if number > 0 {
                self.start(&chunks)?;
            }
            desk.begin(self.stream, part)?;
            self.pass(&chunks, &mut desk, &mut mask)?;
            desk.read(self.stream, &mut found)?;
        }
        Ok(found)
    }

    /// The first rows are on their way while what else is needed is made ready.
    fn start(&mut self, chunks: &[Chunk]) -> Result<(), GpuError> {
        match &mut self.ring {
            Some(ring) => ring.start(&self.pool, &mut self.pieces.all, chunks),
            None => Ok(()),
        }
    }

    /// All rows, for the queries on the desk.
    fn pass(&mut self, chunks: &[Chunk], desk: &mut Desk, mask: &mut Option<Lease>) -> Result<(), GpuError> {
        let stream = self.stream;
        let mut look = |rows: At<'_>, scales: Option<At<'_>>, squares: Option<At<'_>>, chunk: &Chunk| {
            let mask = mask.as_mut().map(|mask| (mask, chunk.first / 8));
            desk.look(stream, Look { rows, scales, squares, mask, count: chunk.rows, first: chunk.first })
        };
        let Some(ring) = &mut self.ring else {
            self.pieces.square(&self.shape, stream)?;
            let one = self.shape.search(1, 1, 1)?;
            for chunk in chunks {
                let piece = &mut self.pieces.all[chunk.piece];
                let scales =
                    piece.scales.as_mut().map(|scales| (scales, chunk.start * one.form.side_bytes()));
                let squares = piece.squares.as_mut().map(|squares| (squares, chunk.start * 4));
                look((&mut piece.rows, chunk.start * one.row_bytes()), scales, squares, chunk)?;
            }
            return Ok(());
        };
        ring.each(&self.pool, &mut self.pieces.all, chunks, |slot, chunk| {
            look((&mut slot.rows, 0), slot.scales.as_mut().map(|scales| (scales, 0)), None, chunk)
        })
    }

    /// Rows that are searched at a time.
    fn chunks(&self) -> Vec<Chunk> {
        self.pieces.chunks(self.ring.as_ref().map_or(u64::MAX, |ring| ring.rows))
    }
}

/// A lease from a byte on.
type At<'l> = (&'l mut Lease, u64);
