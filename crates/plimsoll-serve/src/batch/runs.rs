//! A model's thread, whatever its engine is.

use plimsoll_kv::block::Token;
use plimsoll_kv::cache::CacheStats;

use super::{Job, Worker, WorkerStats};
use crate::engine::{Engine, EngineFault, Facts};

/// What a service asks of a model's thread; engines differ in their sequences, and nobody outside sees those.
pub trait Runs: Send + Sync {
    /// What people call the engine.
    fn engine_name(&self) -> &'static str;

    /// What its model is.
    fn facts(&self) -> &Facts;

    /// See [`Worker::send`].
    fn send(&self, job: Job) -> Result<usize, EngineFault>;

    /// See [`Engine::embed`].
    fn embed(&self, tokens: &[Token]) -> Result<Vec<f32>, EngineFault>;

    /// See [`Worker::is_alive`].
    fn is_alive(&self) -> bool;

    /// What it has done.
    fn stats(&self) -> WorkerStats;

    /// What its cache has done, if it has one.
    fn cache_stats(&self) -> Option<CacheStats>;

    /// Writes what its cache has and its folder has not; how many blocks that were.
    fn flush(&self) -> u64;
}

impl<E: Engine> Runs for Worker<E> {
    fn engine_name(&self) -> &'static str {
        self.engine().name()
    }

    fn facts(&self) -> &Facts {
        self.engine().facts()
    }

    fn send(&self, job: Job) -> Result<usize, EngineFault> {
        Self::send(self, job)
    }

    fn embed(&self, tokens: &[Token]) -> Result<Vec<f32>, EngineFault> {
        self.engine().embed(tokens)
    }

    fn is_alive(&self) -> bool {
        Self::is_alive(self)
    }

    fn stats(&self) -> WorkerStats {
        Self::stats(self)
    }

    fn cache_stats(&self) -> Option<CacheStats> {
        self.engine().cache().map(plimsoll_kv::cache::Cache::stats)
    }

    fn flush(&self) -> u64 {
        self.engine().cache().map_or(0, plimsoll_kv::cache::Cache::flush)
    }
}
