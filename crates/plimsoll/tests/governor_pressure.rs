//! What the governor does when the system itself is short of memory.
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use plimsoll::governor::{Charge, Emergency, Governor, HolderKind, Offer, PressureLevel, Shrink, Why};
use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::pressure::{Pressure, PressureError, PressureSource};
use plimsoll::{Bytes, Place};

const HOST: Place = Place::Host;

fn b(bytes: u64) -> Bytes {
    Bytes::new(bytes)
}

fn governor() -> Governor {
    let account = |path, guaranteed| AccountSettings::new(path).share(HOST, b(guaranteed), b(1_000));
    Governor::open(&LedgerSettings {
        places: vec![LineSettings::new(HOST, b(1_000))],
        accounts: vec![account("owner", 300), account("borrower", 0)],
    })
    .unwrap()
}

fn used(used: f64) -> Pressure {
    Pressure { used, total: Some(b(2_000)), ..Pressure::default() }
}

struct Cache(HolderKind, Mutex<Vec<Charge>>);

impl Shrink for Cache {
    fn name(&self) -> &'static str {
        "cache"
    }

    fn kind(&self) -> HolderKind {
        self.0
    }

    fn offer(&self) -> Offer {
        Offer { bytes: self.1.lock().unwrap().iter().map(Charge::bytes).sum(), worth: 1.0 }
    }

    fn shrink(&self, want: Bytes, _emergency: &Emergency) -> Bytes {
        let mut held = self.1.lock().unwrap();
        let Some(part) = held.first_mut().and_then(|charge| charge.split(want.min(charge.bytes())).ok())
        else {
            return Bytes::ZERO;
        };
        part.bytes()
    }
}

#[test]
fn critical_pressure_stops_borrowers_not_owners_and_lets_them_in_when_it_eases() {
    let (governor, start) = (governor(), Instant::now());
    let [owner, borrower] = ["owner", "borrower"].map(|path| governor.account(path).unwrap());
    assert_eq!(governor.press(HOST, &used(0.96), start), PressureLevel::Critical);
    let refused = borrower.reserve(HOST, b(1)).now().unwrap_err();
    assert_eq!(refused.why, Why::Pressure { level: PressureLevel::Critical });
    drop(owner.reserve(HOST, b(300)).now().unwrap());
    assert!(owner.reserve(HOST, b(301)).now().is_err());

    let waits =
        std::thread::spawn(move || borrower.reserve(HOST, b(1)).within(Duration::from_mins(1)).wait());
    while governor.waiting(HOST) == 0 {
        std::thread::yield_now();
    }
    governor.press(HOST, &used(0.1), start + Duration::from_secs(1));
    assert_eq!(governor.press(HOST, &used(0.1), start + Duration::from_secs(7)), PressureLevel::Normal);
    drop(waits.join().unwrap().unwrap());
    assert!(governor.snapshot().is_clear());
}

#[test]
fn warning_trims_idle_memory_and_critical_shrinks_holders_by_what_is_too_much() {
    let (governor, start) = (governor(), Instant::now());
    let borrower = governor.account("borrower").unwrap();
    let mut kept = Vec::new();
    for kind in [HolderKind::Idle, HolderKind::Holder] {
        let charge = borrower.reserve(HOST, b(400)).now().unwrap().back();
        let cache = Arc::new(Cache(kind, Mutex::new(vec![charge])));
        let holder: Arc<dyn Shrink> = Arc::clone(&cache) as _;
        kept.push((governor.hold(&borrower, HOST, &holder), cache));
    }
    governor.press(HOST, &used(0.9), start);
    assert_eq!(borrower.charged(HOST), b(400), "only the idle memory went");
    governor.press(HOST, &used(0.95), start);
    let left = borrower.charged(HOST).get();
    assert!((200..=201).contains(&left), "a tenth of 2,000 is too much: {left}");
    drop(kept);
    assert!(governor.snapshot().is_clear());
}

#[test]
fn the_line_is_lower_while_the_system_has_less_than_the_plan_thought() {
    let (governor, start) = (governor(), Instant::now());
    let owner = governor.account("owner").unwrap();
    let held = owner.reserve(HOST, b(100)).now().unwrap().back();
    let reading = |available| Pressure { available: Some(b(available)), ..used(0.5) };
    governor.press(HOST, &reading(50), start);
    let refused = owner.reserve(HOST, b(51)).now().unwrap_err();
    assert_eq!((refused.fits_now, &refused.why), (b(50), &Why::Line { short: b(1) }));
    governor.press(HOST, &reading(5_000), start + Duration::from_secs(1));
    governor.press(HOST, &reading(5_000), start + Duration::from_secs(7));
    drop(owner.reserve(HOST, b(900)).now().unwrap());
    drop(held);
    assert!(governor.snapshot().is_clear());
}

struct Readings(Arc<AtomicUsize>);

impl PressureSource for Readings {
    fn read(&mut self) -> Result<Pressure, PressureError> {
        if self.0.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) {
            return Err(PressureError::NotTold { asked: "every other one fails" });
        }
        Ok(used(0.99))
    }
}

#[test]
fn a_watch_presses_until_it_is_dropped() {
    let (governor, count) = (governor(), Arc::new(AtomicUsize::new(0)));
    let source = Box::new(Readings(Arc::clone(&count)));
    let watch = governor.watch(HOST, source, Duration::from_millis(1)).unwrap();
    let borrower = governor.account("borrower").unwrap();
    while borrower.reserve(HOST, b(1)).quietly().is_ok() {
        std::thread::yield_now();
    }
    drop(watch);
    let after = count.load(Ordering::SeqCst);
    std::thread::sleep(Duration::from_millis(10));
    assert_eq!(count.load(Ordering::SeqCst), after);
}
