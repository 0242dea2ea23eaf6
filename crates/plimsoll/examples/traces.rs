//! Replays recorded traces through the bare arena and prints one line each: the experiment behind its settings.
//!
//! `cargo run --release -p plimsoll --example traces -- [small_below=KIB] [slab=KIB] [slack=PERMILLE]
//! [first=MIB] [effort=N] [granule=KIB] [unit=BYTES] [cache=MIB] [large_from=KIB] [only=TEXT]
//! [slabs=1]`, or `behind=EVENTS` for recordings of several streams through a whole pool, on a device that is so
//! many events behind.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use plimsoll::Bytes;
use plimsoll::pool::arena::{ArenaSettings, Backing};
use plimsoll::replay::{BareArena, BestFit, CacheLimits, PooledReplay, Replayer as _, Trace, replay};

const MIB: f64 = 1_048_576.0;

/// What the command line asks for.
struct Asked {
    settings: ArenaSettings,
    cache: Option<CacheLimits>,
    only: String,
    behind: Option<usize>,
}

#[expect(clippy::cast_precision_loss, reason = "a table for people")]
fn line(path: &Path, asked: &Asked) -> Result<bool, Box<dyn std::error::Error>> {
    let trace = Trace::open(path)?;
    let best = replay(&trace, &mut BestFit::new(asked.settings.unit))?;
    let mut nanos = f64::MAX;
    let mut pool = BareArena::new(asked.settings);
    for _ in 0..3 {
        pool = BareArena::new(asked.settings);
        if let Some(limits) = asked.cache {
            pool = pool.cached(limits);
        }
        nanos = nanos.min(replay(&trace, &mut pool)?.ns_per_event);
    }
    let live = trace.facts.peak_live_bytes as f64;
    let over = pool.peak_reserved_bytes() as f64 / live;
    let bar = if live > 1024.0 * MIB { 1.03 } else { 1.10 };
    let share = |count: u64| 100.0 * count as f64 / trace.facts.events as f64;
    let good = over <= bar && share(pool.exchange_events()) <= 1.0;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    println!(
        "{:38} {:7} {:9.1} {:9.1} {over:7.4} {:8.4} {:8.3} {:5} {:5} {:6.2}% {:6.2}% {nanos:6.1} {}",
        name.trim_end_matches(".csv.gz"),
        trace.facts.events,
        live / MIB,
        pool.peak_reserved_bytes() as f64 / MIB,
        best.peak_reserved_bytes as f64 / live,
        trace.facts.recorded_reserved_bytes.map_or(f64::NAN, |bytes| bytes as f64 / live),
        pool.backs,
        pool.give_backs,
        share(pool.exchange_events()),
        share(pool.map_events()),
        if good { "" } else { "<-" },
    );
    Ok(good)
}

/// A recording of several streams through a whole pool.
#[expect(clippy::cast_precision_loss, reason = "a table for people")]
fn behind(path: &Path, granule: Bytes, events: usize) -> Result<bool, Box<dyn std::error::Error>> {
    let trace = Trace::open(path)?;
    if trace.facts.streams < 2 {
        return Ok(true);
    }
    let mut pooled = PooledReplay::behind(&trace, granule, events)?;
    let outcome = replay(&trace, &mut pooled)?;
    let (stats, live) = (pooled.pool().stats(), trace.facts.peak_live_bytes as f64);
    println!(
        "{:38} {events:9} events behind: {:.4} over live, {} of {} leases on bytes still in use, {} maps, {:.1} ns",
        path.file_name().unwrap_or_default().to_string_lossy().trim_end_matches(".csv.gz"),
        outcome.peak_reserved_bytes as f64 / live,
        stats.reused,
        stats.leases,
        outcome.map_events,
        outcome.ns_per_event,
    );
    Ok(true)
}

fn ask(arguments: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut settings = ArenaSettings::pages(512, 2 << 20, 1 << 44);
    let (mut granule, mut cache, mut large_from, mut slabs) = (2048, 0, 64, false);
    let (mut only, mut hot_share, mut behind) = (String::new(), 64, None);
    for argument in arguments {
        let wrong = || format!("not understood: {argument}");
        let (key, value) = argument.split_once('=').ok_or_else(wrong)?;
        if key == "only" {
            value.clone_into(&mut only);
            continue;
        }
        let number: u32 = value.parse().map_err(|_| wrong())?;
        match key {
            "small_below" => settings.small_below = u64::from(number) << 10,
            "slab" => settings.small_slab = u64::from(number) << 10,
            "slack" => settings.slack.permille = number,
            "slack_mib" => settings.slack.bytes = u64::from(number) << 20,
            "slack_most" => settings.slack.permille_most = number,
            "first" => settings.first_bytes = u64::from(number) << 20,
            "effort" => settings.effort = number,
            "small_effort" => settings.small_effort = number,
            "unit" => settings.unit = u64::from(number),
            "granule" => granule = u64::from(number),
            "cache" => cache = u64::from(number) << 20,
            "hot_share" => hot_share = u64::from(number),
            "large_from" => large_from = u64::from(number),
            "slabs" => slabs = number > 0,
            "behind" => behind = Some(number as usize),
            _ => return Err(wrong()),
        }
    }
    settings.backing = ArenaSettings::pages(settings.unit, granule << 10, 1 << 44).backing;
    if slabs {
        settings = ArenaSettings::slabs(settings.unit, 4096, 1 << 40);
    }
    let limits = CacheLimits { bytes: cache, blocks: 1024, large_from: large_from << 10, hot_share };
    Ok(Asked { settings, cache: (cache > 0).then_some(limits), only, behind })
}

fn main() -> ExitCode {
    let asked = match ask(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/alloc-traces");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("{} is not there", folder.display());
        return ExitCode::FAILURE;
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    println!(
        "{:38} {:>7} {:>9} {:>9} {:>7} {:>8} {:>8} {:>5} {:>5} {:>7} {:>7} {:>6}",
        "trace",
        "events",
        "live MiB",
        "reserved",
        "over",
        "best fit",
        "recorded",
        "back",
        "give",
        "exch.",
        "all",
        "ns"
    );
    let mut misses = 0;
    for path in paths.iter().filter(|path| path.to_string_lossy().contains(&asked.only)) {
        let granule = match asked.settings.backing {
            Backing::Pages { granule, .. } => granule,
            Backing::Slabs { .. } => 2 << 20,
        };
        let done = match asked.behind {
            Some(events) => behind(path, Bytes::new(granule), events),
            None => line(path, &asked),
        };
        match done {
            Ok(good) => misses += u32::from(!good),
            Err(error) => eprintln!("{}: {error}", path.display()),
        }
    }
    println!("misses: {misses}");
    ExitCode::SUCCESS
}
