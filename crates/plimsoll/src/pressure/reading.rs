//! One reading, and what gives it.

use crate::Bytes;

/// How short of memory things are at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pressure {
    /// The fraction of what may be used that is in use, `0.0..=1.0`.
    pub used: f64,
    /// Percent of the last ten seconds in which some task waited for memory.
    pub some_avg10: Option<f64>,
    /// Percent of the last ten seconds in which all tasks waited at once.
    pub full_avg10: Option<f64>,
    /// What could be taken without swapping or hitting a limit.
    pub available: Option<Bytes>,
    /// What may be used in all: the memory, or the limit that is nearest to being hit.
    pub total: Option<Bytes>,
    /// The system's own judgement, where it has one.
    pub level: Option<OsLevel>,
}

/// What the system itself says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OsLevel {
    /// Nothing to do.
    Normal,
    /// Give back what can be given back cheaply.
    Warning,
    /// Give back all that can be, or be stopped.
    Critical,
}

/// Why there is no reading.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PressureError {
    /// The system tells neither available memory nor a limit.
    #[error(
        "this system does not tell how much memory is in use ({asked}); \
         pressure cannot be followed, only the lines are held"
    )]
    NotTold {
        /// What was asked.
        asked: &'static str,
    },
    /// The device does not tell.
    #[error(transparent)]
    Device(#[from] plimsoll_device::DeviceError),
    /// A scripted source has no more readings.
    #[error("the script of pressure readings ended after {0}; add readings or let the last one repeat")]
    ScriptEnded(usize),
}

/// Something that tells how short of memory things are.
pub trait PressureSource: Send {
    /// One reading, now. Cheap enough to call every 100 ms; never blocks for long.
    fn read(&mut self) -> Result<Pressure, PressureError>;
}
