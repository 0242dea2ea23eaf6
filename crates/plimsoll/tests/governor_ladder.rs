//! The order in which memory is asked back, and what happens when those asked do not do what they say.
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

use std::sync::{Arc, Mutex};

use plimsoll::governor::{
    Account, Charge, Emergency, Fault, Governor, HolderKind, Offer, Registration, Shrink, Why,
};
use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::{Bytes, Place};

const HOST: Place = Place::Host;

fn b(bytes: u64) -> Bytes {
    Bytes::new(bytes)
}

/// A line of 100 beside an emergency reserve of 10; accounts (path, priority, guaranteed, limit).
fn governor(accounts: &[(&str, u8, u64, u64)]) -> Governor {
    let account = |&(path, priority, guaranteed, limit): &(&str, u8, u64, u64)| {
        AccountSettings::new(path).priority(priority).share(HOST, b(guaranteed), b(limit))
    };
    Governor::open(&LedgerSettings {
        places: vec![LineSettings::new(HOST, b(110)).emergency(b(10))],
        accounts: accounts.iter().map(account).collect(),
    })
    .unwrap()
}

type Log = Arc<Mutex<Vec<(&'static str, u64)>>>;

/// How a holder behaves when it is asked.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Honest,
    /// Gives half of what it says.
    Half,
    /// Says much and gives nothing.
    Nothing,
    Panics,
    /// Gives everything, whatever was asked.
    All,
    /// Needs three bytes to give anything back, reserved on the account as anyone would.
    NeedsMemory,
}

struct Cache {
    name: &'static str,
    kind: HolderKind,
    worth: f64,
    manner: Manner,
    account: Account,
    held: Mutex<Vec<Charge>>,
    log: Log,
}

impl Shrink for Cache {
    fn name(&self) -> &str {
        self.name
    }

    fn kind(&self) -> HolderKind {
        self.kind
    }

    fn offer(&self) -> Offer {
        let bytes = self.held.lock().unwrap().iter().map(Charge::bytes).sum();
        Offer { bytes, worth: self.worth }
    }

    fn shrink(&self, want: Bytes, _emergency: &Emergency) -> Bytes {
        self.log.lock().unwrap().push((self.name, want.get()));
        let give = match self.manner {
            Manner::Panics => panic!("a holder that panics, on purpose"),
            Manner::Nothing => return want,
            Manner::Half => b(want.get() / 2),
            Manner::All => Bytes::MAX,
            Manner::Honest => want,
            Manner::NeedsMemory => {
                let needed = self.account.reserve(HOST, b(3)).now().unwrap();
                assert!(needed.is_emergency());
                let refused =
                    self.account.reserve(HOST, b(8)).within(std::time::Duration::MAX).wait().unwrap_err();
                assert_eq!(refused.why, Why::EmergencySpent { left: b(7) });
                want
            }
        };
        let mut gone = Vec::new();
        let mut held = self.held.lock().unwrap();
        let mut sum = Bytes::ZERO;
        while sum < give
            && let Some(mut charge) = held.pop()
        {
            if charge.bytes() > give - sum {
                let rest = charge.split(charge.bytes() - (give - sum)).unwrap();
                held.push(rest);
            }
            sum += charge.bytes();
            gone.push(charge);
        }
        drop(held);
        if self.manner == Manner::Half { want } else { sum }
    }
}

struct World {
    governor: Governor,
    log: Log,
    caches: Vec<(Arc<Cache>, Registration)>,
}

impl World {
    fn new(accounts: &[(&str, u8, u64, u64)]) -> Self {
        Self { governor: governor(accounts), log: Log::default(), caches: Vec::new() }
    }

    fn cache(
        &mut self,
        path: &str,
        name: &'static str,
        kind: HolderKind,
        worth: f64,
        bytes: u64,
        manner: Manner,
    ) {
        let account = self.governor.account(path).unwrap();
        let held = Mutex::new(vec![account.reserve(HOST, b(bytes)).now().unwrap().back()]);
        let cache = Arc::new(Cache {
            name,
            kind,
            worth,
            manner,
            account: account.clone(),
            held,
            log: Arc::clone(&self.log),
        });
        let holder: Arc<dyn Shrink> = Arc::clone(&cache) as _;
        let registration = self.governor.hold(&account, HOST, &holder);
        self.caches.push((cache, registration));
    }

    fn account(&self, path: &str) -> Account {
        self.governor.account(path).unwrap()
    }

    fn asked(&self) -> Vec<(&'static str, u64)> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    fn ends_balanced(self) {
        for (cache, registration) in self.caches {
            drop(registration);
            cache.held.lock().unwrap().clear();
        }
        assert!(self.governor.snapshot().is_clear());
    }
}

use HolderKind::{Holder, Idle, Pending};

