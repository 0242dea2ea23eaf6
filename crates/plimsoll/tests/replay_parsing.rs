//! What a trace may look like, and what is said when it does not.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use plimsoll::replay::{Action, BestFit, Replayer as _, Trace, TraceError, replay, report};

const HEADER: &str = "device,seq,action,addr,size,stream\n";

fn read(rows: &str) -> Result<Trace, TraceError> {
    Trace::read(format!("{HEADER}{rows}").as_bytes())
}

#[test]
fn blocks_are_numbered_and_numbers_used_again() {
    let trace = read(
        "0,0,segment_alloc,7f00,2097152,0\n0,1,alloc,7f00,512,0\n0,2,alloc,0x8000,700,7\r\n\
         0,3,free_requested,7f00,512,0\n0,4,free_completed,7f00,512,0\n\n0,5,alloc,9000,100,0\n",
    )
    .unwrap();
    let blocks: Vec<(Action, u32)> = trace.events.iter().map(|event| (event.action, event.block)).collect();
    assert_eq!(
        blocks,
        [
            (Action::Segment, 0),
            (Action::Alloc, 0),
            (Action::Alloc, 1),
            (Action::FreeRequested, 0),
            (Action::FreeCompleted, 0),
            (Action::Alloc, 0),
        ]
    );
    assert_eq!(trace.facts.peak_live_bytes, 1212);
    assert_eq!(trace.facts.end_live_bytes, 800);
    assert_eq!(trace.facts.recorded_reserved_bytes, Some(2_097_152));
    assert_eq!(trace.facts.streams, 2);
}

#[test]
fn a_requested_free_is_not_a_free() {
    let trace = read("0,0,alloc,1,512,0\n0,1,free_requested,1,512,0\n0,2,alloc,2,512,0\n").unwrap();
    let mut pool = BestFit::new(512);
    let outcome = replay(&trace, &mut pool).unwrap();
    assert_eq!(outcome.peak_reserved_bytes, 1024);
    assert_eq!(trace.facts.peak_live_bytes, 1024);
    assert_eq!(trace.facts.recorded_reserved_bytes, None);
    let report = report(&trace, &outcome, &outcome);
    assert_eq!((report.events, report.peak_live_bytes, report.recorded_reserved_bytes), (3, 1024, None));
    assert!((report.overhead - 1.0).abs() < 1e-9);
}

#[test]
fn oddities_are_counted_and_left_out() {
    let trace = read(
        "0,0,free_requested,5,512,0\n0,1,free_completed,5,512,0\n0,2,alloc,6,0,0\n1,3,alloc,7,512,0\n\
         0,4,alloc,8,512,0\n0,5,alloc,8,1024,0\n0,6,free_completed,8,512,0\n",
    )
    .unwrap();
    let odd = trace.facts.odd;
    assert_eq!((odd.unknown_frees, odd.zero_sizes, odd.other_devices), (1, 1, 1));
    assert_eq!((odd.realloc_of_live, odd.size_mismatches), (1, 1));
    assert_eq!((trace.facts.events, trace.facts.end_live_bytes), (7, 0));
    assert_eq!(trace.facts.peak_live_bytes, 1024);
    replay(&trace, &mut BestFit::new(1)).unwrap();
}

#[test]
fn every_mistake_is_told_with_its_line() {
    for (rows, says) in [
        ("0,0,alloc,1,512\n", "line 2 has 5 fields"),
        ("0,0,alloc,1,512,0,9\n", "line 2 has 7 fields"),
        ("0,0,alloc,1,512,0\n0,1,grow,1,512,0\n", "line 3 has the action \"grow\""),
        ("0,0,alloc,xyz,512,0\n", "addr is \"xyz\""),
        ("0,0,alloc,1ffffffffffffffff,512,0\n", "addr is"),
        ("0,0,alloc,+1,512,0\n", "addr is \"+1\""),
        ("0,0,alloc,1,-512,0\n", "size is \"-512\""),
        ("0,0,alloc,1,18446744073709551616,0\n", "size is"),
        ("0,0,alloc,1,18446744073709551615,0\n0,1,alloc,2,1,0\n", "line 3: the sizes"),
        ("0,zero,alloc,1,1,0\n", "seq is \"zero\""),
        (",0,alloc,1,1,0\n", "device is \"\""),
    ] {
        let error = read(rows).unwrap_err().to_string();
        assert!(error.contains(says), "{rows:?} says {error:?}");
    }
    assert!(matches!(Trace::read(&b""[..]), Err(TraceError::Empty)));
    assert!(matches!(Trace::read(&b"a,b\n"[..]), Err(TraceError::Header { .. })));
    assert!(matches!(Trace::read(&[0xff, 0xfe, b'\n'][..]), Err(TraceError::Read { line: 0, .. })));
}

#[test]
fn gzip_is_read_and_a_truncated_one_refused() {
    let mut whole = GzEncoder::new(Vec::new(), Compression::default());
    whole.write_all(HEADER.as_bytes()).unwrap();
    for seq in 0..2_000_u32 {
        writeln!(whole, "0,{seq},alloc,{:x},{},0", seq * 4096, seq.wrapping_mul(2_654_435_761) % 9_973 + 1)
            .unwrap();
    }
    let whole = whole.finish().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.csv");
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(Trace::open(&path).unwrap().facts.allocs, 2_000);
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(matches!(Trace::open(&path), Err(TraceError::Read { line: 1.., .. })));
    assert!(matches!(Trace::open(&folder.path().join("none")), Err(TraceError::Open { .. })));
}

#[test]
fn a_block_too_large_for_the_range_ends_the_replay() {
    let trace = read("0,0,alloc,1,512,0\n0,1,alloc,2,18446744073709551000,0\n").unwrap();
    let mut pool = BestFit::new(512);
    let error = replay(&trace, &mut pool).unwrap_err();
    assert_eq!((error.event, error.bytes), (1, 18_446_744_073_709_551_000));
    assert_eq!(pool.map_events(), 0);
}
