//! The measurements on a device: rows that stay there, and rows that are streamed to it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::pool::{Lease, Pool, PoolSettings};
use plimsoll::{Bytes, Engine, EngineAccount, Place};
use plimsoll_device::{Device, StorageMode};
use plimsoll_vec::gpu::{Flat, FlatSettings, FlatShape, GpuError};
use plimsoll_vec::index::VecError;
use plimsoll_vec::{Codec, Coder, Hit, Metric, Queries, Tops, scan};

use super::data::Source;
use super::stand::Settings;
use super::{BenchRow, Only, device_lists};
use crate::bench::median;
use crate::{CliError, Printer, backends::Backends};

const ACCOUNT: &str = "vec";
const BATCH: usize = 1000;
/// Queries whose answers are compared with the exact ones.
const EXACT: usize = 100;
const K: usize = 10;
const PATIENCE: Duration = Duration::from_mins(1);

/// What all measurements share.
struct Bench<'b> {
    settings: &'b Settings,
    source: Source,
    queries: Vec<f32>,
    exact: Vec<Vec<Hit>>,
    /// The device's own memory, and memory of the host that it streams from.
    own: Pool,
    near: Pool,
    rows: Vec<BenchRow>,
}

/// Measures all on the device of a place.
pub(super) fn all(settings: &Settings, place: Place, note: &dyn Fn(&str)) -> Result<Vec<BenchRow>, CliError> {
    let backends = Backends::new(Printer::notice());
    let device = backends.device(place)?;
    // Page-locked memory belongs to CUDA; other devices have memory that they share with the host.
    let beside = if matches!(place, Place::Cuda(_)) { Some(backends.device(Place::Pinned)?) } else { None };
    let source = Source::new(settings.dimension);
    let queries = source.vectors(3, BATCH as u64);
    let (own, near) = pools(&device, beside, shape(settings, Codec::F32).bytes())?;
    let mut bench = Bench { settings, source, queries, exact: Vec::new(), own, near, rows: Vec::new() };
    note("the exact answers are found by the host");
    bench.exact = bench.host()?;
    let flat = [Codec::F32, Codec::F16, Codec::Int8, Codec::Int8Affine, Codec::Int4];
    for codec in flat.into_iter().filter(|codec| settings.wants(Only::Flat) && settings.has(*codec)) {
        note(&format!("{codec} is measured on {place}"));
        bench.resident(codec)?;
    }
    let streamed = [Codec::F32, Codec::F16].into_iter().filter(|codec| settings.has(*codec));
    for codec in streamed.filter(|_| settings.wants(Only::Streamed)) {
        note(&format!("{codec} is streamed to {place}"));
        bench.streamed(codec)?;
    }
    if settings.wants(Only::Lists) {
        let limit = bench.own_copies()?;
        let Bench { source, queries, exact, mut rows, .. } = bench;
        let asked = device_lists::Asked { source: &source, queries: &queries, exact: &exact, limit };
        rows.extend(device_lists::all(settings, place, &asked, note)?);
        return Ok(rows);
    }
    Ok(bench.rows)
}

/// An account with a share of what the device has free, and of the memory beside it for so many bytes of rows.
pub(in crate::vec) fn pools(
    device: &Arc<dyn Device>,
    beside: Option<Arc<dyn Device>>,
    rows: Bytes,
) -> Result<(Pool, Pool), CliError> {
    let place = device.facts().place;
    let free = device.memory().map_err(GpuError::from)?.free;
    let line = Bytes::new(free.get() / 10 * 9);
    let mut lines = vec![LineSettings::new(place, line)];
    let mut account = AccountSettings::new(ACCOUNT).share(place, Bytes::ZERO, line);
    let mut devices = vec![Arc::clone(device)];
    if let Some(beside) = beside {
        // Rows, what is copied to measure the link, and what pools round up.
        let line = Bytes::new(rows.get() + (2 << 30));
        lines.push(LineSettings::new(beside.facts().place, line));
        account = account.share(beside.facts().place, Bytes::ZERO, line);
        devices.push(beside);
    }
    let failed = |error: plimsoll::EngineError| CliError::from(VecError::from(error));
    let plan = LedgerSettings { places: lines, accounts: vec![account] };
    let engine = Engine::with(&plan, devices.clone()).map_err(failed)?;
    let account: EngineAccount = engine.account(ACCOUNT).map_err(failed)?;
    let own = account.scratch(place).map_err(failed)?;
    let near = if let Some(beside) = devices.get(1) {
        account.scratch(beside.facts().place).map_err(failed)?
    } else {
        let shared = PoolSettings { mode: Some(StorageMode::Shared), ..PoolSettings::default() };
        Pool::new(&account, Arc::clone(device), shared).map_err(GpuError::from)?
    };
    Ok((own, near))
}

fn shape(settings: &Settings, codec: Codec) -> FlatShape {
    let rows = u32::try_from(settings.rows).unwrap_or(u32::MAX);
    FlatShape { codec, metric: Metric::L2, dimension: settings.dimension, rows }
}

