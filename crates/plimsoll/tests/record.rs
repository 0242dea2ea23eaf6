//! What is recorded is what happened: every lease and its end once, in an order that can be, with who asked for it.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::collections::HashMap;
use std::sync::{Arc, Barrier};

use plimsoll::pool::{LeaseRequest, Tag};
use plimsoll::record::{Event, Kind, RecordSettings, Recording, scope};
use plimsoll::{Bytes, Engine, Place};

fn engine() -> Engine {
    Engine::in_memory(Bytes::mib(256), "work").unwrap()
}

fn all(recording: &Recording) -> Vec<Event> {
    recording.events().map(Result::unwrap).collect()
}

fn of(recording: &Recording, kind: Kind) -> Vec<Event> {
    all(recording).into_iter().filter(|event| event.kind == kind).collect()
}

/// The most that was leased, as asked, and what still is; fails where a block is leased twice or given back unleased.
fn peak(recording: &Recording) -> (u64, u64) {
    let mut live: HashMap<(u16, u64), u64> = HashMap::new();
    let (mut now, mut most) = (0, 0);
    for event in all(recording) {
        let key = (event.source, event.address);
        match event.kind {
            Kind::Already | Kind::Lease => {
                assert_eq!(live.insert(key, event.bytes), None, "leased while it is leased: {event:?}");
                now += event.bytes;
                most = most.max(now);
            }
            Kind::Drop | Kind::Retire => {
                now -= live.remove(&key).unwrap_or_else(|| panic!("{event:?} ends nothing"));
            }
            _ => {}
        }
    }
    (most, now)
}

#[test]
fn a_lease_is_recorded_with_its_tag_its_scope_and_its_line() {
    let engine = engine();
    let pool = engine.account("work").unwrap().scratch(Place::Host).unwrap();
    let recording = engine.record();
    let line = {
        let _scope = scope("attention");
        let request = LeaseRequest::new(Bytes::new(1000)).tag(Tag::new("scores"));
        let lease = pool.lease_with(request).unwrap();
        let line = line!() - 1;
        assert_eq!(lease.bytes(), Bytes::new(1000));
        line
    };
    let recording = recording.finish();
    let names = recording.names();
    let leases = of(&recording, Kind::Lease);
    assert_eq!(leases.len(), 1);
    let lease = leases[0];
    assert_eq!((lease.bytes, names.tag(lease.tag), names.tag(lease.scope)), (1000, "scores", "attention"));
    let site = names.site(lease.site).unwrap();
    assert!(site.file.ends_with("record.rs"));
    assert_eq!(site.line, line);
    let source = names.source(lease.source).unwrap();
    assert_eq!((source.account.as_str(), source.place), ("work", Place::Host));
    assert_eq!(pool.stats().live, Bytes::ZERO);
    let kinds: Vec<Kind> =
        all(&recording).iter().map(|event| event.kind).filter(|kind| *kind != Kind::Charge).collect();
    assert_eq!(kinds, [Kind::Enter, Kind::Back, Kind::Lease, Kind::Drop, Kind::Leave]);
    assert_eq!(recording.facts().events, all(&recording).len() as u64);
    assert_eq!(recording.facts().dropped, 0);
}

#[test]
fn warm_leases_are_recorded_and_times_never_fall() {
    let engine = engine();
    let pool = engine.account("work").unwrap().scratch(Place::Host).unwrap();
    drop(pool.lease(Bytes::kib(4)).unwrap());
    let recording = engine.record();
    for _ in 0..10_000 {
        drop(pool.lease(Bytes::kib(4)).unwrap());
    }
    let recording = recording.finish();
    assert_eq!(of(&recording, Kind::Lease).len(), 10_000);
    assert_eq!(of(&recording, Kind::Drop).len(), 10_000);
    assert_eq!(peak(&recording), (4096, 0));
    assert!(all(&recording).windows(2).all(|pair| pair[0].at_ns <= pair[1].at_ns));
    // Nobody records any more: leases leave no trace.
    let events = engine.recorder().stats().events;
    drop(pool.lease(Bytes::kib(4)).unwrap());
    assert_eq!(engine.recorder().stats().events, events);
}

