//! What the device says is free.

use super::Check;
use super::trial::{Stop, Trial, must, so, was};
use crate::{Bytes, StorageMode};

pub(super) const CHECKS: &[Check] = &[
    Check { name: "free memory follows allocations", run: allocations },
    Check { name: "free memory follows what is backed", run: ranges },
];

fn free(trial: &Trial<'_>) -> Result<Bytes, Stop> {
    Ok(must("asking for memory", trial.device.memory())?.free)
}

fn told(trial: &Trial<'_>) -> Result<(), Stop> {
    if trial.options.tells_memory {
        Ok(())
    } else {
        Err(Stop::Skipped("others use the device too, or it cannot tell"))
    }
}

fn allocations(trial: &Trial<'_>) -> Result<(), Stop> {
    told(trial)?;
    let bytes = trial.options.bytes_max;
    for mode in trial.modes()?.into_iter().filter(|&mode| mode != StorageMode::Managed) {
        let before = free(trial)?;
        let region = trial.allocate(bytes.get(), mode)?;
        let during = free(trial)?;
        so("free after allocating", during + bytes <= before, was((before, during)))?;
        region.give_back()?;
        let after = free(trial)?;
        so("free after giving back", during + bytes <= after, was((during, after)))?;
    }
    Ok(())
}

fn ranges(trial: &Trial<'_>) -> Result<(), Stop> {
    told(trial)?;
    if !trial.facts().capabilities.growable_ranges {
        return Err(Stop::Skipped("the device has no growable ranges"));
    }
    let (device, mode) = (trial.device, trial.any_mode()?);
    let step = trial.options.bytes_max.get().next_multiple_of(trial.facts().granule);
    let before = free(trial)?;
    let range = trial.hold(must("reserving", device.reserve(Bytes::new(4 * step), mode))?);
    let reserved = free(trial)?;
    so("free after reserving", reserved.saturating_add(Bytes::new(step)) > before, was((before, reserved)))?;
    must("backing", device.commit(&range, step..2 * step))?;
    let backed = free(trial)?;
    let fell = backed.get() + step <= reserved.get();
    so("free after backing", fell, was((reserved, backed)))?;
    must("giving back", device.decommit(&range, step..2 * step))?;
    let given = free(trial)?;
    so("free after giving back", given.get() >= backed.get() + step, was((backed, given)))?;
    must("backing", device.commit(&range, 0..step))?;
    range.give_back()?;
    let after = free(trial)?;
    so("free after freeing the range", after.get() >= backed.get() + step, was((backed, after)))
}
