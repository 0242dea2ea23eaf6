//! The whole pool on few bytes and with few rounds, so that Miri can run all of its unsafe code, every way a
//! block can travel: `cargo +nightly miri test -p plimsoll --test pool_small`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a scenario fails by panicking")]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use common::{Bench, PLACE};
use plimsoll::Bytes;
use plimsoll::pool::{Lease, LeaseRequest, Movable, Pool, PoolSettings, Tag};
use plimsoll_device::sim::SimSettings;
use plimsoll_device::{Capabilities, Device, Stream};

const LINE: Bytes = Bytes::kib(128);
const ROUNDS: u8 = if cfg!(miri) { 2 } else { 50 };

fn small(growable_ranges: bool) -> (Bench, Pool) {
    let capabilities = Capabilities { growable_ranges, shared: true, private: true, managed: true };
    let granule = 1 << 14;
    let bench =
        Bench::with(LINE, SimSettings { unified: true, granule, capabilities, ..SimSettings::default() });
    let settings = PoolSettings {
        span: Some(Bytes::kib(512)),
        thread_cache: Some(Bytes::kib(32)),
        ..PoolSettings::default()
    };
    let pool = bench.pool_with(settings);
    (bench, pool)
}

fn each_backing(scenario: impl Fn(&Bench, Pool)) {
    for growable in [true, false] {
        let (bench, pool) = small(growable);
        scenario(&bench, pool);
        bench.assert_balanced();
    }
}

fn filled(pool: &Pool, bytes: u64, mark: u8) -> Lease {
    let mut lease = pool.lease(Bytes::new(bytes)).unwrap();
    lease.as_mut_slice().unwrap().fill(mark);
    lease
}

fn assert_marked(lease: &Lease, mark: u8) {
    // One comparison a page: Miri steps through a loop over bytes.
    let page = [mark; 4096];
    let intact = |part: &[u8]| part == &page[..part.len()];
    assert!(lease.as_slice().unwrap().chunks(page.len()).all(intact), "a lease lost its bytes");
}

#[test]
fn bytes_are_kept_beside_other_leases_and_copies() {
    each_backing(|_, pool| {
        let mut held: Vec<_> = [(1, 1), (300, 2), (4096, 3), (20_000, 4)]
            .map(|(bytes, mark)| (filled(&pool, bytes, mark), mark))
            .into();
        for (lease, mark) in &mut held {
            assert_marked(lease, *mark);
            let (mut one, last) = ([0], lease.bytes().get() - 1);
            lease.read(last, &mut one).unwrap();
            assert_eq!(one, [*mark]);
            lease.write(last, &one).unwrap();
            lease.as_mut_slice().unwrap()[0] = *mark;
        }
        let (mut source, mut target) = (held.remove(1).0, filled(&pool, 300, 9));
        target.copy_from(Stream(0), 0, &mut source, 0, Bytes::new(300)).unwrap();
        assert_marked(&target, 2);
        let aligned = LeaseRequest::new(Bytes::new(700)).align(4096).tag(Tag::new("aligned"));
        assert_eq!(pool.lease_with(aligned).unwrap().address() % 4096, 0);
    });
}

#[test]
fn blocks_come_home_from_other_threads() {
    each_backing(|_, pool| {
        // Bounded: what is on its way is live, and must fit the line.
        let (sender, receiver) = mpsc::sync_channel::<(Lease, u8)>(2);
        let theirs = pool.clone();
        let other = thread::spawn(move || {
            for (lease, mark) in receiver {
                assert_marked(&lease, mark);
                // Joins the pool here, so that later leases come from, and drops go to, this thread's cache.
                drop((lease, filled(&theirs, 512, mark)));
            }
        });
        for mark in 0..ROUNDS {
            sender.send((filled(&pool, 512, mark), mark)).unwrap();
            sender.send((filled(&pool, 8000, mark), mark)).unwrap();
        }
        drop(sender);
        other.join().unwrap();
        // A thread without a cache of the pool.
        let lease = filled(&pool, 512, 1);
        thread::spawn(move || drop(lease)).join().unwrap();
        let stats = pool.stats();
        assert_eq!((stats.live, stats.live + stats.cached), (Bytes::ZERO, stats.backed));
    });
}

