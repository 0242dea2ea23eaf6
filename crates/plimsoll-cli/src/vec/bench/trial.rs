//! The measurements: each index is built as a user would, opened, and searched.

use std::path::{Path, PathBuf};
use std::time::Instant;

use plimsoll::Bytes;
use plimsoll_vec::index::{Answer, Index, Search, Shape, VecError};
use plimsoll_vec::{BLOCK_ROWS, Codec, Layout, Metric};

use super::data::Source;
use super::stand::{Settings, disk_rate};
use super::{BenchRow, Only};
use crate::CliError;
use crate::bench::median;
use crate::bench::memory::read_rate;
use crate::vec::{budget, numbers};

pub(super) const BATCH: u64 = 100;
pub(super) const K: usize = 10;

/// A folder that is gone when the bench is.
struct Home(PathBuf);

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What the processor's caches have of an index when a turn begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caches {
    /// Nothing: memory is read through after each turn.
    Cold,
    /// What the last turns left there, as with peers that are measured with turns of their own.
    Warm,
}

/// What all measurements share.
pub(super) struct Bench<'b> {
    pub(super) settings: &'b Settings,
    pub(super) home: &'b Path,
    pub(super) vectors: PathBuf,
    pub(super) queries: Vec<f32>,
    exact: Vec<u64>,
    rows: Vec<BenchRow>,
}

/// Measures all.
pub(super) fn all(settings: &Settings, note: &dyn Fn(&str)) -> Result<Vec<BenchRow>, CliError> {
    let home = Home(settings.within.join(format!("plimsoll-vec-bench-{}", std::process::id())));
    let failed = |source| CliError::Write { path: home.0.clone(), source };
    std::fs::create_dir_all(&home.0).map_err(failed)?;
    let (vectors, queries) = data(settings, &home.0, note)?;
    let mut bench = Bench { settings, home: &home.0, vectors, queries, exact: Vec::new(), rows: Vec::new() };
    let most = if settings.quick { 4 } else { 1 };
    // What is found is compared with what f32 finds.
    let first = (Codec::F32, 1);
    note(&format!("{} is measured", first.0));
    bench.codec(first.0, first.1)?;
    let flat = [
        (Codec::F16, 1),
        (Codec::Int8, 1),
        (Codec::Int4, 1),
        (Codec::Planes, 1),
        (Codec::Binary, 1),
        (Codec::Pq2, 1),
        (Codec::Int4, 4),
        (Codec::Binary, 16 / most),
        (Codec::Pq8, 20),
    ];
    // Learning takes seconds: where it must be quick, one codec that learns tells what they do.
    let skipped = |codec: Codec| {
        !settings.wants(Only::Flat) || !settings.has(codec) || settings.quick && codec == Codec::Pq2
    };
    for (codec, again) in flat.into_iter().filter(|(codec, _)| !skipped(*codec)) {
        note(&format!("{codec} is measured"));
        bench.codec(codec, again)?;
    }
    if settings.wants(Only::Streamed) {
        note("an index larger than its budget is measured");
        bench.streamed()?;
    }
    // Quick is quick: one codec tells what lists do.
    let skip = usize::from(settings.quick);
    let lists = [(Codec::F32, 1), (Codec::Int4, 4)].into_iter().skip(skip);
    for (codec, again) in lists.filter(|(codec, _)| settings.wants(Only::Lists) && settings.has(*codec)) {
        note(&format!("{codec} in lists is measured"));
        bench.lists(codec, again)?;
    }
    Ok(bench.rows)
}

/// The file of vectors and the queries: made, unless they are given.
fn data(settings: &Settings, home: &Path, note: &dyn Fn(&str)) -> Result<(PathBuf, Vec<f32>), CliError> {
    if let Some((vectors, queries)) = &settings.given {
        let asked = numbers::vectors(queries.into(), &budget::account(None)?)?;
        let wanted = usize::try_from(BATCH).unwrap_or_default() * settings.dimension;
        if asked.dimension != settings.dimension {
            let (found, expected) = (asked.dimension, settings.dimension);
            return Err(VecError::Dimension { found, expected }.into());
        }
        let Some(first) = asked.numbers.get(..wanted) else {
            let found = asked.numbers.len() / settings.dimension;
            return Err(CliError::Bench(format!(
                "{} has {found} queries; the bench asks {BATCH}",
                queries.display()
            )));
        };
        return Ok((vectors.clone(), first.to_vec()));
    }
    let leave = settings.leave.as_deref().unwrap_or(home);
    let failed = |source| CliError::Write { path: leave.to_owned(), source };
    std::fs::create_dir_all(leave).map_err(failed)?;
    let source = Source::new(settings.dimension);
    let vectors = leave.join("base.npy");
    note("vectors are made");
    source.write(2, settings.rows, &vectors).map_err(failed)?;
    source.write(3, BATCH, &leave.join("queries.npy")).map_err(failed)?;
    Ok((vectors, source.vectors(3, BATCH)))
}

