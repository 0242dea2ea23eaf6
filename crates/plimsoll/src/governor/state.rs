//! What the governor's one mutex guards, and the only ways to it.
//!
//! Everything under the lock is book-keeping of a few hundred nanoseconds. Whoever is to be told (a waiting thread,
//! a task's waker) is collected under the lock and told after it is released.

use std::collections::{HashMap, VecDeque};
use std::task::Waker;
use std::time::Instant;

use super::holders::Entry;
use super::pressure::{Gauge, PressureSettings};
use super::queue::{Hindrance, Queues, Served, Ticket};
use super::shares::Shares;
use crate::Bytes;
use crate::ledger::{Books, Charter, LedgerError, LedgerSettings, NodeId};
use crate::record::{Event, Kind, NO_SOURCE, Recorder, Source};
use crate::sync::{Arc, Condvar, Mutex, lock};

/// What all handles of one governor share.
pub(crate) struct Inner {
    pub charter: Charter,
    pub recorder: Arc<Recorder>,
    state: Mutex<State>,
}

/// The books, who waits, who holds.
pub(crate) struct State {
    pub books: Books,
    pub queues: Queues,
    pub holders: Vec<Entry>,
    pub next_holder: u64,
    pub gauges: Vec<Gauge>,
    /// Adaptive shares of the children of a node.
    pub shares: Vec<(NodeId, Vec<NodeId>, Shares)>,
    /// By place: whether someone runs the ladder, and who wants to next.
    pub turns: Vec<Turn>,
    seats: HashMap<Ticket, Seat>,
    to_wake: Vec<Wake>,
}

/// Whose turn it is to ask holders.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    pub taken: bool,
    pub next: VecDeque<Ticket>,
}

/// How a waiter is reached.
pub(crate) struct Seat {
    pub granted: bool,
    /// Something changed that makes another look worth while.
    pub nudged: bool,
    pub condvar: Arc<Condvar>,
    pub waker: Option<Waker>,
}

enum Wake {
    Thread(Arc<Condvar>),
    Task(Waker),
}

/// How a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Granted,
    /// Held up, and whether it is first there.
    HeldUp(Hindrance, bool),
}

impl Inner {
    pub fn open(settings: &LedgerSettings) -> Result<Self, LedgerError> {
        let (charter, books) = Charter::draw_up(settings)?;
        let places = charter.lines.len();
        let gauge = |place| Gauge::new(PressureSettings::default(), Bytes::new(books.place(place).carry));
        let state = State {
            queues: Queues::new(books.nodes().len(), places),
            holders: Vec::new(),
            next_holder: 0,
            gauges: (0..places).map(gauge).collect(),
            shares: Vec::new(),
            turns: (0..places).map(|_| Turn::default()).collect(),
            seats: HashMap::new(),
            to_wake: Vec::new(),
            books,
        };
        let source = |node: &crate::ledger::Node| Source {
            account: node.account.map_or("", |account| &charter.members[account as usize].path).to_owned(),
            place: charter.lines[usize::from(node.place)].place,
            align: Bytes::new(1),
        };
        let recorder = Recorder::new(state.books.nodes().iter().map(source));
        Ok(Self { charter, recorder, state: Mutex::new(state) })
    }

    /// The recorder's number for a node's account and place: its own.
    pub fn source(node: NodeId) -> u16 {
        u16::try_from(node.index()).unwrap_or(NO_SOURCE)
    }

    /// Writes down what happened to a node.
    pub fn note(&self, kind: Kind, node: NodeId, bytes: u64, address: u64) {
        let source = Self::source(node);
        self.recorder.note(Event { bytes, address, source, ..Event::new(kind) });
    }

    /// Does something under the lock, then wakes whoever it concerns.
    pub fn with<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        let mut state = lock(&self.state);
        let result = act(&mut state);
        let to_wake = std::mem::take(&mut state.to_wake);
        drop(state);
        to_wake.into_iter().for_each(Wake::wake);
        result
    }

    /// Sleeps on a waiter's seat until it is granted or nudged, or until `until`; whether it was granted.
    pub fn sleep(&self, ticket: Ticket, until: Option<Instant>) -> bool {
        let mut state = lock(&self.state);
        loop {
            let Some(seat) = state.seats.get_mut(&ticket) else {
                return false;
            };
            if seat.granted || std::mem::take(&mut seat.nudged) {
                return seat.granted;
            }
            let condvar = Arc::clone(&seat.condvar);
            state = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                None => condvar.wait(state).unwrap_or_else(crate::sync::PoisonError::into_inner),
                Some(left) if left.is_zero() => return false,
                Some(left) => {
                    condvar.wait_timeout(state, left).unwrap_or_else(crate::sync::PoisonError::into_inner).0
                }
            };
        }
    }

    pub fn release(&self, node: NodeId, bytes: u64, unbacked: bool) {
        self.with(|state| {
            state.books.release(node, bytes, unbacked);
            state.settle(node);
        });
    }
}

