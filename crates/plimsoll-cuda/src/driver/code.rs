//! What the driver answers when something failed.

use std::fmt;

/// An error number of the driver.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) u32);

impl Code {
    #[cfg(test)]
    pub(crate) const INVALID_VALUE: Self = Self(1);
    pub(crate) const OUT_OF_MEMORY: Self = Self(2);
    #[cfg(test)]
    pub(crate) const LAUNCH_FAILED: Self = Self(719);

    /// Whether the context is of no use after it. The driver repeats such an error at every later call.
    pub(crate) const fn is_fatal(self) -> bool {
        matches!(self.0, 4 | 46 | 201 | 214 | 220 | 226 | 700 | 702 | 709 | 710 | 714..=719 | 999)
    }

    /// What it means, in the driver's own word and in ours.
    const fn words(self) -> (&'static str, &'static str) {
        match self.0 {
            1 => ("INVALID_VALUE", "an argument is out of range"),
            2 => ("OUT_OF_MEMORY", "there is no memory left"),
            3 => ("NOT_INITIALIZED", "the driver is not initialized"),
            4 => ("DEINITIALIZED", "the driver is shutting down"),
            46 => ("DEVICE_UNAVAILABLE", "the device is busy or unavailable"),
            100 => ("NO_DEVICE", "there is no CUDA device"),
            101 => ("INVALID_DEVICE", "there is no device of that number"),
            200 => ("INVALID_IMAGE", "the compiled kernel is not valid here"),
            201 => ("INVALID_CONTEXT", "the context is gone"),
            209 => ("NO_BINARY_FOR_GPU", "the compiled kernel is for another device"),
            214 => ("ECC_UNCORRECTABLE", "the memory has an error that cannot be corrected"),
            220 => ("NVLINK_UNCORRECTABLE", "the link between devices has an error"),
            304 => ("OPERATING_SYSTEM", "the operating system refused"),
            700 => ("ILLEGAL_ADDRESS", "work on the device touched memory that is not there"),
            702 => ("LAUNCH_TIMEOUT", "work on the device took too long"),
            709 => ("CONTEXT_IS_DESTROYED", "the context is gone"),
            719 => ("LAUNCH_FAILED", "work on the device failed"),
            800 => ("NOT_PERMITTED", "it is not permitted"),
            801 => ("NOT_SUPPORTED", "it is not supported here"),
            802 => ("SYSTEM_NOT_READY", "the system is not ready"),
            803 => ("SYSTEM_DRIVER_MISMATCH", "the driver's library and its kernel module differ; restart"),
            999 => ("UNKNOWN", "the driver does not say why"),
            _ => ("", "see the manual of the driver"),
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.words() {
            ("", why) => write!(f, "CUDA error {}: {why}", self.0),
            (name, why) => write!(f, "CUDA error {} ({name}): {why}", self.0),
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
