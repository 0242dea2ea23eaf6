//! The back ends: the only place that picks them.

use std::sync::Arc;

use plimsoll::Place;
use plimsoll_device::{Device, DeviceError, HostDevice, HostSettings, SimDevice, SimSettings};

/// What this program reaches memory through, and what is not there.
#[derive(Debug)]
pub struct Backends {
    missing: Vec<Missing>,
}

/// A back end that is of no use here, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Which.
    pub what: &'static str,
    /// Why.
    pub why: String,
}

/// Why a place has no device.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// Places that no device serves.
    #[error("{0} is no device")]
    NoDevice(Place),
    /// The device does not open.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

impl Backends {
    /// Finds what there is. Opens nothing.
    pub fn load() -> Self {
        Self { missing: Vec::new() }
    }

    /// The places of the GPUs that were found.
    pub fn found(&self) -> Vec<Place> {
        Vec::new()
    }

    /// The back ends that are of no use here.
    pub fn missing(&self) -> &[Missing] {
        &self.missing
    }

    /// Opens the device of a place.
    pub fn open(&self, place: Place) -> Result<Arc<dyn Device>, BackendError> {
        match place {
            Place::Host => Ok(Arc::new(HostDevice::open(HostSettings::default())?)),
            Place::Sim(_) => Ok(Arc::new(SimDevice::new(SimSettings { place, ..SimSettings::default() })?)),
            _ => Err(BackendError::NoDevice(place)),
        }
    }

    /// Page-locked host memory that the device of this place reaches.
    pub fn pinned_for(&self, _place: Place) -> Option<Arc<dyn Device>> {
        None
    }
}
