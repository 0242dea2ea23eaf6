//! How documents are taken in.

use std::time::Duration;

use crate::passage::Chunking;
use crate::source::Kind;

/// How documents are taken in.
#[derive(Clone, Copy, Debug)]
pub struct IngestSettings {
    /// How they are cut.
    pub chunking: Chunking,
    /// One kind for all, whatever they look like.
    pub kind: Option<Kind>,
    /// Threads that pack and index, beside the one that reads; 0 takes what the machine has.
    pub threads: usize,
    /// How often what was read begins to count: a kill loses no more than that.
    pub counts_every: Duration,
}

impl Default for IngestSettings {
    fn default() -> Self {
        Self { chunking: Chunking::default(), kind: None, threads: 0, counts_every: Duration::from_secs(10) }
    }
}

impl IngestSettings {
    pub(super) fn threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(16),
            threads => threads.min(64),
        }
    }
}
