//! A device that fails at every possible call: each failure is an error, nothing is lost, the books balance.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a scenario fails by panicking")]

mod common;

use std::time::Duration;

use common::Bench;
use plimsoll::Bytes;
use plimsoll::pool::LeaseError;
use plimsoll_device::sim::{Call, Contents, SimSettings};
use plimsoll_device::{Capabilities, Device, Stream};

/// A device without bytes, so that hundreds of them cost nothing.
fn hollow(growable_ranges: bool) -> Bench {
    let capabilities = Capabilities { growable_ranges, shared: true, private: true, managed: true };
    let settings = SimSettings { contents: Contents::Hollow, capabilities, ..SimSettings::default() };
    Bench::with(Bytes::mib(64), settings)
}

/// Runs one small workload; the number of leases it got.
fn work(bench: &Bench) -> Result<usize, LeaseError> {
    let pool = bench.pool();
    let mut kept = Vec::new();
    for round in 0..4_u64 {
        for size in [4_096, 300_000, 1 << 20, 5 << 20] {
            kept.push(pool.lease(Bytes::new(size + round))?);
        }
        kept.retain(|lease| lease.bytes() < Bytes::mib(1));
        pool.trim(Bytes::ZERO)?;
    }
    Ok(kept.len())
}

#[test]
fn every_nth_call_may_fail() {
    for slabs in [false, true] {
        for call in [Call::Allocate, Call::Commit, Call::Decommit] {
            for n in 1..40 {
                let bench = hollow(!slabs);
                bench.device.fail_nth(call, n);
                match work(&bench) {
                    Ok(_) | Err(LeaseError::Device(_)) => {}
                    Err(other) => panic!("{call:?} {n}: {other}"),
                }
                bench.device.heal();
                work(&bench).unwrap_or_else(|error| panic!("{call:?} {n}, healed: {error}"));
                bench.assert_balanced();
            }
        }
    }
}

/// Fills the line with large leases, and then with ever other sizes in their stead: growth is paid with idle memory.
fn exchange(bench: &Bench) -> Result<u64, LeaseError> {
    let pool = bench.pool();
    let mut kept: Vec<_> = std::iter::from_fn(|| pool.lease(Bytes::mib(7)).ok()).collect();
    for size in 8..20 {
        kept.clear();
        while bench.charged() + Bytes::mib(size) <= Bytes::mib(64) || pool.stats().cached >= Bytes::mib(size)
        {
            match pool.lease(Bytes::mib(size)) {
                Ok(lease) => kept.push(lease),
                Err(LeaseError::Refused { .. }) => break,
                Err(other) => {
                    assert_eq!(
                        bench.device.used(),
                        bench.charged(),
                        "what is backed is charged, whatever failed"
                    );
                    return Err(other);
                }
            }
            assert_eq!(bench.device.used(), bench.charged());
        }
    }
    Ok(pool.stats().exchanges)
}

#[test]
fn memory_that_is_moved_may_stop_half_way() {
    assert!(exchange(&hollow(true)).unwrap() > 5, "or nothing was moved");
    for call in [Call::Commit, Call::Decommit] {
        for n in 1..30 {
            let bench = hollow(true);
            bench.device.fail_nth(call, n);
            match exchange(&bench) {
                Ok(_) | Err(LeaseError::Device(_)) => {}
                Err(other) => panic!("{call:?} {n}: {other}"),
            }
            bench.device.heal();
            exchange(&bench).unwrap_or_else(|error| panic!("{call:?} {n}, healed: {error}"));
            bench.assert_balanced();
        }
    }
}

#[test]
fn what_a_device_refuses_to_move_stays_charged() {
    let settings = SimSettings {
        contents: Contents::Hollow,
        latency: Duration::from_millis(1),
        granule: 1 << 20,
        ..SimSettings::default()
    };
    let bench = Bench::with(Bytes::mib(64), settings);
    let pool = bench.pool();
    let mut whole: Vec<_> = (0..8).map(|_| pool.lease(Bytes::mib(8)).unwrap()).collect();
    whole.sort_by_key(plimsoll::pool::Lease::address);
    let behind = [whole.remove(6), whole.remove(4), whole.remove(2), whole.remove(0)];
    for lease in &behind {
        // SAFETY: a broken promise, on purpose: the lease is dropped under this work without a fence. The device is
        // without bytes, and refuses to take away what it works on.
        let span = unsafe { lease.span() }.unwrap();
        bench.device.fill(Stream(0), span, 1).unwrap();
    }
    drop(behind);
    // Only by moving what is free; the device refuses.
    let refused = pool.lease(Bytes::mib(12)).unwrap_err();
    assert!(matches!(refused, LeaseError::Device(_)), "{refused}");
    assert_eq!(bench.device.used(), bench.charged(), "nothing was given back");
    bench.device.advance(Duration::from_secs(1));
    drop(pool.lease(Bytes::mib(12)).expect("the device is done"));
    drop((whole, pool));
    bench.assert_balanced();
}

#[test]
fn a_device_smaller_than_the_line_says_so_and_stays_usable() {
    let bench = Bench::new(Bytes::mib(64));
    bench.device.set_outside(Bytes::mib(128 - 8));
    let pool = bench.pool();
    let small = pool.lease(Bytes::mib(4)).unwrap();
    let error = pool.lease(Bytes::mib(16)).unwrap_err();
    assert!(matches!(error, LeaseError::Device(_)), "{error}");
    assert!(bench.charged() <= Bytes::mib(8), "what the device did not give is not charged");
    bench.device.set_outside(Bytes::ZERO);
    drop(pool.lease(Bytes::mib(16)).expect("the other program is gone"));
    drop((small, pool));
    bench.assert_balanced();
}
