//! Streams that no flow uses at the moment. A device keeps every stream that it made, so they are used again.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use plimsoll_device::{Device, DeviceError, Stream};

/// Streams on which all work is done, each with its device.
static IDLE: Mutex<Vec<(Weak<dyn Device>, Stream)>> = Mutex::new(Vec::new());

/// A stream of a device that nobody else uses.
pub(super) fn take(device: &Arc<dyn Device>) -> Result<Stream, DeviceError> {
    let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    // Streams of devices that are closed are gone with them.
    idle.retain(|(of, _)| of.strong_count() > 0);
    let mine = idle.iter().position(|(of, _)| std::ptr::addr_eq(of.as_ptr(), Arc::as_ptr(device)));
    match mine {
        Some(mine) => Ok(idle.swap_remove(mine).1),
        None => device.stream(),
    }
}

/// Gives one back, all of whose work is done.
pub(super) fn give_back(device: &Arc<dyn Device>, stream: Stream) {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner).push((Arc::downgrade(device), stream));
}