#[test]
fn idle_then_pending_then_the_least_valuable_above_its_guarantee() {
    let mut world = World::new(&[("a", 1, 0, 100), ("b", 1, 30, 100), ("c", 2, 0, 100), ("n", 3, 0, 100)]);
    world.cache("a", "dear", Holder, 9.0, 10, Manner::Honest);
    world.cache("a", "cheap", Holder, 1.0, 10, Manner::Honest);
    world.cache("b", "guaranteed", Holder, 0.1, 30, Manner::Honest);
    world.cache("c", "important", Holder, 0.1, 20, Manner::Honest);
    world.cache("a", "fenced", Pending, 0.0, 10, Manner::Honest);
    world.cache("a", "idle", Idle, 0.0, 20, Manner::Honest);
    let all = world.account("n").reserve(HOST, b(60)).now().unwrap();
    assert_eq!(world.asked(), [("idle", 60), ("fenced", 40), ("cheap", 20), ("dear", 10), ("important", 10)]);
    let refused = world.account("n").reserve(HOST, b(20)).now().unwrap_err();
    assert_eq!(
        world.asked(),
        [("fenced", 20), ("important", 10), ("fenced", 10)],
        "what b is guaranteed stays"
    );
    assert!(matches!(refused.why, Why::Line { .. }), "{refused}");
    drop(all);
    world.ends_balanced();
}

#[test]
fn what_is_borrowed_is_taken_back_from_low_priority_first() {
    let mut world = World::new(&[("high", 5, 0, 100), ("low", 1, 0, 100), ("owner", 3, 60, 100)]);
    world.cache("high", "high", Holder, 0.0, 50, Manner::Honest);
    world.cache("low", "low", Holder, 9.0, 50, Manner::Honest);
    let own = world.account("owner").reserve(HOST, b(60)).now().unwrap();
    assert_eq!(world.asked(), [("low", 50), ("high", 10)]);
    drop(own);
    world.ends_balanced();
}

#[test]
fn several_holders_of_one_account_together_keep_its_guarantee() {
    let mut world = World::new(&[("a", 1, 60, 100), ("n", 1, 0, 100)]);
    world.cache("a", "first", Holder, 1.0, 50, Manner::Honest);
    world.cache("a", "second", Holder, 2.0, 30, Manner::Honest);
    let rest = world.account("n").reserve(HOST, b(20)).now().unwrap();
    assert!(world.account("n").reserve(HOST, b(50)).now().is_err());
    assert_eq!(world.asked(), [("first", 20)]);
    assert_eq!(world.account("a").charged(HOST), b(60));
    drop(rest);
    world.ends_balanced();
}

#[test]
fn only_those_under_the_full_account_are_asked() {
    let mut world = World::new(&[("m", 1, 0, 50), ("m/a", 1, 0, 50), ("m/b", 1, 0, 50), ("x", 0, 0, 100)]);
    world.cache("x", "elsewhere", Idle, 0.0, 10, Manner::Honest);
    world.cache("m/a", "sibling", Holder, 1.0, 50, Manner::Honest);
    let held = world.account("m/b").reserve(HOST, b(5)).now().unwrap();
    assert_eq!(world.asked(), [("sibling", 5)]);
    drop(held);
    world.ends_balanced();
}

#[test]
fn holders_that_lie_or_panic_are_named_and_the_ledger_stays_right() {
    let mut world = World::new(&[("a", 1, 0, 100), ("n", 1, 0, 100)]);
    world.cache("a", "panics", Holder, 1.0, 10, Manner::Panics);
    world.cache("a", "nothing", Holder, 2.0, 10, Manner::Nothing);
    world.cache("a", "half", Holder, 3.0, 40, Manner::Half);
    let held = world.account("n").reserve(HOST, b(40)).now().unwrap();
    let refused = world.account("n").reserve(HOST, b(60)).now().unwrap_err();
    let called =
        [("panics", 60), ("nothing", 60), ("half", 60), ("nothing", 30), ("half", 30), ("nothing", 20)];
    assert_eq!(world.asked(), called, "one that panicked is not called again");
    let named = |holder: &str| holder.to_owned();
    assert_eq!(refused.faults[0], Fault::Panicked { holder: named("panics") });
    assert_eq!(refused.faults[1], Fault::GaveLess { holder: named("nothing"), said: b(60), gave: b(0) });
    assert_eq!(refused.faults[2], Fault::GaveLess { holder: named("half"), said: b(60), gave: b(30) });
    assert!(refused.to_string().contains("holder panics panicked and is set aside"), "{refused}");
    drop(held);
    world.ends_balanced();
}

#[test]
fn one_that_gives_more_than_asked_does_no_harm() {
    let mut world = World::new(&[("a", 1, 0, 100), ("n", 1, 0, 100)]);
    world.cache("a", "all", Holder, 1.0, 100, Manner::All);
    let held = world.account("n").reserve(HOST, b(1)).now().unwrap();
    assert_eq!(world.governor.snapshot().places[0].charged, b(1));
    drop(held);
    world.ends_balanced();
}

#[test]
fn one_that_needs_memory_to_give_memory_back_has_the_emergency_reserve() {
    let mut world = World::new(&[("a", 1, 0, 100), ("n", 1, 0, 100)]);
    world.cache("a", "spills", Holder, 1.0, 100, Manner::NeedsMemory);
    let held = world.account("n").reserve(HOST, b(10)).now().unwrap();
    let snapshot = world.governor.snapshot();
    assert_eq!((snapshot.places[0].emergency_used, snapshot.places[0].peak), (b(0), b(103)));
    drop(held);
    world.ends_balanced();
}

#[test]
fn a_forgotten_holder_is_not_asked() {
    let mut world = World::new(&[("a", 1, 0, 100)]);
    world.cache("a", "gone", Holder, 1.0, 100, Manner::Honest);
    let (cache, registration) = world.caches.pop().unwrap();
    drop(registration);
    assert!(world.account("a").reserve(HOST, b(1)).now().is_err());
    assert_eq!(world.asked(), []);
    drop(cache);
    world.ends_balanced();
}
