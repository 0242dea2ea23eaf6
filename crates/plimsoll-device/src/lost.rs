//! Whether a device is lost: asked at the start of every call, so it is one load.

use std::sync::OnceLock;

use crate::DeviceError;

/// Set once, with the first cause that is known.
#[derive(Debug, Default)]
pub(crate) struct Lost(OnceLock<String>);

impl Lost {
    /// The device is gone from now on. A later cause is dropped: the first one explains the rest.
    pub(crate) fn set(&self, why: impl Into<String>) {
        let _ = self.0.set(why.into());
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.get().is_some()
    }

    /// An error when the device is gone.
    pub(crate) fn check(&self, device: &str) -> Result<(), DeviceError> {
        match self.0.get() {
            None => Ok(()),
            Some(why) => Err(DeviceError::Lost { device: device.to_owned(), why: why.clone() }),
        }
    }
}
