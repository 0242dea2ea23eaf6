//! What a pool owes at its edges: nothing that could be had is refused, nothing in use is given out again, and no
//! foreign code runs under its lock.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a scenario fails by panicking")]

mod common;

use std::sync::mpsc;
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use common::{Bench, PLACE};
use plimsoll::Bytes;
use plimsoll::holding::{Cached, Site, Streaming};
use plimsoll::pool::{Lease, LeaseError, LeaseRequest, Movable, Pool, PoolSettings};
use plimsoll_device::sim::{Call, Contents, SimSettings};
use plimsoll_device::{Device, Stream};

const MIB: Bytes = Bytes::mib(1);
/// Long enough for anything that is not a deadlock.
const HANG: Duration = Duration::from_secs(20);

/// Fences signal a little after their work, by the device's own clock, which only a wait moves.
fn delayed(line: Bytes) -> Bench {
    let fence_delay = Duration::from_millis(1);
    Bench::with(line, SimSettings { unified: true, fence_delay, ..SimSettings::default() })
}

fn other_pool(bench: &Bench) -> Pool {
    let other = bench.governor.account("other").unwrap();
    Pool::new(&other, bench.device.clone(), Bench::settings()).unwrap()
}

/// Leases of one MiB until the pool says no.
fn fill(pool: &Pool) -> Vec<Lease> {
    std::iter::from_fn(|| pool.lease(MIB).ok()).collect()
}

fn is_all(lease: &Lease, mark: u8) -> bool {
    lease.as_slice().unwrap().iter().all(|byte| *byte == mark)
}

#[test]
fn movable_leases_of_two_pools_that_were_swapped_stay_their_own() {
    let bench = Bench::slabs(Bytes::mib(24));
    let (here, there) = (bench.pool(), other_pool(&bench));
    let ours: Vec<Movable> = (0..4).map(|_| here.movable(MIB).unwrap()).collect();
    let theirs: Vec<Movable> = (0..4).map(|_| there.movable(MIB).unwrap()).collect();
    let mut plain = fill(&here);
    for (index, lease) in plain.iter_mut().enumerate() {
        lease.as_mut_slice().unwrap().fill(u8::try_from(index).unwrap());
    }
    for (ours, theirs) in ours.iter().zip(&theirs) {
        theirs.pin_mut().as_mut_slice().unwrap().fill(0xB0);
        ours.pin_mut().as_mut_slice().unwrap().fill(0xA0);
        std::mem::swap(&mut *ours.pin_mut(), &mut *theirs.pin_mut());
    }
    let mut index = 0;
    plain.retain(|_| {
        index += 1;
        index % 2 == 1
    });
    let large = here.lease(Bytes::mib(2));
    assert!(ours.iter().all(|lease| is_all(&lease.pin(), 0xB0)), "another pool's lease was moved");
    assert!(theirs.iter().all(|lease| is_all(&lease.pin(), 0xA0)));
    for (index, lease) in plain.iter().enumerate() {
        assert!(is_all(lease, u8::try_from(index * 2).unwrap()), "a lease that may not move was moved");
    }
    drop((large, plain, ours, theirs, here, there));
    bench.assert_balanced();
}

#[test]
fn a_move_that_the_device_may_still_make_keeps_its_target() {
    let bench = Bench::slabs(Bytes::mib(20));
    let pool = bench.pool();
    let mut kept: Vec<Movable> = std::iter::from_fn(|| pool.movable(MIB).ok()).collect();
    let mut index = 0;
    kept.retain(|_| {
        index += 1;
        index % 2 == 1
    });
    bench.device.hold_fences();
    pool.lease(Bytes::mib(2)).unwrap_err();
    assert!(pool.stats().pending >= MIB, "the device was told to write there");
    assert!(kept.iter().any(|kept| kept.pin().as_slice().is_err()), "and to read here");
    bench.device.release_fences();
    bench.device.signal_all();
    assert_eq!(pool.stats().pending, Bytes::ZERO);
    let large = pool.lease(Bytes::mib(2)).unwrap();
    drop((large, kept, pool));
    bench.assert_balanced();
}

