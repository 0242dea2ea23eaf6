//! Reading latents back on a device.

use std::time::Duration;

use plimsoll::Bytes;
use plimsoll::pool::{ExpandIn, Lease, Pool};
use plimsoll_device::kernels::expand::{DEPTH_MAX, ExpandShape};
use plimsoll_device::{Fence, Stream};

use super::codec::scale_most;
use super::{LatentRows, NeuralError, NeuralShape, Weights, view};
use crate::code::CodeError;

/// What arrives at a time of rows that go to the host: a link takes half a millisecond and more for it.
const CHUNK: Bytes = Bytes::mib(32);
/// Chunks on the device: one is made, one is on its way, and one is in between.
const SLOTS: usize = 3;
/// How long the device may take for one chunk before it counts as one that never answers.
const PATIENCE: Duration = Duration::from_mins(1);

/// Reads latents back into rows, on a device.
///
/// # What it does not do
/// It codes nothing: [`NeuralCodec`](super::NeuralCodec) does, on the host, and its rows are these but for the last places.
///
/// # Who owns what
/// It owns leases of the pool that it was made on: the matrix, and what kernels work in. Latents and rows are leases of the
/// caller; where rows go to the host, there is a ring of three chunks beside.
///
/// # Formula
/// `4 · D (L + 1)`, the device's [`expand_desk`](plimsoll_device::Kernels::expand_desk), and for [`decode_to`](Self::decode_to)
/// three times 32 MiB and `L + 4` bytes for each row of those.
#[derive(Debug)]
pub struct DeviceDecoder {
    shape: NeuralShape,
    pool: Pool,
    matrix: Lease,
    offsets: Lease,
    desk: Lease,
    stream: Stream,
    copies: Stream,
    slots: Vec<Slot>,
    /// A scale above this could lead beyond singles.
    scale_most: f32,
}

/// Latents on the device.
#[derive(Debug)]
pub struct DeviceLatents {
    /// The levels, row after row.
    pub levels: Lease,
    /// The scales.
    pub scales: Lease,
    /// How many.
    pub rows: usize,
}

#[derive(Debug)]
struct Slot {
    latents: DeviceLatents,
    rows: Lease,
    /// When what was in it has left.
    left: Option<Fence>,
}

impl DeviceDecoder {
    /// The decoder of some weights, on the device of a pool.
    pub fn new(weights: &Weights, pool: &Pool) -> Result<Self, NeuralError> {
        let shape = weights.shape();
        let device = pool.device();
        let able = device.kernels().filter(|kernels| kernels.expands());
        let Some(kernels) = able else {
            return Err(NeuralError::NoKernels { device: device.facts().name.clone() });
        };
        if shape.latent as u64 > u64::from(DEPTH_MAX) {
            return Err(NeuralError::Latent { latent: shape.latent, dimension: shape.dimension });
        }
        let desk = kernels.expand_desk(&expansion(shape, 1));
        let stream = device.stream().map_err(plimsoll::pool::LeaseError::from)?;
        let copies = device.stream().map_err(plimsoll::pool::LeaseError::from)?;
        let put = |numbers: &[f32]| -> Result<Lease, NeuralError> {
            let mut lease = pool.lease(Bytes::new(numbers.len() as u64 * 4))?;
            lease.upload(stream, 0, view::bytes(numbers))?;
            Ok(lease)
        };
        let (matrix, offsets) = (put(weights.decoder())?, put(weights.mean())?);
        let (desk, scale_most) = (pool.lease(desk)?, scale_most(weights));
        Ok(Self {
            shape,
            pool: pool.clone(),
            matrix,
            offsets,
            desk,
            stream,
            copies,
            slots: Vec::new(),
            scale_most,
        })
    }

    /// How long vectors and latents are.
    pub fn shape(&self) -> NeuralShape {
        self.shape
    }

    /// Room on the device for so many latents.
    pub fn room(&self, rows: usize) -> Result<DeviceLatents, NeuralError> {
        let levels = self.pool.lease(Bytes::new((rows * self.shape.latent) as u64))?;
        Ok(DeviceLatents { levels, scales: self.pool.lease(Bytes::new(rows as u64 * 4))?, rows })
    }

