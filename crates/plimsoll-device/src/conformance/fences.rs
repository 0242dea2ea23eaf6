//! Order: streams, fences, and memory that is freed under work.

use std::time::Duration;

use super::Check;
use super::trial::{Stop, Trial, must, pattern, refused, so, was};
use crate::{DeviceError, Fence, StorageMode, Stream};

pub(super) const CHECKS: &[Check] = &[
    Check { name: "work on one stream runs in order", run: in_order },
    Check { name: "streams are counted apart", run: apart },
    Check { name: "fences count up and imply those before", run: monotone },
    Check { name: "a fence is not early", run: not_early },
    Check { name: "a fence orders one stream before another", run: across },
    Check { name: "waiting no time tells whether it is signalled", run: no_time },
    Check { name: "a fence that was never issued is refused", run: unknown_fence },
    Check { name: "a stream that does not exist is refused", run: unknown_stream },
    Check { name: "what is freed under a copy is still copied", run: freed_under_copy },
];

fn in_order(trial: &Trial<'_>) -> Result<(), Stop> {
    const STEP: u64 = 100;
    let device = trial.device;
    let stream = must("opening a stream", device.stream())?;
    for mode in trial.modes()? {
        let scratch = trial.allocate(STEP, mode)?;
        let log = trial.allocate(STEP * 64, mode)?;
        for n in 0..64_u8 {
            let at = u64::from(n) * STEP;
            must("filling", device.fill(stream, scratch.whole(), n))?;
            must("copying", device.copy(stream, scratch.whole(), log.part(at, at + STEP)?))?;
            if n % 8 == 7 {
                let from = pattern(usize::try_from(STEP).unwrap_or(0), u64::from(n));
                must("uploading", device.upload(stream, &from, scratch.whole()))?;
                must("copying", device.copy(stream, scratch.whole(), log.part(at, at + STEP)?))?;
            }
        }
        trial.settle(stream)?;
        let found = trial.get(log.whole())?;
        for (n, found) in (0..64_u8).zip(found.chunks(100)) {
            let wanted = if n % 8 == 7 { pattern(100, u64::from(n)) } else { vec![n; 100] };
            trial.same(&format!("step {n} of a long queue"), found, &wanted)?;
        }
    }
    Ok(())
}

fn apart(trial: &Trial<'_>) -> Result<(), Stop> {
    let open = || must("opening a stream", trial.device.stream());
    let fence = |stream| must("putting a fence on a stream", trial.device.fence(stream));
    let (a, b) = (open()?, open()?);
    so("two streams", a != b && a != Stream(0) && b != Stream(0), was((a, b)))?;
    let (first, second, other) = (fence(a)?, fence(a)?, fence(b)?);
    for (what, fence, stream, seq) in [
        ("the first fence of a stream", first, a, 1),
        ("the second", second, a, 2),
        ("the first of another stream", other, b, 1),
    ] {
        so(what, fence == Fence { stream, seq }, was(fence))?;
    }
    trial.settle(a)?;
    trial.settle(b)
}

fn monotone(trial: &Trial<'_>) -> Result<(), Stop> {
    let device = trial.device;
    let stream = must("opening a stream", device.stream())?;
    let region = trial.allocate(1 << 16, trial.any_mode()?)?;
    let mut fences: Vec<Fence> = Vec::new();
    for value in 0..20 {
        must("filling", device.fill(stream, region.whole(), value))?;
        let fence = must("putting a fence on a stream", device.fence(stream))?;
        if let Some(before) = fences.last() {
            let later = fence.seq == before.seq + 1 && fence.implies(*before);
            so("a later fence", later, was((before, fence)))?;
        }
        fences.push(fence);
    }
    // Looked at from the last to the first, each that is signalled must have all before it signalled.
    let seen = fences.iter().rev().map(|&fence| device.signalled(fence));
    let seen = must("asking for fences", seen.collect::<Result<Vec<_>, _>>())?;
    so("fences out of order", seen.is_sorted(), was(&seen))?;
    must("waiting", device.wait(fences[12], trial.options.patience))?;
    for &fence in &fences[..=12] {
        let is = must("asking for a fence", device.signalled(fence))?;
        so("a fence before one that was waited for", is, was(fence))?;
    }
    trial.settle(stream)
}

