//! Loaded once, shared, pinned on request, given up when memory is worth more elsewhere, and loaded again.

#![allow(clippy::unwrap_used, reason = "a scenario whose set-up fails cannot go on")]

mod holdings_support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use holdings_support::Yard;
use plimsoll::holding::resident::{Block, Keep, Resident, ResidentError};
use plimsoll::holding::{Clock, ManualClock};
use plimsoll::{Bytes, Place};
use plimsoll_device::{HostDevice, HostSettings};

const KIB: Bytes = Bytes::kib(1);

#[test]
fn many_threads_load_once() {
    let yard = Yard::of(Bytes::mib(1));
    let weights: Resident<Vec<u8>> = Resident::open(&yard.work(), "weights");
    let loads = Arc::new(AtomicU32::new(0));
    let barrier = Barrier::new(8);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let loads = Arc::clone(&loads);
                barrier.wait();
                let shard = weights.shard("layer.0", KIB, move || {
                    loads.fetch_add(1, Ordering::SeqCst);
                    Ok(vec![7; 1000])
                });
                assert_eq!(shard.get().unwrap()[999], 7);
            });
        }
    });
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    assert_eq!(yard.charged("work"), KIB);
    drop(weights);
    yard.balances_to_zero(&["work"]);
}

#[test]
fn a_load_that_fails_or_panics_leaves_nothing_charged() {
    let yard = Yard::of(Bytes::mib(1));
    let weights: Resident<()> = Resident::open(&yard.work(), "weights");
    let tries = AtomicU32::new(0);
    let shard = weights.shard("bad", KIB, move || match tries.fetch_add(1, Ordering::SeqCst) {
        0 => Err("the file is gone".into()),
        1 => panic!("loader"),
        _ => Ok(()),
    });
    let error = shard.get().unwrap_err();
    assert_eq!(error.to_string(), "bad could not be loaded: the file is gone");
    assert_eq!(yard.charged("work"), Bytes::ZERO);
    assert!(catch_unwind(AssertUnwindSafe(|| shard.get().map(drop))).is_err());
    assert_eq!(yard.charged("work"), Bytes::ZERO);
    drop(shard.get().unwrap());
    assert_eq!(yard.charged("work"), KIB);
    let itself: Resident<()> = Resident::open(&yard.work(), "circle");
    let inner = itself.clone();
    let circle = itself.shard("a", KIB, move || match inner.get("a").unwrap().get() {
        Err(error @ ResidentError::Circle { .. }) => Err(error.into()),
        _ => Ok(()),
    });
    assert!(matches!(circle.get(), Err(ResidentError::Load { .. })));
    itself.forget("a");
    weights.forget("bad");
    yard.balances_to_zero(&["work"]);
}

#[test]
fn the_quickest_to_reload_goes_first_and_comes_back() {
    let yard = Yard::of(Bytes::kib(10));
    let clock = Arc::new(ManualClock::default());
    let weights: Resident<String> = Resident::with_clock(&yard.work(), "weights", clock.clone());
    let shard = |name: &'static str, seconds: u64| {
        let clock = Arc::clone(&clock);
        weights.shard(name, Bytes::kib(3), move || {
            clock.advance(Duration::from_secs(seconds));
            Ok(name.to_owned())
        })
    };
    let (slow, quick, pinned) = (shard("slow", 60), shard("quick", 2), shard("pinned", 1));
    pinned.pin().unwrap();
    drop(slow.get().unwrap());
    drop(quick.get().unwrap());
    let account = yard.governor.account("work").unwrap();
    let seat = account.reserve(Place::Host, Bytes::kib(3)).now().unwrap();
    let before = clock.now();
    assert_eq!(*slow.get().unwrap(), "slow");
    assert_eq!(*pinned.get().unwrap(), "pinned");
    assert_eq!(clock.now(), before, "both were still there");
    drop(seat);
    assert_eq!(*quick.get().unwrap(), "quick");
    assert_eq!(clock.now().saturating_sub(before), Duration::from_secs(2), "it was loaded again");
    assert!(!pinned.evict(), "a pin holds");
    pinned.unpin();
    assert!(pinned.evict());
    assert_eq!(yard.charged("work"), Bytes::kib(6));
    drop((weights, slow, quick, pinned));
    yard.balances_to_zero(&["work"]);
}

