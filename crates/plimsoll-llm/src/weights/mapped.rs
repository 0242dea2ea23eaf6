//! A file that is mapped and lent as a slice. The one file here, with the choice of instructions, that needs `unsafe`.

use std::path::Path;

use plimsoll_device::{Device, HostDevice, HostSettings, Region};

use crate::ModelError;

/// A model file, mapped for reading.
///
/// As with every program that maps its weights, the file must not be overwritten in place or made shorter while it is
/// mapped. A file that is replaced by renaming, as downloads and package managers do it, keeps its old bytes here.
pub(crate) struct Mapped {
    /// None only while it is being dropped.
    region: Option<Region>,
    device: HostDevice,
}

impl Mapped {
    pub(crate) fn open(path: &Path) -> Result<Self, ModelError> {
        let failed = |source| ModelError::Map { path: path.to_owned(), source };
        let device = HostDevice::open(HostSettings::default()).map_err(failed)?;
        let region = device.map_file(path, ..).map_err(failed)?;
        Ok(Self { region: Some(region), device })
    }
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        let Some(region) = &self.region else { return &[] };
        match region.host() {
            Some(start) if !region.bytes().is_zero() => {
                // SAFETY: the region is mapped for reading over all its bytes for as long as `self` owns it, which the
                // borrow ensures; nothing in this process writes to it. That other processes leave the file alone is the
                // condition that the type's documentation states.
                unsafe { std::slice::from_raw_parts(start.as_ptr(), region.bytes().as_usize()) }
            }
            _ => &[],
        }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        if let Some(region) = self.region.take() {
            // A device that cannot take it back unmaps it when the error is dropped.
            drop(self.device.free(region));
        }
    }
}
