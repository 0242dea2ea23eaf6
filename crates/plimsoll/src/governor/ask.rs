//! Asking for memory: at once, quietly, or with a deadline; blocking or as a future.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::hold::{Pot, Reservation};
use super::ladder::{self, Climbed};
use super::refusal::{Refusal, Why, refuse, why};
use super::waiting::Waiting;
use super::{Account, timer};
use crate::{Bytes, Place};

/// How long a request that does not wait lets another's turn at asking holders pass. Bounded, so that a holder
/// that blocks on a lock held across a reservation delays and does not deadlock.
const PATIENCE: Duration = Duration::from_secs(1);
/// How soon, and at last how often, the first in a queue asks the holders again: fences signal without telling.
const AGAIN_FIRST: Duration = Duration::from_millis(1);
const AGAIN_LAST: Duration = Duration::from_millis(50);

/// A request for bytes; see [`Account::reserve`].
#[derive(Clone, Debug)]
#[must_use = "nothing is asked until now, within or quietly"]
pub struct Ask {
    account: Account,
    place: Place,
    bytes: u64,
    /// Whether a refusal is final, and so is written down.
    last: bool,
}

/// What became of a request at first sight.
enum Entered {
    Granted(Reservation),
    Waiting(Waiting),
}

impl Ask {
    pub(crate) const fn new(account: Account, place: Place, bytes: Bytes) -> Self {
        Self { account, place, bytes: bytes.get(), last: true }
    }

    /// For who has other means when it is refused, and writes down by itself that nothing helped.
    pub(crate) const fn not_last(mut self) -> Self {
        self.last = false;
        self
    }

    /// Writes a refusal down.
    fn answer(&self, answer: Result<Reservation, Refusal>) -> Result<Reservation, Refusal> {
        answer.inspect_err(|refusal| {
            if self.last {
                self.account.note_refusal(self.place, self.bytes, refusal);
            }
        })
    }

    /// Grants it, asking holders to shrink if need be, or refuses. Waits for nobody, except for the turn to ask
    /// holders when another request is doing so, and that for a second at most.
    pub fn now(self) -> Result<Reservation, Refusal> {
        self.answer(self.at_once())
    }

    fn at_once(&self) -> Result<Reservation, Refusal> {
        let mut waiting = match self.enter()? {
            Entered::Granted(reservation) => return Ok(reservation),
            Entered::Waiting(waiting) => waiting,
        };
        let until = Instant::now().checked_add(PATIENCE);
        while waiting.climb() == Climbed::Busy && until.is_none_or(|until| Instant::now() < until) {
            if waiting.sleep(until) {
                break;
            }
        }
        waiting.finish(false)
    }

    /// Grants it if it fits at this moment and passes nobody over; asks nobody to shrink.
    pub fn quietly(self) -> Result<Reservation, Refusal> {
        self.check()?;
        self.admit().ok_or_else(|| self.refuse_now())
    }

    /// Waits for it, at most so long.
    pub const fn within(self, at_most: Duration) -> AskWithin {
        AskWithin { ask: self, at_most }
    }

    /// A grant at this moment or nothing.
    pub(crate) fn admit(&self) -> Option<Reservation> {
        let node = self.account.node(self.place)?;
        let inner = &self.account.inner;
        let admitted = inner.with(|state| state.queues.admit(&mut state.books, node, self.bytes));
        admitted
            .ok()
            .map(|()| Reservation::new(self.account.clone(), self.place, Pot::Share(node), self.bytes))
    }

    /// Refuses what could never be granted.
    fn check(&self) -> Result<(), Refusal> {
        let inner = &self.account.inner;
        let Some(node) = self.account.node(self.place) else {
            return Err(refuse(&self.account, self.place, self.bytes, Why::NoShare));
        };
        let lowest = inner.with(|state| {
            let books = &state.books;
            // The line as planned: that the system has less at the moment is no reason to say never.
            let limit = |id| match books.node(id) {
                node if node.parent.is_none() => (books.place(usize::from(node.place)).carry, None),
                node => (node.limit, node.account),
            };
            books.path(node).map(limit).min_by_key(|&(limit, _)| limit)
        });
        match lowest {
            Some((most, account)) if self.bytes > most => {
                let account = account.map(|account| inner.charter.members[account as usize].path.clone());
                let most = Bytes::new(most);
                Err(refuse(&self.account, self.place, self.bytes, Why::Never { most, account }))
            }
            _ => Ok(()),
        }
    }

    /// Grants it at once or takes a place in the queues.
    fn enter(&self) -> Result<Entered, Refusal> {
        if let Some(reservation) = self.admit() {
            return Ok(Entered::Granted(reservation));
        }
        self.check()?;
        if let Some(emergency) = ladder::emergency_of_this_thread(&self.account) {
            return emergency.reserve(self.place, Bytes::new(self.bytes)).map(Entered::Granted);
        }
        Waiting::enter(&self.account, self.place, self.bytes).map(Entered::Waiting)
    }

