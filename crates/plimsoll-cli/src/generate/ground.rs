//! What computes: a device with page-locked memory beside it, or the host.

use std::sync::Arc;

use plimsoll::{Bytes, Place};
use plimsoll_device::{Device, HostDevice, HostSettings};
use plimsoll_llm::computes_on;

use super::GenerateError;
use crate::Printer;
use crate::backends::Backends;
use crate::budget::half;

/// What computes.
pub(super) struct Ground {
    pub(super) device: Arc<dyn Device>,
    /// Page-locked memory that it reaches.
    pub(super) pinned: Option<Arc<dyn Device>>,
    /// How much of that may be taken.
    pub(super) away: Bytes,
}

impl Ground {
    pub(super) fn open(place: Option<Place>, away: Option<Bytes>) -> Result<Self, GenerateError> {
        let place = match place {
            None | Some(Place::Host) => {
                return Ok(Self { device: host_device()?, pinned: None, away: Bytes::ZERO });
            }
            Some(place) => place,
        };
        let failed = |why| GenerateError::Place { place, why: Box::new(why) };
        let backends = Backends::new(Printer::notice());
        let device = backends.open(place).map_err(failed)?;
        computes_on(&device).map_err(|why| GenerateError::Computes { place, why })?;
        let pinned = backends.beside(place).map_err(failed)?;
        let away = if pinned.is_some() { away.unwrap_or_else(half) } else { Bytes::ZERO };
        Ok(Self { device, pinned, away })
    }
}

pub(super) fn host_device() -> Result<Arc<dyn Device>, GenerateError> {
    Ok(Arc::new(HostDevice::open(HostSettings::default())?))
}
