//! A model that is loaded.

use std::sync::Arc;
use std::time::Instant;

use plimsoll::Bytes;
use plimsoll_kv::block::{Root, Token};
use plimsoll_kv::cache::CacheStats;
use plimsoll_kv::layout::Element;
use plimsoll_llm::Decoder;
use plimsoll_llm::text::{Chat, Tokenizer};

use super::{ModelFault, ModelSource};
use crate::batch::{BatchSettings, Job, Worker, WorkerStats};
use crate::engine::{Engine as _, EngineFault, Facts, Native};
use crate::house::House;

/// Tokens of a page. A prefix is found in whole pages.
const PAGE_TOKENS: u32 = 16;
/// What leases are rounded up to.
const LEASE_STEP: u64 = 256;

/// A model that is loaded: what cuts texts into its tokens, and the thread that computes it.
///
/// # Who owns what
/// It is charged for its weights and for what its steps work with for as long as it lives; pages are charged to the cache. When
/// it is dropped, its texts end, its thread is waited for, and blocks that are to be kept are written.
pub struct Model {
    name: String,
    tokenizer: Arc<Tokenizer>,
    chat: Chat,
    first: Option<Token>,
    worker: Worker<Native>,
    loaded: Instant,
    bytes: Bytes,
}

impl Model {
    /// What it takes of the line: weights, tokenizer, and what steps work with.
    pub(super) fn bytes_of(decoder: &Decoder, tokenizer: &Tokenizer, batch: &BatchSettings) -> Bytes {
        let layout = decoder.layout(PAGE_TOKENS, Element::F16);
        // The logits of each sequence: as they come, twice on their way, as they are drawn from, and as candidates.
        let logits = 32 * (batch.sequences.saturating_mul(decoder.shape().vocabulary) as u64);
        // Once for the sequences, and once for what is embedded beside them.
        let work = 2 * decoder.working_bytes(&layout);
        let parts = [decoder.bytes(), work, tokenizer.memory_bytes(), logits];
        Bytes::new(parts.into_iter().fold(0, u64::saturating_add))
    }

    pub(super) fn load(
        source: &ModelSource,
        slug: &str,
        house: &House,
        batch: BatchSettings,
    ) -> Result<Self, ModelFault> {
        let decoder = Arc::new(source.open()?);
        let tokenizer = Arc::new(source.tokenizer(&decoder)?);
        let bytes = Self::bytes_of(&decoder, &tokenizer, &batch);
        let chat = source.chat(&decoder, &tokenizer)?;
        let first = tokenizer.first().or(decoder.shape().first_token);
        let layout = decoder.layout(PAGE_TOKENS, Element::F16);
        // Only a folder outlives the process, and only there can blocks of another model be met: elsewhere the model's
        // file need not be read for its fingerprint.
        let root = if house.keeps() { decoder.root(&layout) } else { Root::of(slug.as_bytes(), &layout) };
        let page_bytes = Bytes::new((layout.block_bytes() as u64).next_multiple_of(LEASE_STEP));
        let facts = Facts {
            context: decoder.shape().context,
            vocabulary: decoder.shape().vocabulary,
            page_tokens: PAGE_TOKENS as usize,
            page_bytes,
        };
        let setup = |error: &dyn std::error::Error| ModelFault::Setup(error.to_string());
        let cache = house.cache(slug, layout).map_err(|error| setup(&error))?;
        let engine = Arc::new(Native::new(decoder, cache, root.build(), facts));
        let worker = Worker::start(engine, slug, batch).map_err(|error| setup(&error))?;
        let name = source.name.clone();
        Ok(Self { name, tokenizer, chat, first, worker, loaded: Instant::now(), bytes })
    }

    /// What requests call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What one needs to know of it to admit requests.
    pub fn facts(&self) -> &Facts {
        self.worker.engine().facts()
    }

    /// What cuts texts into tokens.
    pub const fn tokenizer(&self) -> &Arc<Tokenizer> {
        &self.tokenizer
    }

    /// What writes conversations.
    pub const fn chat(&self) -> &Chat {
        &self.chat
    }

    /// The token that stands for nothing: texts begin with it.
    pub const fn first(&self) -> Option<Token> {
        self.first
    }

    /// What it is charged.
    pub const fn bytes(&self) -> Bytes {
        self.bytes
    }

    /// Since when it is loaded.
    pub const fn loaded(&self) -> Instant {
        self.loaded
    }

    /// Sends a request to its thread; says how many tokens of the prompt a cache has. May take as long as bringing those.
    pub fn send(&self, job: Job) -> Result<usize, EngineFault> {
        self.worker.send(job)
    }

    /// What tokens mean together, as a vector of length one. Takes as long as reading them.
    pub fn embed(&self, tokens: &[Token]) -> Result<Vec<f32>, EngineFault> {
        self.worker.engine().embed(tokens)
    }

    /// Whether it can compute: its thread ends only by a fault.
    pub fn is_alive(&self) -> bool {
        self.worker.is_alive()
    }

    /// What its thread has done.
    pub fn stats(&self) -> WorkerStats {
        self.worker.stats()
    }

    /// What its cache has done.
    pub fn cache(&self) -> CacheStats {
        self.worker.engine().cache().stats()
    }

    /// Writes what its cache has and its folder has not.
    pub fn flush(&self) -> u64 {
        self.worker.engine().cache().flush()
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("name", &self.name).field("facts", self.facts()).finish_non_exhaustive()
    }
}
