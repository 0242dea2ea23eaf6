//! A recording, exported as CSV and read as a trace, has the peaks of its summary to the byte.
#![allow(clippy::unwrap_used, reason = "a test that cannot read what was written fails")]

use plimsoll::record::export::{ExportError, Only, csv};
use plimsoll::record::{Event, Facts, Kind, Names, Recording, Source};
use plimsoll::replay::Trace;
use plimsoll::{Bytes, Place};

mod recordings;

fn trace(recording: &Recording, only: &Only) -> Trace {
    let mut text = Vec::new();
    csv(recording, only, &mut text).unwrap();
    Trace::read(text.as_slice()).unwrap()
}

#[test]
fn the_peak_is_the_same_to_the_byte() {
    for seed in 0..8 {
        let recording = recordings::synthetic(4_000, seed);
        let summary = recording.summary().unwrap();
        assert!(summary.odd.is_clear(), "{}", summary.odd);
        for place in summary.places {
            let trace = trace(&recording, &Only::at(place.place));
            let facts = trace.facts;
            assert!(place.requested.bytes > 0 && place.end_live > 0, "something is live at the end");
            assert_eq!(facts.peak_live_bytes, place.requested.bytes, "{} of seed {seed}", place.place);
            assert_eq!(facts.peak_live_blocks, place.blocks);
            assert_eq!(facts.end_live_bytes, place.end_live);
            assert_eq!(facts.odd, plimsoll::replay::Oddities::default());
        }
        let before = recording.summary().unwrap().places.iter().map(|place| place.before).sum::<u64>();
        assert_eq!(before, 25 << 20, "leases that are older than the recording are in it");
    }
}

#[test]
fn it_is_also_when_events_were_lost() {
    for seed in 0..8 {
        let whole = recordings::synthetic(4_000, seed);
        let mut dice = recordings::Dice::new(seed + 99);
        let kept = whole.events().map(Result::unwrap).filter(|_| dice.below(10) > 0).collect();
        let recording = Recording::from_events(whole.facts().clone(), whole.names().clone(), kept);
        let summary = recording.summary().unwrap();
        assert!(!summary.odd.is_clear(), "a tenth is missing");
        for place in summary.places {
            let trace = trace(&recording, &Only::at(place.place));
            assert_eq!(trace.facts.peak_live_bytes, place.requested.bytes, "{} of seed {seed}", place.place);
            assert_eq!(trace.facts.end_live_bytes, place.end_live);
        }
    }
}

#[test]
fn a_retired_lease_is_live_until_it_settles() {
    let source = Source { account: "a".into(), place: Place::Host, align: Bytes::new(64) };
    let names = Names { sources: vec![source], ..Names::default() };
    let at = |kind, address, bytes| Event { address, bytes, ..Event::new(kind) };
    let events = vec![
        at(Kind::Already, 0, 128),
        at(Kind::Lease, 128, 100),
        at(Kind::Retire, 128, 100),
        at(Kind::Lease, 256, 7),
        at(Kind::Settle, 128, 100),
        at(Kind::Lease, 128, 30),
        at(Kind::Drop, 0, 128),
    ];
    let recording = Recording::from_events(Facts::default(), names, events);
    let summary = recording.summary().unwrap();
    assert_eq!(summary.places[0].requested.bytes, 128 + 100 + 7);
    assert_eq!(summary.places[0].requested.after, 4);
    assert_eq!(summary.places[0].placed.bytes, 128 + 128 + 64);
    let facts = trace(&recording, &Only::default()).facts;
    assert_eq!((facts.peak_live_bytes, facts.end_live_bytes), (235, 37));
}

#[test]
fn one_account_can_be_exported_and_a_wrong_one_is_refused() {
    let recording = recordings::synthetic(2_000, 1);
    let kv = Only { place: None, account: Some("kv".into()) };
    assert!(trace(&recording, &kv).facts.allocs > 0);
    let nobody = Only { place: Some(Place::Host), account: Some("kv".into()) };
    let refused = csv(&recording, &nobody, std::io::sink()).unwrap_err();
    assert!(matches!(refused, ExportError::Nothing { .. }));
    assert!(
        refused.to_string().contains("it has train at cuda:0, kv at cuda:0, features at host"),
        "{refused}"
    );
}
