//! Random operations against a naive model: a list of who holds what. After each operation the ledger must show
//! exactly the model's sums, and nothing may be above a limit, the line, or what others do not lend.
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

use std::collections::BTreeMap;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use plimsoll::governor::{
    Account, AskFuture, Charge, Emergency, Governor, HolderKind, Offer, PressureSettings, Registration,
    Reservation, Shrink,
};
use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::pressure::Pressure;
use plimsoll::{Bytes, Place};
use proptest::prelude::*;

const PLACES: [Place; 2] = [Place::Host, Place::Disk];
const PATHS: [&str; 6] = ["m", "m/a", "m/a/x", "m/b", "k", "s"];
/// Guarantee and limit of each on both places; k keeps its own to itself.
const SHARES: [(u64, u64); 6] = [(40, 70), (20, 50), (0, 40), (10, 70), (20, 60), (0, 100)];
const LINE: u64 = 112;
const RESERVE: u64 = 4;
const EMERGENCY: u64 = 8;

#[derive(Clone, Debug)]
enum Op {
    Now(usize, usize, u64),
    Quietly(usize, usize, u64),
    Wait(usize, usize, u64),
    Cancel(usize),
    Drop(usize),
    Split(usize, u64),
    Merge(usize, usize),
    Back(usize),
    Move(usize, usize),
    Transfer(usize, usize),
    /// Hands a hold over to a cache, which may lie when it is asked to shrink.
    Cache(usize, u8),
    Press(u8),
}

fn op() -> impl Strategy<Value = Op> {
    let ask = || (0..PATHS.len(), 0..2_usize, 0..45_u64);
    let any = || 0..64_usize;
    prop_oneof![
        4 => ask().prop_map(|(a, p, b)| Op::Now(a, p, b)),
        2 => ask().prop_map(|(a, p, b)| Op::Quietly(a, p, b)),
        6 => ask().prop_map(|(a, p, b)| Op::Wait(a, p, b)),
        2 => any().prop_map(Op::Cancel),
        6 => any().prop_map(Op::Drop),
        2 => (any(), 0..45_u64).prop_map(|(i, b)| Op::Split(i, b)),
        1 => (any(), any()).prop_map(|(i, j)| Op::Merge(i, j)),
        2 => any().prop_map(Op::Back),
        2 => (any(), 0..2_usize).prop_map(|(i, p)| Op::Move(i, p)),
        2 => (any(), 0..PATHS.len()).prop_map(|(i, a)| Op::Transfer(i, a)),
        3 => (any(), 0..5_u8).prop_map(|(i, m)| Op::Cache(i, m)),
        1 => (0..100_u8).prop_map(Op::Press),
    ]
}

enum Held {
    Reserved(Reservation),
    Charged(Charge),
}

impl Held {
    fn facts(&self) -> (String, Place, u64, bool) {
        match self {
            Self::Reserved(r) => (r.account().path().to_owned(), r.place(), r.bytes().get(), true),
            Self::Charged(c) => (c.account().path().to_owned(), c.place(), c.bytes().get(), false),
        }
    }
}

/// Gives what it says, half, nothing, everything, or panics.
struct Cache {
    manner: u8,
    account: Account,
    place: Place,
    held: Mutex<Option<Held>>,
}

impl Shrink for Cache {
    fn name(&self) -> &'static str {
        "cache"
    }

    fn kind(&self) -> HolderKind {
        [HolderKind::Idle, HolderKind::Pending, HolderKind::Holder][usize::from(self.manner) % 3]
    }

    fn offer(&self) -> Offer {
        let bytes = self.held.lock().unwrap().as_ref().map_or(0, |held| held.facts().2);
        Offer { bytes: Bytes::new(bytes), worth: f64::from(self.manner) }
    }

    fn shrink(&self, want: Bytes, emergency: &Emergency) -> Bytes {
        // Both ways of reserving while shrinking: neither waits, whatever is full.
        drop(self.account.reserve(self.place, Bytes::new(2)).within(Duration::MAX).wait());
        let spill = emergency.reserve(self.place, Bytes::new(2));
        let held = self.held.lock().unwrap().take();
        let part = match self.manner {
            0 | 1 => want.get(),
            2 => want.get() / 2,
            3 => {
                *self.held.lock().unwrap() = held;
                std::panic::resume_unwind(Box::new("a cache that panics, on purpose"));
            }
            _ => u64::MAX,
        };
        let rest = match held {
            Some(Held::Charged(mut c)) if part < c.bytes().get() => {
                drop(c.split(Bytes::new(part)).unwrap());
                Some(Held::Charged(c))
            }
            Some(Held::Reserved(mut r)) if part < r.bytes().get() => {
                drop(r.split(Bytes::new(part)).unwrap());
                Some(Held::Reserved(r))
            }
            _ => None,
        };
        *self.held.lock().unwrap() = rest;
        drop(spill);
        want
    }
}

