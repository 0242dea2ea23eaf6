//! States that are known to be dead, and why.

use std::collections::HashMap;

/// The most words of reasons that are remembered: 64 MiB.
const REMEMBERED: usize = 1 << 23;

/// What failed, by hashes, and which items each failure needs: for one instance and one capacity, shared by searches.
#[derive(Debug, Default)]
pub(in crate::pack) struct Dead {
    by_state: HashMap<u64, usize>,
    reasons: Vec<u64>,
}

impl Dead {
    /// Remembers a state, while there is room.
    pub(super) fn remember(&mut self, state: u64, reason: &[u64]) {
        if self.reasons.len() < REMEMBERED {
            self.by_state.insert(state, self.reasons.len());
            self.reasons.extend_from_slice(reason);
        }
    }

    /// What the failure of a state needs.
    pub(super) fn reason(&self, state: u64, words: usize) -> Option<&[u64]> {
        self.by_state.get(&state).map(|&at| &self.reasons[at..at + words])
    }
}

/// Spreads bits (the finalizer of `splitmix64`).
pub(in crate::pack) const fn mix(of: u64) -> u64 {
    let mut bits = of.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
