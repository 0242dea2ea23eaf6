//! Waiting for memory: in arrival order, with a deadline, without holding up those who wait for something else.
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

use std::future::{Future, IntoFuture};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use plimsoll::governor::{Account, Governor, Why};
use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::{Bytes, Place};

const LONG: Duration = Duration::from_mins(1);
const HOST: Place = Place::Host;

fn b(bytes: u64) -> Bytes {
    Bytes::new(bytes)
}

/// A line of 100 and accounts (path, guaranteed, limit).
fn governor(accounts: &[(&str, u64, u64)]) -> Governor {
    Governor::open(&LedgerSettings {
        places: vec![LineSettings::new(HOST, b(100))],
        accounts: accounts.iter().map(|&(p, g, l)| AccountSettings::new(p).share(HOST, b(g), b(l))).collect(),
    })
    .unwrap()
}

fn until_waiting(governor: &Governor, count: usize) {
    let began = Instant::now();
    while governor.waiting(HOST) != count {
        assert!(began.elapsed() < LONG, "{count} should wait by now");
        thread::yield_now();
    }
}

/// Waits on a thread of its own; sends its name when granted and gives the bytes back when told.
fn waits(
    account: &Account,
    bytes: u64,
    name: &'static str,
    done: &mpsc::Sender<&'static str>,
) -> thread::JoinHandle<()> {
    let (account, done) = (account.clone(), done.clone());
    thread::spawn(move || {
        let held = account.reserve(HOST, b(bytes)).within(LONG).wait().unwrap();
        done.send(name).unwrap();
        drop(held);
    })
}

#[test]
fn a_small_request_does_not_pass_a_large_one_that_came_first() {
    let governor = governor(&[("a", 0, 100), ("b", 0, 100), ("c", 0, 100)]);
    let [a, b_, c] = ["a", "b", "c"].map(|path| governor.account(path).unwrap());
    let mut held = a.reserve(HOST, b(90)).now().unwrap();
    let (done, granted) = mpsc::channel();
    let large = waits(&b_, 60, "large", &done);
    until_waiting(&governor, 1);
    let small = waits(&c, 10, "small", &done);
    until_waiting(&governor, 2);
    assert!(matches!(c.reserve(HOST, b(1)).quietly().unwrap_err().why, Why::Behind { account: None }));
    drop(held.split(b(30)).unwrap());
    assert_eq!(governor.waiting(HOST), 2, "40 are free and 60 are first");
    drop(held.split(b(20)).unwrap());
    assert_eq!(granted.recv_timeout(LONG), Ok("large"));
    assert_eq!(granted.recv_timeout(LONG), Ok("small"));
    large.join().unwrap();
    small.join().unwrap();
    drop(held);
    assert!(governor.snapshot().is_clear());
}

#[test]
fn one_that_waits_for_its_own_limit_holds_up_nobody_else() {
    let governor = governor(&[("a", 0, 50), ("b", 0, 100)]);
    let [a, b_] = ["a", "b"].map(|path| governor.account(path).unwrap());
    let held = a.reserve(HOST, b(50)).now().unwrap();
    let (done, granted) = mpsc::channel();
    let waiter = waits(&a, 10, "a", &done);
    until_waiting(&governor, 1);
    drop(b_.reserve(HOST, b(50)).quietly().unwrap());
    drop(held);
    assert_eq!(granted.recv_timeout(LONG), Ok("a"));
    waiter.join().unwrap();
    assert!(governor.snapshot().is_clear());
}

#[test]
fn what_is_guaranteed_goes_before_what_is_borrowed() {
    let governor = governor(&[("owner", 40, 100), ("borrower", 0, 100), ("other", 0, 100)]);
    let [owner, borrower, other] = ["owner", "borrower", "other"].map(|path| governor.account(path).unwrap());
    let mut held = other.reserve(HOST, b(100)).now().unwrap();
    let (done, granted) = mpsc::channel();
    let first = waits(&borrower, 50, "borrower", &done);
    until_waiting(&governor, 1);
    let second = waits(&owner, 40, "owner", &done);
    until_waiting(&governor, 2);
    drop(held.split(b(40)).unwrap());
    assert_eq!(granted.recv_timeout(LONG), Ok("owner"));
    drop(held);
    assert_eq!(granted.recv_timeout(LONG), Ok("borrower"));
    first.join().unwrap();
    second.join().unwrap();
    assert!(governor.snapshot().is_clear());
}

