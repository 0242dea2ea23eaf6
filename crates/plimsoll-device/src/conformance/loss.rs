//! A device that is gone.

use std::time::Duration;

use super::Check;
use super::trial::{Stop, Trial, must, refused, so, was};
use crate::kernels::{Number, Numbers, Rows};
use crate::{Bytes, DeviceError, Request, Stream, SyncTo};

/// Last of all: the device is of no use afterwards.
pub(super) const CHECKS: &[Check] =
    &[Check { name: "a lost device says so and takes regions back", run: lost }];

fn lost(trial: &Trial<'_>) -> Result<(), Stop> {
    let Some(lose) = &trial.options.lose else {
        return Err(Stop::Skipped("the options name no way to lose the device"));
    };
    let (device, stream, mode) = (trial.device, Stream(0), trial.any_mode()?);
    let region = trial.allocate(4096, mode)?;
    let (a, b) = (region.part(0, 8)?, region.part(8, 16)?);
    must("filling", device.fill(stream, region.whole(), 1))?;
    let fence = must("putting a fence on a stream", device.fence(stream))?;
    let granule = trial.facts().granule;
    let range = if trial.facts().capabilities.growable_ranges {
        Some(trial.hold(must("reserving", device.reserve(Bytes::new(2 * granule), mode))?))
    } else {
        None
    };
    lose();
    let mut into = [0; 8];
    let request = Request::new(Bytes::kib(4), mode);
    refused!("asking for memory", device.memory(), DeviceError::Lost { .. });
    refused!("allocating", device.allocate(request), DeviceError::Lost { .. });
    refused!("reserving", device.reserve(Bytes::kib(4), mode), DeviceError::Lost { .. });
    refused!("reading", device.read(a, &mut into), DeviceError::Lost { .. });
    refused!("writing", device.write(a, &into), DeviceError::Lost { .. });
    refused!("opening a stream", device.stream(), DeviceError::Lost { .. });
    refused!("copying", device.copy(stream, a, b), DeviceError::Lost { .. });
    refused!("filling", device.fill(stream, a, 0), DeviceError::Lost { .. });
    refused!("uploading", device.upload(stream, &into, a), DeviceError::Lost { .. });
    refused!("downloading", device.download(stream, a, &mut into), DeviceError::Lost { .. });
    refused!("syncing", device.sync(stream, a, SyncTo::Host), DeviceError::Lost { .. });
    refused!("putting a fence", device.fence(stream), DeviceError::Lost { .. });
    refused!("asking for a fence", device.signalled(fence), DeviceError::Lost { .. });
    refused!("waiting", device.wait(fence, Duration::from_secs(1)), DeviceError::Lost { .. });
    if let Some(kernels) = device.kernels() {
        let rows = |span| Rows { span, row: 4, pitch: 4 };
        let (a, b) = (region.part(0, 16)?, region.part(16, 32)?);
        let numbers = |span| Numbers { span, number: Number::F32, scales: None };
        refused!("copying rows", kernels.copy_rows(stream, rows(a), rows(b)), DeviceError::Lost { .. });
        refused!("repeating", kernels.fill_pattern(stream, a, &[0]), DeviceError::Lost { .. });
        refused!("converting", kernels.convert(stream, numbers(a), numbers(b)), DeviceError::Lost { .. });
        refused!("gathering", kernels.gather(stream, a, &[0], 16, b), DeviceError::Lost { .. });
        refused!("scattering", kernels.scatter(stream, a, &[0], 16, b), DeviceError::Lost { .. });
        refused!("summing", kernels.sum(stream, a), DeviceError::Lost { .. });
        refused!("searching", super::nearest::smallest(kernels, stream, &region), DeviceError::Lost { .. });
    }
    if let Some(range) = range {
        refused!(
            "moving a part",
            device.remap(&range, 0..granule, granule..2 * granule),
            DeviceError::Lost { .. }
        );
        refused!("backing", device.commit(&range, 0..granule), DeviceError::Lost { .. });
        refused!("giving a part back", device.decommit(&range, 0..granule), DeviceError::Lost { .. });
        range.give_back()?;
    }
    so("the facts", !device.facts().name.is_empty(), was(device.facts()))?;
    region.give_back()
}
