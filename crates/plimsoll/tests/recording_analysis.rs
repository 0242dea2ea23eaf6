//! What is said of a recording is what happened: held against naive sums, and case by case.
#![allow(clippy::unwrap_used, reason = "a test whose recording cannot be read fails")]

use std::collections::HashMap;

use plimsoll::record::analysis::{Measure, StudySettings};
use plimsoll::record::{Baseline, Event, Facts, Kind, LineFact, Names, Prediction, Recording, Source, scope};
use plimsoll::{Bytes, Engine, Place};

mod recordings;

fn names() -> Names {
    let source = |account: &str, place| Source { account: account.into(), place, align: Bytes::new(64) };
    Names {
        sources: vec![source("a", Place::Host), source("a/b", Place::Host), source("c", Place::Disk)],
        tags: ["", "red", "green", "outer", "inner"].map(str::to_owned).to_vec(),
        threads: vec!["main".into(), "other".into()],
        ..Names::default()
    }
}

fn at(kind: Kind, address: u64, bytes: u64) -> Event {
    Event { address, bytes, ..Event::new(kind) }
}

fn tagged(tag: u16, event: Event) -> Event {
    Event { tag, ..event }
}

fn recording(events: Vec<Event>) -> Recording {
    Recording::from_events(Facts::default(), names(), events)
}

/// The same sums with nothing but a map and a loop.
#[test]
fn peaks_are_those_of_naive_sums() {
    for seed in 0..6 {
        let recording = recordings::synthetic(5_000, seed);
        let names = recording.names();
        let mut live: HashMap<(u16, u64), (u64, u64, String)> = HashMap::new();
        let mut peaks: HashMap<Place, (u64, HashMap<String, u64>)> = HashMap::new();
        let (mut placed_peak, mut backed, mut backed_peak) = (0, 0_u64, 0);
        for event in recording.events().map(Result::unwrap) {
            let key = (event.source, event.address);
            let place = names.sources[usize::from(event.source)].place;
            match event.kind {
                Kind::Already => {
                    let name = if event.source == recordings::KV { "kv pages" } else { "(leased before)" };
                    live.insert(key, (event.bytes, event.bytes, name.to_owned()));
                }
                Kind::Lease => {
                    let placed =
                        event.bytes.next_multiple_of(names.sources[usize::from(event.source)].align.get());
                    live.insert(key, (event.bytes, placed, names.tag(event.label()).to_owned()));
                }
                Kind::Drop | Kind::Settle => {
                    live.remove(&key).unwrap();
                }
                Kind::Back if place == Place::Host => backed += event.bytes,
                Kind::GiveBack if place == Place::Host => backed -= event.bytes,
                _ => continue,
            }
            backed_peak = backed_peak.max(backed);
            let here =
                || live.iter().filter(|((source, _), _)| names.sources[usize::from(*source)].place == place);
            let sum: u64 = here().map(|(_, (bytes, _, _))| bytes).sum();
            if place == Place::Cuda(0) {
                placed_peak = placed_peak.max(here().map(|(_, (_, placed, _))| placed).sum());
            }
            let peak = peaks.entry(place).or_default();
            if sum > peak.0 {
                let mut labels = HashMap::new();
                for (_, (bytes, _, label)) in here() {
                    *labels.entry(label.clone()).or_default() += bytes;
                }
                *peak = (sum, labels);
            }
        }
        let study = recording.study(&StudySettings::default()).unwrap();
        assert_eq!(study.summary.places[1].placed.bytes, placed_peak);
        assert_eq!(study.summary.places[0].backed.unwrap().bytes, backed_peak);
        for peak in &study.peaks {
            let (sum, labels) = &peaks[&peak.place];
            assert_eq!(peak.requested.bytes, *sum, "{} of seed {seed}", peak.place);
            let said: HashMap<String, u64> =
                peak.by_label.iter().map(|share| (share.name.clone(), share.bytes)).collect();
            assert_eq!(said, *labels, "{} of seed {seed}", peak.place);
            assert_eq!(peak.by_account.iter().map(|share| share.bytes).sum::<u64>(), *sum);
            assert!(peak.largest.is_sorted_by_key(|lease| std::cmp::Reverse(lease.placed)));
        }
    }
}

#[test]
fn a_timeline_loses_no_peak_however_few_its_points() {
    let recording = recordings::synthetic(6_000, 2);
    for points in [1, 2, 7, 100, 5_000] {
        let study = recording.study(&StudySettings { points, labels: 4, largest: 3 }).unwrap();
        for (timeline, summary) in study.timelines.iter().zip(&study.summary.places) {
            assert_eq!(timeline.points.len(), points);
            let most = timeline.points.iter().map(|point| point.live).max().unwrap();
            assert_eq!(most, summary.requested.bytes, "{points} points of {}", timeline.place);
            let backed = timeline.points.iter().map(|point| point.backed).max().unwrap();
            assert_eq!(backed, summary.backed.unwrap().bytes);
            assert!(timeline.points.iter().all(|point| point.labels.iter().sum::<u64>() <= point.live));
            assert!(timeline.points.is_sorted_by_key(|point| point.start_ns));
            let evicted: u64 = timeline.points.iter().map(|point| point.evicted).sum();
            let told: u64 =
                study.troubles.evictions.iter().filter(|e| e.place == timeline.place).map(|e| e.bytes).sum();
            assert_eq!(evicted, told);
        }
    }
}

