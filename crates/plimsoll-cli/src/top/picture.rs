//! What is known of one engine or machine: its newest sample, a bounded past, the last events.

use std::collections::VecDeque;
use std::sync::Arc;

use plimsoll::monitor::{AccountSample, EventSample, MachineSample, PlaceSample, Sample, TagSample};

/// Samples that are kept: ten minutes at one a second, and as wide as graphs get.
pub const PAST: usize = 600;
/// Events that are kept.
pub const EVENTS: usize = 500;

/// Everything that is shown. Cheap to clone: freezing the screen keeps one.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    past: VecDeque<Arc<Sample>>,
    events: VecDeque<EventSample>,
}

impl Picture {
    /// One more sample. Another process, or the same one begun anew, is another picture.
    pub fn add(&mut self, sample: Sample) {
        let goes_on = self.newest().is_none_or(|last| {
            last.source.pid == sample.source.pid
                && last.source.engine == sample.source.engine
                && last.up_ms <= sample.up_ms
        });
        if !goes_on {
            *self = Self::default();
        }
        self.events.extend(sample.events.iter().cloned());
        while self.events.len() > EVENTS {
            self.events.pop_front();
        }
        self.past.push_back(Arc::new(Sample { events: Vec::new(), ..sample }));
        while self.past.len() > PAST {
            self.past.pop_front();
        }
    }

    /// The newest sample.
    pub fn newest(&self) -> Option<&Sample> {
        self.past.back().map(AsRef::as_ref)
    }

    /// Samples, the oldest first.
    pub fn past(&self) -> impl DoubleEndedIterator<Item = &Sample> {
        self.past.iter().map(AsRef::as_ref)
    }

    /// Events, the newest first.
    pub fn events(&self) -> impl Iterator<Item = &EventSample> {
        self.events.iter().rev()
    }

    /// A place of the newest sample.
    pub fn place(&self, name: &str) -> Option<&PlaceSample> {
        place(self.newest()?, name)
    }
}

/// A place by its name.
pub fn place<'s>(sample: &'s Sample, name: &str) -> Option<&'s PlaceSample> {
    sample.places.iter().find(|place| place.place == name)
}

/// An account of a place by its path.
pub fn account<'s>(place: &'s PlaceSample, path: &str) -> Option<&'s AccountSample> {
    place.accounts.iter().find(|account| account.path == path)
}

/// What is charged, told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// All of it.
    pub charged: u64,
    /// Neither idle nor pending: leases, and what is held without a pool.
    pub in_use: u64,
    /// Idle in pools.
    pub cached: u64,
    /// Dropped, and a device may still use it.
    pub pending: u64,
}

impl Load {
    /// Pools and the ledger are read one after the other, so the parts are held to the whole.
    fn new(charged: u64, cached: u64, pending: u64) -> Self {
        let pending = pending.min(charged);
        let cached = cached.min(charged - pending);
        Self { charged, in_use: charged - cached - pending, cached, pending }
    }

    /// Of a place.
    pub fn of_place(place: &PlaceSample) -> Self {
        Self::new(place.charged_bytes, place.cached_bytes, place.pending_bytes)
    }

    /// Of an account with those below it.
    pub fn of_account(place: &PlaceSample, account: &AccountSample) -> Self {
        let within = |other: &&AccountSample| is_within(&other.path, &account.path);
        let all = || place.accounts.iter().filter(within);
        let cached = all().filter_map(|account| account.cached_bytes).fold(0, u64::saturating_add);
        let pending = all().filter_map(|account| account.pending_bytes).fold(0, u64::saturating_add);
        Self::new(account.charged_bytes, cached, pending)
    }
}

/// Whether an account is another, or below it.
pub fn is_within(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The machine's memory, told apart: ours from the bottom, others' from the top, and the line between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MachineLoad {
    /// All there is.
    pub total: u64,
    /// What is charged to places that are the machine's own memory.
    pub ours: Load,
    /// What others use, and of this process what is charged to nobody.
    pub others: Option<u64>,
    /// What nobody uses and nobody was promised.
    pub free: Option<u64>,
    /// The line of those places together; absent where no engine runs.
    pub line: Option<u64>,
}

impl MachineLoad {
    /// Absent where not even the machine's memory is known.
    pub fn of(sample: &Sample) -> Option<Self> {
        let MachineSample { total_bytes, used_bytes, process_bytes, .. } = sample.machine;
        let total = total_bytes?;
        let own = || sample.places.iter().filter(|place| matches!(place.place.as_str(), "host" | "pinned"));
        let sum = |of: fn(&PlaceSample) -> u64| own().map(of).fold(0, u64::saturating_add);
        let ours = Load::new(
            sum(|place| place.charged_bytes),
            sum(|place| place.cached_bytes),
            sum(|place| place.pending_bytes),
        );
        // What is charged and not backed, or backed and not touched, is in no figure of the system.
        let backed = ours.charged.saturating_sub(sum(|place| place.unbacked_bytes));
        let resident = process_bytes.map_or(backed, |process| backed.min(process));
        let others = used_bytes.map(|used| used.saturating_sub(resident).min(total));
        let free = others.map(|others| total.saturating_sub(others).saturating_sub(ours.charged));
        let line = (own().count() > 0).then(|| sum(|place| place.line_bytes));
        Some(Self { total, ours, others, free, line })
    }
}

/// The largest tags at a place, each with its account, the largest first.
pub fn tags(place: &PlaceSample) -> Vec<(&str, &TagSample)> {
    let of = |account: &'_ AccountSample| account.tags.len();
    let mut all = Vec::with_capacity(place.accounts.iter().map(of).sum());
    for account in &place.accounts {
        all.extend(account.tags.iter().map(|tag| (account.path.as_str(), tag)));
    }
    all.sort_by(|(_, one), (_, other)| {
        other.live_bytes.cmp(&one.live_bytes).then_with(|| one.tag.cmp(&other.tag))
    });
    all
}
