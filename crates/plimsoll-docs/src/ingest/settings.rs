//! How documents are taken in.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::passage::Chunking;
use crate::source::Kind;

/// How documents are taken in.
#[derive(Clone, Debug)]
pub struct IngestSettings {
    /// How they are cut.
    pub chunking: Chunking,
    /// One kind for all, whatever they look like.
    pub kind: Option<Kind>,
    /// Documents are called by where they lie below this folder, where they do; by their whole path otherwise.
    pub below: Option<PathBuf>,
    /// Threads that pack and index, beside the one that reads; 0 takes what the machine has.
    pub threads: usize,
    /// How often what was read begins to count: a kill loses no more than that.
    pub counts_every: Duration,
}

impl Default for IngestSettings {
    fn default() -> Self {
        Self {
            chunking: Chunking::default(),
            kind: None,
            below: None,
            threads: 0,
            counts_every: Duration::from_secs(10),
        }
    }
}

impl IngestSettings {
    /// What a file is called.
    pub(super) fn name(&self, path: &Path) -> String {
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let below = self.below.as_deref().and_then(|folder| whole.strip_prefix(folder).ok());
        below.unwrap_or(&whole).to_string_lossy().into_owned()
    }

    pub(super) fn threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(16),
            threads => threads.min(64),
        }
    }
}