#[test]
fn what_was_leased_before_is_there_at_the_beginning() {
    let engine = engine();
    let pool = engine.account("work").unwrap().scratch(Place::Host).unwrap();
    let weights = pool.lease_with(LeaseRequest::new(Bytes::mib(3)).tag(Tag::new("weights"))).unwrap();
    let kept = pool.lease(Bytes::kib(64)).unwrap();
    let gone = pool.lease(Bytes::kib(256)).unwrap();
    drop(gone);
    let recording = engine.record();
    let more = pool.lease(Bytes::mib(1)).unwrap();
    drop(weights);
    let recording = recording.finish();
    let already: u64 = of(&recording, Kind::Already).iter().map(|event| event.bytes).sum();
    assert_eq!(already, Bytes::mib(3).get() + Bytes::kib(64).get());
    let baseline = &recording.facts().baseline;
    let tagged = |name: &str| {
        let found = baseline.iter().filter(|known| recording.names().tag(known.tag) == name);
        found.map(|known| known.placed.get()).sum::<u64>()
    };
    assert_eq!((tagged("weights"), tagged("(untagged)")), (Bytes::mib(3).get(), Bytes::kib(64).get()));
    assert_eq!(peak(&recording), (already + Bytes::mib(1).get(), Bytes::kib(64).get() + Bytes::mib(1).get()));
    let end = of(&recording, Kind::Drop);
    assert_eq!(recording.names().tag(end[0].tag), "weights");
    assert_eq!(recording.facts().lines[0].charged, engine.snapshot().places[0].charged);
    drop((kept, more));
}

#[test]
fn two_engines_in_one_process_have_their_own_recordings() {
    let (one, two) = (engine(), engine());
    let recording = one.record();
    let pools = [&one, &two].map(|engine| engine.account("work").unwrap().scratch(Place::Host).unwrap());
    let _leases = pools.each_ref().map(|pool| pool.lease(Bytes::kib(4)).unwrap());
    assert_eq!(of(&recording.finish(), Kind::Lease).len(), 1);
    assert_eq!(of(&two.recorder().recent(), Kind::Lease).len(), 0, "nobody records the second");
}

#[test]
fn recordings_may_overlap() {
    let engine = engine();
    let pool = engine.account("work").unwrap().scratch(Place::Host).unwrap();
    let lease = |count| (0..count).for_each(|_| drop(pool.lease(Bytes::kib(4)).unwrap()));
    let outer = engine.record();
    lease(3000);
    let inner = engine.record();
    lease(2000);
    let inner = inner.finish();
    lease(1000);
    drop(engine.record());
    let outer = outer.finish();
    assert_eq!(of(&inner, Kind::Lease).len(), 2000);
    assert_eq!(of(&outer, Kind::Lease).len(), 6000);
    assert_eq!(engine.recorder().stats().recordings, 0);
}

#[test]
fn a_recording_over_its_limit_keeps_the_beginning_and_counts_the_rest() {
    let engine = engine();
    let pool = engine.account("work").unwrap().scratch(Place::Host).unwrap();
    let recording = engine.record_with(RecordSettings::default().limit(Bytes::kib(64)));
    for _ in 0..20_000 {
        drop(pool.lease(Bytes::kib(4)).unwrap());
    }
    let dropped = engine.recorder().stats().dropped;
    let recording = recording.finish();
    let had = all(&recording).len() as u64;
    assert!(dropped > 0 && (1024..4096).contains(&had), "{dropped} {had}");
    assert!(recording.facts().dropped >= 40_000 - had, "{:?}", recording.facts());
    let ends = of(&recording, Kind::Drop).len();
    let leases = of(&recording, Kind::Lease).len();
    assert!(leases - ends <= 1, "a prefix has every lease and end that happened in it");
}

#[test]
fn threads_that_pass_leases_on_are_put_in_an_order_that_can_be() {
    let engine = engine();
    let pool = engine.account("work").unwrap().scratch(Place::Host).unwrap();
    let recording = engine.record();
    let (send, receive) = std::sync::mpsc::sync_channel(4);
    let barrier = Arc::new(Barrier::new(3));
    std::thread::scope(|threads| {
        let (there, wait) = (pool.clone(), Arc::clone(&barrier));
        threads.spawn(move || {
            wait.wait();
            for round in 0..5_000_u64 {
                send.send(there.lease(Bytes::new(4096 * (1 + round % 3))).unwrap()).unwrap();
            }
        });
        let wait = Arc::clone(&barrier);
        threads.spawn(move || {
            wait.wait();
            receive.into_iter().for_each(drop);
        });
        let (there, wait) = (pool.clone(), Arc::clone(&barrier));
        threads.spawn(move || {
            wait.wait();
            for round in 0..5_000_u64 {
                drop(there.lease(Bytes::new(4096 * (1 + round % 3))).unwrap());
            }
        });
    });
    let recording = recording.finish();
    assert_eq!(of(&recording, Kind::Lease).len(), 10_000);
    let (_, left) = peak(&recording);
    assert_eq!(left, 0);
    assert_eq!(recording.names().threads.iter().filter(|name| name.starts_with("thread")).count(), 3);
}

