//! Whether a device is lost: asked at the start of every call, so it is one load.

use std::sync::OnceLock;

use crate::DeviceError;

/// Set once, with the first cause that is known. Public for the back ends in other crates.
#[derive(Debug, Default)]
pub struct Lost(OnceLock<String>);

impl Lost {
    /// The device is gone from now on. A later cause is dropped: the first one explains the rest.
    pub fn set(&self, why: impl Into<String>) {
        let _ = self.0.set(why.into());
    }

    /// Whether it is.
    pub fn is_set(&self) -> bool {
        self.0.get().is_some()
    }

    /// An error when the device is gone.
    pub fn check(&self, device: &str) -> Result<(), DeviceError> {
        match self.0.get() {
            None => Ok(()),
            Some(why) => Err(DeviceError::Lost { device: device.to_owned(), why: why.clone() }),
        }
    }
}