#[test]
fn caches_are_visited_while_their_owners_are_inside() {
    each_backing(|bench, pool| {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let owners = [1, 2].map(|mark| {
                let (pool, done) = (pool.clone(), &done);
                scope.spawn(move || {
                    while !done.load(Ordering::Relaxed) {
                        let pair = (filled(&pool, 1024, mark), filled(&pool, 2048, mark));
                        assert_marked(&pair.0, mark);
                        drop(pair);
                    }
                })
            });
            let other = bench.governor.account("other").unwrap();
            for _ in 0..ROUNDS {
                assert!(pool.stats().backed <= LINE, "over the line");
                pool.trim(Bytes::ZERO).unwrap();
                // Calls in what is idle, through the governor.
                drop(other.reserve(PLACE, Bytes::kib(100)).now());
            }
            done.store(true, Ordering::Relaxed);
            for owner in owners {
                owner.join().unwrap();
            }
        });
    });
}

#[test]
fn a_pool_is_closed_while_other_threads_drop_their_leases() {
    for _ in 0..ROUNDS {
        each_backing(|_, pool| {
            let others = [1, 2].map(|mark| {
                let (pool, outlives) = (pool.clone(), filled(&pool, 600, mark));
                thread::spawn(move || {
                    let own = filled(&pool, 600, mark);
                    drop(pool);
                    assert_marked(&own, mark);
                    drop((own, outlives));
                })
            });
            let mine = filled(&pool, 3000, 3);
            drop(pool);
            assert_marked(&mine, 3);
            drop(mine);
            for other in others {
                other.join().unwrap();
            }
        });
    }
}

#[test]
fn pools_take_turns_in_a_threads_table() {
    for _ in 0..ROUNDS {
        let (one, first) = small(true);
        let (two, second) = small(true);
        let kept = filled(&first, 256, 1);
        drop(filled(&second, 256, 2));
        drop(first);
        // Has the closed pool's slot.
        let (three, third) = small(true);
        drop(filled(&third, 256, 3));
        assert_marked(&kept, 1);
        drop((kept, second, third));
        for bench in [one, two, three] {
            bench.assert_balanced();
        }
    }
}

#[test]
fn what_a_device_still_uses_waits() {
    each_backing(|bench, pool| {
        bench.device.hold_fences();
        for mark in 0..ROUNDS {
            let mut lease = filled(&pool, 1500, mark);
            let fence = lease.fill(Stream(0), mark + 1).unwrap().unwrap();
            assert!(lease.as_slice().is_err(), "the device may still write");
            thread::spawn(move || drop(lease)).join().unwrap();
            assert_eq!(pool.stats().pending, Bytes::new(1536));
            let beside = filled(&pool, 1500, 77);
            bench.device.signal(fence).unwrap();
            assert_eq!(pool.stats().pending, Bytes::ZERO);
            assert_marked(&beside, 77);
        }
        let mut lease = filled(&pool, 1500, 1);
        lease.upload(Stream(0), 0, &[5; 1500]).unwrap();
        bench.device.signal_all();
        assert_marked(&lease, 5);
        bench.device.release_fences();
    });
}

#[test]
fn a_stream_has_its_own_bytes_again() {
    each_backing(|bench, pool| {
        bench.device.hold_fences();
        let mut lease = filled(&pool, 9000, 1);
        lease.fill(Stream(0), 2).unwrap();
        drop(lease);
        // Cut in two, and merged.
        for sizes in [[4096, 4096], [9000, 100]] {
            let leases = sizes.map(|bytes| pool.lease_on(Stream(0), Bytes::new(bytes)).unwrap());
            assert!(leases[0].carried().is_some() && leases[0].as_slice().is_err());
        }
        bench.device.signal_all();
        assert_marked(&pool.lease_on(Stream(0), Bytes::new(9000)).unwrap(), 2);
        bench.device.release_fences();
    });
}

#[test]
fn moved_leases_keep_their_bytes() {
    each_backing(|bench, pool| {
        let mut kept: Vec<Movable> = Vec::new();
        while let Ok(movable) = pool.movable(Bytes::kib(6)) {
            let mark = u8::try_from(kept.len()).unwrap();
            movable.pin_mut().as_mut_slice().unwrap().fill(mark);
            kept.push(movable);
        }
        let mut index = 0;
        kept.retain(|_| {
            index += 1;
            index % 2 == 1
        });
        let large = pool.lease(Bytes::kib(20)).expect("half of the line is free, in pieces");
        // Separate slabs are exchanged for a larger one instead.
        let ranges = bench.device.facts().capabilities.growable_ranges;
        assert_eq!(pool.stats().moved > 0, ranges, "in one range, that took moving");
        for (mark, movable) in (0_u8..).step_by(2).zip(&kept) {
            assert_marked(&movable.pin(), mark);
        }
        drop((large, kept));
    });
}