/// A large copy, then a fence: the moment it is signalled the bytes must be there.
fn not_early(trial: &Trial<'_>) -> Result<(), Stop> {
    let device = trial.device;
    let stream = must("opening a stream", device.stream())?;
    let size = trial.options.bytes_max.get() / 2;
    let (source, target) = (trial.allocate(size, trial.any_mode()?)?, trial.allocate(size, trial.shared()?)?);
    let mut tail = [0; 64];
    for value in 1..=8 {
        must("filling", device.fill(stream, source.whole(), value))?;
        must("copying", device.copy(stream, source.whole(), target.whole()))?;
        let fence = must("putting a fence on a stream", device.fence(stream))?;
        let mut looks = 0;
        while !must("asking for a fence", device.signalled(fence))? && looks < 100 {
            looks += 1;
            std::thread::yield_now();
        }
        must("waiting", device.wait(fence, trial.options.patience))?;
        let end = target.part(size - 64, size)?;
        must("reading", device.read(end, &mut tail))?;
        trial.same("reading once a fence was signalled", &tail, &[value; 64])?;
        let is = must("asking for a fence", device.signalled(fence))?;
        so("a fence after it was waited for", is, was(false))?;
    }
    Ok(())
}

fn across(trial: &Trial<'_>) -> Result<(), Stop> {
    let device = trial.device;
    let (first, second) =
        (must("opening a stream", device.stream())?, must("opening a stream", device.stream())?);
    let size = trial.options.bytes_max.get() / 4;
    let mode = *trial.modes()?.last().unwrap_or(&StorageMode::Shared);
    let (a, b) = (trial.allocate(size, mode)?, trial.allocate(size, mode)?);
    for value in 1..=4_u8 {
        must("filling", device.fill(first, a.whole(), value))?;
        trial.settle(first)?;
        must("copying", device.copy(second, a.whole(), b.whole()))?;
        let mut found = vec![0; b.bytes().as_usize()];
        must("downloading", device.download(second, b.whole(), &mut found))?;
        let wanted = vec![value; found.len()];
        trial.same("on a stream that waited for another", &found, &wanted)?;
    }
    Ok(())
}

fn no_time(trial: &Trial<'_>) -> Result<(), Stop> {
    let device = trial.device;
    let region = trial.allocate(trial.options.bytes_max.get() / 2, trial.any_mode()?)?;
    must("filling", device.fill(Stream(0), region.whole(), 1))?;
    let fence = must("putting a fence on a stream", device.fence(Stream(0)))?;
    match device.wait(fence, Duration::ZERO) {
        Ok(()) => {
            let is = must("asking for a fence", device.signalled(fence))?;
            so("a fence that was waited for", is, was(false))?;
        }
        waited => refused!("waiting no time", waited, DeviceError::FenceTimeout { .. }),
    }
    must("waiting long", device.wait(fence, trial.options.patience))?;
    must("waiting again", device.wait(fence, Duration::ZERO))
}

fn unknown_fence(trial: &Trial<'_>) -> Result<(), Stop> {
    let stream = must("opening a stream", trial.device.stream())?;
    let fence = Fence { stream, seq: 1000 };
    refused!("asking", trial.device.signalled(fence), DeviceError::UnknownFence(_));
    refused!("waiting", trial.device.wait(fence, Duration::from_millis(1)), DeviceError::UnknownFence(_));
    Ok(())
}

fn unknown_stream(trial: &Trial<'_>) -> Result<(), Stop> {
    let (device, none) = (trial.device, Stream(u32::MAX));
    let region = trial.allocate(100, trial.any_mode()?)?;
    let (a, b) = (region.part(0, 8)?, region.part(8, 16)?);
    let fence = Fence { stream: none, seq: 1 };
    refused!("copying", device.copy(none, a, b), DeviceError::UnknownStream(_));
    refused!("filling", device.fill(none, a, 0), DeviceError::UnknownStream(_));
    refused!("uploading", device.upload(none, &[0; 8], a), DeviceError::UnknownStream(_));
    refused!("downloading", device.download(none, a, &mut [0; 8]), DeviceError::UnknownStream(_));
    refused!("putting a fence", device.fence(none), DeviceError::UnknownStream(_));
    refused!("asking", device.signalled(fence), DeviceError::UnknownStream(_));
    refused!("waiting", device.wait(fence, Duration::ZERO), DeviceError::UnknownStream(_));
    Ok(())
}

/// The source is freed, and memory like it is taken and overwritten, while the copy may still run.
fn freed_under_copy(trial: &Trial<'_>) -> Result<(), Stop> {
    let device = trial.device;
    let size = trial.options.bytes_max.get() / 4;
    let (work, other) =
        (must("opening a stream", device.stream())?, must("opening a stream", device.stream())?);
    for mode in trial.modes()? {
        for seed in 0..3 {
            let (source, target) = (trial.allocate(size, mode)?, trial.allocate(size, mode)?);
            let wanted = pattern(source.bytes().as_usize(), seed);
            trial.put(source.whole(), &wanted)?;
            must("copying", device.copy(work, source.whole(), target.whole()))?;
            source.give_back()?;
            let next = trial.allocate(size, mode)?;
            must("filling what may be the same memory", device.fill(other, next.whole(), 0))?;
            trial.settle(other)?;
            trial.settle(work)?;
            trial.holds("what was copied from freed memory", target.whole(), &wanted)?;
        }
    }
    Ok(())
}