#[test]
fn pinned_shards_cannot_be_shrunk() {
    let yard = Yard::of(Bytes::kib(4));
    let weights: Resident<()> = Resident::open(&yard.work(), "weights");
    let shard = weights.shard("all", Bytes::kib(4), || Ok(()));
    shard.pin().unwrap();
    let account = yard.governor.account("work").unwrap();
    assert!(account.reserve(Place::Host, KIB).now().is_err());
    let other = weights.shard("more", KIB, || Ok(()));
    let refused = other.get().unwrap_err();
    assert!(matches!(refused, ResidentError::Refused { .. }), "{refused}");
    shard.unpin();
    drop(account.reserve(Place::Host, KIB).now().unwrap());
}

#[test]
fn files_are_mapped_or_copied_and_charged_in_full() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.bin");
    let content: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    std::fs::write(&path, &content).unwrap();
    let empty = folder.path().join("empty.bin");
    std::fs::write(&empty, b"").unwrap();
    let device = Arc::new(HostDevice::open(HostSettings::default()).unwrap());
    let yard = Yard::of(Bytes::mib(1));
    let weights: Resident<Block> = Resident::open(&yard.work(), "weights");
    let mapped = weights.file("mapped", &path, Keep::Mapped(Arc::clone(&device))).unwrap();
    let copied = weights.file("copied", &path, Keep::Copied).unwrap();
    assert_eq!(yard.charged("work"), Bytes::ZERO, "nothing before the first use");
    let block = mapped.get().unwrap();
    assert_eq!(yard.charged("work"), Bytes::new(400_000));
    assert!(block.span().is_some() && block.as_slice().is_none());
    // SAFETY: nobody but this test knows the file, and it does not write to it.
    assert!(unsafe { block.in_place() } == content);
    let mut word = [0; 4];
    block.read(4 * 777, &mut word).unwrap();
    assert_eq!(u32::from_le_bytes(word), 777);
    assert!(block.read(399_999, &mut word).is_err());
    let copy = copied.get().unwrap();
    assert!(copy.as_slice() == Some(&content));
    assert!(copy.read(399_999, &mut word).is_err());
    for keep in [Keep::Mapped(device), Keep::Copied] {
        let name = format!("{keep:?}");
        let nothing = weights.file(&name, &empty, keep).unwrap().get().unwrap();
        assert!(nothing.bytes().is_zero());
    }
    drop((block, copy, weights, mapped, copied));
    yard.balances_to_zero(&["work"]);
}

#[test]
fn a_file_that_is_gone_or_cut_is_an_error_and_not_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.bin");
    std::fs::write(&path, vec![1; 100_000]).unwrap();
    let device = Arc::new(HostDevice::open(HostSettings::default()).unwrap());
    let yard = Yard::of(Bytes::mib(1));
    let weights: Resident<Block> = Resident::open(&yard.work(), "weights");
    let shards = [
        weights.file("mapped", &path, Keep::Mapped(device)).unwrap(),
        weights.file("copied", &path, Keep::Copied).unwrap(),
    ];
    std::fs::write(&path, vec![1; 10_000]).unwrap();
    for shard in &shards {
        let error = shard.get().unwrap_err();
        assert!(matches!(error, ResidentError::Load { .. }), "{error}");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(shards.iter().all(|shard| shard.get().is_err()));
    assert!(weights.file("new", &path, Keep::Copied).is_err());
    yard.balances_to_zero(&["work"]);
}
