//! macOS: sysctl and the Mach host's counters.
//!
//! How busy the neural engine is has no public counter there, so nothing here says anything about it.

use super::probe::{Probe, Reading};
use crate::Bytes;
use crate::machine::{calls, darwin};
use crate::pressure::{MacSource, PressureSource as _};

/// Reads the Mac that this runs on.
#[derive(Debug, Default)]
pub(super) struct MacProbe(MacSource);

impl Probe for MacProbe {
    fn read(&mut self) -> Reading {
        let counts = darwin::raw::memory_counts();
        let swap = darwin::raw::swap();
        let page = calls::page();
        let bytes = |pages: u64| pages.checked_mul(page?.get());
        Reading {
            pressure: self.0.read().ok(),
            cached: counts.as_ref().and_then(|counts| bytes(counts.external)).map(Bytes::new),
            swap_total: swap.map(|(total, _)| total),
            swap_free: swap.map(|(_, free)| free),
            process: darwin::raw::resident(),
            // The kernel's count of faults has those in it that read a page.
            minor_faults: counts.as_ref().and_then(|counts| counts.faults.checked_sub(counts.page_ins)),
            major_faults: counts.as_ref().map(|counts| counts.page_ins),
            swapped_in_bytes: counts.as_ref().and_then(|counts| bytes(counts.swap_ins)),
            swapped_out_bytes: counts.as_ref().and_then(|counts| bytes(counts.swap_outs)),
        }
    }
}
