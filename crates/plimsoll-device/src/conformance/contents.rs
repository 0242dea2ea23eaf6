//! Bytes: read, write, upload, download, copy and fill, at every odd place and size.

use super::Check;
use super::trial::{Stop, Trial, index, must, pattern, refused};
use crate::{DeviceError, StorageMode, Stream};

pub(super) const CHECKS: &[Check] = &[
    Check { name: "the host reads and writes at any offset", run: host_access },
    Check { name: "upload and download move any size at any offset", run: transfers },
    Check { name: "copies move what they are asked and nothing else", run: copies },
    Check { name: "copies within one region", run: within },
    Check { name: "overlapping copies are refused", run: overlap },
    Check { name: "fills write what they are asked and nothing else", run: fills },
    Check { name: "large transfers arrive whole", run: large },
    Check { name: "sizes that differ are refused", run: mismatch },
    Check { name: "no bytes are no work", run: nothing },
    Check { name: "bytes outside a region are refused", run: bounds },
];

/// Offsets and sizes that trip code which works in words, lines or pages.
const PLACES: [(u64, u64); 10] =
    [(0, 1), (1, 1), (3, 7), (0, 4096), (1, 4095), (63, 65), (255, 258), (4093, 11), (5000, 3191), (1, 8190)];
const SIZE: u64 = 8192;

fn host_access(trial: &Trial<'_>) -> Result<(), Stop> {
    let region = trial.allocate(SIZE, trial.shared()?)?;
    let mut wanted = pattern(index(SIZE), 10);
    must("writing", trial.device.write(region.whole(), &wanted))?;
    for ((start, bytes), seed) in PLACES.into_iter().zip(11..) {
        let new = pattern(index(bytes), seed);
        let part = region.part(start, start + bytes)?;
        must("writing a part", trial.device.write(part, &new))?;
        wanted[index(start)..index(start + bytes)].copy_from_slice(&new);
        let mut found = vec![0; index(bytes)];
        must("reading a part", trial.device.read(part, &mut found))?;
        trial.same("reading a part back", &found, &new)?;
    }
    let mut found = vec![0; index(SIZE)];
    must("reading", trial.device.read(region.whole(), &mut found))?;
    trial.same("around what was written", &found, &wanted)
}

fn transfers(trial: &Trial<'_>) -> Result<(), Stop> {
    for mode in trial.modes()? {
        let region = trial.allocate(SIZE, mode)?;
        let mut wanted = pattern(index(SIZE), 20);
        trial.put(region.whole(), &wanted)?;
        for ((start, bytes), seed) in PLACES.into_iter().zip(21..) {
            let new = pattern(index(bytes), seed);
            let part = region.part(start, start + bytes)?;
            must("uploading a part", trial.device.upload(Stream(0), &new, part))?;
            wanted[index(start)..index(start + bytes)].copy_from_slice(&new);
            trial.holds("downloading a part", part, &new)?;
        }
        trial.holds("around what was uploaded", region.whole(), &wanted)?;
    }
    Ok(())
}

fn copies(trial: &Trial<'_>) -> Result<(), Stop> {
    for mode in trial.modes()? {
        let (source, target) = (trial.allocate(SIZE, mode)?, trial.allocate(SIZE, mode)?);
        let from = pattern(index(SIZE), 30);
        let mut wanted = pattern(index(SIZE), 31);
        trial.put(source.whole(), &from)?;
        trial.put(target.whole(), &wanted)?;
        for (n, (start, bytes)) in PLACES.into_iter().enumerate() {
            let (to, _) = PLACES[PLACES.len() - 1 - n];
            let to = to.min(SIZE - bytes);
            let copied = trial.device.copy(
                Stream(0),
                source.part(start, start + bytes)?,
                target.part(to, to + bytes)?,
            );
            must("copying a part", copied)?;
            wanted[index(to)..index(to + bytes)].copy_from_slice(&from[index(start)..index(start + bytes)]);
            trial.holds(
                &format!("after copying {bytes} bytes from {start} to {to}"),
                target.whole(),
                &wanted,
            )?;
        }
        trial.holds("the source of copies", source.whole(), &from)?;
    }
    Ok(())
}

fn within(trial: &Trial<'_>) -> Result<(), Stop> {
    let region = trial.allocate(SIZE, trial.any_mode()?)?;
    let mut wanted = pattern(index(SIZE), 40);
    trial.put(region.whole(), &wanted)?;
    // Apart, then side by side in both directions.
    for (from, to, bytes) in [(0, 5000, 1001), (1000, 2000, 1000), (3000, 2500, 500)] {
        let (source, target) = (region.part(from, from + bytes)?, region.part(to, to + bytes)?);
        must("copying within a region", trial.device.copy(Stream(0), source, target))?;
        wanted.copy_within(index(from)..index(from + bytes), index(to));
    }
    trial.holds("after copies within a region", region.whole(), &wanted)
}