impl Bench<'_> {
    fn first_queries(&self, count: usize) -> &[f32] {
        &self.queries[..count * self.settings.dimension]
    }

    /// All vectors, some thousand at a time.
    fn each(&self, mut take: impl FnMut(&[f32]) -> Result<(), GpuError>) -> Result<(), CliError> {
        let at_once = 4096 * self.settings.dimension;
        let mut part = Vec::with_capacity(at_once);
        let mut failed = None;
        let made = self.source.each(2, self.settings.rows, |vector| {
            part.extend_from_slice(vector);
            if part.len() < at_once {
                return Ok(());
            }
            let taken = take(&part);
            part.clear();
            taken.map_err(|error| {
                failed = Some(error);
                std::io::Error::other("the device")
            })
        });
        match failed {
            Some(error) => return Err(error.into()),
            None => drop(made),
        }
        Ok(take(&part)?)
    }

    /// The nearest by the host's own scan, of f32 rows.
    fn host(&self) -> Result<Vec<Vec<Hit>>, CliError> {
        let dimension = self.settings.dimension;
        let failed = |error: plimsoll_vec::CodeError| CliError::from(GpuError::from(error));
        let coder = Coder::new(Codec::F32, Metric::L2, dimension).map_err(failed)?;
        let asked = self.first_queries(EXACT);
        let queries = Queries::new(Codec::F32, Metric::L2, dimension, asked).map_err(failed)?;
        let mut tops = Tops::new(&queries, K).map_err(|_| CliError::from(GpuError::Count { k: K }))?;
        let mut first = 0;
        let mut blocks = Vec::new();
        self.each(|part| {
            let rows = part.len() / dimension;
            blocks.resize(rows.div_ceil(plimsoll_vec::BLOCK_ROWS) * coder.layout().block_bytes(), 0);
            coder.encode(part, 0, &mut blocks)?;
            scan(&queries, &blocks, rows, first, None, &mut tops);
            first += rows as u64;
            Ok(())
        })?;
        Ok((0..EXACT).map(|query| tops.hits(query)).collect())
    }

    fn resident(&mut self, codec: Codec) -> Result<(), CliError> {
        let mut flat = Flat::resident(&self.own, shape(self.settings, codec))?;
        self.each(|part| flat.push(part))?;
        for (count, name) in [(1, "one query"), (8, "batch 8"), (100, "batch 100"), (BATCH, "batch 1000")] {
            // What is copied on the device is read and written.
            let limit = self.own_copies()?;
            self.row(&mut flat, count, &format!("{codec}, {name}"), limit)?;
        }
        Ok(())
    }

    fn streamed(&mut self, codec: Codec) -> Result<(), CliError> {
        let shape = shape(self.settings, codec);
        let mut flat = Flat::streamed(&self.near, &self.own, shape, FlatSettings::default())?;
        self.each(|part| flat.push(part))?;
        for (count, name) in [(1, "one query"), (BATCH, "batch 1000")] {
            let limit = self.copies_up()?;
            let work = format!("{codec}, {name}, streamed from {}", self.near.place());
            self.row(&mut flat, count, &work, limit)?;
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "rates")]
    fn row(&mut self, flat: &mut Flat, count: usize, work: &str, limit: f64) -> Result<(), CliError> {
        let queries = &self.queries[..count * self.settings.dimension];
        let found = flat.search(queries, K, None)?;
        let mut took = Vec::new();
        for _ in 0..self.settings.turns {
            let began = Instant::now();
            flat.search(queries, K, None)?;
            took.push(began.elapsed().as_secs_f64());
        }
        let seconds = median(took);
        let rate = flat.shape().bytes().get() as f64 / seconds;
        self.rows.push(BenchRow {
            work: format!("{work} on {}", self.own.place()),
            engine: "plimsoll",
            qps: count as f64 / seconds,
            ms: seconds * 1e3,
            gb_per_s: rate / 1e9,
            bandwidth_fraction: rate / limit,
            recall: self.recall(&found),
        });
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "a share")]
    fn recall(&self, found: &[Vec<Hit>]) -> f64 {
        let (mut hits, mut all) = (0, 0);
        for (exact, found) in self.exact.iter().zip(found) {
            all += exact.len();
            hits += exact.iter().filter(|hit| found.iter().any(|other| other.row == hit.row)).count();
        }
        hits as f64 / all.max(1) as f64
    }

    /// Bytes a second that are read and written where rows stay.
    fn own_copies(&self) -> Result<f64, CliError> {
        Ok(2.0 * self.copies(&self.own)?)
    }

    /// Bytes a second that come to the device from the memory beside it.
    fn copies_up(&self) -> Result<f64, CliError> {
        self.copies(&self.near)
    }

    /// The median of five rounds of four copies in a row, of a quarter GiB each or what there is room for.
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    fn copies(&self, from: &Pool) -> Result<f64, CliError> {
        let device = self.own.device();
        let bytes = device.facts().max_allocation.min(Bytes::mib(256));
        let leased = |pool: &Pool| -> Result<Lease, GpuError> { Ok(pool.lease(bytes)?) };
        let (mut source, mut target) = (leased(from)?, leased(&self.own)?);
        let stream = device.stream().map_err(GpuError::from)?;
        let mut round = || -> Result<f64, GpuError> {
            let began = Instant::now();
            for _ in 0..4 {
                target.copy_from(stream, 0, &mut source, 0, bytes)?;
            }
            device.wait(device.fence(stream)?, PATIENCE)?;
            Ok(4.0 * bytes.get() as f64 / began.elapsed().as_secs_f64())
        };
        round()?;
        let rates: Result<Vec<f64>, GpuError> = (0..5).map(|_| round()).collect();
        Ok(median(rates?))
    }
}
