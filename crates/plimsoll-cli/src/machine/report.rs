//! The facts as a report; this is the schema of `plimsoll machine --json`.

use plimsoll::Bytes;
use plimsoll::machine::{Limit, Machine, PlaceFacts, Transparent};
use plimsoll::pressure::{OsLevel, Pressure, PressureError};
use serde::Serialize;

/// What `plimsoll machine --json` prints: one object.
///
/// * Every size is a whole number of bytes and its name ends in `_bytes`.
/// * What the system does not tell is `null`, never zero.
/// * `places` is what plans are made of; the rest is why.
///
/// ```json
/// {
///   "version": "0.1.0",
///   "os": { "name": "Debian GNU/Linux 13", "kernel": "6.12.0", "arch": "x86_64" },
///   "cpu": { "name": "…", "cores": 8, "cores_usable": 4, "quota_cores": 3.5,
///            "caches": [{ "level": 1, "bytes": 49152, "shared_by": 2 }] },
///   "memory": { "total_bytes": 67108864000, "available_bytes": 33554432000,
///               "swap_total_bytes": 0, "swap_free_bytes": 0, "unified": null },
///   "pages": { "page_bytes": 4096, "cache_line_bytes": 64, "transparent": "on-request",
///              "transparent_bytes": 2097152, "huge": [{ "size_bytes": 2097152, "total": 0, "free": 0 }] },
///   "limits": [{ "kind": "cgroup-max", "bytes": 17179869184, "used_bytes": 1048576, "source": "/sys/…" }],
///   "places": [{ "place": "host", "total_bytes": 67108864000, "usable_bytes": 17179869184,
///                "free_bytes": 17178820608, "suggested_line_bytes": 12884901888,
///                "limited_by": "cgroup limit (memory.max): /sys/…", "shares_host": true }],
///   "pressure": { "used": 0.12, "some_avg10": 0.0, "full_avg10": 0.0, "available_bytes": 1, "total_bytes": 2,
///                 "level": "normal" },
///   "disk": { "folder": "/data", "mounted_at": "/", "file_system": "ext4", "total_bytes": 1, "free_bytes": 1 }
/// }
/// ```
///
/// `limits[].kind` is one of `cgroup-max`, `cgroup-high`, `cgroup-v1`, `address-space`, `data`;
/// `pages.transparent` of `always`, `on-request`, `never`; `pressure.level` of `normal`, `warning`, `critical`.
#[derive(Clone, Debug, Serialize)]
pub struct MachineReport {
    /// The program's version.
    pub version: &'static str,
    /// The operating system.
    pub os: OsReport,
    /// The processor.
    pub cpu: CpuReport,
    /// Memory of the whole machine.
    pub memory: MemoryReport,
    /// Pages and the cache line.
    pub pages: PagesReport,
    /// What keeps this process below the machine's memory, lowest first.
    pub limits: Vec<LimitReport>,
    /// Where bytes can live.
    pub places: Vec<PlaceReport>,
    /// How short of memory it is; `null` where the system does not tell.
    pub pressure: Option<PressureReport>,
    /// Why there is no pressure; not part of the JSON.
    #[serde(skip)]
    pub pressure_error: Option<PressureError>,
    /// The storage under the data folder.
    pub disk: Option<DiskReport>,
}

/// The operating system.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct OsReport {
    pub name: Option<String>,
    pub kernel: Option<String>,
    pub arch: &'static str,
}

/// The processor.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct CpuReport {
    pub name: Option<String>,
    pub cores: Option<u32>,
    /// Those that this process may run on, held to its quota.
    pub cores_usable: Option<u32>,
    pub quota_cores: Option<f64>,
    pub caches: Vec<CacheReport>,
}

/// A cache of the processor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct CacheReport {
    pub level: u8,
    pub bytes: u64,
    pub shared_by: Option<u32>,
}

/// Memory of the whole machine.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct MemoryReport {
    pub total_bytes: Option<u64>,
    pub available_bytes: Option<u64>,
    pub swap_total_bytes: Option<u64>,
    pub swap_free_bytes: Option<u64>,
    /// Whether the GPU shares it.
    pub unified: Option<bool>,
}

/// Pages and the cache line.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct PagesReport {
    pub page_bytes: Option<u64>,
    pub cache_line_bytes: Option<u64>,
    /// When the kernel makes large pages by itself.
    pub transparent: Option<&'static str>,
    pub transparent_bytes: Option<u64>,
    pub huge: Vec<HugeReport>,
}

/// A pool of large pages.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct HugeReport {
    pub size_bytes: u64,
    pub total: u64,
    pub free: u64,
}

/// A limit.
#[derive(Clone, Debug, Serialize)]
pub struct LimitReport {
    /// What sort of limit, for programs.
    pub kind: &'static str,
    /// The most that it allows.
    pub bytes: u64,
    /// What is used of it and could not be given back at once.
    pub used_bytes: Option<u64>,
    /// The file or call that says so.
    pub source: String,
    /// What sort of limit, for people; not part of the JSON.
    #[serde(skip)]
    pub title: String,
}

