//! Many threads, many tenants, far more asked than the line carries; for a test and for a benchmark.
//!
//! Every tenant keeps what it is granted in a cache that gives it back when asked, except for what a thread has in
//! its hands at the moment. So the line is full all the time, almost every request runs the ladder or waits, and
//! the only thing that keeps requests moving is the governor. A sampler takes snapshots all along.
//!
//! Every grant is allocated on a simulated device with exactly the line's capacity, and freed before its charge goes:
//! if the governor ever granted a byte too many, the device would refuse it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use plimsoll_device::sim::{Contents, SimSettings};
use plimsoll_device::{Device as _, Region, Request, SimDevice, StorageMode};

use super::{Account, Charge, Emergency, Governor, HolderKind, Offer, Registration, Shrink};
use crate::ledger::{AccountSettings, LedgerError, LedgerSettings, LineSettings, PlaceSnapshot};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Arc, Mutex, lock, thread};
use crate::{Bytes, Place};

const PLACE: Place = Place::Sim(0);

/// What is run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StressSettings {
    /// Threads that ask.
    pub threads: usize,
    /// Accounts that they ask for.
    pub tenants: usize,
    /// What the place carries.
    pub line: Bytes,
    /// How many times the line all tenants together would like to keep.
    pub asked: u64,
    /// For how long.
    pub duration: Duration,
    /// How long a request waits before it counts as starved.
    pub patience: Duration,
    /// The same seed, the same requests (their interleaving is the machine's).
    pub seed: u64,
}