struct World {
    governor: Governor,
    accounts: Vec<Account>,
    held: Vec<Held>,
    caches: Vec<(Arc<Cache>, Registration)>,
    waits: Vec<Pin<Box<AskFuture>>>,
    clock: Instant,
}

impl World {
    fn new() -> Self {
        let line = |place| {
            LineSettings::new(place, Bytes::new(LINE))
                .reserve(Bytes::new(RESERVE))
                .emergency(Bytes::new(EMERGENCY))
        };
        let account = |(path, (g, l)): (&&str, (u64, u64))| {
            let on = |account: AccountSettings, place| account.share(place, Bytes::new(g), Bytes::new(l));
            PLACES.into_iter().fold(AccountSettings::new(*path).lend(*path != "k"), on)
        };
        let governor = Governor::open(&LedgerSettings {
            places: PLACES.map(line).into(),
            accounts: PATHS.iter().zip(SHARES).map(account).collect(),
        })
        .unwrap();
        for place in PLACES {
            let calm = Duration::from_secs(1);
            governor.set_pressure(place, PressureSettings { calm, ..PressureSettings::default() });
        }
        Self {
            accounts: PATHS.map(|path| governor.account(path).unwrap()).into(),
            governor,
            held: Vec::new(),
            caches: Vec::new(),
            waits: Vec::new(),
            clock: Instant::now(),
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each operation")]
    fn apply(&mut self, op: &Op) {
        let pick = |index: usize, len: usize| (len > 0).then(|| index % len);
        match *op {
            Op::Now(a, p, b) => self.granted(self.accounts[a].reserve(PLACES[p], Bytes::new(b)).now()),
            Op::Quietly(a, p, b) => {
                self.granted(self.accounts[a].reserve(PLACES[p], Bytes::new(b)).quietly());
            }
            Op::Wait(a, p, b) => {
                let ask = self.accounts[a].reserve(PLACES[p], Bytes::new(b)).within(Duration::from_hours(1));
                self.waits.push(Box::pin(ask.into_future()));
            }
            Op::Cancel(i) => drop(pick(i, self.waits.len()).map(|i| self.waits.swap_remove(i))),
            Op::Drop(i) => drop(pick(i, self.held.len()).map(|i| self.held.swap_remove(i))),
            Op::Split(i, b) => {
                let part = pick(i, self.held.len()).and_then(|i| match &mut self.held[i] {
                    Held::Reserved(r) => r.split(Bytes::new(b)).ok().map(Held::Reserved),
                    Held::Charged(c) => c.split(Bytes::new(b)).ok().map(Held::Charged),
                });
                self.held.extend(part);
            }
            Op::Merge(i, j) => self.merge(i, j),
            Op::Back(i) => {
                if let Some(i) = pick(i, self.held.len()) {
                    let held = match self.held.swap_remove(i) {
                        Held::Reserved(r) => Held::Charged(r.back()),
                        charged @ Held::Charged(_) => charged,
                    };
                    self.held.push(held);
                }
            }
            Op::Move(i, p) => {
                if let Some(i) = pick(i, self.held.len()) {
                    let before = self.held[i].facts();
                    let moved = match &mut self.held[i] {
                        Held::Reserved(r) => r.move_to(PLACES[p]),
                        Held::Charged(c) => c.move_to(PLACES[p]),
                    };
                    let place = if moved.is_ok() { PLACES[p] } else { before.1 };
                    assert_eq!(self.held[i].facts(), (before.0, place, before.2, before.3));
                }
            }
            Op::Transfer(i, a) => {
                if let Some(i) = pick(i, self.held.len()) {
                    let _ = match &mut self.held[i] {
                        Held::Reserved(r) => r.transfer_to(&self.accounts[a]),
                        Held::Charged(c) => c.transfer_to(&self.accounts[a]),
                    };
                }
            }
            Op::Cache(i, manner) => {
                if let Some(i) = pick(i, self.held.len()) {
                    let held = self.held.swap_remove(i);
                    let (path, place, ..) = held.facts();
                    let account = self.governor.account(&path).unwrap();
                    let held = Mutex::new(Some(held));
                    let cache = Arc::new(Cache { manner, account: account.clone(), place, held });
                    let holder: Arc<dyn Shrink> = Arc::clone(&cache) as _;
                    let registration = self.governor.hold(&account, place, &holder);
                    self.caches.push((cache, registration));
                }
            }
            Op::Press(used) => {
                self.clock += Duration::from_secs(2);
                let reading = Pressure {
                    used: f64::from(used) / 100.0,
                    total: Some(Bytes::new(LINE)),
                    available: (used > 60).then(|| Bytes::new(u64::from(100 - used))),
                    ..Pressure::default()
                };
                self.governor.press(PLACES[0], &reading, self.clock);
                self.governor.rebalance(self.clock);
            }
        }
        self.poll_all();
    }

    fn merge(&mut self, i: usize, j: usize) {
        let len = self.held.len();
        if len < 2 || i % len == j % len {
            return;
        }
        let other = self.held.remove(i.max(j) % len);
        let len = self.held.len();
        let back = match (&mut self.held[i.min(j) % len], other) {
            (Held::Reserved(a), Held::Reserved(b)) => a.merge(b).err().map(|e| Held::Reserved(e.0)),
            (Held::Charged(a), Held::Charged(b)) => a.merge(b).err().map(|e| Held::Charged(e.0)),
            (_, other) => Some(other),
        };
        self.held.extend(back);
    }

    fn granted<E>(&mut self, answer: Result<Reservation, E>) {
        self.held.extend(answer.ok().map(Held::Reserved));
    }

    /// Collects what was granted, until nothing more is.
    fn poll_all(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        loop {
            let mut index = 0;
            while index < self.waits.len() {
                match self.waits[index].as_mut().poll(&mut context) {
                    Poll::Pending => index += 1,
                    Poll::Ready(answer) => {
                        drop(self.waits.swap_remove(index));
                        self.granted(answer);
                    }
                }
            }
            // One that was granted while a later one asked the holders is still to be collected.
            if self.waiting() == self.waits.len() {
                break;
            }
        }
    }

    fn waiting(&self) -> usize {
        PLACES.iter().map(|&place| self.governor.waiting(place)).sum()
    }

    /// Compares the ledger with the model.
    fn check(&self) {
        let snapshot = self.governor.snapshot();
        let mut own: BTreeMap<(String, Place), (u64, u64)> = BTreeMap::new();
        let cached = self.caches.iter().filter_map(|(c, _)| Some(c.held.lock().unwrap().as_ref()?.facts()));
        for (path, place, bytes, unbacked) in self.held.iter().map(Held::facts).chain(cached) {
            let sums = own.entry((path, place)).or_default();
            sums.0 += bytes;
            sums.1 += if unbacked { bytes } else { 0 };
        }
        for place in &snapshot.places {
            let mut total = 0;
            let mut kept = 0;
            for (share, (guaranteed, limit)) in place.shares.iter().zip(sorted_shares()) {
                let model = own.get(&(share.path.clone(), place.place)).copied().unwrap_or_default();
                assert_eq!(
                    (share.own.get(), share.unbacked.get()),
                    model,
                    "{} on {}",
                    share.path,
                    place.place
                );
                let below = format!("{}/", share.path);
                let under =
                    own.iter().filter(|((path, at), _)| *at == place.place && path.starts_with(&below));
                let charged = model.0 + under.map(|(_, sums)| sums.0).sum::<u64>();
                assert_eq!(share.charged.get(), charged);
                assert!(charged <= limit && share.peak.get() >= charged);
                if share.path == "k" {
                    kept = guaranteed.saturating_sub(charged);
                }
                total += model.0;
            }
            assert_eq!(place.charged.get(), total, "nothing is in the emergency reserve at rest");
            assert!(total + kept <= LINE - RESERVE - EMERGENCY, "{total} and {kept} kept on {}", place.place);
            assert!(place.peak.get() <= LINE - RESERVE);
        }
        assert_eq!(self.waiting(), self.waits.len());
    }
}

/// In the order of the snapshot: by path.
fn sorted_shares() -> Vec<(u64, u64)> {
    let by_path: BTreeMap<_, _> = PATHS.iter().zip(SHARES).collect();
    by_path.into_values().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_shows_what_is_held_and_nothing_is_above_its_bounds(ops in prop::collection::vec(op(), 1..80)) {
        let mut world = World::new();
        for op in &ops {
            world.apply(op);
            world.check();
        }
        let governor = world.governor.clone();
        for (cache, registration) in world.caches.drain(..) {
            drop(registration);
            drop(cache.held.lock().unwrap().take());
        }
        world.waits.clear();
        world.held.clear();
        prop_assert!(governor.snapshot().is_clear());
        prop_assert_eq!(PLACES.map(|place| governor.waiting(place)), [0, 0]);
    }
}