/// A place.
#[derive(Clone, Debug, Serialize)]
pub struct PlaceReport {
    /// Its name in plans.
    pub place: String,
    /// All that is there.
    pub total_bytes: u64,
    /// What this process may use of it at most.
    pub usable_bytes: u64,
    /// What could be taken now.
    pub free_bytes: Option<u64>,
    /// A line that leaves the system room to live.
    pub suggested_line_bytes: u64,
    /// What holds it to `usable_bytes`.
    pub limited_by: String,
    /// Whether its bytes come out of the machine's memory, so that its line and the host's add up.
    pub shares_host: bool,
}

/// How short of memory it is.
#[derive(Clone, Debug, Serialize)]
pub struct PressureReport {
    /// The fraction in use of what may be used.
    pub used: f64,
    /// Percent of the last ten seconds in which some task waited for memory.
    pub some_avg10: Option<f64>,
    /// Percent in which all tasks waited.
    pub full_avg10: Option<f64>,
    /// What could be taken without swapping.
    pub available_bytes: Option<u64>,
    /// What may be used in all.
    pub total_bytes: Option<u64>,
    /// The system's own judgement.
    pub level: Option<&'static str>,
}

/// The storage under the data folder.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct DiskReport {
    pub folder: String,
    pub mounted_at: Option<String>,
    pub file_system: Option<String>,
    pub total_bytes: u64,
    pub free_bytes: u64,
}

impl MachineReport {
    /// The report of a machine and of one reading of its pressure.
    pub fn new(machine: &Machine, pressure: Result<Pressure, PressureError>) -> Self {
        let (pressure, pressure_error) = match pressure {
            Ok(reading) => (Some(PressureReport::new(&reading)), None),
            Err(error) => (None, Some(error)),
        };
        let Machine { os, cpu, memory, .. } = machine;
        Self {
            version: env!("CARGO_PKG_VERSION"),
            os: OsReport { name: os.name.clone(), kernel: os.kernel.clone(), arch: os.arch },
            cpu: CpuReport {
                name: cpu.name.clone(),
                cores: cpu.cores,
                cores_usable: cpu.usable(),
                quota_cores: cpu.quota,
                caches: cpu.caches.iter().map(CacheReport::new).collect(),
            },
            memory: MemoryReport {
                total_bytes: memory.total.map(Bytes::get),
                available_bytes: memory.available.map(Bytes::get),
                swap_total_bytes: memory.swap_total.map(Bytes::get),
                swap_free_bytes: memory.swap_free.map(Bytes::get),
                unified: memory.unified,
            },
            pages: PagesReport::new(&machine.pages),
            limits: machine.limits.iter().map(LimitReport::new).collect(),
            places: machine.places().into_iter().map(PlaceReport::new).collect(),
            pressure,
            pressure_error,
            disk: machine.disk.as_ref().map(DiskReport::new),
        }
    }
}

impl CacheReport {
    fn new(cache: &plimsoll::machine::Cache) -> Self {
        Self { level: cache.level, bytes: cache.bytes.get(), shared_by: cache.shared_by }
    }
}

impl PagesReport {
    fn new(pages: &plimsoll::machine::Pages) -> Self {
        let huge = pages.huge.iter().map(|pool| HugeReport {
            size_bytes: pool.size.get(),
            total: pool.total,
            free: pool.free,
        });
        Self {
            page_bytes: pages.page.map(Bytes::get),
            cache_line_bytes: pages.cache_line.map(Bytes::get),
            transparent: pages.transparent.map(|when| match when {
                Transparent::Always => "always",
                Transparent::OnRequest => "on-request",
                Transparent::Never => "never",
            }),
            transparent_bytes: pages.transparent_size.map(Bytes::get),
            huge: huge.collect(),
        }
    }
}

impl LimitReport {
    fn new(limit: &Limit) -> Self {
        Self {
            kind: limit.kind.code(),
            bytes: limit.bytes.get(),
            used_bytes: limit.used.map(Bytes::get),
            source: limit.source.clone(),
            title: limit.kind.to_string(),
        }
    }
}

impl PlaceReport {
    fn new(facts: PlaceFacts) -> Self {
        Self {
            place: facts.place.to_string(),
            total_bytes: facts.total.get(),
            usable_bytes: facts.usable.get(),
            free_bytes: facts.free.map(Bytes::get),
            suggested_line_bytes: facts.suggested_line.get(),
            limited_by: facts.limited_by,
            shares_host: facts.shares_host,
        }
    }
}

impl PressureReport {
    fn new(reading: &Pressure) -> Self {
        Self {
            used: reading.used,
            some_avg10: reading.some_avg10,
            full_avg10: reading.full_avg10,
            available_bytes: reading.available.map(Bytes::get),
            total_bytes: reading.total.map(Bytes::get),
            level: reading.level.map(|level| match level {
                OsLevel::Normal => "normal",
                OsLevel::Warning => "warning",
                OsLevel::Critical => "critical",
            }),
        }
    }
}

impl DiskReport {
    fn new(disk: &plimsoll::machine::Disk) -> Self {
        Self {
            folder: disk.folder.display().to_string(),
            mounted_at: disk.mounted_at.as_ref().map(|at| at.display().to_string()),
            file_system: disk.file_system.clone(),
            total_bytes: disk.total.get(),
            free_bytes: disk.free.get(),
        }
    }
}
