//! Growable ranges.

use std::ops::Range;

use super::Check;
use super::trial::{Held, Stop, Trial, must, pattern, refused, so, was};
use crate::{Bytes, DeviceError, StorageMode, Stream};

pub(super) const CHECKS: &[Check] = &[
    Check { name: "a range is whole granules, or unsupported", run: reserve },
    Check { name: "a range is used, given back and used again", run: cycle },
    Check { name: "a granule is backed once and given back once", run: twice },
    Check { name: "parts that are not whole granules are refused", run: unaligned },
    Check { name: "bytes that are not backed are refused", run: unbacked },
    Check { name: "neighbours that are backed are one memory", run: joined },
    Check { name: "backing moves from one part to another", run: remap },
    Check { name: "an allocation is not a range", run: not_a_range },
    Check { name: "running out while backing leaves the range usable", run: exhausted },
];

fn offered(trial: &Trial<'_>) -> Result<u64, Stop> {
    if trial.facts().capabilities.growable_ranges {
        Ok(trial.facts().granule)
    } else {
        Err(Stop::Skipped("the device has no growable ranges"))
    }
}

fn range_of<'t>(trial: &'t Trial<'_>, granules: u64, mode: StorageMode) -> Result<Held<'t>, Stop> {
    let bytes = Bytes::new(granules * offered(trial)?);
    let region = must("reserving a range", trial.device.reserve(bytes, mode))?;
    Ok(trial.hold(region))
}

/// The modes in which a range can be had.
fn modes(trial: &Trial<'_>) -> Result<Vec<StorageMode>, Stop> {
    let mut modes = trial.modes()?;
    let granule = Bytes::new(offered(trial)?);
    modes.retain(|&mode| match trial.device.reserve(granule, mode) {
        Ok(region) => {
            drop(trial.hold(region));
            true
        }
        Err(_) => false,
    });
    so("ranges in any mode", !modes.is_empty(), was(&modes))?;
    Ok(modes)
}

fn reserve(trial: &Trial<'_>) -> Result<(), Stop> {
    let device = trial.device;
    let Ok(granule) = offered(trial) else {
        refused!(
            "reserving what is not offered",
            device.reserve(Bytes::mib(1), trial.any_mode()?),
            DeviceError::Unsupported { .. }
        );
        return Ok(());
    };
    for mode in modes(trial)? {
        refused!("reserving nothing", device.reserve(Bytes::ZERO, mode), DeviceError::ZeroSize);
        refused!(
            "reserving all there could be",
            device.reserve(Bytes::MAX, mode),
            DeviceError::TooLarge { .. } | DeviceError::OutOfMemory { .. }
        );
        for (bytes, rounded) in [(1, granule), (granule, granule), (granule + 1, 2 * granule)] {
            let region = must("reserving", device.reserve(Bytes::new(bytes), mode))?;
            let region = trial.hold(region);
            so("the size", region.bytes().get() == rounded, was(region.bytes()))?;
            so("the mode", region.mode() == mode, was(region.mode()))?;
            let aligned = region.address().is_multiple_of(trial.facts().page);
            so("the address", aligned, was(region.address()))?;
        }
    }
    Ok(())
}

fn cycle(trial: &Trial<'_>) -> Result<(), Stop> {
    let (device, granule) = (trial.device, offered(trial)?);
    for mode in modes(trial)? {
        let range = range_of(trial, 8, mode)?;
        for (round, granules) in [(0, 0..1), (1, 3..6), (2, 0..8), (3, 7..8)] {
            let part: Range<u64> = granules.start * granule..granules.end * granule;
            must("backing", device.commit(&range, part.clone()))?;
            let ends = [part.start..part.start + 1000, part.end - 1001..part.end];
            for (end, seed) in ends.into_iter().zip(round * 2..) {
                let wanted = pattern(usize::try_from(end.end - end.start).unwrap_or(0), seed);
                let span = range.part(end.start, end.end)?;
                trial.put(span, &wanted)?;
                trial.holds("what is backed", span, &wanted)?;
            }
            must("giving back", device.decommit(&range, part))?;
        }
        range.give_back()?;
    }
    Ok(())
}

