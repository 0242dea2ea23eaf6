//! What advice needs to know of the samples before.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::monitor::{AccountSample, PlaceSample, Sample};

/// The most and the least that each account used over a while, and how long something has been so. Bounded: a dozen
/// numbers for each account.
#[derive(Clone, Debug)]
pub struct Past {
    window: Duration,
    began: Option<Duration>,
    now: Duration,
    /// By place and path.
    accounts: BTreeMap<String, BTreeMap<String, Seen>>,
}

/// What was seen of one account at one place.
#[derive(Clone, Debug, Default)]
struct Seen {
    peaks: Peaks,
    pending_since: Option<Duration>,
}

/// The largest values of the last slices of time.
#[derive(Clone, Debug, Default)]
struct Peaks {
    slices: VecDeque<(u64, u64)>,
}

const SLICES: u32 = 12;

impl Past {
    /// Nothing seen yet; looks back so far.
    pub const fn over(window: Duration) -> Self {
        Self { window, began: None, now: Duration::ZERO, accounts: BTreeMap::new() }
    }

    /// Takes in a sample.
    pub fn read(&mut self, sample: &Sample) {
        self.now = Duration::from_millis(sample.up_ms);
        self.began.get_or_insert(self.now);
        let slice = (self.window / SLICES).as_nanos().max(1);
        let slice = u64::try_from(self.now.as_nanos() / slice).unwrap_or(u64::MAX);
        for place in &sample.places {
            if !self.accounts.contains_key(&place.place) {
                self.accounts.insert(place.place.clone(), BTreeMap::new());
            }
            let Some(accounts) = self.accounts.get_mut(&place.place) else { continue };
            for account in &place.accounts {
                let seen = match accounts.get_mut(&account.path) {
                    Some(seen) => seen,
                    None => accounts.entry(account.path.clone()).or_default(),
                };
                seen.peaks.push(slice, used(account));
                let pending = account.pending_bytes.is_some_and(|pending| pending > 0);
                seen.pending_since = pending.then(|| seen.pending_since.unwrap_or(self.now));
            }
        }
    }

    /// How long it has seen, at most its window.
    pub fn seen(&self) -> Duration {
        self.began.map_or(Duration::ZERO, |began| self.now.saturating_sub(began)).min(self.window)
    }

    /// Whether the whole window, or nearly, was seen.
    pub(super) fn is_full(&self) -> bool {
        self.seen() >= self.window.saturating_sub(self.window / SLICES)
    }

    /// The most that an account used in the window, idle pool memory aside.
    pub(super) fn most(&self, place: &PlaceSample, account: &AccountSample) -> Option<u64> {
        self.of(place, account)?.peaks.slices.iter().map(|(_, most)| *most).max()
    }

    /// For how long an account has had bytes pending without a break.
    pub(super) fn pending_for(&self, place: &PlaceSample, account: &AccountSample) -> Option<Duration> {
        Some(self.now.saturating_sub(self.of(place, account)?.pending_since?))
    }

    fn of(&self, place: &PlaceSample, account: &AccountSample) -> Option<&Seen> {
        self.accounts.get(&place.place)?.get(&account.path)
    }
}

impl Peaks {
    fn push(&mut self, slice: u64, value: u64) {
        match self.slices.back_mut() {
            Some((last, most)) if *last == slice => *most = (*most).max(value),
            _ => self.slices.push_back((slice, value)),
        }
        while self.slices.front().is_some_and(|&(at, _)| at + u64::from(SLICES) < slice) {
            self.slices.pop_front();
        }
    }
}

/// What an account has and could not give back at once.
pub(super) fn used(account: &AccountSample) -> u64 {
    account.charged_bytes.saturating_sub(account.cached_bytes.unwrap_or(0))
}
