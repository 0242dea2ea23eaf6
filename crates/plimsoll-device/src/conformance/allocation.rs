//! Facts, sizes, alignments, and what cannot be had.

use super::Check;
use super::trial::{Stop, Trial, failed, must, pattern, refused, so, was};
use crate::{Bytes, DeviceError, Request, StorageMode};

pub(super) const CHECKS: &[Check] = &[
    Check { name: "facts are sane", run: facts },
    Check { name: "memory is told", run: memory },
    Check { name: "an allocation has the size and mode that were asked for", run: sizes },
    Check { name: "alignment is kept", run: alignment },
    Check { name: "an alignment that cannot be is refused", run: bad_alignment },
    Check { name: "zero bytes are refused", run: zero },
    Check { name: "more than there can be is refused", run: too_large },
    Check { name: "regions share no bytes", run: apart },
    Check { name: "out of memory leaves the device usable", run: exhausted },
];

fn facts(trial: &Trial<'_>) -> Result<(), Stop> {
    let facts = trial.facts();
    so("the name", !facts.name.is_empty(), was(&facts.name))?;
    so("the total", !facts.total.is_zero(), was(facts.total))?;
    for (what, value) in [
        ("the smallest alignment", facts.min_align),
        ("the page", facts.page),
        ("the granule", facts.granule),
    ] {
        so(what, value.is_power_of_two(), was(value))?;
    }
    let nested = facts.granule.is_multiple_of(facts.min_align) && facts.page.is_multiple_of(facts.min_align);
    so("granule and page over the smallest alignment", nested, was(facts))?;
    let most = facts.max_allocation;
    so("the largest allocation", !most.is_zero() && most <= facts.total, was(most))?;
    so("facts asked twice", facts == trial.device.facts(), was(trial.device.facts()))
}

fn memory(trial: &Trial<'_>) -> Result<(), Stop> {
    let now = must("asking for memory", trial.device.memory())?;
    so("free within total", now.free <= now.total, was(now))?;
    so("total", now.total == trial.facts().total, was(now))
}

fn sizes(trial: &Trial<'_>) -> Result<(), Stop> {
    for mode in trial.modes()? {
        let most = trial.options.bytes_max.get();
        for bytes in [1, 2, 255, 256, 4095, 4096, 4097, (1 << 20) + 3, most] {
            let region = trial.allocate(bytes.min(most), mode)?;
            so("the size", region.bytes().get() == bytes.min(most), was(region.bytes()))?;
            so("the mode", region.mode() == mode, was(region.mode()))?;
            so("writable", region.writable(), was(false))?;
            let other = trial.allocate(1, mode)?;
            so("the number", region.id() != other.id(), was(region.id()))?;
            region.give_back()?;
        }
    }
    Ok(())
}

fn alignment(trial: &Trial<'_>) -> Result<(), Stop> {
    let least = trial.facts().min_align;
    for mode in trial.modes()? {
        for align in [1, 64, 256, 4096, 1 << 16, 1 << 21] {
            let request = Request::new(Bytes::new(1000), mode).align(align);
            let region = match trial.device.allocate(request) {
                Ok(region) => trial.hold(region),
                Err(DeviceError::BadAlignment { limit, .. }) if limit >= least && limit < align => continue,
                Err(error) => return Err(failed(format!("aligning to {align}"), error.to_string())),
            };
            let kept = |address: u64| address.is_multiple_of(align.max(least));
            so(
                &format!("the address at an alignment of {align}"),
                kept(region.address()) && region.host().is_none_or(|host| kept(host.as_ptr() as u64)),
                was(region.address()),
            )?;
        }
    }
    Ok(())
}

fn bad_alignment(trial: &Trial<'_>) -> Result<(), Stop> {
    let mode = trial.any_mode()?;
    for align in [0, 3, 48, u64::MAX, 1 << 63] {
        let request = Request::new(Bytes::kib(4), mode).align(align);
        refused!(
            &format!("aligning to {align}"),
            trial.device.allocate(request),
            DeviceError::BadAlignment { .. }
        );
    }
    Ok(())
}

fn zero(trial: &Trial<'_>) -> Result<(), Stop> {
    for mode in trial.modes()? {
        let request = Request::new(Bytes::ZERO, mode);
        refused!("allocating nothing", trial.device.allocate(request), DeviceError::ZeroSize);
    }
    Ok(())
}

fn too_large(trial: &Trial<'_>) -> Result<(), Stop> {
    let over = trial.facts().max_allocation.saturating_add(Bytes::new(1));
    for mode in trial.modes()? {
        for bytes in [over, Bytes::new(u64::MAX - 4096), Bytes::MAX] {
            refused!(
                &format!("allocating {} bytes", bytes.get()),
                trial.device.allocate(Request::new(bytes, mode)),
                DeviceError::TooLarge { .. } | DeviceError::OutOfMemory { .. }
            );
        }
        trial.allocate(4096, mode)?.give_back()?;
    }
    Ok(())
}

fn apart(trial: &Trial<'_>) -> Result<(), Stop> {
    for mode in trial.modes()? {
        let regions =
            (0..16_u64).map(|n| trial.allocate(1000 + n * 317, mode)).collect::<Result<Vec<_>, _>>()?;
        for (region, seed) in regions.iter().zip(0..) {
            trial.put(region.whole(), &pattern(region.bytes().as_usize(), seed))?;
        }
        for (region, seed) in regions.iter().zip(0..) {
            let wanted = pattern(region.bytes().as_usize(), seed);
            trial.holds("reading one of many regions", region.whole(), &wanted)?;
        }
    }
    Ok(())
}

fn exhausted(trial: &Trial<'_>) -> Result<(), Stop> {
    if !trial.options.exhaust {
        return Err(Stop::Skipped("the options leave it out"));
    }
    for mode in trial.modes()?.into_iter().filter(|&mode| mode != StorageMode::Managed) {
        let piece = (trial.facts().total.get() / 16).min(trial.facts().max_allocation.get());
        let request = Request::new(Bytes::new(piece.max(1)), mode);
        let mut regions = Vec::new();
        let error = loop {
            match trial.device.allocate(request) {
                Ok(region) => regions.push(trial.hold(region)),
                Err(error) => break error,
            }
            so("allocating for ever", regions.len() <= 4096, || {
                format!("{} pieces of {piece} bytes", regions.len())
            })?;
        };
        so("allocating too much", !regions.is_empty(), was(&error))?;
        refused!("allocating too much", Err::<(), _>(error), DeviceError::OutOfMemory { .. });
        drop(regions);
        let again = trial.allocate(piece.max(1), mode)?;
        again.give_back()?;
    }
    Ok(())
}