fn twice(trial: &Trial<'_>) -> Result<(), Stop> {
    let (device, granule) = (trial.device, offered(trial)?);
    let range = range_of(trial, 8, modes(trial)?[0])?;
    let part = |granules: Range<u64>| granules.start * granule..granules.end * granule;
    must("backing", device.commit(&range, part(2..4)))?;
    let wanted = pattern(5000.min(usize::try_from(granule).unwrap_or(0)), 1);
    let bytes = range.part(2 * granule, 2 * granule + wanted.len() as u64)?;
    trial.put(bytes, &wanted)?;
    for granules in [2..4, 2..3, 0..8, 1..3, 3..5] {
        refused!(
            &format!("backing granules {granules:?} when 2..4 are"),
            device.commit(&range, part(granules)),
            DeviceError::BadRange { .. }
        );
    }
    for granules in [0..1, 1..3, 3..5, 0..8] {
        refused!(
            &format!("giving granules {granules:?} back when 2..4 are backed"),
            device.decommit(&range, part(granules)),
            DeviceError::BadRange { .. }
        );
    }
    trial.holds("after what was refused", bytes, &wanted)?;
    must("giving back", device.decommit(&range, part(2..4)))?;
    refused!("giving back again", device.decommit(&range, part(2..4)), DeviceError::BadRange { .. });
    Ok(())
}

fn unaligned(trial: &Trial<'_>) -> Result<(), Stop> {
    let (device, granule) = (trial.device, offered(trial)?);
    let range = range_of(trial, 4, modes(trial)?[0])?;
    must("backing", device.commit(&range, 0..granule))?;
    let backwards = 2 * granule..granule;
    for part in [
        granule..granule + 1,
        granule + 1..2 * granule,
        1..granule,
        0..0,
        granule..granule,
        backwards,
        3 * granule..5 * granule,
        0..u64::MAX,
        u64::MAX - 1..u64::MAX,
    ] {
        refused!(
            &format!("backing {part:?} at a granule of {granule}"),
            device.commit(&range, part.clone()),
            DeviceError::BadRange { .. } | DeviceError::OutOfBounds { .. }
        );
        refused!(
            &format!("giving {part:?} back at a granule of {granule}"),
            device.decommit(&range, part),
            DeviceError::BadRange { .. } | DeviceError::OutOfBounds { .. }
        );
    }
    must("giving back", device.decommit(&range, 0..granule))
}

fn unbacked(trial: &Trial<'_>) -> Result<(), Stop> {
    let (device, granule, stream) = (trial.device, offered(trial)?, Stream(0));
    for mode in modes(trial)? {
        let range = range_of(trial, 4, mode)?;
        must("backing", device.commit(&range, granule..2 * granule))?;
        let backed = range.part(granule + 500, granule + 508)?;
        must("filling what is backed", device.fill(stream, backed, 1))?;
        for start in [0, granule - 1, 2 * granule - 7, 2 * granule, 4 * granule - 8] {
            let hole = range.part(start, start + 8)?;
            let step = |what: &str| format!("{what} bytes {start}..{} (not backed)", start + 8);
            let mut into = [0; 8];
            if mode != StorageMode::Private {
                let read = device.read(hole, &mut into);
                refused!(&step("reading"), read, DeviceError::NotBacked { .. });
                let write = device.write(hole, &into);
                refused!(&step("writing"), write, DeviceError::NotBacked { .. });
            }
            let copy = device.copy(stream, hole, backed);
            refused!(&step("copying from"), copy, DeviceError::NotBacked { .. });
            let copy = device.copy(stream, backed, hole);
            refused!(&step("copying to"), copy, DeviceError::NotBacked { .. });
            let fill = device.fill(stream, hole, 0);
            refused!(&step("filling"), fill, DeviceError::NotBacked { .. });
            let upload = device.upload(stream, &into, hole);
            refused!(&step("uploading to"), upload, DeviceError::NotBacked { .. });
            let download = device.download(stream, hole, &mut into);
            refused!(&step("downloading"), download, DeviceError::NotBacked { .. });
        }
        trial.holds("what is backed", backed, &[1; 8])?;
    }
    Ok(())
}

