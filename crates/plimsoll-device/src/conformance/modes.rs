//! What each storage mode means.

use super::Check;
use super::trial::{Stop, Trial, must, pattern, refused, so, was};
use crate::{Bytes, DeviceError, Request, StorageMode, Stream, SyncTo};

pub(super) const CHECKS: &[Check] = &[
    Check { name: "modes that are not promised are unsupported", run: unpromised },
    Check { name: "shared memory is one memory for host and device", run: shared },
    Check { name: "private memory is not for the host", run: private },
    Check { name: "managed memory is brought into step both ways", run: managed },
    Check { name: "sync of other memory does nothing", run: no_sync },
    Check { name: "copies go between all modes", run: between },
];

fn unpromised(trial: &Trial<'_>) -> Result<(), Stop> {
    let can = trial.facts().capabilities;
    let modes = [
        (StorageMode::Shared, can.shared),
        (StorageMode::Private, can.private),
        (StorageMode::Managed, can.managed),
    ];
    for (mode, _) in modes.into_iter().filter(|(_, promised)| !promised) {
        let allocated = trial.device.allocate(Request::new(Bytes::new(64), mode));
        refused!(&format!("allocating as {mode:?}"), allocated, DeviceError::Unsupported { .. });
        let reserved = trial.device.reserve(Bytes::new(64), mode);
        refused!(&format!("reserving as {mode:?}"), reserved, DeviceError::Unsupported { .. });
    }
    for (mode, _) in modes.into_iter().filter(|(_, promised)| *promised) {
        trial.allocate(64, mode)?.give_back()?;
    }
    Ok(())
}

fn shared(trial: &Trial<'_>) -> Result<(), Stop> {
    let region = trial.allocate(5000, trial.shared()?)?;
    let wanted = pattern(5000, 1);
    must("writing shared memory", trial.device.write(region.whole(), &wanted))?;
    trial.holds("downloading what was written", region.whole(), &wanted)?;
    let wanted = pattern(5000, 2);
    trial.put(region.whole(), &wanted)?;
    let mut found = vec![0; 5000];
    must("reading shared memory", trial.device.read(region.whole(), &mut found))?;
    trial.same("reading what was uploaded", &found, &wanted)
}

fn private(trial: &Trial<'_>) -> Result<(), Stop> {
    if !trial.facts().capabilities.private {
        return Err(Stop::Skipped("the device has no private memory"));
    }
    let region = trial.allocate(5000, StorageMode::Private)?;
    so("a host address", region.host().is_none(), was(region.host()))?;
    let wanted = pattern(5000, 3);
    trial.put(region.whole(), &wanted)?;
    let part = region.part(100, 200)?;
    refused!(
        "reading private memory",
        trial.device.read(part, &mut [0; 100]),
        DeviceError::NotHostVisible { mode: StorageMode::Private }
    );
    refused!(
        "writing private memory",
        trial.device.write(part, &[0; 100]),
        DeviceError::NotHostVisible { mode: StorageMode::Private }
    );
    trial.holds("after what was refused", region.whole(), &wanted)
}

fn managed(trial: &Trial<'_>) -> Result<(), Stop> {
    if !trial.facts().capabilities.managed {
        return Err(Stop::Skipped("the device has no managed memory"));
    }
    let (device, stream) = (trial.device, Stream(0));
    let region = trial.allocate(5000, StorageMode::Managed)?;
    let written = pattern(5000, 4);
    must("writing managed memory", device.write(region.whole(), &written))?;
    must("syncing to the device", device.sync(stream, region.whole(), SyncTo::Device))?;
    trial.holds("downloading after a sync", region.whole(), &written)?;
    let part = region.part(1001, 2003)?;
    must("filling managed memory", device.fill(stream, part, 0x5c))?;
    must("syncing to the host", device.sync(stream, part, SyncTo::Host))?;
    trial.settle(stream)?;
    let mut wanted = written;
    wanted[1001..2003].fill(0x5c);
    let mut found = vec![0; 5000];
    must("reading managed memory", device.read(region.whole(), &mut found))?;
    trial.same("reading after a sync", &found, &wanted)
}

fn no_sync(trial: &Trial<'_>) -> Result<(), Stop> {
    for mode in trial.modes()?.into_iter().filter(|&mode| mode != StorageMode::Managed) {
        let region = trial.allocate(300, mode)?;
        let wanted = pattern(300, 5);
        trial.put(region.whole(), &wanted)?;
        for to in [SyncTo::Host, SyncTo::Device] {
            must("syncing", trial.device.sync(Stream(0), region.whole(), to))?;
        }
        trial.holds("after a sync", region.whole(), &wanted)?;
    }
    Ok(())
}

fn between(trial: &Trial<'_>) -> Result<(), Stop> {
    let modes = trial.modes()?;
    for (from, seed) in modes.iter().zip(0..) {
        for to in &modes {
            let (source, target) = (trial.allocate(777, *from)?, trial.allocate(777, *to)?);
            let wanted = pattern(777, seed);
            trial.put(source.whole(), &wanted)?;
            let copied = trial.device.copy(Stream(0), source.whole(), target.whole());
            must(&format!("copying from {from:?} to {to:?}"), copied)?;
            trial.holds("after a copy between modes", target.whole(), &wanted)?;
        }
    }
    Ok(())
}
