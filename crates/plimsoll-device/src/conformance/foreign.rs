//! Regions of another device.

use super::Check;
use super::trial::{Stop, Trial, refused, so, was};
use crate::{DeviceError, Stream, SyncTo};

pub(super) const CHECKS: &[Check] =
    &[Check { name: "another device's region is refused and comes back", run: foreign }];

fn foreign(trial: &Trial<'_>) -> Result<(), Stop> {
    let (device, stream) = (trial.device, Stream(0));
    let foreign = Trial::foreign()?;
    let own = trial.allocate(4096, trial.any_mode()?)?;
    let mut into = vec![0; 4096];
    let theirs = foreign.whole();
    refused!("reading", device.read(theirs, &mut into), DeviceError::WrongDevice);
    refused!("writing", device.write(theirs, &into), DeviceError::WrongDevice);
    refused!("copying from", device.copy(stream, theirs, own.whole()), DeviceError::WrongDevice);
    refused!("copying to", device.copy(stream, own.whole(), theirs), DeviceError::WrongDevice);
    refused!("filling", device.fill(stream, theirs, 0), DeviceError::WrongDevice);
    refused!("uploading", device.upload(stream, &into, theirs), DeviceError::WrongDevice);
    refused!("downloading", device.download(stream, theirs, &mut into), DeviceError::WrongDevice);
    refused!("syncing", device.sync(stream, theirs, SyncTo::Host), DeviceError::WrongDevice);
    if trial.facts().capabilities.growable_ranges {
        let part = 0..trial.facts().granule;
        refused!("backing", device.commit(&foreign, part.clone()), DeviceError::WrongDevice);
        refused!("giving a part back", device.decommit(&foreign, part), DeviceError::WrongDevice);
    }
    let number = foreign.id();
    match device.free(foreign) {
        Ok(()) => refused!("giving it back", Ok(()), DeviceError::WrongDevice),
        Err(refused) => {
            let error = refused.error;
            so("giving it back", error == DeviceError::WrongDevice, was(&error))?;
            so("the region that came back", refused.region.id() == number, was(&refused.region))?;
        }
    }
    Ok(())
}