impl State {
    /// Puts a request into the queues.
    pub fn enqueue(&mut self, node: NodeId, bytes: u64) -> Ticket {
        let (ticket, served) = self.queues.enqueue(&mut self.books, node, bytes);
        let seat = Seat { granted: false, nudged: false, condvar: Arc::new(Condvar::new()), waker: None };
        self.seats.insert(ticket, seat);
        self.tell(&served);
        ticket
    }

    /// How a waiter stands.
    pub fn standing(&self, ticket: Ticket) -> Option<Standing> {
        if self.seats.get(&ticket)?.granted {
            return Some(Standing::Granted);
        }
        let hindrance = self.queues.held_up_by(&self.books, ticket)?;
        Some(Standing::HeldUp(hindrance, self.queues.is_first(ticket)))
    }

    pub fn seat(&mut self, ticket: Ticket) -> Option<&mut Seat> {
        self.seats.get_mut(&ticket)
    }

    /// Takes a granted waiter's seat away: the bytes are the caller's now. `None` while it still waits.
    pub fn collect(&mut self, ticket: Ticket) -> Option<Seat> {
        self.seats.get(&ticket)?.granted.then(|| self.seats.remove(&ticket))?
    }

    /// Ends a wait. Bytes that were granted and not collected go back, so that a cancellation which crosses a
    /// grant loses nothing.
    pub fn cancel(&mut self, ticket: Ticket, node: NodeId, bytes: u64) {
        let Some(seat) = self.seats.remove(&ticket) else {
            return;
        };
        if seat.granted {
            self.books.release(node, bytes, true);
        } else {
            self.queues.leave(&self.books, ticket);
        }
        self.settle(node);
        self.offer_turn(usize::from(self.books.node(node).place));
    }

    /// If nobody asks the holders of a place, tells the next who wanted to.
    pub fn offer_turn(&mut self, place: usize) {
        if !self.turns[place].taken {
            self.pass_turn(place);
        }
    }

    /// Serves whoever waits on the path of a node where something was released.
    pub fn settle(&mut self, node: NodeId) {
        let served = self.queues.settle(&mut self.books, node);
        self.tell(&served);
    }

    pub fn settle_place(&mut self, place: usize, gate: super::queue::Gate) {
        let served = self.queues.settle_place(&mut self.books, place, gate);
        self.tell(&served);
    }

    pub fn has_holders(&self, place: usize) -> bool {
        self.holders.iter().any(|entry| usize::from(self.books.node(entry.node).place) == place)
    }

    /// Gives the right to run a place's ladder to the next who wants it and still waits.
    pub fn pass_turn(&mut self, place: usize) {
        self.turns[place].taken = false;
        while let Some(ticket) = self.turns[place].next.pop_front() {
            // One that was granted meanwhile has no use for the turn.
            if self.seats.get(&ticket).is_some_and(|seat| !seat.granted) && self.nudge(ticket) {
                return;
            }
        }
    }

    fn tell(&mut self, served: &Served) {
        for &ticket in &served.granted {
            if let Some(seat) = self.seats.get_mut(&ticket) {
                seat.granted = true;
            }
            self.nudge(ticket);
        }
        for &ticket in &served.first {
            self.nudge(ticket);
        }
    }

    fn nudge(&mut self, ticket: Ticket) -> bool {
        let Some(seat) = self.seats.get_mut(&ticket) else {
            return false;
        };
        seat.nudged = true;
        self.to_wake.push(match seat.waker.take() {
            Some(waker) => Wake::Task(waker),
            None => Wake::Thread(Arc::clone(&seat.condvar)),
        });
        true
    }
}

impl Wake {
    fn wake(self) {
        match self {
            Self::Thread(condvar) => condvar.notify_one(),
            // A waker is foreign code: if it panics, the others are still told.
            Self::Task(waker) => {
                let wake = std::panic::AssertUnwindSafe(|| {
                    waker.wake();
                });
                drop(std::panic::catch_unwind(wake));
            }
        }
    }
}
