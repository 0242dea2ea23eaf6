//! GPUs and their drivers, as `plimsoll machine` finds them. A service computes on the processor, so none is needed.

use plimsoll::Bytes;

use super::Check;
use crate::backends::{BackendError, Backends};

/// A line for each GPU, and for each way to reach one that fails.
pub(super) fn checks(backends: &Backends) -> Vec<Check> {
    let mut checks = Vec::new();
    for gpu in backends.gpus() {
        let driver = gpu.driver.as_ref().map(|driver| format!(", {driver}")).unwrap_or_default();
        let memory = Bytes::new(gpu.total.get());
        let found = format!("{}, {memory}, {}{driver}", gpu.name, gpu.api);
        let what = gpu.place.to_string();
        checks.push(match &gpu.lacks {
            Some(lacks) => Check::watch(
                what,
                format!("{found}: {lacks}"),
                "update its driver; the processor computes meanwhile",
            ),
            None => Check::good(what, found),
        });
    }
    for (name, error) in backends.missing() {
        checks.push(match error {
            // A driver is there, and something is wrong with it.
            BackendError::Silent(_) | BackendError::Crashed => {
                let next = "update the driver, or restart the machine; the processor computes meanwhile";
                Check::watch(name, error.to_string(), next)
            }
            error => Check::good(name, format!("{error}; the processor computes")),
        });
    }
    checks
}