#[test]
fn older_leases_have_the_tags_of_the_baseline() {
    let facts = Facts {
        baseline: vec![
            Baseline { source: 0, tag: 1, placed: Bytes::new(128) },
            Baseline { source: 0, tag: 2, placed: Bytes::new(64) },
        ],
        ..Facts::default()
    };
    let events = vec![
        at(Kind::Already, 0, 64),
        at(Kind::Already, 64, 64),
        at(Kind::Already, 128, 64),
        at(Kind::Already, 192, 64),
        tagged(2, at(Kind::Drop, 64, 64)),
        tagged(1, at(Kind::Lease, 256, 100)),
    ];
    let recording = Recording::from_events(facts, names(), events);
    let table = recording.peak_by_tag();
    let (place, moment, shares) = &table.places[0];
    assert_eq!((*place, moment.bytes), (Place::Host, 3 * 64 + 100));
    let said: Vec<(&str, u64)> = shares.iter().map(|share| (share.name.as_str(), share.bytes)).collect();
    assert_eq!(said, [("red", 228), ("(leased before)", 64)], "green ended, and is named by its drop");
}

#[test]
fn lost_events_are_survived_and_counted() {
    let turn = |turn, event| Event { turn, ..event };
    let events = vec![
        at(Kind::Drop, 0, 10),
        at(Kind::Settle, 0, 10),
        turn(1, at(Kind::Lease, 64, 10)),
        turn(3, at(Kind::Lease, 64, 20)),
        turn(2, at(Kind::Drop, 64, 10)),
        turn(5, at(Kind::Drop, 64, 10)),
        at(Kind::Back, 4096, 4096),
        at(Kind::Lease, 4096, 100),
        at(Kind::GiveBack, 4096, 4096),
        at(Kind::GiveBack, 0, u64::MAX),
        at(Kind::Discharge, 0, 1 << 40),
        Event { source: 99, ..at(Kind::Lease, 0, 1) },
        Event { address: 77, ..at(Kind::Demote, 0, 5) },
        tagged(4, at(Kind::Leave, 0, 0)),
        at(Kind::Lease, u64::MAX - 5, u64::MAX),
        at(Kind::Lease, 0, u64::MAX),
    ];
    let recording = recording(events);
    let summary = recording.summary().unwrap();
    let odd = summary.odd;
    assert_eq!(
        (odd.unknown_ends, odd.replaced, odd.given_back_in_use, odd.unknown_sources, odd.unknown_scopes),
        (4, 2, 1, 2, 1)
    );
    assert_eq!(odd.discharged_unknown, 2);
    let host = &summary.places[0];
    assert_eq!((host.place, host.charged.unwrap().bytes), (Place::Host, 0));
    assert!(odd.to_string().contains("4 ends of leases that are not known"), "{odd}");
}

#[test]
fn a_clock_that_goes_back_stands_still() {
    let when = |at_ns, event| Event { at_ns, ..event };
    let facts = Facts { duration_ns: 100, ..Facts::default() };
    let events = vec![
        when(90, at(Kind::Lease, 0, 5)),
        when(10, at(Kind::Lease, 64, 5)),
        when(95, at(Kind::Drop, 0, 5)),
    ];
    let study = Recording::from_events(facts, names(), events).study(&StudySettings::default()).unwrap();
    let host = &study.summary.places[0];
    assert_eq!((host.requested.bytes, host.requested.at_ns), (10, 90));
    assert_eq!(study.timelines[0].points.iter().map(|point| point.live).max(), Some(10));
}

#[test]
fn scopes_count_what_their_thread_did_and_nest() {
    let when = |at_ns, thread, event| Event { at_ns, thread, ..event };
    let events = vec![
        when(0, 0, at(Kind::Lease, 0, 1000)),
        when(1, 0, tagged(3, at(Kind::Enter, 0, 0))),
        when(2, 0, at(Kind::Lease, 1024, 100)),
        when(3, 1, at(Kind::Lease, 2048, 5000)),
        when(4, 0, tagged(4, at(Kind::Enter, 0, 0))),
        when(5, 0, at(Kind::Drop, 1024, 100)),
        when(6, 0, at(Kind::Lease, 4096, 70)),
        when(7, 0, tagged(4, at(Kind::Leave, 0, 0))),
        when(8, 0, tagged(4, at(Kind::Enter, 0, 0))),
        when(9, 0, at(Kind::Lease, 8192, 300)),
        // The inner scope's end is lost.
        when(10, 0, tagged(3, at(Kind::Leave, 0, 0))),
        when(11, 0, tagged(3, at(Kind::Enter, 0, 0))),
    ];
    let study = recording(events).study(&StudySettings::default()).unwrap();
    let of = |name: &str| study.scopes.iter().find(|scope| scope.name == name).unwrap();
    let (outer, inner) = (of("outer"), of("inner"));
    assert_eq!((outer.calls, outer.open, outer.leases, outer.bytes), (2, 1, 3, 470));
    assert_eq!((outer.peak_above_entry, outer.total_ns, outer.place), (370, 9, Some(Place::Host)));
    assert_eq!((inner.calls, inner.leases, inner.bytes, inner.peak_above_entry), (2, 2, 370, 300));
    assert!(study.summary.odd.is_clear());
}

