//! Record, export, replay: the peaks are the same to the byte, and the recording's are those of the pool.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod synthetic;

use std::fmt::Write as _;
use std::path::Path;

use plimsoll::record::export::{Only, csv};
use plimsoll::record::{Kind, RecordSettings, Recording};
use plimsoll::replay::{PooledReplay, Replayer as _, Trace, replay};
use plimsoll::{Bytes, Place};
use synthetic::{SHAPES, synthetic};

const GRANULE: Bytes = Bytes::kib(512);

/// A replay that is recorded: the recording, and what its pool says.
fn recorded(trace: &Trace, mut pooled: PooledReplay) -> (Recording, PooledReplay) {
    let governor = pooled.pool().account().governor();
    let recording = governor.record_with(RecordSettings::default().limit(Bytes::gib(4)));
    replay(trace, &mut pooled).unwrap();
    (recording.finish(), pooled)
}

fn exported(recording: &Recording) -> Trace {
    let mut text = Vec::new();
    csv(recording, &Only::at(Place::Sim(0)), &mut text).unwrap();
    Trace::read(text.as_slice()).unwrap()
}

fn goes_round(trace: &Trace, name: &str) {
    let (recording, pooled) = recorded(trace, PooledReplay::simulated(trace, GRANULE).unwrap());
    assert_eq!(recording.facts().dropped, 0, "{name}");
    let summary = recording.summary().unwrap();
    assert!(summary.odd.is_clear(), "{name}: {}", summary.odd);
    let place = &summary.places[0];
    let stats = pooled.pool().stats();
    assert_eq!(place.requested.bytes, trace.facts.peak_live_bytes, "{name}: as asked");
    assert_eq!(place.placed.bytes, stats.peak_live.get(), "{name}: as placed");
    assert_eq!(place.backed.unwrap().bytes, stats.peak_backed.get(), "{name}: as backed");
    assert_eq!(
        place.charged.unwrap().bytes,
        stats.peak_backed.get(),
        "{name}: what is backed is what is charged"
    );
    assert_eq!(place.end_live, trace.facts.end_live_bytes, "{name}: at the end");
    let again = exported(&recording);
    assert_eq!(again.facts.peak_live_bytes, trace.facts.peak_live_bytes, "{name}");
    assert_eq!(again.facts.peak_live_blocks, place.blocks, "{name}");
    let mut second = PooledReplay::simulated(&again, GRANULE).unwrap();
    replay(&again, &mut second).unwrap();
    assert_eq!(second.peak_reserved_bytes(), pooled.peak_reserved_bytes(), "{name}: replayed");
}

#[test]
fn peaks_are_the_same_to_the_byte() {
    for shape in SHAPES {
        for seed in 0..3 {
            goes_round(&synthetic(shape, seed * 31 + 7, 250 << 20), &format!("{shape:?} {seed}"));
        }
    }
}

#[test]
fn peaks_of_recorded_programs_are() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/alloc-traces");
    let names = ["wedsonlin-medium_128_training.csv.gz", "silmont2000-memory_forward_bf16_128.csv.gz"];
    for name in names {
        let path = folder.join(name);
        if !path.exists() {
            println!("skipped: {} is not there", path.display());
            continue;
        }
        let trace = Trace::open(&path).unwrap();
        goes_round(&trace, name);
    }
}

/// Blocks of two streams; each is freed some events after the next two were allocated, every third of them late.
fn two_streams() -> Trace {
    let mut text = "device,seq,action,addr,size,stream\n".to_owned();
    let mut seq = 0;
    let mut row = |action: &str, block: u64| {
        seq += 1;
        let (size, stream) = ((block % 7 + 1) * 4096, block % 2);
        let address = 0x1000_0000 * (block + 1);
        writeln!(text, "0,{seq},{action},{address:#x},{size},{stream}").unwrap();
    };
    for block in 0..600_u64 {
        row("alloc", block);
        if let Some(before) = block.checked_sub(3) {
            row("free_requested", before);
            if !before.is_multiple_of(3) {
                row("free_completed", before);
            }
        }
        if let Some(late) = block.checked_sub(20).filter(|late| late.is_multiple_of(3)) {
            row("free_completed", late);
        }
    }
    Trace::read(text.as_bytes()).unwrap()
}

#[test]
fn what_a_device_still_uses_is_live_until_it_is_done() {
    let trace = two_streams();
    let (recording, pooled) = recorded(&trace, PooledReplay::behind(&trace, GRANULE, 200).unwrap());
    drop(pooled);
    let count = |kind| recording.events().filter(|event| event.as_ref().unwrap().kind == kind).count();
    assert!(count(Kind::Retire) > 100, "leases are dropped with fences");
    let summary = recording.summary().unwrap();
    assert!(summary.odd.is_clear(), "{}", summary.odd);
    assert_eq!(exported(&recording).facts.peak_live_bytes, summary.places[0].requested.bytes);
}
