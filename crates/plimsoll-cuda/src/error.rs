//! Why CUDA cannot be used here.

use plimsoll_device::DeviceError;

use crate::driver::{Code, NEEDED, Unusable};

/// Why no CUDA device could be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CudaError {
    /// There is no driver library on this machine.
    #[error("no CUDA driver is installed (libcuda was not found); install NVIDIA's driver, or go on without")]
    NoDriver,
    /// The driver is older than what this program calls.
    #[error(
        "the CUDA driver is for CUDA {}.{}, and {}.{} is needed; install a newer driver",
        have.0, have.1, need.0, need.1
    )]
    OldDriver {
        /// What is installed.
        have: (u32, u32),
        /// The least that works.
        need: (u32, u32),
    },
    /// The driver sees no device.
    #[error("the CUDA driver sees no device; is one built in, and does CUDA_VISIBLE_DEVICES hide it?")]
    NoDevice,
    /// There is no device of that number.
    #[error("there is no cuda:{asked}; this machine has {have} CUDA devices, numbered from 0")]
    NoSuchDevice {
        /// What was asked for.
        asked: u16,
        /// How many there are.
        have: usize,
    },
    /// The driver failed.
    #[error("{what} failed: {why}")]
    Driver {
        /// What was tried.
        what: &'static str,
        /// What the driver said.
        why: String,
    },
    /// A device that was opened failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

impl CudaError {
    pub(crate) fn driver(what: &'static str, code: Code) -> Self {
        Self::Driver { what, why: code.to_string() }
    }
}

impl From<Unusable> for CudaError {
    fn from(why: Unusable) -> Self {
        match why {
            Unusable::NoDriver => Self::NoDriver,
            Unusable::Old(have) => Self::OldDriver { have, need: NEEDED },
            Unusable::NoDevice => Self::NoDevice,
            Unusable::Failed(what, code) => Self::driver(what, code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_the_next_step() {
        let said = |why: Unusable| CudaError::from(why).to_string();
        let old = said(Unusable::Old((11, 4)));
        assert!(
            old.contains("11.4") && old.contains("12.2 is needed") && old.contains("newer driver"),
            "{old}"
        );
        assert!(said(Unusable::NoDriver).contains("install NVIDIA's driver"));
        assert!(said(Unusable::NoDevice).contains("CUDA_VISIBLE_DEVICES"));
        let failed = said(Unusable::Failed("starting the CUDA driver", Code(803)));
        assert!(
            failed.contains("starting") && failed.contains("803") && failed.contains("restart"),
            "{failed}"
        );
    }
}
