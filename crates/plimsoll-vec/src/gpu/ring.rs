//! Room on a device for chunks that come and go.

use std::time::Duration;

use plimsoll::Bytes;
use plimsoll::pool::{Lease, Pool};
use plimsoll_device::{Fence, Stream};

use super::GpuError;
use super::pieces::{Chunk, Piece};
use super::settings::{FlatSettings, FlatShape};

/// How long the device may take for one chunk before it counts as one that never answers.
const PATIENCE: Duration = Duration::from_mins(1);

/// Slots, and the stream that fills them.
#[derive(Debug)]
pub(super) struct Ring {
    slots: Vec<Slot>,
    copies: Stream,
    /// Rows of a chunk.
    pub(super) rows: u64,
}

/// Room for one chunk.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) rows: Lease,
    pub(super) scales: Option<Lease>,
    /// When what is in it has come.
    arrived: Option<Fence>,
    /// When what was in it has been searched.
    searched: Option<Fence>,
}

impl Ring {
    pub(super) fn take(pool: &Pool, shape: &FlatShape, settings: FlatSettings) -> Result<Self, GpuError> {
        let device = pool.device();
        let rows = shape.rows_in(settings.chunk.min(device.facts().max_allocation));
        let sides = shape.form()?.side_bytes();
        let slot = |_| -> Result<Slot, GpuError> {
            let rows_lease = pool.lease(Bytes::new(rows * shape.codec.code_bytes(shape.dimension) as u64))?;
            let scales = (sides > 0).then(|| pool.lease(Bytes::new(rows * sides))).transpose()?;
            Ok(Slot { rows: rows_lease, scales, arrived: None, searched: None })
        };
        let slots = (0..settings.ring.max(2)).map(slot).collect::<Result<_, _>>()?;
        Ok(Self { slots, copies: device.stream()?, rows })
    }

    /// The first chunks set out.
    pub(super) fn start(
        &mut self,
        pool: &Pool,
        pieces: &mut [Piece],
        chunks: &[Chunk],
    ) -> Result<(), GpuError> {
        for (slot, chunk) in self.slots.iter_mut().zip(chunks) {
            slot.fill(pool, self.copies, &mut pieces[chunk.piece], chunk)?;
        }
        Ok(())
    }

    /// Lets every chunk come by, once they have been [started](Self::start): while one is searched, the next ones are on
    /// their way.
    pub(super) fn each(
        &mut self,
        pool: &Pool,
        pieces: &mut [Piece],
        chunks: &[Chunk],
        mut search: impl FnMut(&mut Slot, &Chunk) -> Result<Option<Fence>, GpuError>,
    ) -> Result<(), GpuError> {
        let count = self.slots.len();
        for (at, chunk) in chunks.iter().enumerate() {
            let slot = &mut self.slots[at % count];
            wait(pool, slot.arrived.take())?;
            slot.searched = search(slot, chunk)?;
            // The slot before this one has had the time of a copy to be searched.
            if let Some(before) = at.checked_sub(1)
                && let Some(next) = chunks.get(before + count)
            {
                let slot = &mut self.slots[before % count];
                slot.fill(pool, self.copies, &mut pieces[next.piece], next)?;
            }
        }
        Ok(())
    }
}

impl Slot {
    fn fill(
        &mut self,
        pool: &Pool,
        copies: Stream,
        piece: &mut Piece,
        chunk: &Chunk,
    ) -> Result<(), GpuError> {
        wait(pool, self.searched.take())?;
        let unit = piece.rows.bytes().get() / piece.room;
        let copy = |to: &mut Lease, from: &mut Lease, unit: u64| {
            to.copy_from(copies, 0, from, chunk.start * unit, Bytes::new(chunk.rows * unit))
        };
        self.arrived = copy(&mut self.rows, &mut piece.rows, unit)?;
        if let (Some(to), Some(from)) = (&mut self.scales, &mut piece.scales) {
            let side = from.bytes().get() / piece.room;
            self.arrived = copy(to, from, side)?;
        }
        Ok(())
    }
}

fn wait(pool: &Pool, fence: Option<Fence>) -> Result<(), GpuError> {
    match fence {
        Some(fence) => Ok(pool.device().wait(fence, PATIENCE)?),
        None => Ok(()),
    }
}
