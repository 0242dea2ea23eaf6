//! Items that cannot come next as things stand, and why.

use super::set::within;

const NONE: u32 = u32::MAX;

/// Items whose choice failed on the way to where the search is.
#[derive(Debug)]
pub(super) struct Refuted {
    words: usize,
    refutations: Vec<Refutation>,
    reasons: Vec<u64>,
    /// By item: its last refutation.
    latest: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Refutation {
    frame: usize,
    item: u32,
    before: u32,
}

impl Refuted {
    /// None yet.
    pub fn new(items: usize, words: usize) -> Self {
        Self { words, refutations: Vec::new(), reasons: Vec::new(), latest: vec![NONE; items] }
    }

    /// An item's choice in a frame failed for a reason.
    pub fn push(&mut self, frame: usize, item: u32, reason: &[u64]) {
        let before = self.latest[item as usize];
        self.latest[item as usize] = u32::try_from(self.refutations.len()).unwrap_or(NONE);
        self.refutations.push(Refutation { frame, item, before });
        self.reasons.extend_from_slice(reason);
    }

    /// Forgets what was found in frames from `frame` on.
    pub fn truncate(&mut self, frame: usize) {
        while let Some(last) = self.refutations.last()
            && last.frame >= frame
        {
            self.latest[last.item as usize] = last.before;
            self.refutations.pop();
        }
        self.reasons.truncate(self.refutations.len() * self.words);
    }

    /// Why an item cannot come next while all of `open` are waiting.
    pub fn reason(&self, item: u32, open: &[u64]) -> Option<&[u64]> {
        let mut at = self.latest[item as usize];
        while at != NONE {
            let from = at as usize * self.words;
            let reason = &self.reasons[from..from + self.words];
            if within(reason, open) {
                return Some(reason);
            }
            at = self.refutations[at as usize].before;
        }
        None
    }
}
