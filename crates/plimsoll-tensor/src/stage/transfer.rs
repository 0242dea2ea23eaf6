//! Tensors that go to another stage.

use std::sync::Arc;

use plimsoll::Place;
use plimsoll_device::Stream;

use super::stage::{Memory, NOTHING_HERE, Stage};
use super::transit::Way;
use crate::compute::Done;
use crate::{Tensor, TensorError};

const WHAT: &str = "a copy to another stage";

impl Tensor {
    /// The same numbers on another stage: itself if that is where it is, a copy otherwise.
    ///
    /// Between a GPU and page-locked memory, or another GPU, the copy runs beside what both compute, on a stream of its own;
    /// this returns at once, and whoever uses the numbers first waits for them. So what is not needed for a while can
    /// leave a GPU, and come back before it is needed again. Other memory of the host is copied before this returns.
    pub fn to(&self, stage: &Stage) -> Result<Self, TensorError> {
        let from = self.stage();
        if from.is(stage) {
            return Ok(self.clone());
        }
        let whole = self.contiguous()?;
        let mut out = stage.tensor(&self.dims(), self.dtype())?;
        if !from.rehearses() && !stage.rehearses() {
            copy(&whole, &mut out)?;
        }
        Ok(out)
    }

    /// The numbers of another tensor, of the same sizes and kind, become this one's, wherever the two are. As with
    /// [`to`](Self::to) nobody waits for it who does not look at them.
    pub fn take_from(&mut self, from: &Self) -> Result<(), TensorError> {
        if from.dims() != self.dims() || from.dtype() != self.dtype() {
            let why = format!("{from:?} has not the sizes and kind of {self:?}");
            return Err(TensorError::shape(WHAT, why));
        }
        self.own()?;
        let (stage, whole) = (self.stage(), from.contiguous()?);
        if stage.rehearses() || whole.stage().rehearses() {
            return Ok(());
        }
        if whole.stage().is(&stage) {
            return stage.run(|compute| compute.copy(&whole, self));
        }
        copy(&whole, self)
    }
}

fn copy(from: &Tensor, to: &mut Tensor) -> Done {
    let (source, target) = (from.stage(), to.stage());
    let (one, other) = (source.memory()?, target.memory()?);
    match (one.stream, other.stream) {
        (None, None) => {
            let bytes = bytes_of(from)?;
            target.run(|compute| compute.write(to, 0, bytes))
        }
        (None, Some(_)) if one.pool.place() != Place::Pinned => {
            let bytes = bytes_of(from)?;
            target.run(|compute| compute.write(to, 0, bytes))
        }
        (Some(_), None) if other.pool.place() != Place::Pinned => {
            let storage = Arc::get_mut(&mut to.storage).ok_or(TensorError::Shared { what: WHAT })?;
            let bytes = storage.bytes_mut(WHAT)?;
            one.compute.fetch(from, bytes)
        }
        (Some(_), _) => beside(&source, &target, one, from, to),
        (None, Some(_)) => beside(&source, &target, other, from, to),
    }
}

fn bytes_of(tensor: &Tensor) -> Result<&[u8], TensorError> {
    let width = tensor.dtype().bytes();
    let number = |count: u64| usize::try_from(count * width).unwrap_or(usize::MAX);
    let all = tensor.storage.bytes(WHAT)?;
    Ok(&all[number(tensor.offset)..][..number(tensor.count())])
}

/// Copies on the road of `mover`, behind what both stages were asked for so far.
fn beside(source: &Stage, target: &Stage, mover: &Memory, from: &Tensor, to: &mut Tensor) -> Done {
    let bytes = from.count() * from.dtype().bytes();
    let road = mover.road()?;
    let start = ready(source, mover, road, from, false)? + from.offset * from.dtype().bytes();
    let end = ready(target, mover, road, to, true)? + to.offset * to.dtype().bytes();
    mover.compute.carry(road, start, end, bytes)?;
    let fence = mover.pool.device().fence(road)?;
    source.memory()?.note(start..start + bytes, Way::Leaving, fence);
    target.memory()?.note(end..end + bytes, Way::Arriving, fence);
    Ok(())
}

/// Where a tensor's storage begins, with the road behind whatever may still have it.
fn ready(
    stage: &Stage,
    mover: &Memory,
    road: Stream,
    tensor: &Tensor,
    writes: bool,
) -> Result<u64, TensorError> {
    let memory = stage.memory()?;
    if memory.stream.is_none() {
        // The host is not kept waiting by copies of what it does not look at: the road goes behind them.
        let range = tensor.storage.range(WHAT)?;
        for fence in memory.transits.of(&range, writes) {
            if fence.stream != road {
                mover.compute.follow(road, fence)?;
            }
        }
        return Ok(range.start);
    }
    // First, because the stage may still have to order itself behind earlier copies of the same memory.
    let start = if writes { tensor.storage.address_mut(WHAT)? } else { tensor.storage.address(WHAT)? };
    if let Some(fence) = stage.behind_work()? {
        mover.compute.follow(road, fence)?;
    }
    Ok(start)
}

impl Memory {
    /// The stream that copies to and from other stages are put on.
    pub(super) fn road(&self) -> Result<Stream, TensorError> {
        if let Some(road) = self.road.get() {
            return Ok(*road);
        }
        let road = self.pool.device().stream()?;
        Ok(*self.road.get_or_init(|| road))
    }

    pub(super) fn note(&self, range: std::ops::Range<u64>, way: Way, fence: plimsoll_device::Fence) {
        let device = self.pool.device();
        self.transits.add(range, way, fence, |fence| device.signalled(fence).unwrap_or(false));
    }
}

impl Stage {
    pub(super) fn memory(&self) -> Result<&Memory, TensorError> {
        self.inner.memory.as_ref().ok_or(NOTHING_HERE)
    }

    /// A fence behind all work so far, where work is not done at once.
    pub(super) fn behind_work(&self) -> Result<Option<plimsoll_device::Fence>, TensorError> {
        let memory = self.memory()?;
        Ok(memory.stream.map(|stream| memory.pool.device().fence(stream)).transpose()?)
    }
}