impl Bench<'_> {
    fn index(&self, codec: Codec, memory: Option<Bytes>) -> Result<Index, CliError> {
        let folder = self.home.join(codec.name());
        if !folder.exists() {
            let shape = Shape {
                dimension: self.settings.dimension,
                metric: Metric::L2,
                codec,
                originals: matches!(codec, Codec::Int4 | Codec::Binary | Codec::Pq8),
                lists: None,
                reduced: None,
            };
            Index::create(&folder, shape, &budget::account(None)?)?.build(&self.vectors, None, |_| {})?;
        }
        Ok(Index::open(&folder, &budget::account(memory)?)?)
    }

    /// One codec with one query and with a batch.
    fn codec(&mut self, codec: Codec, again: usize) -> Result<(), CliError> {
        let index = self.index(codec, None)?;
        let search = Search { again, threads: self.settings.threads, ..Search::nearest(K) };
        // Codes come into memory.
        let first = index.search(&self.queries, &search)?;
        if codec == Codec::F32 {
            self.exact.clone_from(&first.ids);
        }
        let recall = self.recall(&first);
        let looked = if again > 1 { format!(", {again}× looked at again") } else { String::new() };
        for (queries, name) in [(1, "one query"), (BATCH, "batch 100")] {
            let (took, limit) =
                self.timed(&index, &search, usize::try_from(queries).unwrap_or(1), Caches::Cold)?;
            let work = format!("{codec}, {name}{looked}");
            self.row(work, queries, took, codes(&index, codec), limit, recall);
        }
        if codec != Codec::F32 && codec != Codec::Int4 && codec != Codec::Binary {
            drop(index);
            // Each is needed once, and disks are small.
            let _ = std::fs::remove_dir_all(self.home.join(codec.name()));
        }
        Ok(())
    }

    /// The middle of several turns: seconds, and what memory was read with beside them. One query is another each turn.
    pub(super) fn timed(
        &self,
        index: &Index,
        search: &Search,
        queries: usize,
        caches: Caches,
    ) -> Result<(f64, f64), CliError> {
        let dimension = self.settings.dimension;
        let (mut took, mut limit) = (Vec::new(), Vec::new());
        for turn in 0..self.settings.turns {
            let first = if queries == 1 { turn * dimension } else { 0 };
            let part = &self.queries[first..first + queries * dimension];
            let began = Instant::now();
            index.search(part, search)?;
            took.push(began.elapsed().as_secs_f64());
            // Reading memory takes longer than a search: where it must be quick, once for each row.
            if turn == 0 || (caches == Caches::Cold && !self.settings.quick) {
                limit.extend(read_rate(self.settings.threads));
            }
        }
        Ok((median(took), median(limit)))
    }

    /// An index four times its budget.
    fn streamed(&mut self) -> Result<(), CliError> {
        let codec = Codec::F32;
        let index = self.index(codec, None)?;
        let all = codes(&index, codec);
        drop(index);
        let memory = Bytes::new((all / 4).max(16 << 20));
        let index = self.index(codec, Some(memory))?;
        let search = Search { threads: self.settings.threads, ..Search::nearest(K) };
        let path = self.home.join(codec.name()).join("0000000001.codes");
        let (mut took, mut limit, mut read) = (Vec::new(), Vec::new(), 0);
        index.search(&self.queries, &search)?;
        let mut recall = 0.0;
        for _ in 0..self.settings.turns.min(5) {
            limit.push(disk_rate(&path, 2)?);
            let answer = index.search(&self.queries, &search)?;
            if answer.measured.peak > memory {
                return Err(CliError::Bench(format!(
                    "{} of memory in a budget of {memory}",
                    answer.measured.peak
                )));
            }
            took.push(answer.measured.took.as_secs_f64());
            read = answer.measured.read.get();
            recall = self.recall(&answer);
        }
        let work = format!("{codec}, batch 100, index 4× its budget of {memory}");
        // What is kept costs the disk nothing.
        self.row(work, BATCH, median(took), read, median(limit), recall);
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "a share")]
    pub(super) fn recall(&self, answer: &Answer) -> f64 {
        let exact = self.exact.chunks_exact(K);
        let found = answer.ids.chunks_exact(K);
        let hits: usize =
            exact.zip(found).map(|(exact, found)| found.iter().filter(|id| exact.contains(id)).count()).sum();
        hits as f64 / self.exact.len().max(1) as f64
    }

    #[expect(clippy::cast_precision_loss, reason = "rates")]
    pub(super) fn row(
        &mut self,
        work: String,
        queries: u64,
        seconds: f64,
        bytes: u64,
        limit: f64,
        recall: f64,
    ) {
        let rate = bytes as f64 / seconds;
        self.rows.push(BenchRow {
            work,
            engine: "plimsoll",
            qps: queries as f64 / seconds,
            ms: seconds * 1e3,
            gb_per_s: rate / 1e9,
            bandwidth_fraction: rate / limit,
            recall,
        });
    }
}

/// What a pass looks at: of planes the upper parts.
fn codes(index: &Index, codec: Codec) -> u64 {
    let facts = index.facts();
    facts.vectors * (Layout::new(codec, facts.shape.dimension).upper_bytes() / BLOCK_ROWS) as u64
}