    /// Puts latents there.
    pub fn put(&self, latents: LatentRows<'_>, into: &mut DeviceLatents) -> Result<(), NeuralError> {
        let (latent, rows) = (self.shape.latent, latents.rows());
        if latents.latent() != latent || rows > into.rows {
            let (levels, scales) = (latents.levels().len(), rows);
            return Err(NeuralError::Latents { levels, scales, latent });
        }
        let most = 0.0..=self.scale_most;
        if let Some(row) = latents.scales().iter().position(|scale| !most.contains(scale)) {
            return Err(NeuralError::Scale { row, scale: latents.scales()[row] });
        }
        into.levels.upload(self.stream, 0, view::levels(latents.levels()))?;
        into.scales.upload(self.stream, 0, view::bytes(latents.scales()))?;
        Ok(())
    }

    /// Puts on the decoder's stream: the first rows of latents on the device become rows there. The target is kept until that
    /// is done.
    pub fn decode(
        &mut self,
        latents: &mut DeviceLatents,
        rows: usize,
        target: &mut Lease,
    ) -> Result<Option<Fence>, NeuralError> {
        let ask = ExpandIn {
            shape: expansion(self.shape, rows.min(latents.rows)),
            levels: &mut latents.levels,
            scales: &mut latents.scales,
            matrix: &mut self.matrix,
            offsets: &mut self.offsets,
            desk: &mut self.desk,
        };
        Ok(target.expand_from(self.stream, ask)?)
    }

    /// Reads latents of the host back into memory of the host that the device reaches (page-locked, for CUDA), from its
    /// beginning, row after row: while some are decoded, others are on their way. Returns when all are there.
    pub fn decode_to(&mut self, latents: LatentRows<'_>, into: &mut Lease) -> Result<(), NeuralError> {
        let NeuralShape { dimension, latent, .. } = self.shape;
        let row = dimension as u64 * 4;
        let numbers = latents.rows().saturating_mul(dimension);
        if (into.bytes().get() / 4) < numbers as u64 {
            let places = (into.bytes().get() / 4).try_into().unwrap_or(usize::MAX);
            return Err(CodeError::Target { numbers, places }.into());
        }
        let at_once = usize::try_from((CHUNK.get() / row).max(1)).unwrap_or(usize::MAX);
        let mut slots = std::mem::take(&mut self.slots);
        while slots.len() < SLOTS.min(latents.rows().div_ceil(at_once)) {
            let rows = self.pool.lease(Bytes::new(at_once as u64 * row))?;
            slots.push(Slot { latents: self.room(at_once)?, rows, left: None });
        }
        let parts = latents.levels().chunks(at_once * latent).zip(latents.scales().chunks(at_once));
        let mut last = None;
        for (number, (levels, scales)) in parts.enumerate() {
            let count = slots.len();
            let slot = &mut slots[number % count];
            self.wait(slot.left.take())?;
            self.put(LatentRows::new(levels, scales, latent)?, &mut slot.latents)?;
            let made = self.decode(&mut slot.latents, scales.len(), &mut slot.rows)?;
            self.wait(made)?;
            let (to, bytes) = ((number * at_once) as u64 * row, scales.len() as u64 * row);
            last = into.copy_from(self.copies, to, &mut slot.rows, 0, Bytes::new(bytes))?;
            slot.left = last;
        }
        self.wait(last)?;
        self.slots = slots;
        Ok(())
    }

    fn wait(&self, fence: Option<Fence>) -> Result<(), NeuralError> {
        match fence {
            Some(fence) => {
                Ok(self.pool.device().wait(fence, PATIENCE).map_err(plimsoll::pool::LeaseError::from)?)
            }
            None => Ok(()),
        }
    }
}

fn expansion(shape: NeuralShape, rows: usize) -> ExpandShape {
    let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    ExpandShape { rows: narrow(rows), depth: narrow(shape.latent), width: narrow(shape.dimension) }
}
