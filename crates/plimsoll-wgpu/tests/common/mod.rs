//! A GPU for tests, where there is one.

use std::sync::Arc;

use plimsoll_wgpu::{GpuDevice, GpuError, GpuSettings};

/// The first adapter, opened so. `None` on a machine without one, after saying so; where `PLIMSOLL_REQUIRE_GPU` is
/// set (CI installs a software driver) that is a failure.
#[track_caller]
pub fn gpu(settings: GpuSettings) -> Option<Arc<GpuDevice>> {
    match GpuDevice::open(settings) {
        Ok(gpu) => Some(gpu),
        Err(error @ (GpuError::NoInterface(_) | GpuError::NoAdapter(_))) => {
            assert!(std::env::var_os("PLIMSOLL_REQUIRE_GPU").is_none(), "{error}");
            println!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}
