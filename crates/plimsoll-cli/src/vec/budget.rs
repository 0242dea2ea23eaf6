//! The account that a command works in: everything it takes is inside it.

use std::sync::Arc;

use plimsoll::{Bytes, Engine, EngineAccount, Place};
use plimsoll_device::Device;
use plimsoll_vec::gpu::GpuError;
use plimsoll_vec::index::VecError;

use crate::backends::{BackendError, Backends};
use crate::budget::{engine, half, most_of};
use crate::{CliError, Printer};

const ACCOUNT: &str = "vec";
/// Of page-locked memory no more than this: a ring needs a few chunks.
const PINNED_MOST: Bytes = Bytes::mib(256);

/// An account of so much memory; half of what this machine has to use where nothing was said.
pub(super) fn account(memory: Option<Bytes>) -> Result<EngineAccount, CliError> {
    let engine = Engine::in_memory(memory.unwrap_or_else(half), ACCOUNT).map_err(VecError::from)?;
    Ok(engine.account(ACCOUNT).map_err(VecError::from)?)
}

/// The same with a share of a device's memory: nine tenths of what is free there where nothing was said. For CUDA a
/// quarter of the host's share may be page-locked.
pub(super) fn account_with(
    memory: Option<Bytes>,
    place: Place,
    device_memory: Option<Bytes>,
) -> Result<EngineAccount, CliError> {
    if place == Place::Host {
        return Err(CliError::Place { place, why: BackendError::NoDevice(place) });
    }
    let backends = Backends::new(Printer::notice());
    let device = backends.device(place)?;
    let memory = memory.unwrap_or_else(half);
    let free = device.memory().map_err(GpuError::from)?.free;
    let own = device_memory.unwrap_or(most_of(free));
    let mut devices: Vec<Arc<dyn Device>> = vec![backends.device(Place::Host)?, device];
    let mut shares = vec![(Place::Host, memory), (place, own)];
    if matches!(place, Place::Cuda(_)) {
        let pinned = Bytes::new(memory.get() / 4).min(PINNED_MOST);
        devices.push(backends.device(Place::Pinned)?);
        shares = vec![(Place::Host, memory - pinned), (place, own), (Place::Pinned, pinned)];
    }
    let engine = engine(ACCOUNT, &shares, devices).map_err(VecError::from)?;
    Ok(engine.account(ACCOUNT).map_err(VecError::from)?)
}