#[test]
fn one_that_comes_under_its_guarantee_while_it_waits_moves_up() {
    let governor = governor(&[("owner", 40, 100), ("borrower", 0, 100), ("other", 0, 100)]);
    let [owner, borrower, other] = ["owner", "borrower", "other"].map(|path| governor.account(path).unwrap());
    let mut held = other.reserve(HOST, b(60)).now().unwrap();
    let own = owner.reserve(HOST, b(40)).now().unwrap();
    let (done, granted) = mpsc::channel();
    let first = waits(&borrower, 50, "borrower", &done);
    until_waiting(&governor, 1);
    let second = waits(&owner, 40, "owner", &done);
    until_waiting(&governor, 2);
    drop(own);
    assert_eq!(granted.recv_timeout(LONG), Ok("owner"), "the owner gave 40 back and wants 40");
    second.join().unwrap();
    drop(held.split(b(60)).unwrap());
    assert_eq!(granted.recv_timeout(LONG), Ok("borrower"));
    first.join().unwrap();
    drop(held);
    assert!(governor.snapshot().is_clear());
}

#[test]
fn a_deadline_ends_a_wait_with_the_reason() {
    let governor = governor(&[("a", 0, 100), ("b", 0, 100)]);
    let [a, b_] = ["a", "b"].map(|path| governor.account(path).unwrap());
    let held = a.reserve(HOST, b(70)).now().unwrap();
    let refused = b_.reserve(HOST, b(31)).within(Duration::from_millis(20)).wait().unwrap_err();
    assert!(refused.waited.unwrap() >= Duration::from_millis(20));
    assert_eq!((&refused.why, refused.fits_now, refused.free), (&Why::Line { short: b(1) }, b(30), b(30)));
    assert_eq!(refused.top_holders, [("a".to_owned(), b(70))]);
    let text = refused.to_string();
    for part in
        ["b asked for 31 B on host", "after waiting", "(1 B short)", "held by a 70 B", "30 B would fit now"]
    {
        assert!(text.contains(part), "{part:?} is missing in {text}");
    }
    drop(held);
    assert_eq!(governor.waiting(HOST), 0);
    assert!(governor.snapshot().is_clear());
}

/// Counts how often a task was woken, and wakes the thread that polls.
struct Woken(AtomicUsize, thread::Thread);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
        self.1.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let woken = Arc::new(Woken(AtomicUsize::new(0), thread::current()));
    let waker = Waker::from(Arc::clone(&woken));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

#[test]
fn a_future_is_granted_when_memory_comes_free() {
    let governor = governor(&[("a", 0, 100)]);
    let a = governor.account("a").unwrap();
    let held = a.reserve(HOST, b(100)).now().unwrap();
    let later = thread::spawn({
        let governor = governor.clone();
        move || {
            until_waiting(&governor, 1);
            drop(held);
        }
    });
    let granted = block_on(a.reserve(HOST, b(60)).within(LONG).into_future()).unwrap();
    assert_eq!(granted.bytes(), b(60));
    later.join().unwrap();
    drop(granted);
    assert!(governor.snapshot().is_clear());
}

#[test]
fn a_future_ends_at_its_deadline_without_a_runtime() {
    let governor = governor(&[("a", 0, 100)]);
    let a = governor.account("a").unwrap();
    let held = a.reserve(HOST, b(100)).now().unwrap();
    let refused =
        block_on(a.reserve(HOST, b(1)).within(Duration::from_millis(20)).into_future()).unwrap_err();
    assert!(refused.waited.is_some());
    drop(held);
    assert!(governor.snapshot().is_clear());
}

#[test]
fn a_dropped_future_leaves_the_queue_and_gives_back_what_it_was_granted() {
    let governor = governor(&[("a", 0, 100)]);
    let a = governor.account("a").unwrap();
    let waker = Waker::noop();
    for granted_before_the_drop in [false, true] {
        let held = a.reserve(HOST, b(100)).now().unwrap();
        let mut future = Box::pin(a.reserve(HOST, b(60)).within(LONG).into_future());
        assert!(future.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
        assert_eq!(governor.waiting(HOST), 1);
        if granted_before_the_drop {
            drop(held);
            assert_eq!(a.charged(HOST), b(60));
            drop(future);
        } else {
            drop(future);
            assert_eq!(governor.waiting(HOST), 0);
            drop(held);
        }
        assert!(governor.snapshot().is_clear());
    }
}

#[test]
fn a_thread_that_dies_gives_back_what_it_held() {
    let governor = governor(&[("a", 0, 100)]);
    let a = governor.account("a").unwrap();
    let died = thread::spawn(move || {
        let _reserved = a.reserve(HOST, b(10)).now().unwrap();
        let _charged = a.reserve(HOST, b(20)).now().unwrap().back();
        panic!("a thread that dies, on purpose");
    });
    assert!(died.join().is_err());
    assert!(governor.snapshot().is_clear());
}