fn overlap(trial: &Trial<'_>) -> Result<(), Stop> {
    let region = trial.allocate(SIZE, trial.any_mode()?)?;
    let wanted = pattern(index(SIZE), 41);
    trial.put(region.whole(), &wanted)?;
    for (from, to, bytes) in [(0, 0, SIZE), (0, 99, 100), (99, 0, 100), (10, 10, 1)] {
        let (source, target) = (region.part(from, from + bytes)?, region.part(to, to + bytes)?);
        refused!(
            &format!("copying {bytes} bytes from {from} to {to} of one region"),
            trial.device.copy(Stream(0), source, target),
            DeviceError::Overlap
        );
    }
    trial.holds("after what was refused", region.whole(), &wanted)
}

fn fills(trial: &Trial<'_>) -> Result<(), Stop> {
    for mode in trial.modes()? {
        let region = trial.allocate(SIZE, mode)?;
        let mut wanted = pattern(index(SIZE), 50);
        trial.put(region.whole(), &wanted)?;
        for ((start, bytes), value) in PLACES.into_iter().zip([0, 1, 0x5a, 0xff].into_iter().cycle()) {
            let part = region.part(start, start + bytes)?;
            must("filling a part", trial.device.fill(Stream(0), part, value))?;
            wanted[index(start)..index(start + bytes)].fill(value);
            trial.holds(&format!("after filling {bytes} bytes at {start}"), region.whole(), &wanted)?;
        }
    }
    Ok(())
}

fn large(trial: &Trial<'_>) -> Result<(), Stop> {
    let bytes = trial.options.bytes_max.get() / 2 - 1;
    for mode in trial.modes()? {
        let (source, target) = (trial.allocate(bytes, mode)?, trial.allocate(bytes, mode)?);
        let wanted = pattern(index(bytes), 60);
        trial.put(source.whole(), &wanted)?;
        must("filling", trial.device.fill(Stream(0), target.whole(), 0))?;
        must("copying", trial.device.copy(Stream(0), source.whole(), target.whole()))?;
        trial.holds("after a large copy", target.whole(), &wanted)?;
    }
    Ok(())
}

fn mismatch(trial: &Trial<'_>) -> Result<(), Stop> {
    let (device, stream) = (trial.device, Stream(0));
    let region = trial.allocate(SIZE, trial.any_mode()?)?;
    let (eight, nine) = (region.part(0, 8)?, region.part(100, 109)?);
    refused!("copying 8 bytes to 9", device.copy(stream, eight, nine), DeviceError::SizeMismatch { .. });
    refused!("copying 9 bytes to 8", device.copy(stream, nine, eight), DeviceError::SizeMismatch { .. });
    refused!(
        "uploading 9 bytes to 8",
        device.upload(stream, &[0; 9], eight),
        DeviceError::SizeMismatch { .. }
    );
    refused!(
        "downloading 8 bytes to 9",
        device.download(stream, eight, &mut [0; 9]),
        DeviceError::SizeMismatch { .. }
    );
    if !trial.modes()?.contains(&StorageMode::Shared) {
        return Ok(());
    }
    let region = trial.allocate(SIZE, StorageMode::Shared)?;
    let eight = region.part(0, 8)?;
    refused!("reading 8 bytes to 9", device.read(eight, &mut [0; 9]), DeviceError::SizeMismatch { .. });
    refused!("writing 7 bytes to 8", device.write(eight, &[0; 7]), DeviceError::SizeMismatch { .. });
    Ok(())
}

fn nothing(trial: &Trial<'_>) -> Result<(), Stop> {
    let (device, stream) = (trial.device, Stream(0));
    let mode = trial.any_mode()?;
    let region = trial.allocate(SIZE, mode)?;
    let wanted = pattern(index(SIZE), 70);
    trial.put(region.whole(), &wanted)?;
    for at in [0, 17, SIZE] {
        let (none, other) = (region.part(at, at)?, region.part(1, 1)?);
        must("copying nothing", device.copy(stream, none, other))?;
        must("filling nothing", device.fill(stream, none, 1))?;
        must("uploading nothing", device.upload(stream, &[], none))?;
        must("downloading nothing", device.download(stream, none, &mut []))?;
        if mode != crate::StorageMode::Private {
            must("reading nothing", device.read(none, &mut []))?;
            must("writing nothing", device.write(none, &[]))?;
        }
    }
    trial.holds("after nothing", region.whole(), &wanted)
}

fn bounds(trial: &Trial<'_>) -> Result<(), Stop> {
    let region = trial.allocate(100, trial.any_mode()?)?;
    for range in [0..101, 100..101, 101..101, u64::MAX - 1..u64::MAX] {
        refused!(
            &format!("taking bytes {range:?} of 100"),
            region.span(range),
            DeviceError::OutOfBounds { .. }
        );
    }
    #[expect(clippy::reversed_empty_ranges, reason = "it is to be refused")]
    let backwards = 5..3;
    refused!("taking bytes 5..3", region.span(backwards), DeviceError::OutOfBounds { .. });
    Ok(())
}