#[test]
fn work_whose_fence_could_not_be_had_is_not_forgotten() {
    let bench = Bench::new(Bytes::mib(16));
    let pool = bench.pool();
    let mut lease = pool.lease(Bytes::mib(4)).unwrap();
    bench.device.fail_every(Call::Fence, 1);
    lease.fill(Stream(0), 7).unwrap_err();
    assert!(matches!(lease.as_slice(), Err(LeaseError::InUse(_))), "the fill was started");
    drop(lease);
    assert_eq!(pool.stats().pending, Bytes::mib(4));
    bench.device.heal();
    pool.settle().unwrap();
    assert_eq!(pool.stats().pending, Bytes::ZERO);
    drop(pool);
    bench.assert_balanced();
}

struct Looks(Pool, mpsc::Sender<Bytes>);

impl Wake for Looks {
    fn wake(self: Arc<Self>) {
        self.1.send(self.0.stats().live).unwrap();
    }
}

#[test]
fn a_waker_may_use_the_pool_whose_memory_woke_it() {
    let bench = Bench::new(Bytes::mib(16));
    let pool = bench.pool();
    let lease = pool.lease(Bytes::mib(16)).unwrap();
    let (sender, woken) = mpsc::channel();
    let waker = Waker::from(Arc::new(Looks(pool.clone(), sender)));
    let other = bench.governor.account("other").unwrap();
    let mut asked = Box::pin(IntoFuture::into_future(other.reserve(PLACE, MIB).within(Duration::MAX)));
    assert!(asked.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    drop(lease);
    std::thread::spawn(move || pool.trim(Bytes::ZERO).unwrap());
    assert_eq!(woken.recv_timeout(HANG), Ok(Bytes::ZERO), "the waker runs, with no lock of the pool held");
    let Poll::Ready(granted) = asked.as_mut().poll(&mut Context::from_waker(&waker)) else {
        panic!("what was trimmed is granted")
    };
    drop(granted.unwrap());
}

#[test]
fn an_exchange_that_fails_half_way_charges_what_is_backed() {
    let bench = Bench::new(Bytes::mib(16));
    let pool = bench.pool();
    let (first, _stays, second) = (pool.lease(Bytes::mib(4)), pool.lease(MIB), pool.lease(Bytes::mib(4)));
    let _rest = fill(&pool);
    drop((first, second));
    bench.device.fail_nth(Call::Decommit, 2);
    assert!(matches!(pool.lease(Bytes::mib(8)), Err(LeaseError::Device(_))));
    assert_eq!(bench.charged(), pool.stats().backed);
    drop(pool.lease(Bytes::mib(8)).expect("the device gives memory back again"));
}

#[test]
fn what_the_device_finishes_late_may_be_exchanged() {
    let bench = delayed(Bytes::mib(16));
    let pool = bench.pool();
    let mut first = pool.lease(Bytes::mib(6)).unwrap();
    let _stays = pool.lease(MIB).unwrap();
    let mut second = pool.lease(Bytes::mib(6)).unwrap();
    let _rest = fill(&pool);
    for lease in [&mut first, &mut second] {
        lease.fill(Stream(0), 1).unwrap();
    }
    drop((first, second));
    drop(pool.lease(Bytes::mib(12)).expect("twelve MiB are free as soon as the device is waited for"));
}

#[test]
fn a_full_device_calls_in_what_other_pools_keep_idle() {
    let bench = Bench::new(Bytes::mib(64));
    bench.device.set_outside(Bytes::mib(128 - 24));
    let (pool, other) = (bench.pool(), other_pool(&bench));
    drop(other.lease(Bytes::mib(16)).unwrap());
    let lease = pool.lease(Bytes::mib(16)).expect("the other pool has 16 MiB idle");
    drop((lease, pool, other));
    bench.assert_balanced();
}

#[test]
fn a_full_device_does_not_blame_a_fence_that_is_stuck() {
    let bench = Bench::new(Bytes::mib(64));
    bench.device.set_outside(Bytes::mib(128 - 24));
    let pool = bench.pool();
    bench.device.hold_fences();
    let mut stuck = pool.lease(MIB).unwrap();
    stuck.fill(Stream(0), 1).unwrap();
    drop(stuck);
    let error = pool.lease(Bytes::mib(32)).unwrap_err();
    assert!(matches!(error, LeaseError::Device(_)), "{error}");
}

#[test]
fn a_range_full_of_pending_memory_is_waited_for() {
    let bench = delayed(Bytes::mib(64));
    let settings = PoolSettings { span: Some(Bytes::mib(8)), ..PoolSettings::default() };
    let pool = bench.pool_with(settings);
    let mut all = pool.lease(Bytes::mib(8)).unwrap();
    all.fill(Stream(0), 1).unwrap();
    drop(all);
    let kept = pool.lease(Bytes::mib(8)).expect("the device is about to be done");
    let error = pool.lease(MIB).unwrap_err();
    assert!(!error.to_string().contains("split it"), "one MiB is not too large: {error}");
    drop((kept, pool));
    bench.assert_balanced();
}

#[test]
fn stuck_fences_are_waited_for_once_and_their_memory_comes_back_when_asked_for() {
    for lost in [false, true] {
        let bench = Bench::new(Bytes::mib(16));
        let pool = bench.pool();
        let second = bench.device.stream().unwrap();
        bench.device.hold_fences();
        for stream in [Stream(0), second] {
            pool.lease(MIB).unwrap().fill(stream, 1).unwrap();
        }
        let (early, late) = (pool.lease(MIB).unwrap(), pool.lease(MIB).unwrap());
        let start = bench.device.clock();
        drop(pool);
        let closed = bench.device.clock();
        let took = closed.saturating_sub(start);
        assert!(took <= Duration::from_millis(20), "one deadline: {took:?}");
        drop((early, late));
        assert_eq!(bench.device.clock(), closed, "what is stuck is not waited for again");
        assert!(bench.charged() >= Bytes::mib(2), "the device may still write there");
        if lost {
            bench.device.lose();
        } else {
            bench.device.signal_all();
        }
        let all = bench.governor.account("other").unwrap().reserve(PLACE, Bytes::mib(16)).now();
        drop(all.expect("whoever needs memory finds that the device is done"));
        assert_eq!(bench.charged(), Bytes::ZERO);
    }
}

#[test]
fn without_ranges_a_full_line_is_served_from_slabs_of_any_class() {
    let bench = Bench::slabs(Bytes::mib(20));
    let pool = bench.pool();
    let medium = pool.lease(MIB).unwrap();
    assert_eq!(bench.charged(), Bytes::mib(20), "one slab takes the whole line");
    let small = pool.lease(Bytes::kib(4)).expect("19 MiB of that slab are free");
    let large = pool.lease(Bytes::mib(12)).expect("and still more than 18");
    drop((small, medium, large, pool));
    bench.assert_balanced();
}

#[test]
fn leases_that_a_holder_drops_count_as_given_though_their_pool_keeps_them() {
    let bench = Bench::new(Bytes::mib(16));
    let pool = bench.pool();
    let site = Site::new(pool.account(), PLACE).over_leases(|| ());
    let cache: Cached<u64, Lease> = Cached::open(&site, "blocks");
    for key in 0..16 {
        drop(cache.insert(key, pool.lease(MIB).unwrap(), MIB, Duration::from_secs(1)).unwrap());
    }
    let other = bench.governor.account("other").unwrap();
    let granted = other.reserve(PLACE, Bytes::mib(8)).now().expect("the cache can give eight MiB");
    assert!(cache.stats().entries >= 4, "and need not give all: {:?}", cache.stats());
    drop((granted, cache, pool));
    bench.assert_balanced();
}

#[test]
fn of_two_rings_for_which_there_is_not_enough_one_opens() {
    for _ in 0..20 {
        let bench = Bench::new(Bytes::mib(3));
        let pool = bench.pool();
        let start = Barrier::new(2);
        let open = || {
            let ring = Streaming::pooled(&pool, "ring", Duration::ZERO).slots(2);
            start.wait();
            let opened = ring.channel(MIB);
            let fine = opened.is_ok();
            start.wait();
            drop(opened);
            fine
        };
        let opened = std::thread::scope(|scope| {
            let other = scope.spawn(open);
            [open(), other.join().unwrap()]
        });
        assert!(opened.contains(&true), "each took one slot and was refused the second");
    }
}

#[test]
fn what_would_only_be_nice_to_have_evicts_nobody() {
    let bench = Bench::new(Bytes::mib(16));
    let pool = bench.pool();
    let cache: Cached<u64, Lease> = Cached::open(&Site::of_pool(&pool), "blocks");
    for key in 0..15 {
        drop(cache.insert(key, pool.lease(MIB).unwrap(), MIB, Duration::from_secs(1)).unwrap());
    }
    let last = pool.lease_quietly(MIB).expect("one MiB is free on the line");
    assert!(matches!(pool.lease_quietly(MIB), Err(LeaseError::Refused { .. })));
    assert_eq!(cache.stats().evictions, 0);
    cache.remove(&3);
    cache.remove(&9);
    drop(pool.lease_quietly(Bytes::mib(2)).expect("two MiB are idle, though apart"));
    assert_eq!(cache.stats().evictions, 0);
    drop((last, cache, pool));
    bench.assert_balanced();
}

#[test]
fn several_leases_are_all_given_or_none() {
    let bench = Bench::new(Bytes::mib(16));
    let pool = bench.pool();
    let four = [LeaseRequest::new(Bytes::mib(5)); 4];
    assert!(pool.lease_all(&four).is_err());
    assert_eq!(pool.stats().live, Bytes::ZERO);
    assert_eq!(pool.lease_all(&four[1..]).unwrap().len(), 3);
}

#[test]
fn a_lease_may_be_dropped_by_a_thread_that_is_ending() {
    struct AtExit(std::cell::RefCell<Option<(Lease, Pool)>>);
    impl Drop for AtExit {
        fn drop(&mut self) {
            if let Some((lease, pool)) = self.0.take() {
                drop(lease);
                drop(pool.lease(MIB).expect("a pool serves a thread without a cache"));
            }
        }
    }
    thread_local! {
        static LATE: AtExit = const { AtExit(std::cell::RefCell::new(None)) };
    }
    let bench = Bench::new(Bytes::mib(16));
    for before in [true, false] {
        let pool = bench.pool();
        std::thread::spawn(move || {
            // Destructors run in the reverse order of first use, or not: both orders must do.
            let early = before.then(|| pool.lease(MIB).unwrap());
            LATE.with(|_| ());
            let lease = pool.lease(MIB).unwrap();
            LATE.with(|late| *late.0.borrow_mut() = Some((lease, pool)));
            drop(early);
        })
        .join()
        .unwrap();
        bench.assert_balanced();
    }
}

#[test]
fn what_a_pool_will_have_behind_leases_in_turn_is_what_it_has() {
    let mib = |sizes: &[u64]| sizes.iter().map(|mib| Bytes::mib(*mib)).collect::<Vec<_>>();
    let kib = |sizes: &[u64]| sizes.iter().map(|kib| Bytes::kib(*kib)).collect::<Vec<_>>();
    let orders = [
        mib(&[600, 16, 16, 9, 3]),
        mib(&[9, 16, 16, 600]),
        mib(&[1, 1, 1]),
        mib(&[40; 12]),
        mib(&[300, 300, 20]),
        // Searches of an index of halves, and of one of levels: what is small lies by itself, and what is large at either end.
        kib(&[600_000, 1564, 600, 16, 8908, 16_320, 16_320]),
        kib(&[300_000, 1564, 1564, 600, 16, 8756, 16_308, 16_224, 85, 16_308, 16_224, 85]),
    ];
    for line in [64, 650, 700, 4096] {
        for order in &orders {
            let bench = Bench::with(
                Bytes::mib(line),
                SimSettings { granule: 2 << 20, contents: Contents::Hollow, ..SimSettings::default() },
            );
            let pool = bench.pool_with(PoolSettings::default());
            let mut leases = order.clone();
            let fit = leases.iter().scan(0, |sum, bytes| {
                *sum += bytes.get();
                Some(*sum)
            });
            leases.truncate(fit.take_while(|sum| *sum <= Bytes::mib(line).get()).count());
            let told = pool.backed_in_turn(Bytes::ZERO, &leases, Bytes::mib(line));
            let held: Vec<Lease> = leases.iter().map(|bytes| pool.lease(*bytes).unwrap()).collect();
            assert_eq!(pool.stats().backed, told, "{leases:?} in {line} MiB");
            // Some go and others come: what is idle is given back first.
            drop(held);
            pool.trim(Bytes::ZERO).unwrap();
            let room = Bytes::mib(line) - pool.stats().backed;
            let told = pool.backed_in_turn(Bytes::ZERO, &leases[..1.min(leases.len())], room);
            let held: Vec<Lease> = leases.iter().take(1).map(|bytes| pool.lease(*bytes).unwrap()).collect();
            assert_eq!(pool.stats().backed, told, "the first of {leases:?} again in {line} MiB");
            drop(held);
        }
    }
}
