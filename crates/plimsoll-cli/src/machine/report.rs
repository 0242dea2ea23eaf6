//! The facts as a report; this is the schema of `plimsoll machine --json`.

use plimsoll::machine::{Limit, Machine, PlaceFacts, Transparent};
use plimsoll::pressure::{OsLevel, Pressure, PressureError};
use plimsoll::{Bytes, Place};
use serde::Serialize;

use crate::backends::{BackendError, Gpu};

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
///   "gpus": [{ "place": "cuda:0", "also": ["gpu:0"], "name": "…", "kind": "discrete", "api": "CUDA 13.0",
///              "driver": null, "total_bytes": 150000000000, "free_bytes": null, "unified": false,
///              "compute": [9, 0], "multiprocessors": 132, "pci": "00000000:01:00.0",
///              "link": { "generation": 5, "lanes": 16, "generation_max": 5, "lanes_max": 16 },
///              "peers": ["cuda:1"], "lacks": null }],
///   "missing": [{ "what": "CUDA", "why": "…" }],
///   "pressure": { "used": 0.12, "some_avg10": 0.0, "full_avg10": 0.0, "available_bytes": 1, "total_bytes": 2,
///                 "level": "normal" },
///   "disk": { "folder": "/data", "mounted_at": "/", "file_system": "ext4", "total_bytes": 1, "free_bytes": 1 }
/// }
/// ```
///
/// `limits[].kind` is one of `cgroup-max`, `cgroup-high`, `cgroup-v1`, `address-space`, `data`;
/// `pages.transparent` of `always`, `on-request`, `never`; `pressure.level` of `normal`, `warning`, `critical`;
/// `gpus[].kind` of `discrete`, `integrated`, `virtual`, `software`, `other`. `missing` names back ends that are of no
/// use here. Nothing is opened for this: what only an open GPU tells (how much is free, through CUDA) is `null`.
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
    /// The GPUs, each once.
    pub gpus: Vec<GpuReport>,
    /// Ways to reach GPUs that are of no use here.
    pub missing: Vec<MissingReport>,
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

/// A GPU.
#[derive(Clone, Debug, Serialize)]
pub struct GpuReport {
    /// Its place in plans.
    pub place: String,
    /// Other places that are the same memory.
    pub also: Vec<String>,
    /// What its maker calls it.
    pub name: String,
    /// What sort of GPU; `software` means that the processor acts as one.
    pub kind: &'static str,
    /// What reaches it.
    pub api: String,
    /// The driver, where it has a name.
    pub driver: Option<String>,
    /// All its memory.
    pub total_bytes: u64,
    /// What of it is free.
    pub free_bytes: Option<u64>,
    /// Whether its memory is the machine's own.
    pub unified: bool,
    /// CUDA's compute capability.
    pub compute: Option<(u32, u32)>,
    /// How many multiprocessors it has.
    pub multiprocessors: Option<u32>,
    /// Where it is on the PCI bus.
    pub pci: Option<String>,
    /// How it is connected to the machine.
    pub link: Option<LinkReport>,
    /// Places whose memory it reaches by itself.
    pub peers: Vec<String>,
    /// What it lacks to be used.
    pub lacks: Option<String>,
}

/// A PCI Express connection: now, and at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct LinkReport {
    pub generation: u8,
    pub lanes: u8,
    pub generation_max: u8,
    pub lanes_max: u8,
}

/// A way to reach GPUs that is of no use here.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct MissingReport {
    pub what: &'static str,
    pub why: String,
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
    /// The report of a machine, of its GPUs and the back ends that it lacks, and of one reading of its pressure.
    pub fn new(
        machine: &Machine,
        gpus: &[Gpu],
        missing: Vec<(&'static str, BackendError)>,
        pressure: Result<Pressure, PressureError>,
    ) -> Self {
        let (pressure, pressure_error) = match pressure {
            Ok(reading) => (Some(PressureReport::new(&reading)), None),
            Err(error) => (None, Some(error)),
        };
        let Machine { os, cpu, memory, .. } = machine;
        let mut places = machine.places();
        for gpu in gpus {
            let known = places.iter().any(|facts| facts.place == gpu.place);
            // Where the system itself tells about the GPU's memory, it knows better.
            places.extend(place_of(gpu).filter(|_| !known));
        }
        places.sort_by_key(|facts| facts.place);
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
            places: places.into_iter().map(PlaceReport::new).collect(),
            gpus: gpus.iter().map(GpuReport::new).collect(),
            missing: missing
                .into_iter()
                .map(|(what, why)| MissingReport { what, why: why.to_string() })
                .collect(),
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

/// The place that a GPU's memory is. One that the processor acts as has no memory of its own, and one that cannot be
/// used is no place.
fn place_of(gpu: &Gpu) -> Option<PlaceFacts> {
    if gpu.is_software() || gpu.lacks.is_some() || gpu.total.is_zero() {
        return None;
    }
    let line = gpu.total.fraction(if gpu.unified { 0.5 } else { 0.9 });
    let step = if line >= Bytes::gib(8) { Bytes::gib(1) } else { Bytes::mib(64) };
    Some(PlaceFacts {
        place: gpu.place,
        total: gpu.total,
        usable: gpu.total,
        free: gpu.free,
        suggested_line: Bytes::new(line.get() / step.get() * step.get()),
        limited_by: if gpu.unified {
            "what its driver may take of the machine's memory"
        } else {
            "the GPU's memory"
        }
        .to_owned(),
        shares_host: gpu.unified,
    })
}

impl GpuReport {
    fn new(gpu: &Gpu) -> Self {
        let names = |places: &[Place]| places.iter().map(ToString::to_string).collect();
        Self {
            place: gpu.place.to_string(),
            also: names(&gpu.also),
            name: gpu.name.clone(),
            kind: gpu.kind,
            api: gpu.api.clone(),
            driver: gpu.driver.clone(),
            total_bytes: gpu.total.get(),
            free_bytes: gpu.free.map(Bytes::get),
            unified: gpu.unified,
            compute: gpu.compute,
            multiprocessors: gpu.multiprocessors,
            pci: gpu.pci.clone(),
            link: gpu.link.map(|link| LinkReport {
                generation: link.generation,
                lanes: link.lanes,
                generation_max: link.generation_max,
                lanes_max: link.lanes_max,
            }),
            peers: names(&gpu.peers),
            lacks: gpu.lacks.clone(),
        }
    }
}

impl PressureReport {
    pub(crate) fn new(reading: &Pressure) -> Self {
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
