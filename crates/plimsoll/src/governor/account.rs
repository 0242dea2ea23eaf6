//! The handles: the governor, and an account with it.

use std::fmt;
use std::path::Path;
use std::time::Instant;

use super::ask::Ask;
use super::holders::{Entry, Registration, Shrink};
use super::ladder;
use super::pressure::{Gauge, PressureLevel, PressureSettings};
use super::queue::Gate;
use super::refusal::Refusal;
use super::shares::{Shares, SharesSettings};
use super::state::Inner;
use crate::ledger::{LedgerError, LedgerSettings, LedgerSnapshot, NodeId};
#[cfg(not(any(loom, shuttle)))]
use crate::pool::Tag;
use crate::pressure::Pressure;
use crate::record::{
    ActiveRecording, Event, Kind, LineFact, RecordSettings, Recorder, RecordingError, SpooledRecording,
};
use crate::sync::Arc;
use crate::{Bytes, Place};

/// Holds every account to its share of every line. Cheap to clone; all clones are one governor.
#[derive(Clone)]
pub struct Governor {
    pub(crate) inner: Arc<Inner>,
}

/// One account. Cheap to clone.
#[derive(Clone)]
pub struct Account {
    pub(crate) inner: Arc<Inner>,
    pub(crate) number: u32,
}

impl Governor {
    /// Opens a ledger and its governor. Settings that do not add up are refused, with the arithmetic.
    pub fn open(settings: &LedgerSettings) -> Result<Self, LedgerError> {
        let inner = Arc::new(Inner::open(settings)?);
        Ok(Self { inner })
    }

    /// An account by its path.
    pub fn account(&self, path: &str) -> Result<Account, LedgerError> {
        let number = self.inner.charter.find(path)?;
        Ok(Account { inner: Arc::clone(&self.inner), number })
    }

    /// Everything, at one instant.
    pub fn snapshot(&self) -> LedgerSnapshot {
        let books = self.inner.with(|state| state.books.clone());
        LedgerSnapshot::new(&self.inner.charter, &books)
    }

    /// Begins a recording in memory: see [`Engine::record`](crate::Engine::record).
    pub fn record_with(&self, settings: RecordSettings) -> ActiveRecording {
        let (lines, charged) = self.standing();
        self.recorder().record(settings, lines, charged)
    }

    /// Begins a recording into a file: see [`Engine::record_to`](crate::Engine::record_to).
    pub fn record_to(
        &self,
        path: &Path,
        settings: RecordSettings,
    ) -> Result<SpooledRecording, RecordingError> {
        let (lines, charged) = self.standing();
        self.recorder().record_to(path, settings, lines, charged)
    }

    /// Lines and charges as they are, for the beginning of a recording.
    fn standing(&self) -> (Vec<LineFact>, Vec<Event>) {
        let books = self.inner.with(|state| state.books.clone());
        let line = |(number, line): (usize, &crate::ledger::LineSettings)| LineFact {
            place: line.place,
            line: line.line,
            charged: Bytes::new(books.total(number)),
        };
        let lines = self.inner.charter.lines.iter().enumerate().map(line).collect();
        let charge = |(index, node): (usize, &crate::ledger::Node)| Event {
            bytes: node.own,
            source: Inner::source(NodeId::new(index)),
            ..Event::new(Kind::Charge)
        };
        let charged = books.nodes().iter().enumerate().filter(|(_, node)| node.own > 0).map(charge);
        (lines, charged.collect())
    }

    /// What writes down what happens.
    pub fn recorder(&self) -> &Arc<Recorder> {
        &self.inner.recorder
    }

    /// How many requests wait on a place.
    pub fn waiting(&self, place: Place) -> usize {
        let Some(place) = self.inner.charter.place(place) else {
            return 0;
        };
        self.inner.with(|state| state.queues.waiting(place))
    }

    /// How hard a place is pressed, as its readings have left it. A place without a line has no pressure.
    pub fn level(&self, place: Place) -> PressureLevel {
        let Some(place) = self.inner.charter.place(place) else {
            return PressureLevel::Normal;
        };
        self.inner.with(|state| state.gauges[place].level())
    }

    /// Registers someone who can give memory of an account on a place back. The governor keeps a weak reference
    /// and forgets the holder when the registration is dropped. An account without a share there holds nothing,
    /// and is never asked.
    pub fn hold(&self, account: &Account, place: Place, holder: &Arc<dyn Shrink>) -> Registration {
        let entry = account.node(place).filter(|_| Arc::ptr_eq(&self.inner, &account.inner)).map(|node| {
            self.inner.with(|state| {
                let id = state.next_holder;
                state.next_holder += 1;
                state.holders.push(Entry::new(id, account.number, node, holder));
                id
            })
        });
        Registration::new(Arc::clone(&self.inner), entry)
    }

    /// Asks all who keep idle memory on a place for it, on the calling thread.
    pub(crate) fn call_in(&self, place: Place) {
        if let Some(place) = self.inner.charter.place(place) {
            ladder::call_in(&self.inner, place);
        }
    }

    /// Replaces the thresholds of a place's pressure gauge.
    pub fn set_pressure(&self, place: Place, settings: PressureSettings) {
        let Some(place) = self.inner.charter.place(place) else {
            return;
        };
        self.inner.with(|state| {
            state.gauges[place] = Gauge::new(settings, Bytes::new(state.books.place(place).carry));
        });
    }

