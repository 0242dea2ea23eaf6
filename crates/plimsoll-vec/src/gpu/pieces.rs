//! Rows where they lie for good: in as many leases as the device's largest allocation makes of them.

use plimsoll::Bytes;
use plimsoll::pool::{Lease, Pool, SquaresIn};
use plimsoll_device::Stream;
use plimsoll_device::kernels::nearest::Form;

use super::GpuError;
use super::desk::kernels;
use super::settings::{FlatShape, STEP};
use crate::{BLOCK_ROWS, Coder, Layout};

/// A run of rows.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) rows: Lease,
    pub(super) scales: Option<Lease>,
    /// Squares of rows, where searches want them, and of how many they are there.
    pub(super) squares: Option<Lease>,
    squared: u64,
    /// The number of its first row.
    pub(super) first: u64,
    /// How many it has room for.
    pub(super) room: u64,
}

/// All rows.
#[derive(Debug)]
pub(super) struct Pieces {
    pub(super) all: Vec<Piece>,
    coder: Coder,
    /// Rows that are there.
    pub(super) filled: u64,
    /// A block as the coder writes it.
    block: Vec<u8>,
}

/// Some rows of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) piece: usize,
    /// Where in the piece.
    pub(super) start: u64,
    pub(super) rows: u64,
    /// The number of its first row.
    pub(super) first: u64,
}

impl Pieces {
    /// Room for all rows of a shape; with that for their squares, where they are searched in place.
    pub(super) fn take(pool: &Pool, shape: &FlatShape, squares: bool) -> Result<Self, GpuError> {
        let most = pool.device().facts().max_allocation;
        let at_once = shape.rows_in(most);
        let form = shape.form()?;
        let sides = form.side_bytes();
        if form == Form::Sign {
            return Err(GpuError::Codec { codec: shape.codec });
        }
        let squares = squares && kernels(pool)?.wants_squares(&shape.search(1, 1, 1)?);
        let mut all = Vec::new();
        let mut first = 0;
        while first < u64::from(shape.rows) {
            let room = at_once.min(u64::from(shape.rows) - first);
            let rows = pool.lease(Bytes::new(room * shape.codec.code_bytes(shape.dimension) as u64))?;
            let beside = |bytes: u64| (bytes > 0).then(|| pool.lease(Bytes::new(room * bytes))).transpose();
            let (scales, squares) = (beside(sides)?, beside(if squares { 4 } else { 0 })?);
            all.push(Piece { rows, scales, squares, squared: 0, first, room });
            first += room;
        }
        let coder = Coder::new(shape.codec, shape.metric, shape.dimension)?;
        let block = vec![0; coder.layout().block_bytes()];
        Ok(Self { all, coder, filled: 0, block })
    }

    /// Puts vectors behind those that are there. On a stream, or, where there is none, by the host.
    pub(super) fn push(&mut self, vectors: &[f32], stream: Option<Stream>) -> Result<(), GpuError> {
        let layout = self.coder.layout();
        for part in vectors.chunks(BLOCK_ROWS * layout.dimension()) {
            let rows = (part.len() / layout.dimension()) as u64;
            self.coder.encode(part, 0, &mut self.block)?;
            let mut done = 0;
            while done < rows {
                let at = self.filled;
                let Some(piece) = self.all.iter_mut().find(|piece| at < piece.first + piece.room) else {
                    break;
                };
                let count = (piece.first + piece.room - at).min(rows - done);
                piece.put(&layout, &self.block, done, at, count, stream)?;
                done += count;
                self.filled += count;
            }
        }
        Ok(())
    }

    /// Makes the squares of rows that came since they were made last, where they are kept.
    pub(super) fn square(&mut self, shape: &FlatShape, stream: Stream) -> Result<(), GpuError> {
        for piece in &mut self.all {
            let there = self.filled.saturating_sub(piece.first).min(piece.room);
            let Some(squares) = piece.squares.as_mut().filter(|_| piece.squared < there) else { continue };
            // Where operands start: some are made again.
            let from = piece.squared / STEP * STEP;
            let shape = shape.search(there - from, 1, 1)?;
            let scales = piece.scales.as_mut().map(|scales| (scales, from * shape.form.side_bytes()));
            let rows = (&mut piece.rows, from * shape.row_bytes());
            squares.squares_from(stream, from * 4, SquaresIn { shape, rows, scales })?;
            piece.squared = there;
        }
        Ok(())
    }

    /// Rows that are there, so many at a time.
    pub(super) fn chunks(&self, at_once: u64) -> Vec<Chunk> {
        let mut chunks = Vec::new();
        for (piece, of) in self.all.iter().enumerate() {
            let there = self.filled.saturating_sub(of.first).min(of.room);
            let mut start = 0;
            while start < there {
                let rows = at_once.min(there - start);
                chunks.push(Chunk { piece, start, rows, first: of.first + start });
                start += rows;
            }
        }
        chunks
    }
}

impl Piece {
    /// Rows `from..from + count` of a block become those from number `at` on.
    fn put(
        &mut self,
        layout: &Layout,
        block: &[u8],
        from: u64,
        at: u64,
        count: u64,
        stream: Option<Stream>,
    ) -> Result<(), GpuError> {
        let (codes, sides) = block.split_at(layout.first_bytes() * BLOCK_ROWS);
        put(&mut self.rows, codes, layout.first_bytes() as u64, (from, at - self.first, count), stream)?;
        match &mut self.scales {
            Some(scales) => {
                put(scales, sides, layout.codec().side_bytes() as u64, (from, at - self.first, count), stream)
            }
            None => Ok(()),
        }
    }
}

fn put(
    lease: &mut Lease,
    bytes: &[u8],
    unit: u64,
    (from, at, count): (u64, u64, u64),
    stream: Option<Stream>,
) -> Result<(), GpuError> {
    let index = |units: u64| Bytes::new(units * unit).as_usize();
    let bytes = &bytes[index(from)..index(from + count)];
    match stream {
        Some(stream) => lease.upload(stream, at * unit, bytes).map(drop)?,
        None => lease.write(at * unit, bytes)?,
    }
    Ok(())
}