fn joined(trial: &Trial<'_>) -> Result<(), Stop> {
    let (device, granule) = (trial.device, offered(trial)?);
    for mode in modes(trial)? {
        let range = range_of(trial, 3, mode)?;
        // Backed in an order that is not the order of addresses.
        for n in [2, 0, 1] {
            must("backing", device.commit(&range, n * granule..(n + 1) * granule))?;
        }
        let across = range.part(granule - 333, 2 * granule + 333)?;
        let wanted = pattern(across.bytes().as_usize(), 9);
        trial.put(across, &wanted)?;
        trial.holds("across granules", across, &wanted)?;
        must("giving the middle back", device.decommit(&range, granule..2 * granule))?;
        let left = range.part(granule - 333, granule)?;
        trial.holds("beside what was given back", left, &wanted[..333])?;
        let right = range.part(2 * granule, 2 * granule + 333)?;
        trial.holds("beside what was given back", right, &wanted[wanted.len() - 333..])?;
        // The range goes back with a part of it backed.
        trial.settle(Stream(0))?;
        range.give_back()?;
    }
    Ok(())
}

fn remap(trial: &Trial<'_>) -> Result<(), Stop> {
    let (device, granule) = (trial.device, offered(trial)?);
    for mode in modes(trial)? {
        let range = range_of(trial, 8, mode)?;
        let part = |granules: Range<u64>| granules.start * granule..granules.end * granule;
        must("backing", device.commit(&range, part(1..3)))?;
        let beside = range.part(3 * granule - 100, 3 * granule)?;
        trial.put(beside, &pattern(100, 90))?;
        for (to, why) in [(4..6, "two granules"), (6..6, "nothing")] {
            let moved = device.remap(&range, part(1..2), part(to));
            refused!(&format!("moving one granule to {why}"), moved, DeviceError::SizeMismatch { .. });
        }
        let moved = device.remap(&range, part(0..1), part(4..5));
        refused!("moving what is not backed", moved, DeviceError::BadRange { .. });
        trial.holds("after what was refused", beside, &pattern(100, 90))?;
        must("moving a granule", device.remap(&range, part(1..2), part(5..6)))?;
        let (left, arrived) = (range.part(granule, granule + 8)?, range.part(5 * granule, 6 * granule)?);
        refused!("filling what was left", device.fill(Stream(0), left, 0), DeviceError::NotBacked { .. });
        let wanted = pattern(arrived.bytes().as_usize(), 91);
        trial.put(arrived, &wanted)?;
        trial.holds("where it arrived", arrived, &wanted)?;
        trial.holds("beside what was moved", beside, &pattern(100, 90))?;
        must("backing what was left", device.commit(&range, part(1..2)))?;
        trial.put(left, &pattern(8, 92))?;
        trial.settle(Stream(0))?;
        // Two parts that are side by side arrive side by side.
        must("moving two granules", device.remap(&range, part(1..3), part(6..8)))?;
        let across = range.part(6 * granule - 50, 8 * granule)?;
        let wanted = pattern(across.bytes().as_usize(), 93);
        trial.put(across, &wanted)?;
        trial.holds("across what was moved", across, &wanted)?;
        trial.settle(Stream(0))?;
        must("giving back", device.decommit(&range, part(5..8)))?;
    }
    Ok(())
}

fn not_a_range(trial: &Trial<'_>) -> Result<(), Stop> {
    let granule = offered(trial)?;
    let region = trial.allocate(granule, trial.any_mode()?)?;
    let (commit, decommit) =
        (trial.device.commit(&region, 0..granule), trial.device.decommit(&region, 0..granule));
    refused!("backing an allocation", commit, DeviceError::BadRange { .. });
    refused!("giving a part of an allocation back", decommit, DeviceError::BadRange { .. });
    Ok(())
}

fn exhausted(trial: &Trial<'_>) -> Result<(), Stop> {
    let (device, granule) = (trial.device, offered(trial)?);
    if !trial.options.exhaust {
        return Err(Stop::Skipped("the options leave it out"));
    }
    let step = (trial.facts().total.get() / 16).next_multiple_of(granule);
    for mode in modes(trial)? {
        let range = range_of(trial, step / granule * 32, mode)?;
        let mut end = 0;
        let error = loop {
            match device.commit(&range, end..end + step) {
                Ok(()) => end += step,
                Err(error) => break error,
            }
            so("backing for ever", end < range.bytes().get(), was(end))?;
        };
        refused!("backing too much", Err::<(), _>(error), DeviceError::OutOfMemory { .. });
        so("backing", end > 0, was(end))?;
        must("giving back", device.decommit(&range, 0..step))?;
        must("backing the rest", device.commit(&range, end..end + step))?;
        let last = range.part(end + step - 100, end + step)?;
        trial.put(last, &pattern(100, 8))?;
        trial.holds("after running out", last, &pattern(100, 8))?;
    }
    Ok(())
}