#[test]
fn a_recording_that_begins_amid_the_work_of_others_adds_up() {
    let engine = engine();
    let pool = engine.account("work").unwrap().scratch(Place::Host).unwrap();
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let ready = Arc::new(Barrier::new(3));
    let workers: Vec<_> = (0..2_u64)
        .map(|seed| {
            let (pool, stop, ready) = (pool.clone(), Arc::clone(&stop), Arc::clone(&ready));
            std::thread::spawn(move || {
                let mut leases = std::collections::VecDeque::new();
                let mut round = seed;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    round += 1;
                    leases.push_back(pool.lease(Bytes::new(4096 + round % 7 * 512)).unwrap());
                    if leases.len() > 20 {
                        leases.pop_front();
                        if round == seed + 21 {
                            ready.wait();
                        }
                    }
                }
            })
        })
        .collect();
    ready.wait();
    for _ in 0..20 {
        std::thread::sleep(std::time::Duration::from_millis(2));
        let recording = engine.record().finish();
        let live: i64 = all(&recording).iter().fold(0, |live, event| match event.kind {
            Kind::Already | Kind::Lease => live + 1,
            Kind::Drop | Kind::Retire => live - 1,
            _ => live,
        });
        // Two that are between taking and writing down may be off.
        assert!((38..=44).contains(&live), "{live} blocks at the end of {:?}", recording.facts());
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    for worker in workers {
        worker.join().unwrap();
    }
}

#[test]
fn a_scope_ends_with_a_panic() {
    let engine = engine();
    let pool = engine.account("work").unwrap().scratch(Place::Host).unwrap();
    let recording = engine.record();
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _outer = scope("step");
        let _inner = scope("attention");
        let _lease = pool.lease(Bytes::kib(4)).unwrap();
        panic!("within");
    }));
    assert!(unwound.is_err());
    let after = pool.lease(Bytes::kib(8)).unwrap();
    let recording = recording.finish();
    let names = recording.names();
    let leases = of(&recording, Kind::Lease);
    assert_eq!(names.tag(leases[0].scope), "attention");
    assert_eq!(leases[1].scope, 0, "nothing is left of the scopes");
    let left: Vec<&str> = of(&recording, Kind::Leave).iter().map(|event| names.tag(event.tag)).collect();
    assert_eq!(left, ["attention", "step"]);
    drop(after);
}

#[test]
fn refusals_and_charges_are_always_written() {
    let engine = Engine::in_memory(Bytes::mib(8), "work").unwrap();
    let seat = engine.reserve("work", Bytes::mib(6)).unwrap().now().unwrap();
    engine.reserve("work", Bytes::mib(4)).unwrap().now().unwrap_err();
    engine.account("work").unwrap().scratch(Place::Host).unwrap().lease(Bytes::mib(5)).unwrap_err();
    drop(seat);
    let recent = engine.recorder().recent();
    let refused: Vec<u64> = of(&recent, Kind::Refuse).iter().map(|event| event.bytes).collect();
    assert_eq!(refused, [Bytes::mib(4).get(), Bytes::mib(5).get()], "each request once");
    let sum = |kind| of(&recent, kind).iter().map(|event| event.bytes).sum::<u64>();
    assert_eq!(sum(Kind::Charge), sum(Kind::Discharge), "everything went back");
    engine.recorder().set_on(false);
    drop(engine.reserve("work", Bytes::mib(1)).unwrap().now().unwrap());
    assert_eq!(of(&engine.recorder().recent(), Kind::Charge).len(), of(&recent, Kind::Charge).len());
}

#[test]
fn an_operation_says_what_this_thread_leased() {
    let engine = engine();
    let pool = engine.account("work").unwrap().scratch(Place::Host).unwrap();
    let before = pool.lease(Bytes::kib(16)).unwrap();
    let operation = engine.operation("attention");
    let other =
        std::thread::scope(|threads| threads.spawn(|| pool.lease(Bytes::mib(7)).unwrap()).join().unwrap());
    let kept = pool.lease(Bytes::kib(100)).unwrap();
    for _ in 0..5 {
        drop(pool.lease(Bytes::kib(900)).unwrap());
    }
    drop(before);
    let spent = operation.finish();
    let host = spent.at(Place::Host);
    assert_eq!((host.leases, host.leased), (6, Bytes::kib(100 + 4500)));
    assert_eq!((host.peak, host.kept, host.released), (Bytes::kib(1000), Bytes::kib(100), Bytes::kib(16)));
    assert!(spent.to_string().contains("6 leases"), "{spent}");
    drop((kept, other));
}

#[test]
fn an_operation_that_panics_still_tells() {
    let engine = engine();
    let pool = engine.account("work").unwrap().scratch(Place::Host).unwrap();
    let (send, told) = std::sync::mpsc::channel();
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _operation = engine.operation("step").on_end(move |spent| send.send(spent.clone()).unwrap());
        let _lease = pool.lease(Bytes::kib(64)).unwrap();
        panic!("within");
    }));
    assert!(unwound.is_err());
    let spent = told.recv().unwrap();
    assert_eq!((spent.name.as_str(), spent.at(Place::Host).peak), ("step", Bytes::kib(64)));
    assert_eq!(engine.recorder().stats().recordings, 0);
}
