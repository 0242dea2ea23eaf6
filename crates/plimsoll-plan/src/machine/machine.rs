//! A machine, as far as a plan has to know it.

use std::fmt;

use plimsoll::{Bytes, Place};
use serde::{Deserialize, Serialize};

/// A machine: this one, one of the catalogue, or one that a file describes.
///
/// Sizes of memory are what is fitted, in the binary units in which it is sold; what of it may be used is told apart,
/// because that is what plans are made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// "m3-max-128g", "this machine".
    pub name: String,
    /// For people: "Apple M3 Max, 128 GB".
    pub title: String,
    /// The processor and the memory behind it.
    pub processor: Processor,
    /// Its GPUs.
    pub gpus: Vec<Gpu>,
    /// Whether processor and GPUs take their bytes out of one memory.
    pub unified: bool,
    /// Where files are.
    pub disk: Option<Disk>,
}

/// The processor and its memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Processor {
    /// Cores that compute (not those that save power, where there are two kinds).
    pub cores: u32,
    /// Memory that is fitted.
    pub memory: Bytes,
    /// What of it this process may use.
    pub usable: Bytes,
    /// How fast all cores together read it. `None` where nobody says.
    pub bandwidth: Option<Rate>,
    /// Operations a second in the matrix products of a language model. `None` where nobody says.
    pub flops: Option<f64>,
}

/// A GPU.
#[derive(Clone, Debug, PartialEq)]
pub struct Gpu {
    /// Its place: `cuda:0`, `gpu:0`.
    pub place: Place,
    /// "NVIDIA GeForce RTX 4090".
    pub name: String,
    /// Memory that is fitted; of a unified machine, the machine's.
    pub memory: Bytes,
    /// What of it may be used: less than is fitted by what the driver and the display keep; of Apple's machines the
    /// limit of the GPU's working set.
    pub usable: Bytes,
    /// How fast it reads its memory.
    pub bandwidth: Option<Rate>,
    /// Dense half-precision operations a second (16-bit inputs, as matrix products use them).
    pub flops: Option<f64>,
    /// How fast bytes come from the host; `None` on unified machines, where they do not have to.
    pub link: Option<Rate>,
}

/// Where files are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Disk {
    /// What may be used.
    pub usable: Bytes,
    /// How fast it reads.
    pub bandwidth: Option<Rate>,
}

/// Bytes a second.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Rate(f64);

impl Rate {
    /// So many bytes a second; what is no positive number is no rate.
    pub fn new(bytes_per_s: f64) -> Option<Self> {
        (bytes_per_s.is_finite() && bytes_per_s > 0.0).then_some(Self(bytes_per_s))
    }

    /// So many GB (10⁹ bytes) a second, for tables.
    pub const fn gb(gb_per_s: u32) -> Self {
        Self(gb_per_s as f64 * 1e9)
    }

    /// The plain number.
    pub const fn get(self) -> f64 {
        self.0
    }

    /// How long so many bytes take, in seconds.
    #[expect(clippy::cast_precision_loss, reason = "a time, not book-keeping")]
    pub fn seconds(self, bytes: Bytes) -> f64 {
        bytes.get() as f64 / self.0
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:.1} GB/s", self.0 / 1e9))
    }
}

impl Machine {
    /// What of a place may be used; `None` for a place that it does not have.
    pub fn usable(&self, place: Place) -> Option<Bytes> {
        match place {
            Place::Host => Some(self.processor.usable),
            Place::Disk => self.disk.map(|disk| disk.usable),
            Place::Cuda(_) | Place::Gpu(_) => self.gpu(place).map(|gpu| gpu.usable),
            Place::Pinned | Place::Remote | Place::Sim(_) => None,
        }
    }

    /// The GPU at a place.
    pub fn gpu(&self, place: Place) -> Option<&Gpu> {
        self.gpus.iter().find(|gpu| gpu.place == place)
    }
}
