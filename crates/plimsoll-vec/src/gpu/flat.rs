//! A flat index on a device.

use std::sync::Arc;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use plimsoll::Bytes;
use plimsoll::pool::{Lease, LeaseError, NearestIn, Pool};
use plimsoll_device::kernels::Number;
use plimsoll_device::kernels::nearest::{Key, NearestShape};
use plimsoll_device::{Device, Fence, Kernels, Stream};

use super::GpuError;
use super::pieces::{Chunk, Pieces};
use super::ring::Ring;
use super::settings::{FlatSettings, FlatShape, STEP};
use crate::code::{finite, normalize, whole};
use crate::{Hit, Metric, TOP_MAX};

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
/// Rows: [`FlatShape::bytes`]. A ring: `ring · chunk`. A search of q queries: `q · (D · b + 8 k)`, 1/8 byte a row
/// for a mask, and what the device's [`nearest_desk`](Kernels::nearest_desk) says; where that is refused, queries are
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
        kernels(pool.device())?;
        let pieces = Pieces::take(rows, &shape)?;
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
        let queries = self.ready(queries)?;
        let words = Bytes::new(self.pieces.filled.div_ceil(64)).as_usize();
        if let Some(live) = live.filter(|live| live.len() != words) {
            return Err(GpuError::Mask { found: live.len(), wanted: words, rows: self.rows() });
        }
        if count == 0 || self.pieces.filled == 0 {
            return Ok(vec![Vec::new(); count]);
        }
        let chunks = self.chunks();
        let mut mask = self.mask(live)?;
        let mut at_once = count;
        let mut desk = loop {
            match Desk::take(self, &chunks, at_once, k) {
                Err(GpuError::Lease(LeaseError::Refused { .. } | LeaseError::TooLarge { .. }))
                    if at_once > 1 =>
                {
                    at_once = at_once.div_ceil(2);
                }
                desk => break desk?,
            }
        };
        let query_bytes = queries.len() / count;
        let mut found = Vec::with_capacity(count);
        for part in queries.chunks(at_once * query_bytes) {
            self.pass(&chunks, part, part.len() / query_bytes, k, &mut desk, &mut mask)?;
            desk.read(self.stream, part.len() / query_bytes, k, &mut found)?;
        }
        Ok(found)
    }

    /// All rows, for some queries.
    fn pass(
        &mut self,
        chunks: &[Chunk],
        queries: &[u8],
        count: usize,
        k: usize,
        desk: &mut Desk,
        mask: &mut Option<Lease>,
    ) -> Result<(), GpuError> {
        let (shape, stream) = (self.shape, self.stream);
        desk.queries.upload(stream, 0, queries)?;
        desk.lists.fill(stream, 0xff)?;
        let mut search = |rows: (&mut Lease, u64), scales: Option<(&mut Lease, u64)>, chunk: &Chunk| {
            let ask = NearestIn {
                shape: shape.search(chunk.rows, count, k)?,
                rows,
                scales,
                queries: &mut desk.queries,
                mask: mask.as_mut().map(|mask| (mask, chunk.first / 8)),
                first: u32::try_from(chunk.first).unwrap_or(u32::MAX),
                desk: &mut desk.room,
            };
            Ok::<Option<Fence>, GpuError>(desk.lists.nearest_from(stream, ask)?)
        };
        let Some(ring) = &mut self.ring else {
            for chunk in chunks {
                let piece = &mut self.pieces.all[chunk.piece];
                let scales = piece.scales.as_mut().map(|scales| (scales, chunk.start * 4));
                let start = chunk.start * shape.search(1, 1, 1)?.row_bytes();
                search((&mut piece.rows, start), scales, chunk)?;
            }
            return Ok(());
        };
        ring.each(&self.pool, &mut self.pieces.all, chunks, |slot, chunk| {
            search((&mut slot.rows, 0), slot.scales.as_mut().map(|scales| (scales, 0)), chunk)
        })
    }

    /// Rows that are searched at a time.
    fn chunks(&self) -> Vec<Chunk> {
        self.pieces.chunks(self.ring.as_ref().map_or(u64::MAX, |ring| ring.rows))
    }

    /// Queries as they are stored, of length one where directions are compared.
    fn ready(&self, queries: &[f32]) -> Result<Vec<u8>, GpuError> {
        let dimension = self.shape.dimension;
        for (at, query) in queries.chunks_exact(dimension).enumerate() {
            finite(at, query)?;
        }
        let mut turned = Vec::new();
        if self.shape.metric == Metric::Cosine {
            turned.extend_from_slice(queries);
            for query in turned.chunks_exact_mut(dimension) {
                // A query of zeros has no direction, and every row is as near.
                normalize(query);
            }
        }
        let numbers = if turned.is_empty() { queries } else { &turned };
        Ok(match self.shape.search(1, 1, 1)?.query_number() {
            Number::F16 => {
                let mut halves = vec![f16::ZERO; numbers.len()];
                halves.convert_from_f32_slice(numbers);
                halves.iter().flat_map(|half| half.to_le_bytes()).collect()
            }
            Number::Bf16 => {
                let mut halves = vec![bf16::ZERO; numbers.len()];
                halves.convert_from_f32_slice(numbers);
                halves.iter().flat_map(|half| half.to_le_bytes()).collect()
            }
            _ => numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
        })
    }

    /// The mask on the device, filled up to whole steps so that every chunk has its part.
    fn mask(&self, live: Option<&[u64]>) -> Result<Option<Lease>, GpuError> {
        let Some(live) = live else { return Ok(None) };
        let bytes: Vec<u8> = live.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut mask = self.pool.lease(Bytes::new((bytes.len() as u64).next_multiple_of(STEP / 8)))?;
        mask.upload(self.stream, 0, &bytes)?;
        Ok(Some(mask))
    }
}

fn kernels(device: &Arc<dyn Device>) -> Result<&dyn Kernels, GpuError> {
    device.kernels().ok_or_else(|| GpuError::NoKernels { device: device.facts().name.clone() })
}

/// What a search works with.
#[derive(Debug)]
struct Desk {
    queries: Lease,
    lists: Lease,
    room: Lease,
}

impl Desk {
    fn take(flat: &Flat, chunks: &[Chunk], queries: usize, k: usize) -> Result<Self, GpuError> {
        let kernels = kernels(flat.pool.device())?;
        let shape = |rows| -> Result<NearestShape, GpuError> { flat.shape.search(rows, queries, k) };
        let mut room = Bytes::ZERO;
        for chunk in chunks {
            room = room.max(kernels.nearest_desk(&shape(chunk.rows)?));
        }
        let shape = shape(1)?;
        Ok(Self {
            queries: flat.pool.lease(Bytes::new(shape.queries_bytes()))?,
            lists: flat.pool.lease(Bytes::new(shape.lists_bytes()))?,
            room: flat.pool.lease(room)?,
        })
    }

    /// Waits for the lists, and reads those of so many queries.
    fn read(
        &self,
        stream: Stream,
        queries: usize,
        k: usize,
        into: &mut Vec<Vec<Hit>>,
    ) -> Result<(), GpuError> {
        let mut bytes = vec![0; queries * k * 8];
        self.lists.download(stream, 0, &mut bytes)?;
        let hit = |(score, row)| Hit { score, row: u64::from(row) };
        into.extend(
            bytes.chunks_exact(k * 8).map(|list| Key::read(list).filter_map(Key::found).map(hit).collect()),
        );
        Ok(())
    }
}
