//! How near programs come to what hardware states.
//!
//! Ranges, from published runs of llama.cpp: the tables of Apple chips in its discussion 4167, and the NVIDIA and Apple
//! tables of XiongjieDai/GPU-Benchmarks-on-LLM-Inference (2023 and 2024). A test holds the ranges against those
//! numbers. The low ends are older programs and types that cost work to unpack, the high ends 16-bit weights and the
//! kernels of today.

use super::Range;
use crate::machine::Gpu;

/// Shares of the stated figures, and what each layer costs besides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reach {
    /// Of the bandwidth, in decoding.
    pub bandwidth: Range,
    /// Of the operations, in large batches.
    pub operations: Range,
    /// Microseconds that a layer's work takes to start, a step.
    pub layer_us: Range,
}

const fn reach(bandwidth: [f64; 2], operations: [f64; 2], layer_us: [f64; 2]) -> Reach {
    Reach {
        bandwidth: Range { low: bandwidth[0], high: bandwidth[1] },
        operations: Range { low: operations[0], high: operations[1] },
        layer_us: Range { low: layer_us[0], high: layer_us[1] },
    }
}

const APPLE: Reach = reach([0.55, 0.92], [0.42, 0.88], [25.0, 150.0]);
/// The first chips unpack quantized weights more slowly than they read them.
const APPLE_M1: Reach = reach([0.44, 0.85], [0.40, 0.80], [25.0, 150.0]);
const NVIDIA: Reach = reach([0.60, 0.94], [0.23, 0.60], [18.0, 120.0]);
/// High-bandwidth memory is harder to keep busy, and so are as many tensor cores as stand beside it.
const NVIDIA_HBM: Reach = reach([0.45, 0.82], [0.13, 0.48], [40.0, 140.0]);
const AMD: Reach = reach([0.50, 0.88], [0.22, 0.60], [15.0, 120.0]);
const INTEL: Reach = reach([0.42, 0.82], [0.15, 0.45], [20.0, 180.0]);
const OTHER: Reach = reach([0.30, 0.90], [0.10, 0.60], [15.0, 250.0]);
/// Quantized weights are multiplied as small integers, which processors do faster than what they state for floats.
const HOST: Reach = reach([0.50, 0.90], [0.40, 1.20], [4.0, 40.0]);

/// What is reached of a link to the host when weights stream through it.
pub(super) const LINK: Range = Range { low: 0.55, high: 0.95 };

/// What is left of the operations reached where a batch parts into experts: each gets few rows of it.
pub(super) const EXPERTS: Range = Range { low: 0.45, high: 0.9 };

/// From here on a GPU's bandwidth is that of stacked memory.
const HBM_BYTES_PER_S: f64 = 1.2e12;

impl Reach {
    /// Of a GPU, by its maker's name.
    pub fn of_gpu(gpu: &Gpu) -> Self {
        let starts =
            |maker: &str| gpu.name.get(..maker.len()).is_some_and(|name| name.eq_ignore_ascii_case(maker));
        let stacked = gpu.bandwidth.is_some_and(|rate| rate.get() > HBM_BYTES_PER_S);
        // GDDR7 has passed the bandwidth of the first stacked memories.
        let geforce = gpu.name.to_ascii_uppercase().contains("RTX");
        match () {
            () if starts("Apple M1") => APPLE_M1,
            () if starts("Apple") => APPLE,
            () if starts("NVIDIA") && stacked && !geforce => NVIDIA_HBM,
            () if starts("NVIDIA") => NVIDIA,
            () if starts("AMD") => AMD,
            () if starts("Intel") => INTEL,
            () => OTHER,
        }
    }

    /// Of a processor.
    pub const fn of_host() -> Self {
        HOST
    }
}
