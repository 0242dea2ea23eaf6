//! How short of memory this machine, or the part of it that this process may use, is right now.
//!
//! A [`PressureSource`] reads what the system tells and judges nothing: levels, thresholds and hysteresis are the
//! governor's. One reading holds a fraction that every system can give (`used`), and what only some can: stall
//! times on Linux, a level on macOS. What a system lacks is `None`, so that a policy cannot mistake "not told"
//! for "calm".
//!
//! [`system_source`] picks what this system has; [`Scripted`] replays a list, for tests.

mod device;
mod linux;
#[cfg(target_os = "macos")]
mod macos;
mod psi;
mod reading;
mod scripted;

pub use device::DeviceSource;
pub use linux::LinuxSource;
#[cfg(target_os = "macos")]
pub use macos::MacSource;
pub use psi::{Averages, Psi};
pub use reading::{OsLevel, Pressure, PressureError, PressureSource};
pub use scripted::Scripted;

/// The source for this system: PSI, cgroups and `MemAvailable` on Linux, the kernel's pressure level and page
/// counts on macOS. On another system it says so at its first reading.
pub fn system_source() -> Box<dyn PressureSource> {
    #[cfg(target_os = "macos")]
    return Box::new(MacSource::new());
    #[cfg(not(target_os = "macos"))]
    return Box::new(LinuxSource::new(crate::machine::Root::system()));
}
