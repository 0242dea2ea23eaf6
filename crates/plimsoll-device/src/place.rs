//! Where bytes live.

use std::fmt;
use std::str::FromStr;

/// A kind of memory or storage that has a line of its own.
///
/// Written as in plans and messages: `host`, `pinned`, `cuda:0`, `gpu:0`, `disk`, `remote`, `sim:0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Ordinary memory of the machine.
    Host,
    /// Host memory that is page-locked for a device's sake.
    Pinned,
    /// Memory of a CUDA device.
    Cuda(u16),
    /// Memory of a device reached through wgpu.
    Gpu(u16),
    /// Local storage.
    Disk,
    /// An object store.
    Remote,
    /// A simulated device.
    Sim(u16),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.pad("host"),
            Self::Pinned => f.pad("pinned"),
            Self::Disk => f.pad("disk"),
            Self::Remote => f.pad("remote"),
            Self::Cuda(n) => f.pad(&format!("cuda:{n}")),
            Self::Gpu(n) => f.pad(&format!("gpu:{n}")),
            Self::Sim(n) => f.pad(&format!("sim:{n}")),
        }
    }
}

/// A text that names no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a place; places are host, pinned, cuda:N, gpu:N, disk, remote and sim:N")]
pub struct ParsePlaceError(pub String);

impl FromStr for Place {
    type Err = ParsePlaceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParsePlaceError(text.to_owned());
        let (kind, number) = match text.split_once(':') {
            Some((kind, number)) => (kind, Some(number.parse::<u16>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        match (kind, number) {
            ("host", None) => Ok(Self::Host),
            ("pinned", None) => Ok(Self::Pinned),
            ("disk", None) => Ok(Self::Disk),
            ("remote", None) => Ok(Self::Remote),
            ("cuda", Some(n)) => Ok(Self::Cuda(n)),
            ("gpu", Some(n)) => Ok(Self::Gpu(n)),
            ("sim", Some(n)) => Ok(Self::Sim(n)),
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_reads_back() {
        use Place::{Cuda, Disk, Gpu, Host, Pinned, Remote, Sim};
        for place in [Host, Pinned, Cuda(0), Cuda(65_535), Gpu(1), Disk, Remote, Sim(3)] {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for text in ["", "hosts", "cuda", "cuda:", "cuda:x", "cuda:65536", "host:0", "gpu:-1"] {
            assert_eq!(text.parse::<Place>(), Err(ParsePlaceError(text.into())));
        }
    }
}