impl Default for StressSettings {
    fn default() -> Self {
        Self {
            threads: 64,
            tenants: 1_000,
            line: Bytes::gib(1),
            asked: 10,
            duration: Duration::from_mins(1),
            patience: Duration::from_secs(10),
            seed: 1,
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StressReport {
    /// Snapshots taken.
    pub samples: u64,
    /// Snapshots in which more was charged than the line, or own + children ≠ total. Must be zero.
    pub samples_over_line: u64,
    /// Most ever charged, of the line.
    pub peak: Bytes,
    /// Requests granted.
    pub grants: u64,
    /// All bytes granted.
    pub granted: Bytes,
    /// Requests refused, all of them explained unless counted below.
    pub refusals: u64,
    /// Refusals that say nothing of what is full and what to do. Must be zero.
    pub refusals_unexplained: u64,
    /// Requests that waited in vain for as long as patience lasts. Must be zero.
    pub starved: u64,
    /// Longest wait of a granted request, in microseconds.
    pub wait_us_max: u64,
    /// Median wait.
    pub wait_us_p50: u64,
    /// 99 of 100 waited less.
    pub wait_us_p99: u64,
    /// 999 of 1,000 waited less.
    pub wait_us_p999: u64,
    /// Grants that the device had no room for. Must be zero.
    pub device_full: u64,
    /// What was still charged when all was dropped, or held on the device. Must be zero.
    pub left_over: Bytes,
}

impl StressReport {
    /// Whether everything that must hold did.
    pub fn passed(&self) -> bool {
        let broken = self.samples_over_line + self.refusals_unexplained + self.starved + self.device_full;
        let wrong = broken + self.left_over.get();
        wrong == 0 && self.grants > 0 && self.samples > 0
    }
}

/// Granted bytes with memory of the device behind them.
struct Piece {
    region: Option<Region>,
    device: Arc<SimDevice>,
    charge: Charge,
}

impl Drop for Piece {
    fn drop(&mut self) {
        // Fields go after this: the memory is free before its charge is released.
        if let Some(region) = self.region.take() {
            let freed = self.device.free(region);
            debug_assert!(freed.is_ok(), "the region is this device's own");
        }
    }
}

/// A tenant's cache: oldest goes first.
struct Tenant {
    account: Account,
    name: String,
    worth: f64,
    /// What it would like to keep.
    target: u64,
    device: Arc<SimDevice>,
    kept: Mutex<VecDeque<Piece>>,
    bytes: AtomicU64,
}

impl Shrink for Tenant {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> HolderKind {
        HolderKind::Holder
    }

    fn offer(&self) -> Offer {
        Offer { bytes: Bytes::new(self.bytes.load(Ordering::Relaxed)), worth: self.worth }
    }

    fn shrink(&self, want: Bytes, _emergency: &Emergency) -> Bytes {
        let mut gone = Vec::new();
        let mut kept = lock(&self.kept);
        let mut sum = 0;
        while sum < want.get()
            && let Some(piece) = kept.pop_front()
        {
            sum += piece.charge.bytes().get();
            gone.push(piece);
        }
        self.bytes.fetch_sub(sum, Ordering::Relaxed);
        drop(kept);
        Bytes::new(sum)
    }
}

impl Tenant {
    /// Keeps what was granted, on the device; whether the device had room.
    fn keep(&self, charge: Charge) -> bool {
        let request = Request::new(charge.bytes(), StorageMode::Private);
        let Ok(region) = self.device.allocate(request) else { return false };
        let piece = Piece { region: Some(region), device: Arc::clone(&self.device), charge };
        let mut kept = lock(&self.kept);
        self.bytes.fetch_add(piece.charge.bytes().get(), Ordering::Relaxed);
        kept.push_back(piece);
        let over = self.bytes.load(Ordering::Relaxed) > self.target;
        let oldest = if over { kept.pop_front() } else { None };
        if let Some(oldest) = &oldest {
            self.bytes.fetch_sub(oldest.charge.bytes().get(), Ordering::Relaxed);
        }
        drop(kept);
        drop(oldest);
        true
    }
}

/// A tenant, for as long as it is asked to shrink.
type Tenancy = (Arc<Tenant>, Registration);

/// What one thread saw.
#[derive(Default)]
struct Seen {
    grants: u64,
    granted: u64,
    refusals: u64,
    unexplained: u64,
    starved: u64,
    device_full: u64,
    waits_us: Vec<u64>,
}

/// Runs it.
pub fn run(settings: &StressSettings) -> Result<StressReport, LedgerError> {
    let device = Arc::new(simulated(settings.line));
    let (governor, tenants) = set_up(settings, &device)?;
    let stop = AtomicBool::new(false);
    let mut report = StressReport::default();
    let mut waits = Vec::new();
    std::thread::scope(|scope| {
        let workers = (0..settings.threads.max(1))
            .map(|number| {
                scope.spawn({
                    let (tenants, stop) = (&tenants, &stop);
                    move || work(settings, number, tenants, stop)
                })
            })
            .collect::<Vec<_>>();
        let until = Instant::now() + settings.duration;
        while Instant::now() < until {
            if let Some(place) = governor.snapshot().place(PLACE) {
                report.samples += 1;
                report.samples_over_line += u64::from(!holds(place));
                report.peak = place.peak;
            }
            thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
        for seen in workers.into_iter().filter_map(|worker| worker.join().ok()) {
            report.grants += seen.grants;
            report.granted = report.granted.saturating_add(Bytes::new(seen.granted));
            report.refusals += seen.refusals;
            report.refusals_unexplained += seen.unexplained;
            report.starved += seen.starved;
            report.device_full += seen.device_full;
            waits.extend(seen.waits_us);
        }
    });
    waits.sort_unstable();
    let part =
        |per_mille: usize| waits.get((waits.len() * per_mille / 1_000).min(waits.len().saturating_sub(1)));
    report.wait_us_p50 = part(500).copied().unwrap_or(0);
    report.wait_us_p99 = part(990).copied().unwrap_or(0);
    report.wait_us_p999 = part(999).copied().unwrap_or(0);
    report.wait_us_max = waits.last().copied().unwrap_or(0);
    drop(tenants);
    report.left_over =
        governor.snapshot().places.iter().map(|place| place.charged).sum::<Bytes>() + device.used();
    Ok(report)
}

/// A device without bytes that holds exactly so much.
fn simulated(total: Bytes) -> SimDevice {
    let settings = SimSettings {
        place: PLACE,
        total,
        min_align: 1,
        contents: Contents::Hollow,
        ..SimSettings::default()
    };
    match SimDevice::new(settings) {
        Ok(device) => device,
        Err(error) => unreachable!("the settings are sound: {error}"),
    }
}

fn set_up(
    settings: &StressSettings,
    device: &Arc<SimDevice>,
) -> Result<(Governor, Vec<Tenancy>), LedgerError> {
    let count = u64::try_from(settings.tenants.max(1)).unwrap_or(u64::MAX);
    let (line, each) = (settings.line.get(), settings.line.get() / count);
    // Half of the line is guaranteed, to every other tenant; nobody may have more than an eighth of it.
    let path = |number: u64| format!("tenants/{number:05}");
    let account = |number: u64| {
        let guaranteed = Bytes::new(if number.is_multiple_of(2) { each } else { 0 });
        AccountSettings::new(path(number)).priority(u8::try_from(number % 3).unwrap_or(0)).share(
            PLACE,
            guaranteed,
            Bytes::new((line / 8).max(each)),
        )
    };
    let governor = Governor::open(&LedgerSettings {
        places: vec![LineSettings::new(PLACE, settings.line)],
        accounts: (0..count).map(account).collect(),
    })?;
    let tenant = |number: u64| {
        let account = governor.account(&path(number))?;
        let tenant = Arc::new(Tenant {
            name: path(number),
            worth: f64::from(u32::try_from(number % 17).unwrap_or(0)),
            target: each.saturating_mul(settings.asked),
            kept: Mutex::new(VecDeque::new()),
            bytes: AtomicU64::new(0),
            account: account.clone(),
            device: Arc::clone(device),
        });
        let holder: Arc<dyn Shrink> = Arc::clone(&tenant) as _;
        let registration = governor.hold(&account, PLACE, &holder);
        Ok((tenant, registration))
    };
    let tenants = (0..count).map(tenant).collect::<Result<Vec<_>, LedgerError>>()?;
    Ok((governor, tenants))
}

fn work(settings: &StressSettings, number: usize, tenants: &[Tenancy], stop: &AtomicBool) -> Seen {
    let mut random = settings.seed.wrapping_add(number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = move |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below.max(1)
    };
    let mut seen = Seen::default();
    let threads = u64::try_from(settings.threads.max(1)).unwrap_or(u64::MAX);
    // What all threads have in their hands is at most half of the line, so nobody waits for ever by rights.
    let most = (settings.line.get() / threads / 2).max(2);
    while !stop.load(Ordering::Relaxed) {
        let (tenant, _) = &tenants[usize::try_from(next(tenants.len() as u64)).unwrap_or(0)];
        let bytes = Bytes::new(1 + next(most));
        let ask = tenant.account.reserve(PLACE, bytes);
        let (kind, began) = (next(8), Instant::now());
        let answer = match kind {
            0 => ask.quietly(),
            1 => ask.now(),
            _ => ask.within(settings.patience).wait(),
        };
        match answer {
            Ok(reservation) => {
                seen.grants += 1;
                seen.granted = seen.granted.saturating_add(bytes.get());
                if kind > 1 {
                    seen.waits_us.push(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
                }
                let charge = reservation.back();
                if next(4) == 0 {
                    thread::yield_now();
                }
                seen.device_full += u64::from(!tenant.keep(charge));
            }
            Err(refusal) => {
                seen.refusals += 1;
                seen.starved += u64::from(kind > 1);
                let text = refusal.to_string();
                let explained =
                    text.contains("refused") && text.contains(". Next step: ") && refusal.asked == bytes;
                seen.unexplained += u64::from(!explained);
            }
        }
    }
    seen
}

/// Whether a snapshot is within the line and adds up.
fn holds(place: &PlaceSnapshot) -> bool {
    let own: Bytes = place.shares.iter().map(|share| share.own).sum();
    let within = place.shares.iter().all(|share| share.charged <= share.limit);
    place.charged <= place.line && place.charged == own + place.emergency_used && within
}
