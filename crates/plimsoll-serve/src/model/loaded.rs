//! A model that is loaded.

use std::sync::Arc;
use std::time::Instant;

use plimsoll::Bytes;
use plimsoll::governor::Charge;
use plimsoll_kv::block::Token;
use plimsoll_kv::cache::CacheStats;
use plimsoll_llm::DeviceSplit;
use plimsoll_llm::text::{Chat, Tokenizer};

use super::look::Look;
use super::{ModelFault, ModelSource};
use crate::Limits;
use crate::batch::{BatchSettings, Job, Runs, WorkerStats};
use crate::engine::{EngineFault, Facts};
use crate::house::House;
use crate::seats::{NoSeat, Seat, Seats};

/// Tokens of a page. A prefix is found in whole pages.
pub(super) const PAGE_TOKENS: u32 = 16;
/// What leases are rounded up to.
pub(super) const LEASE_STEP: u64 = 256;

/// How sequences are stepped, and how requests wait for a context's own cells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) batch: BatchSettings,
    pub(crate) limits: Limits,
}

/// What an engine makes of a model.
pub(super) struct Loaded {
    pub(super) tokenizer: Arc<Tokenizer>,
    pub(super) chat: Chat,
    pub(super) first: Option<Token>,
    pub(super) worker: Box<dyn Runs>,
    pub(super) bytes: Bytes,
    /// Seats in cells of its own, where sequences do not stand in the cache's pages.
    pub(super) cells: Option<Seats>,
    /// What the engine says that it took, where it says so.
    pub(super) allocated: Option<Bytes>,
    /// How it is divided between a device and page-locked memory, where a device computes.
    pub(super) split: Option<DeviceSplit>,
    /// What it takes of the host, where it is computed elsewhere: ordinary memory, and page-locked.
    pub(super) _beside: Vec<Charge>,
}

/// A model that is loaded: what cuts texts into its tokens, and the thread that computes it.
///
/// # Who owns what
/// It is charged for its weights and for what its steps work with for as long as it lives, with llama.cpp for all of its cells too;
/// pages are charged to the cache. When it is dropped, its texts end, its thread is waited for, and blocks that are to be kept are
/// written.
pub struct Model {
    name: String,
    loaded: Loaded,
    since: Instant,
}

impl Model {
    pub(super) fn load(
        look: &Look,
        source: &ModelSource,
        slug: &str,
        house: &House,
        terms: &Terms,
    ) -> Result<Self, ModelFault> {
        let loaded = look.load(source, slug, house, terms)?;
        Ok(Self { name: source.name.clone(), loaded, since: Instant::now() })
    }

    /// What requests call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What computes it.
    pub fn engine_name(&self) -> &'static str {
        self.loaded.worker.engine_name()
    }

    /// What one needs to know of it to admit requests.
    pub fn facts(&self) -> &Facts {
        self.loaded.worker.facts()
    }

    /// What cuts texts into tokens.
    pub const fn tokenizer(&self) -> &Arc<Tokenizer> {
        &self.loaded.tokenizer
    }

    /// What writes conversations.
    pub const fn chat(&self) -> &Chat {
        &self.loaded.chat
    }

    /// The token that stands for nothing: texts begin with it.
    pub const fn first(&self) -> Option<Token> {
        self.loaded.first
    }

    /// What it is charged.
    pub const fn bytes(&self) -> Bytes {
        self.loaded.bytes
    }

    /// How it is divided, where only some of its layers stay on the device that computes.
    pub fn split(&self) -> Option<&DeviceSplit> {
        self.loaded.split.as_ref().filter(|split| split.come > 0)
    }

    /// What its engine says that it took, where it says so: of what is charged, all but tokenizers and what is drawn from.
    pub const fn allocated(&self) -> Option<Bytes> {
        self.loaded.allocated
    }

    /// Since when it is loaded.
    pub const fn loaded(&self) -> Instant {
        self.since
    }

    /// A seat for a sequence of so many tokens at most: among the cells of its engine where that has cells of its own, and among
    /// the pages of all models. Whoever waits is told its place.
    pub(crate) async fn seat(
        &self,
        pages: &Seats,
        tokens: usize,
        mut told: impl FnMut(usize),
    ) -> Result<Seat, NoSeat> {
        let worst = self.facts().worst_case(tokens);
        let cells = match &self.loaded.cells {
            Some(cells) => Some(cells.take(worst, &mut told).await?),
            None => None,
        };
        // A model without a cache has no pages; pressure holds it up all the same.
        let pages_worst =
            if cells.is_none() || self.loaded.worker.cache_stats().is_some() { worst } else { Bytes::ZERO };
        Ok(Seat::new(pages.take(pages_worst, told).await?, cells))
    }

    /// Sends a request to its thread; says how many tokens of the prompt a cache has. May take as long as bringing those.
    pub fn send(&self, job: Job) -> Result<usize, EngineFault> {
        self.loaded.worker.send(job)
    }

    /// What tokens mean together, as a vector of length one. Takes as long as reading them.
    pub fn embed(&self, tokens: &[Token]) -> Result<Vec<f32>, EngineFault> {
        self.loaded.worker.embed(tokens)
    }

    /// Whether it can compute: its thread ends only by a fault.
    pub fn is_alive(&self) -> bool {
        self.loaded.worker.is_alive()
    }

    /// What its thread has done.
    pub fn stats(&self) -> WorkerStats {
        self.loaded.worker.stats()
    }

    /// What its cache has done, if it has one.
    pub fn cache(&self) -> Option<CacheStats> {
        self.loaded.worker.cache_stats()
    }

    /// Writes what its cache has and its folder has not.
    pub fn flush(&self) -> u64 {
        self.loaded.worker.flush()
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("name", &self.name).field("facts", self.facts()).finish_non_exhaustive()
    }
}