    fn refuse_now(&self) -> Refusal {
        let inner = &self.account.inner;
        let hindrance = self.account.node(self.place).and_then(|node| {
            inner.with(|state| {
                let found = state.queues.would_hold_up(&state.books, node, self.bytes)?;
                Some(why(state, &inner.charter, found))
            })
        });
        let short = Bytes::new(self.bytes);
        refuse(&self.account, self.place, self.bytes, hindrance.unwrap_or(Why::Line { short }))
    }
}

/// A request that waits; see [`Ask::within`]. Block on it with [`wait`](Self::wait) or `await` it.
#[derive(Clone, Debug)]
#[must_use = "nothing is asked until it is waited for or awaited"]
pub struct AskWithin {
    ask: Ask,
    at_most: Duration,
}

impl AskWithin {
    /// Blocks this thread until it is granted or the time is over.
    pub fn wait(self) -> Result<Reservation, Refusal> {
        self.ask.answer(self.patiently())
    }

    fn patiently(&self) -> Result<Reservation, Refusal> {
        let mut waiting = match self.ask.enter()? {
            Entered::Granted(reservation) => return Ok(reservation),
            Entered::Waiting(waiting) => waiting,
        };
        let deadline = Instant::now().checked_add(self.at_most);
        let mut pause = AGAIN_FIRST;
        loop {
            let climbed = waiting.climb();
            if let Some(reservation) = waiting.collect() {
                return Ok(reservation);
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return waiting.finish(true);
            }
            waiting.sleep(again(climbed, &mut pause, deadline));
        }
    }
}

/// When to look again: at the deadline, or sooner for the first in a queue that has holders to ask.
fn again(climbed: Climbed, pause: &mut Duration, deadline: Option<Instant>) -> Option<Instant> {
    if !matches!(climbed, Climbed::Spent | Climbed::Busy) {
        return deadline;
    }
    let soon = Instant::now().checked_add(*pause);
    *pause = (*pause * 2).min(AGAIN_LAST);
    match (soon, deadline) {
        (Some(soon), Some(deadline)) => Some(soon.min(deadline)),
        (soon, deadline) => soon.or(deadline),
    }
}

impl IntoFuture for AskWithin {
    type Output = Result<Reservation, Refusal>;
    type IntoFuture = AskFuture;

    fn into_future(self) -> AskFuture {
        AskFuture {
            deadline: Instant::now().checked_add(self.at_most),
            stage: Stage::Start,
            ask: self.ask,
            pause: AGAIN_FIRST,
            look_at: None,
        }
    }
}

/// The future of [`AskWithin`]. It needs no runtime: deadlines and second looks come from one small thread that is
/// started when the first future waits. A future that is dropped leaves the queue; what had been granted to it at
/// that moment goes back.
///
/// Holders are asked to shrink inside `poll`, on the task's thread; where that may take long, wait on a thread
/// that may block.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct AskFuture {
    ask: Ask,
    stage: Stage,
    deadline: Option<Instant>,
    pause: Duration,
    /// When the holders may be asked again without having been nudged.
    look_at: Option<Instant>,
}

#[derive(Debug)]
enum Stage {
    Start,
    Waiting(Waiting),
    Done,
}

impl Future for AskFuture {
    type Output = Result<Reservation, Refusal>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Stage::Start = &this.stage {
            match this.ask.enter() {
                Ok(Entered::Waiting(waiting)) => this.stage = Stage::Waiting(waiting),
                Ok(Entered::Granted(reservation)) => {
                    this.stage = Stage::Done;
                    return Poll::Ready(Ok(reservation));
                }
                Err(refusal) => {
                    this.stage = Stage::Done;
                    return Poll::Ready(this.ask.answer(Err(refusal)));
                }
            }
        }
        let Stage::Waiting(waiting) = &mut this.stage else {
            panic!("a future was polled after it was done");
        };
        let now = Instant::now();
        let mut wake_at = this.deadline;
        if waiting.take_nudge() || this.look_at.is_none_or(|at| now >= at) {
            wake_at = again(waiting.climb(), &mut this.pause, this.deadline);
            this.look_at = wake_at;
        }
        // Leaves the waker first and looks afterwards: a grant in between is seen by one or the other.
        let nudged = waiting.wake_with(context.waker());
        let answer = match waiting.collect() {
            Some(reservation) => Ok(reservation),
            None if this.deadline.is_some_and(|deadline| Instant::now() >= deadline) => waiting.finish(true),
            None => {
                if nudged {
                    context.waker().wake_by_ref();
                }
                if let Some(at) = wake_at {
                    timer::wake_at(at, context.waker().clone());
                }
                return Poll::Pending;
            }
        };
        this.stage = Stage::Done;
        Poll::Ready(this.ask.answer(answer))
    }
}
