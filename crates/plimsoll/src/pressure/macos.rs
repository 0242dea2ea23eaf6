//! macOS: the kernel's own level, and its page counts.

use super::{OsLevel, Pressure, PressureError, PressureSource};
use crate::Bytes;
use crate::machine::darwin;

/// Reads `kern.memorystatus_vm_pressure_level`, `hw.memsize` and the Mach host's page counts.
#[derive(Clone, Debug, Default)]
pub struct MacSource(());

impl MacSource {
    /// A source; nothing is read before it is asked.
    pub fn new() -> Self {
        Self(())
    }
}

impl PressureSource for MacSource {
    fn read(&mut self) -> Result<Pressure, PressureError> {
        let total = darwin::raw::number("hw.memsize").map(Bytes::new);
        let available = darwin::available();
        let (Some(total), Some(available)) = (total, available) else {
            return Err(PressureError::NotTold { asked: "hw.memsize and host_statistics64" });
        };
        // The kernel counts 1, 2, 4; a level of zero, or one that is new to us, is not told.
        let level = match darwin::raw::number("kern.memorystatus_vm_pressure_level") {
            Some(1) => Some(OsLevel::Normal),
            Some(2) => Some(OsLevel::Warning),
            Some(4) => Some(OsLevel::Critical),
            _ => None,
        };
        Ok(Pressure {
            used: total.saturating_sub(available).ratio(total),
            some_avg10: None,
            full_avg10: None,
            available: Some(available),
            total: Some(total),
            level,
        })
    }
}
