//! Apple's machines with their own chips.
//!
//! Capacities and bandwidths are Apple's own figures. Operations follow from the cores of the GPU and their clock
//! (128 units a core, two operations each), and for the M5, whose cores multiply matrices in units of their own, from
//! Apple's statement of four times the M4.

use plimsoll::machine::gpu_share;
use plimsoll::{Bytes, Place};

use super::{Gpu, Machine, Processor, Rate};
use crate::Certainty;

/// One chip with one number of GPU cores.
#[derive(Clone, Copy)]
pub(super) struct Chip {
    /// "m3-max".
    pub(super) name: &'static str,
    title: &'static str,
    pub(super) gpu_cores: u32,
    cores: u32,
    gb_per_s: f64,
    /// Half-precision operations of one GPU core, in thousands of millions a second.
    gflops: u32,
    /// Sizes of memory that it is sold with, in GiB.
    pub(super) memory: &'static [u32],
}

const fn chip(
    name: &'static str,
    title: &'static str,
    gpu_cores: u32,
    cores: u32,
    gb_per_s: f64,
    gflops: u32,
    memory: &'static [u32],
) -> Chip {
    Chip { name, title, gpu_cores, cores, gb_per_s, gflops, memory }
}

/// Of several that fit, the last is taken: the one with more cores.
pub(super) const CHIPS: &[Chip] = &[
    chip("m1", "M1", 7, 4, 68.0, 327, &[8, 16]),
    chip("m1", "M1", 8, 4, 68.0, 327, &[8, 16]),
    chip("m1-pro", "M1 Pro", 14, 6, 200.0, 327, &[16, 32]),
    chip("m1-pro", "M1 Pro", 16, 8, 200.0, 327, &[16, 32]),
    chip("m1-max", "M1 Max", 24, 8, 400.0, 327, &[32, 64]),
    chip("m1-max", "M1 Max", 32, 8, 400.0, 327, &[32, 64]),
    chip("m1-ultra", "M1 Ultra", 48, 16, 800.0, 327, &[64, 128]),
    chip("m1-ultra", "M1 Ultra", 64, 16, 800.0, 327, &[64, 128]),
    chip("m2", "M2", 8, 4, 100.0, 358, &[8, 16, 24]),
    chip("m2", "M2", 10, 4, 100.0, 358, &[8, 16, 24]),
    chip("m2-pro", "M2 Pro", 16, 6, 200.0, 358, &[16, 32]),
    chip("m2-pro", "M2 Pro", 19, 8, 200.0, 358, &[16, 32]),
    chip("m2-max", "M2 Max", 30, 8, 400.0, 358, &[32, 64]),
    chip("m2-max", "M2 Max", 38, 8, 400.0, 358, &[32, 64, 96]),
    chip("m2-ultra", "M2 Ultra", 60, 16, 800.0, 358, &[64, 128, 192]),
    chip("m2-ultra", "M2 Ultra", 76, 16, 800.0, 358, &[64, 128, 192]),
    chip("m3", "M3", 8, 4, 100.0, 353, &[8, 16, 24]),
    chip("m3", "M3", 10, 4, 100.0, 353, &[8, 16, 24]),
    chip("m3-pro", "M3 Pro", 14, 5, 150.0, 353, &[18, 36]),
    chip("m3-pro", "M3 Pro", 18, 6, 150.0, 353, &[18, 36]),
    chip("m3-max", "M3 Max", 30, 10, 300.0, 353, &[36, 96]),
    chip("m3-max", "M3 Max", 40, 12, 400.0, 353, &[48, 64, 128]),
    chip("m3-ultra", "M3 Ultra", 60, 20, 819.0, 353, &[96, 256]),
    chip("m3-ultra", "M3 Ultra", 80, 24, 819.0, 353, &[96, 256, 512]),
    chip("m4", "M4", 8, 4, 120.0, 410, &[16, 24, 32]),
    chip("m4", "M4", 10, 4, 120.0, 410, &[16, 24, 32]),
    chip("m4-pro", "M4 Pro", 16, 8, 273.0, 410, &[24, 48, 64]),
    chip("m4-pro", "M4 Pro", 20, 10, 273.0, 410, &[24, 48, 64]),
    chip("m4-max", "M4 Max", 32, 10, 410.0, 410, &[36]),
    chip("m4-max", "M4 Max", 40, 12, 546.0, 410, &[48, 64, 128]),
    chip("m5", "M5", 8, 4, 153.6, 1640, &[16, 24, 32]),
    chip("m5", "M5", 10, 4, 153.6, 1640, &[16, 24, 32]),
    chip("m5-pro", "M5 Pro", 16, 5, 307.0, 1640, &[24, 48, 64]),
    chip("m5-pro", "M5 Pro", 20, 6, 307.0, 1640, &[24, 48, 64]),
    chip("m5-max", "M5 Max", 32, 6, 460.0, 1640, &[36]),
    chip("m5-max", "M5 Max", 40, 6, 614.0, 1640, &[48, 64, 128]),
];

/// What the GPU of an Apple machine with so much memory may wire, and how sure that is: two thirds up to 32 GiB and
/// three quarters above. Of 128 GiB it is 96, or 107.5 since macOS 26; what holds for still larger machines is taken
/// to be three quarters. A system that can be asked knows better (`recommendedMaxWorkingSetSize`).
///
/// ```
/// use plimsoll::Bytes;
/// use plimsoll_plan::{Certainty, machine::working_set};
/// assert_eq!(working_set(Bytes::gib(36)), (Bytes::gib(27), Certainty::Exact));
/// assert_eq!(working_set(Bytes::gib(128)).0, Bytes::gib(96));
/// ```
pub fn working_set(memory: Bytes) -> (Bytes, Certainty) {
    let share = gpu_share(memory, None).bytes;
    let certainty = match memory {
        memory if memory <= Bytes::gib(96) => Certainty::Exact,
        memory if memory == Bytes::gib(128) => Certainty::Bounded(share, Bytes::mib(107 * 1024 + 512)),
        _ => Certainty::Estimated(0.12),
    };
    (share, certainty)
}

/// What the GPU's limit keeps for what the display and other programs wire.
const KEPT: Bytes = Bytes::gib(2);

/// What the system keeps of all memory: an eighth, at least two and at most eight GiB.
fn system(memory: Bytes) -> Bytes {
    Bytes::new((memory.get() / 8).clamp(Bytes::gib(2).get(), Bytes::gib(8).get()))
}

impl Chip {
    /// The machine with so much memory.
    pub(super) fn machine(&self, gib: u32) -> Machine {
        let memory = Bytes::gib(gib.into());
        let bandwidth = Rate::new(self.gb_per_s * 1e9);
        let gpu = Gpu {
            place: Place::Gpu(0),
            name: format!("Apple {}", self.title),
            memory,
            usable: working_set(memory).0.saturating_sub(KEPT),
            bandwidth,
            flops: Some(f64::from(self.gpu_cores) * f64::from(self.gflops) * 1e9),
            link: None,
        };
        let processor = Processor {
            cores: self.cores,
            memory,
            usable: memory.saturating_sub(system(memory)),
            // The processor's part of the bus is narrower than the GPU's on the larger chips.
            bandwidth: Rate::new(self.gb_per_s.min(f64::from(self.cores) * 30.0) * 1e9),
            flops: Some(f64::from(self.cores) * 1.2e11),
        };
        Machine {
            name: format!("{}-{gib}g", self.name),
            title: format!("Apple {}, {} GPU cores, {gib} GB", self.title, self.gpu_cores),
            processor,
            gpus: vec![gpu],
            unified: true,
            disk: None,
        }
    }
}
