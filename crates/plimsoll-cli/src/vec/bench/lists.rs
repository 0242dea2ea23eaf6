//! Lists: what looking into few of them finds, and how fast.

use plimsoll_vec::index::{Index, Probe, Search, Shape};
use plimsoll_vec::{Codec, Metric};

use super::trial::{BATCH, Bench, Caches, K};
use crate::CliError;
use crate::vec::budget;

/// Lists that are looked into.
const PROBES: [usize; 6] = [1, 2, 4, 8, 16, 32];

impl Bench<'_> {
    /// One codec in lists: a batch with more and more of them, and one query with as many as find 95%.
    pub(super) fn lists(&mut self, codec: Codec, again: usize) -> Result<(), CliError> {
        let folder = self.home.join(format!("lists-{codec}"));
        let dimension = self.settings.dimension;
        let shape = Shape {
            dimension,
            metric: Metric::L2,
            codec,
            originals: again > 1,
            lists: Some(self.settings.lists),
            reduced: None,
        };
        let account = budget::account(None)?;
        let built = Index::create(&folder, shape, &account)?.build(&self.vectors, None, |_| {})?;
        let index = Index::open(&folder, &budget::account(None)?)?;
        let how = |probe| Search { again, threads: self.settings.threads, probe, ..Search::nearest(K) };
        let looked = if again > 1 { format!(", {again}× looked at again") } else { String::new() };
        let batch = usize::try_from(BATCH).unwrap_or(1);
        let wanted = PROBES.into_iter().filter(|probes| *probes < built.lists).map(Probe::Lists);
        for (queries, probe) in wanted.map(|probe| (batch, probe)).chain([(1, Probe::Recall(0.95))]) {
            let search = how(probe);
            // Codes come into memory.
            let all = index.search(&self.queries, &search)?;
            let Some(probed) = all.forecast.lists else { continue };
            let recall = self.recall(&all);
            let (took, limit) = self.timed(&index, &search, queries, Caches::Warm)?;
            let name = if queries == 1 { "one query".to_owned() } else { format!("batch {queries}") };
            let work = format!("ivf {codec}, {name}, {} of {} lists{looked}", probed.lists, probed.of);
            // What queries look at, each for itself.
            let rows = index.facts().vectors * probed.lists as u64 / probed.of as u64;
            let bytes = rows * codec.row_bytes(dimension) as u64 * queries as u64;
            self.row(work, queries as u64, took, bytes, limit, recall);
        }
        drop(index);
        let _ = std::fs::remove_dir_all(&folder);
        Ok(())
    }
}
