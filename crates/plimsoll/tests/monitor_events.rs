//! Samples say what happened since the sample before.

use plimsoll::monitor::{EventSample, Sampler};
use plimsoll::{Bytes, Engine, Place};

fn of_kind<'e>(events: &'e [EventSample], kind: &str) -> Vec<&'e EventSample> {
    events.iter().filter(|event| event.kind == kind).collect()
}

#[test]
fn a_refusal_is_told_once_with_whose_and_why() {
    let engine = Engine::in_memory(Bytes::mib(16), "work").unwrap();
    let work = engine.account("work").unwrap();
    drop(work.reserve(Place::Host, Bytes::mib(64)).now().unwrap_err());
    let mut sampler = Sampler::of(&engine);
    assert!(sampler.sample().events.is_empty(), "what was before the sampler is not its news");
    for _ in 0..3 {
        drop(work.reserve(Place::Host, Bytes::mib(32)).now().unwrap_err());
    }
    let events = sampler.sample().events;
    let refused = of_kind(&events, "refuse");
    assert_eq!(refused.len(), 1, "{events:?}");
    let EventSample { place, account, bytes, detail, .. } = refused[0];
    assert_eq!((place.as_str(), account.as_str(), *bytes), ("host", "work", 96 << 20));
    assert!(detail.ends_with("(3 times)") && detail.contains("more than"), "{detail}");
    assert!(sampler.sample().events.is_empty(), "nothing is told twice");
}

#[test]
fn evictions_name_the_cache_and_other_threads_are_heard() {
    let engine = Engine::in_memory(Bytes::mib(1), "features").unwrap();
    let mut sampler = Sampler::of(&engine);
    let _ = sampler.sample();
    let cache = engine.cached::<u64, Vec<u8>>("features").unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for key in 0..40 {
                drop(cache.get_or_insert_with(&key, || vec![1; 64 << 10]).unwrap());
            }
        });
    });
    engine.recorder().mark("a moment");
    let sample = sampler.sample();
    let evicted = of_kind(&sample.events, "evict");
    assert!(!evicted.is_empty(), "{:?}", sample.events);
    assert!(
        evicted.iter().all(|event| event.account == "features" && event.detail.starts_with("features: "))
    );
    assert_eq!(of_kind(&sample.events, "mark")[0].detail, "a moment");
    assert!(sample.events.iter().all(|event| event.at_ms <= sample.up_ms));
    assert!(sample.events.is_sorted_by_key(|event| event.at_ms), "the oldest first");
}

#[test]
fn many_events_are_a_few_lines() {
    let engine = Engine::in_memory(Bytes::mib(16), "work").unwrap();
    let mut sampler = Sampler::of(&engine);
    for number in 0..5_000 {
        engine.recorder().mark(["one", "two", "three"][number % 3]);
    }
    let events = sampler.sample().events;
    assert_eq!(events.len(), 3, "{events:?}");
    assert!(events.iter().all(|event| event.detail.contains("times")));
    for number in 0..100 {
        engine.recorder().mark(&format!("mark {number}"));
    }
    let events = sampler.sample().events;
    assert_eq!(events.len(), 32);
    assert_eq!(events[31].detail, "mark 99", "the newest are kept");
}