#[test]
fn predictions_are_held_against_what_was_charged() {
    let predict = |place, account: Option<&str>, bytes| Prediction {
        place,
        account: account.map(str::to_owned),
        bytes: Bytes::new(bytes),
    };
    let facts = Facts {
        lines: vec![LineFact { place: Place::Host, line: Bytes::new(9000), charged: Bytes::new(500) }],
        predictions: vec![
            predict(Place::Host, None, 2000),
            predict(Place::Host, Some("a"), 1000),
            predict(Place::Host, Some("a/b"), 100),
            predict(Place::Disk, Some("c"), 64),
        ],
        ..Facts::default()
    };
    let on = |source, event| Event { source, ..event };
    let events = vec![
        // What there was, account by account, as the line says for the whole.
        on(0, at(Kind::Charge, 0, 300)),
        on(1, at(Kind::Charge, 0, 200)),
        on(1, Event { at_ns: 1, ..at(Kind::Charge, 0, 700) }),
        on(1, at(Kind::Discharge, 0, 900)),
        on(0, at(Kind::Charge, 0, 100)),
        on(2, at(Kind::Lease, 0, 70)),
    ];
    let study = Recording::from_events(facts, names(), events).study(&StudySettings::default()).unwrap();
    let measured: Vec<_> = study.predictions.iter().map(|check| (check.measured, check.measure)).collect();
    let expected =
        [(1200, Measure::Charged), (1200, Measure::Charged), (900, Measure::Charged), (128, Measure::Placed)];
    assert_eq!(measured, expected);
    assert!((study.predictions[0].difference().unwrap() + 0.4).abs() < 1e-9);
    assert!((study.predictions[3].difference().unwrap() - 1.0).abs() < 1e-9);
}

#[test]
fn fragmentation_is_what_lies_between_blocks() {
    let events = vec![
        at(Kind::Back, 0, 1000),
        at(Kind::Back, 2000, 500),
        at(Kind::Lease, 0, 64),
        at(Kind::Lease, 128, 60),
        at(Kind::Lease, 2436, 64),
    ];
    let study = recording(events).study(&StudySettings::default()).unwrap();
    let at = study.peaks[0].fragmentation;
    assert_eq!((at.backed, at.placed, at.requested, at.free, at.largest_gap), (1500, 192, 188, 1308, 808));
    assert!((at.idle() - (1.0 - 192.0 / 1500.0)).abs() < 1e-9);
    assert!((at.scattered() - (1.0 - 808.0 / 1308.0)).abs() < 1e-9);
}

#[test]
fn what_an_engine_records_adds_up() {
    let engine = Engine::in_memory(Bytes::mib(64), "work").unwrap();
    let work = engine.account("work").unwrap();
    let pool = work.scratch(Place::Host).unwrap();
    let older = pool.lease(Bytes::kib(100)).unwrap();
    let recording = engine.record();
    {
        let _step = scope("step");
        let kept: Vec<_> = (1..40).map(|number| pool.lease(Bytes::kib(number)).unwrap()).collect();
        drop(older);
        drop(kept);
        for number in 1..200 {
            drop(pool.lease(Bytes::new(number * 777)).unwrap());
        }
    }
    let last = pool.lease(Bytes::kib(64)).unwrap();
    let recording = recording.finish();
    let study = recording.study(&StudySettings::default()).unwrap();
    assert!(study.summary.odd.is_clear(), "{}", study.summary.odd);
    let host = &study.summary.places[0];
    let asked: u64 = (1..40).map(|number| number * 1024).sum();
    assert_eq!(host.requested.bytes, host.before + asked);
    assert_eq!((host.end_live, host.end_blocks, host.leases), (64 << 10, 1, 39 + 199 + 1));
    let snapshot = work.charged(Place::Host).get();
    assert!(host.charged.unwrap().bytes >= snapshot && host.backed.unwrap().bytes >= host.placed.bytes);
    let step = study.scopes.iter().find(|scope| scope.name == "step").unwrap();
    assert_eq!((step.calls, step.leases), (1, 39 + 199));
    assert_eq!(study.peaks[0].by_label[0].name, "step");
    drop(last);
}
