//! Races of charge, release, wait, cancel and shrink, explored by shuttle:
//! `RUSTFLAGS="--cfg shuttle" cargo test -p plimsoll --test shuttle_governor`.
#![cfg(shuttle)]
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

use std::future::{Future, IntoFuture};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use plimsoll::governor::{Account, Charge, Emergency, Governor, HolderKind, Offer, Shrink};
use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::{Bytes, Place};
use shuttle::sync::Mutex;
use shuttle::{check_pct, check_random, thread};

const HOST: Place = Place::Host;
const LONG: Duration = Duration::from_secs(1 << 30);
const RUNS: usize = 2_000;

fn b(bytes: u64) -> Bytes {
    Bytes::new(bytes)
}

fn governor(accounts: &[(&str, u64, u64)]) -> Governor {
    Governor::open(&LedgerSettings {
        places: vec![LineSettings::new(HOST, b(10))],
        accounts: accounts.iter().map(|&(p, g, l)| AccountSettings::new(p).share(HOST, b(g), b(l))).collect(),
    })
    .unwrap()
}

fn ends_balanced(governor: &Governor) {
    assert!(governor.snapshot().is_clear());
    assert_eq!(governor.waiting(HOST), 0);
}

/// Both schedulers: uniformly random, and one that finds bugs which need few switches in the right places.
fn explore(scenario: fn()) {
    check_random(scenario, RUNS);
    check_pct(scenario, RUNS, 3);
}

#[test]
fn waiters_are_all_served_in_the_end() {
    explore(|| {
        let governor = governor(&[("a", 4, 10), ("b", 0, 10), ("c", 0, 6)]);
        let threads = [("a", 7), ("b", 6), ("c", 6), ("a", 3)].map(|(path, bytes)| {
            let account = governor.account(path).unwrap();
            thread::spawn(move || {
                for _ in 0..2 {
                    let held = account.reserve(HOST, b(bytes)).within(LONG).wait().unwrap();
                    assert!(account.charged(HOST) >= b(bytes));
                    drop(held.back());
                }
            })
        });
        for thread in threads {
            let snapshot = governor.snapshot();
            let place = &snapshot.places[0];
            assert!(place.charged <= b(10));
            assert_eq!(place.charged, place.shares.iter().map(|share| share.own).sum());
            thread.join().unwrap();
        }
        ends_balanced(&governor);
    });
}

#[test]
fn a_cancellation_that_crosses_a_grant_leaks_nothing() {
    explore(|| {
        let governor = governor(&[("a", 0, 10)]);
        let account = governor.account("a").unwrap();
        let held = account.reserve(HOST, b(10)).now().unwrap();
        let releases = thread::spawn(move || drop(held));
        let cancels = {
            let account = account.clone();
            thread::spawn(move || {
                let mut future = Box::pin(account.reserve(HOST, b(6)).within(LONG).into_future());
                let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                thread::yield_now();
                drop(future);
                drop(polled);
            })
        };
        // Behind the one that cancels, or before it: granted in any case.
        let waits = thread::spawn(move || drop(account.reserve(HOST, b(8)).within(LONG).wait().unwrap()));
        for thread in [releases, cancels, waits] {
            thread.join().unwrap();
        }
        ends_balanced(&governor);
    });
}

#[test]
fn a_task_is_woken_whenever_it_is_granted() {
    explore(|| {
        let governor = governor(&[("a", 0, 10)]);
        let account = governor.account("a").unwrap();
        let held = account.reserve(HOST, b(10)).now().unwrap();
        let waits = {
            let account = account.clone();
            thread::spawn(move || {
                let ask = account.reserve(HOST, b(6)).within(LONG);
                drop(shuttle::future::block_on(ask.into_future()).unwrap());
            })
        };
        drop(held);
        waits.join().unwrap();
        ends_balanced(&governor);
    });
}

struct Cache {
    account: Account,
    held: Mutex<Vec<Charge>>,
}

impl Shrink for Cache {
    fn name(&self) -> &'static str {
        "cache"
    }

    fn kind(&self) -> HolderKind {
        HolderKind::Holder
    }

    fn offer(&self) -> Offer {
        Offer { bytes: self.held.lock().unwrap().iter().map(Charge::bytes).sum(), worth: 1.0 }
    }

    fn shrink(&self, _want: Bytes, _emergency: &Emergency) -> Bytes {
        assert!(self.account.reserve(HOST, b(10)).within(LONG).wait().is_err());
        let oldest = {
            let mut held = self.held.lock().unwrap();
            if held.is_empty() { None } else { Some(held.remove(0)) }
        };
        oldest.map_or(Bytes::ZERO, |charge| charge.bytes())
    }
}

#[test]
fn those_who_ask_holders_take_turns_and_all_are_served() {
    explore(|| {
        let governor = governor(&[("cache", 0, 10), ("a", 0, 10), ("b", 0, 10)]);
        let account = governor.account("cache").unwrap();
        let held = (0..5).map(|_| account.reserve(HOST, b(2)).now().unwrap().back()).collect();
        let cache = Arc::new(Cache { account: account.clone(), held: Mutex::new(held) });
        let holder: Arc<dyn Shrink> = Arc::clone(&cache) as _;
        let registration = governor.hold(&account, HOST, &holder);
        let threads = ["a", "b", "b"].map(|path| {
            let account = governor.account(path).unwrap();
            thread::spawn(move || {
                let held = account.reserve(HOST, b(3)).within(LONG).wait().unwrap();
                drop(held);
            })
        });
        for thread in threads {
            thread.join().unwrap();
        }
        drop(registration);
        cache.held.lock().unwrap().clear();
        ends_balanced(&governor);
    });
}

#[test]
fn a_poll_that_is_ready_at_once_is_a_grant() {
    check_random(
        || {
            let governor = governor(&[("a", 0, 10)]);
            let account = governor.account("a").unwrap();
            let mut future = Box::pin(account.reserve(HOST, b(6)).within(LONG).into_future());
            let Poll::Ready(Ok(held)) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
                panic!("there was room");
            };
            drop((future, held));
            ends_balanced(&governor);
        },
        10,
    );
}