    /// A pressure reading comes in; the level it leads to. Takes idle memory back from `Warning` on and asks
    /// holders to shrink at `Critical`, on the calling thread. A place without a line has no pressure.
    pub fn press(&self, place: Place, reading: &Pressure, now: Instant) -> PressureLevel {
        let Some(number) = self.inner.charter.place(place) else {
            return PressureLevel::Normal;
        };
        let reserve = self.inner.charter.lines[number].reserve;
        let change = self.inner.with(|state| {
            let backed = Bytes::new(state.books.total(number) - state.books.unbacked(number));
            let change = state.gauges[number].read(reading, backed, reserve, now);
            state.books.set_carry(number, change.carry.get());
            let gate = match change.level {
                PressureLevel::Normal => Gate::Open,
                PressureLevel::Warning => Gate::Shares,
                PressureLevel::Critical => Gate::Guarantees,
            };
            state.settle_place(number, gate);
            (change, state.books.place(number).root)
        });
        let (change, root) = change;
        if change.before != change.level {
            self.inner.note(Kind::Pressure, root, change.carry.get(), change.level as u64);
        }
        if change.level > PressureLevel::Normal {
            ladder::relieve(&self.inner, number, change);
        }
        change.level
    }

    /// Moves adaptive shares by at most one quantum per parent, by what holders say their bytes are worth and by
    /// what accounts wait for. Call it now and then; [`watch`](Self::watch) does.
    pub fn rebalance(&self, now: Instant) {
        let worths = ladder::worths(&self.inner);
        self.inner.with(|state| {
            let mut unmet = vec![0_u64; state.books.nodes().len()];
            for (leaf, bytes) in state.queues.demands() {
                for node in state.books.path(leaf) {
                    unmet[node.index()] = unmet[node.index()].saturating_add(bytes);
                }
            }
            if state.shares.is_empty() {
                state.shares = families(state, SharesSettings::default());
            }
            for (_, children, shares) in &mut state.shares {
                let reading = |node: &NodeId| (worths[node.index()], Bytes::new(unmet[node.index()]));
                let readings = children.iter().map(reading).collect::<Vec<_>>();
                shares.step(&readings, now);
                for (node, claimant) in children.iter().zip(shares.claimants()) {
                    state.books.set_soft(*node, claimant.share.get());
                }
            }
        });
    }
}

/// The adaptive shares of each node that has children.
fn families(state: &super::state::State, settings: SharesSettings) -> Vec<(NodeId, Vec<NodeId>, Shares)> {
    let nodes = state.books.nodes();
    let mut children = vec![Vec::new(); nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        if let Some(parent) = node.parent {
            children[parent.index()].push(NodeId::new(index));
        }
    }
    let family = |(index, kids): (usize, Vec<NodeId>)| {
        let bounds = kids.iter().map(|&kid| {
            let kid = state.books.node(kid);
            (Bytes::new(kid.guaranteed), Bytes::new(kid.limit))
        });
        let shares = Shares::new(settings, Bytes::new(nodes[index].limit), &bounds.collect::<Vec<_>>());
        (NodeId::new(index), kids, shares)
    };
    children.into_iter().enumerate().filter(|(_, kids)| !kids.is_empty()).map(family).collect()
}

impl Account {
    /// Its path: `models/qwen`.
    pub fn path(&self) -> &str {
        &self.inner.charter.members[self.number as usize].path
    }

    /// The governor it is with.
    pub fn governor(&self) -> Governor {
        Governor { inner: Arc::clone(&self.inner) }
    }

    /// Asks for bytes on a place. Nothing happens until [`Ask::now`], [`Ask::within`] or [`Ask::quietly`].
    pub fn reserve(&self, place: Place, bytes: Bytes) -> Ask {
        Ask::new(self.clone(), place, bytes)
    }

    /// What is charged on a place to it and its children.
    pub fn charged(&self, place: Place) -> Bytes {
        let charged = |node| self.inner.with(|state| state.books.node(node).charged);
        Bytes::new(self.node(place).map_or(0, charged))
    }

    /// The most that was ever charged there.
    pub fn peak(&self, place: Place) -> Bytes {
        let peak = |node| self.inner.with(|state| state.books.node(node).peak);
        Bytes::new(self.node(place).map_or(0, peak))
    }

    /// Writes down what happened to its bytes.
    #[cfg(not(any(loom, shuttle)))]
    pub(crate) fn note(&self, place: Place, kind: Kind, bytes: u64, tag: Tag, address: u64) {
        if let Some(node) = self.node(place) {
            let (source, tag) = (Inner::source(node), tag.number());
            self.inner.recorder.note(Event { bytes, address, source, tag, ..Event::new(kind) });
        }
    }

    /// Writes down that a request was refused for good.
    pub(crate) fn note_refusal(&self, place: Place, bytes: u64, refusal: &Refusal) {
        if let Some(node) = self.node(place) {
            self.inner.note(Kind::Refuse, node, bytes, u64::from(refusal.why.code()));
        }
    }

    pub(crate) fn node(&self, place: Place) -> Option<NodeId> {
        self.inner.charter.node(self.number, place)
    }
}

impl fmt::Debug for Governor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Governor")
            .field("accounts", &self.inner.charter.members.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Account").field(&self.path()).finish()
    }
}
