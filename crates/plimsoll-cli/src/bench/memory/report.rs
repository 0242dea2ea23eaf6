//! What was measured; this is the schema of `plimsoll bench memory --json`.

use plimsoll::machine::Cache;
use serde::Serialize;

use super::disk::Through;
use super::{Figure, Operation};
use crate::machine::CacheReport;

/// What `plimsoll bench memory --json` prints: one object.
///
/// * Rates are bytes a second (10⁹ of them are 1 GB/s) and their names end in `_bytes_per_s`.
/// * Sizes are whole numbers of bytes and their names end in `_bytes`.
/// * A part that was not measured is empty or `null`, and `left_out` says why.
///
/// ```json
/// {
///   "version": "0.1.0",
///   "cpu": { "name": "…", "instructions": "AVX2", "caches": [{ "level": 1, "bytes": 32768, "shared_by": 1 }] },
///   "host": [{ "threads": 1, "pinned": true, "points": [
///     { "operation": "read", "working_set_bytes": 1024,
///       "best_bytes_per_s": 1.5e11, "median_bytes_per_s": 1.4e11, "runs": 10 }] }],
///   "disk": { "folder": "/data", "file_system": "ext4", "in_memory": false,
///             "file_bytes": 1073741824, "block_bytes": 4194304, "rows": [
///     { "operation": "read", "through": "direct", "in_flight": 4,
///       "best_bytes_per_s": 3e9, "median_bytes_per_s": 3e9, "runs": 3 }] },
///   "devices": [{ "place": "cuda:0", "name": "…", "rows": [
///     { "transfer": "upload", "from": "pageable", "to": "cuda:0", "counted_bytes": 268435456,
///       "best_bytes_per_s": 1e10, "median_bytes_per_s": 1e10, "runs": 10,
///       "bare": { "name": "cuMemcpyAsync", "best_bytes_per_s": 1e10, "median_bytes_per_s": 1e10, "runs": 10 } }] }],
///   "left_out": [{ "what": "CUDA", "why": "…", "failed": false }]
/// }
/// ```
///
/// `operation` is one of `read`, `write`, `copy`, `triad`; `through` of `buffered`, `cached`, `direct`; `transfer` of
/// `copy` (bytes read and bytes written both count), `upload`, `download`, `write` (the host writes shared memory in
/// place). `from` and `to` are places, or `pageable` for ordinary memory of the host. `bare` is what the system's
/// or the driver's own call reached in the same run, `null` where none was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MemoryReport {
    /// The program's version.
    pub version: &'static str,
    /// The processor.
    pub cpu: ProcessorReport,
    /// Host memory, for one thread and for all.
    pub host: Vec<HostReport>,
    /// The disk.
    pub disk: Option<DiskReport>,
    /// Devices.
    pub devices: Vec<DeviceReport>,
    /// What is missing, or smaller than usual, and why.
    pub left_out: Vec<LeftOut>,
}

/// The processor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProcessorReport {
    /// Its model.
    pub name: Option<String>,
    /// How wide the loads and stores are.
    pub instructions: &'static str,
    /// Its data caches, smallest first.
    pub caches: Vec<CacheReport>,
}

/// Host memory by so many threads.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HostReport {
    /// Threads at once.
    pub threads: usize,
    /// Whether each stayed on a core of its own.
    pub pinned: bool,
    /// What was measured, by working set and operation.
    pub points: Vec<HostPoint>,
}

/// One operation over one working set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct HostPoint {
    /// Which.
    pub operation: Operation,
    /// All arrays of all threads together.
    pub working_set_bytes: u64,
    /// How fast.
    #[serde(flatten)]
    pub figure: Figure,
}

/// A disk.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DiskReport {
    /// The folder.
    pub folder: String,
    /// Its file system.
    pub file_system: Option<String>,
    /// Whether that file system keeps its files in memory, and is no disk at all.
    pub in_memory: bool,
    /// The file that was read and written.
    pub file_bytes: u64,
    /// What one request moved.
    pub block_bytes: u64,
    /// What was measured.
    pub rows: Vec<DiskRow>,
}

/// One way to use a disk.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DiskRow {
    /// [`Operation::Read`] or [`Operation::Write`].
    pub operation: Operation,
    /// Through the system's cache or past it.
    pub through: Through,
    /// Requests at once.
    pub in_flight: usize,
    /// How fast.
    #[serde(flatten)]
    pub figure: Figure,
}

/// A device.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeviceReport {
    /// Its place.
    pub place: String,
    /// Its name.
    pub name: String,
    /// What was measured.
    pub rows: Vec<TransferRow>,
}

/// One way between memories.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TransferRow {
    /// Which call does it.
    pub transfer: Transfer,
    /// Where from.
    pub from: String,
    /// Where to.
    pub to: String,
    /// What counts of one transfer.
    pub counted_bytes: u64,
    /// How fast.
    #[serde(flatten)]
    pub figure: Figure,
    /// The same by the system's or the driver's own call.
    pub bare: Option<BareFigure>,
}

/// What moves the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transfer {
    /// A copy on a stream.
    Copy,
    /// From a slice of the host.
    Upload,
    /// Into a slice of the host.
    Download,
    /// In place, by the host.
    Write,
}

impl Transfer {
    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Copy => "copy",
            Self::Upload => "upload",
            Self::Download => "download",
            Self::Write => "write in place",
        }
    }
}

/// What a call that is not ours reached.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BareFigure {
    /// The call.
    pub name: &'static str,
    /// How fast.
    #[serde(flatten)]
    pub figure: Figure,
}

/// Something that is missing or smaller than usual.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
    /// Whether it was tried and failed, which makes the program fail too.
    pub failed: bool,
}

impl LeftOut {
    /// Something that this machine, system or disk does not have or offer.
    pub fn absent(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into(), failed: false }
    }

    /// Something that was tried.
    pub fn failed(what: impl Into<String>, why: &dyn std::error::Error) -> Self {
        Self { what: what.into(), why: why.to_string(), failed: true }
    }
}

impl ProcessorReport {
    /// What is known of this processor.
    pub fn new(cpu: &plimsoll::machine::Cpu, instructions: &'static str) -> Self {
        let cache = |cache: &Cache| CacheReport {
            level: cache.level,
            bytes: cache.bytes.get(),
            shared_by: cache.shared_by,
        };
        Self { name: cpu.name.clone(), instructions, caches: cpu.caches.iter().map(cache).collect() }
    }

    /// The caches that so many threads, each on a core of its own, have together: level and bytes.
    pub fn caches_of(&self, threads: usize) -> Vec<(u8, u64)> {
        let all = |cache: &CacheReport| {
            let sharing = cache.shared_by.unwrap_or(1).max(1) as usize;
            (cache.level, cache.bytes.saturating_mul(threads.div_ceil(sharing).max(1) as u64))
        };
        self.caches.iter().map(all).collect()
    }
}
