//! Asking holders for memory, in a fixed order.
//!
//! 1. Idle holders give back what nobody uses.
//! 2. Pending holders look whether devices have finished.
//! 3. Admission stops. This is not a step of its own: the request that runs the ladder stands first in the queue of
//!    the node that holds it up, so every newcomer of its lane or a later one queues behind it, and what is given
//!    back cannot be taken by them. Under system pressure the [gate](super::queue::Gate) stops borrowers besides.
//! 4. The least valuable holder above its account's guarantee shrinks: lowest priority first, then whoever is over
//!    its adaptive share, then by worth per byte. It is asked for a little more than is needed, so that the next
//!    request does not start over at once.
//!
//! Only holders under the node that is full can help, so only they are asked. Priority says who is asked first, not
//! who is spared: what is borrowed can be asked back by anyone. If a request spared accounts of higher priority, it
//! could stand first in a queue with nobody to ask, and hold up all behind it.
//!
//! One request at a time runs a place's ladder; others queue for the turn, look again when it is theirs, and
//! usually find that they have been served. The turn is a flag and not a lock: nobody who merely charges waits for
//! it. Every run is bounded: at most [`ROUNDS`] rounds, each asking each holder once, and a round in which the
//! ledger shows no progress is the last.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Account;
use super::holders::{Emergency, Entry, HolderKind, Offer, Shrink};
use super::pressure::{PressureChange, PressureLevel};
use super::queue::{Hindrance, Ticket};
use super::refusal::{Fault, Told};
use super::state::{Inner, Standing, State};
use crate::Bytes;
use crate::ledger::{Block, NodeId};
use crate::sync::Arc;

/// How often the ladder is climbed from the bottom for one request.
const ROUNDS: usize = 4;
/// How much more than needed a holder is asked for: the part of what the full node may carry.
const HEADROOM_PART: u64 = 128;
const RUNGS: [HolderKind; 3] = [HolderKind::Idle, HolderKind::Pending, HolderKind::Holder];

#[cfg(loom)]
use loom::thread_local;
#[cfg(all(shuttle, not(loom)))]
use shuttle::thread_local;
#[cfg(not(any(loom, shuttle)))]
use std::thread_local;

thread_local! {
    /// The governor for which this thread is giving memory back, by its address; zero when it is not.
    #[expect(clippy::missing_const_for_thread_local, reason = "the checkers' macros take no const block")]
    static SHRINKING: Cell<usize> = Cell::new(0);
}

/// How a climb ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Climbed {
    /// The request was granted.
    Granted,
    /// Others stand before it; it will be told when it is first.
    NotFirst,
    /// Another request is asking holders; it will be told when the turn is its own.
    Busy,
    /// Nobody under the full node gives any more at the moment.
    Spent,
    /// There is nobody to ask.
    Nobody,
}

/// A holder that may be asked.
struct Candidate {
    id: u64,
    account: u32,
    node: NodeId,
    holder: Arc<dyn Shrink>,
    offer: Offer,
    priority: u8,
    over_share: bool,
}

/// The emergency reserve, if this thread is giving memory back.
pub(crate) fn emergency_of_this_thread(account: &Account) -> Option<Emergency> {
    let here = Arc::as_ptr(&account.inner).addr();
    SHRINKING.with(|governor| governor.get() == here).then(|| Emergency::new(account.clone()))
}

/// The right to ask holders of one place; passed on when dropped.
struct TurnGuard<'a> {
    inner: &'a Arc<Inner>,
    place: usize,
}

impl Drop for TurnGuard<'_> {
    fn drop(&mut self) {
        self.inner.with(|state| state.pass_turn(self.place));
    }
}

/// Asks holders until a waiting request is granted or nobody gives any more.
pub(crate) fn climb(inner: &Arc<Inner>, place: usize, ticket: Ticket, faults: &mut Vec<Fault>) -> Climbed {
    let turn = inner.with(|state| match state.standing(ticket) {
        Some(Standing::Granted) | None => Err(Climbed::Granted),
        Some(Standing::HeldUp(_, false)) => Err(Climbed::NotFirst),
        Some(Standing::HeldUp(..)) if !state.has_holders(place) => Err(Climbed::Nobody),
        Some(Standing::HeldUp(..)) if state.turns[place].taken => {
            state.turns[place].next.push_back(ticket);
            Err(Climbed::Busy)
        }
        Some(Standing::HeldUp(..)) => {
            state.turns[place].taken = true;
            Ok(())
        }
    });
    if let Err(climbed) = turn {
        // Another may have wanted the turn that this one was told of and has no use for.
        inner.with(|state| state.offer_turn(place));
        return climbed;
    }
    let _turn = TurnGuard { inner, place };
    for _ in 0..ROUNDS {
        let mut given = 0;
        for kind in RUNGS {
            match rung(inner, place, kind, ticket, faults) {
                Ok(bytes) => given += bytes,
                Err(climbed) => return climbed,
            }
        }
        if given == 0 {
            break;
        }
    }
    match lacks(inner, ticket) {
        Err(climbed) => climbed,
        Ok(_) => Climbed::Spent,
    }
}

/// What a waiting request lacks and where; or how its climb ends.
fn lacks(inner: &Inner, ticket: Ticket) -> Result<Block, Climbed> {
    inner.with(|state| match state.standing(ticket) {
        Some(Standing::Granted) | None => Err(Climbed::Granted),
        Some(Standing::HeldUp(Hindrance::Short(block), true)) => Ok(block),
        Some(Standing::HeldUp(Hindrance::Gated(_), _)) => Err(Climbed::Spent),
        Some(Standing::HeldUp(..)) => Err(Climbed::NotFirst),
    })
}

/// Asks every holder of one kind that can help; what the ledger shows they gave.
fn rung(
    inner: &Arc<Inner>,
    place: usize,
    kind: HolderKind,
    ticket: Ticket,
    faults: &mut Vec<Fault>,
) -> Result<u64, Climbed> {
    let block = lacks(inner, ticket)?;
    let mut given = 0;
    for candidate in candidates(inner, place, block.node, kind, faults) {
        let now = lacks(inner, ticket)?;
        if now.node != block.node {
            // Held up elsewhere by now: others can help there.
            return Ok(given.max(1));
        }
        let want = match kind {
            HolderKind::Holder => takeable(inner, candidate.node, now.node)
                .min(now.short.saturating_add(headroom(inner, now.node))),
            HolderKind::Idle | HolderKind::Pending => now.short,
        };
        if want > 0 {
            given += ask(inner, &candidate, kind, want, faults);
        }
    }
    lacks(inner, ticket).map(|_| given)
}

fn headroom(inner: &Inner, node: NodeId) -> u64 {
    inner.with(|state| state.books.node(node).limit) / HEADROOM_PART
}

/// Those of one kind under a node that may be asked, in the order in which to ask them.
fn candidates(
    inner: &Arc<Inner>,
    place: usize,
    under: NodeId,
    kind: HolderKind,
    faults: &mut Vec<Fault>,
) -> Vec<Candidate> {
    let found = inner.with(|state| {
        let here = |entry: &&Entry| {
            usize::from(state.books.node(entry.node).place) == place
                && !entry.quarantined
                && state.books.is_under(entry.node, under)
        };
        let candidate = |entry: &Entry| {
            let node = state.books.node(entry.node);
            Some(Candidate {
                id: entry.id,
                account: entry.account,
                node: entry.node,
                holder: entry.holder.upgrade()?,
                offer: Offer::default(),
                priority: node.priority,
                over_share: node.charged > node.soft,
            })
        };
        state.holders.iter().filter(here).filter_map(candidate).collect::<Vec<_>>()
    });
    let mut chosen = Vec::new();
    for mut candidate in found {
        let holder = &candidate.holder;
        match catch_unwind(AssertUnwindSafe(|| (holder.kind() == kind).then(|| holder.offer()))) {
            Ok(Some(offer)) if kind == HolderKind::Pending || !offer.bytes.is_zero() => {
                candidate.offer = offer;
                chosen.push(candidate);
            }
            Ok(_) => {}
            Err(_) => quarantine(inner, &candidate, faults),
        }
    }
    match kind {
        HolderKind::Idle => chosen.sort_by_key(|c| std::cmp::Reverse(c.offer.bytes)),
        HolderKind::Pending => {}
        HolderKind::Holder => chosen.sort_by(|a, b| {
            let first = a.priority.cmp(&b.priority).then(b.over_share.cmp(&a.over_share));
            first.then(a.offer.worth.total_cmp(&b.offer.worth))
        }),
    }
    chosen
}

/// What may be taken from a holder for the sake of a full node: what its account, and each account between, has
/// above its guarantee. When the account itself is the full one, all.
fn takeable(inner: &Inner, holder: NodeId, full: NodeId) -> u64 {
    inner.with(|state| {
        let between = state.books.path(holder).take_while(|&id| id != full);
        let above = |id| {
            let node = state.books.node(id);
            node.charged.saturating_sub(node.guaranteed)
        };
        between.map(above).min().unwrap_or(u64::MAX)
    })
}

/// Asks one holder, with no lock held; what the ledger shows it gave.
///
/// What a holder of leases drops goes to its pool's idle memory and not to the ledger, so those who are idle on the
/// same node are asked again before a holder is judged.
fn ask(
    inner: &Arc<Inner>,
    candidate: &Candidate,
    kind: HolderKind,
    want: u64,
    faults: &mut Vec<Fault>,
) -> u64 {
    let charged = || inner.with(|state| state.books.node(candidate.node).own);
    let account = Account { inner: Arc::clone(inner), number: candidate.account };
    let emergency = Emergency::new(account);
    let before = charged();
    let here = Arc::as_ptr(inner).addr();
    let outer = SHRINKING.with(|governor| governor.replace(here));
    let said = catch_unwind(AssertUnwindSafe(|| candidate.holder.shrink(Bytes::new(want), &emergency)));
    SHRINKING.with(|governor| governor.replace(outer));
    let gave = || before.saturating_sub(charged());
    if kind == HolderKind::Holder && gave() < want {
        let place = inner.with(|state| usize::from(state.books.node(candidate.node).place));
        for idle in candidates(inner, place, candidate.node, HolderKind::Idle, faults) {
            let left = want.saturating_sub(gave());
            if left > 0 && idle.node == candidate.node {
                ask(inner, &idle, HolderKind::Idle, left, faults);
            }
        }
    }
    let gave = gave();
    match said {
        Err(_) => quarantine(inner, candidate, faults),
        Ok(said) if said.get() > gave && candidate.offer.bytes.get() > 0 => {
            note(faults, Fault::GaveLess { holder: name(&candidate.holder), said, gave: Bytes::new(gave) });
        }
        Ok(_) => {}
    }
    gave
}

fn quarantine(inner: &Inner, candidate: &Candidate, faults: &mut Vec<Fault>) {
    inner.with(|state| {
        if let Some(entry) = state.holders.iter_mut().find(|entry| entry.id == candidate.id) {
            entry.quarantined = true;
        }
    });
    let holder = name(&candidate.holder);
    note(faults, Fault::Panicked { holder });
}

/// Keeps the list short however long a request waits.
fn note(faults: &mut Vec<Fault>, fault: Fault) {
    if faults.len() < 8 && !faults.contains(&fault) {
        faults.push(fault);
    }
}

fn name(holder: &Arc<dyn Shrink>) -> String {
    catch_unwind(AssertUnwindSafe(|| holder.name().to_owned())).unwrap_or_else(|_| "(unnamed)".to_owned())
}

/// What holders can tell for a refusal's text.
pub(crate) fn tell(inner: &Arc<Inner>, place: usize, node: NodeId) -> Told {
    let mut told = Told::default();
    let root = inner.with(|state| state.books.place(place).root);
    for pending in candidates(inner, place, root, HolderKind::Pending, &mut told.faults) {
        told.pending = told.pending.saturating_add(pending.offer.bytes);
    }
    let under = |state: &mut State| {
        let here = state.holders.iter().filter(|entry| !entry.quarantined && entry.node == node);
        here.filter_map(|entry| entry.holder.upgrade()).collect::<Vec<_>>()
    };
    for holder in inner.with(under) {
        let run = catch_unwind(AssertUnwindSafe(|| holder.largest_free_run())).unwrap_or(None);
        told.largest_free_run = told.largest_free_run.max(run);
    }
    told
}

/// A device is full though its line is not: what nobody uses on the place goes back, whoever has it.
pub(crate) fn call_in(inner: &Arc<Inner>, place: usize) {
    if SHRINKING.with(Cell::get) == Arc::as_ptr(inner).addr() {
        // Whoever gives memory back is being asked already.
        return;
    }
    let root = inner.with(|state| state.books.place(place).root);
    for kind in [HolderKind::Idle, HolderKind::Pending] {
        for candidate in candidates(inner, place, root, kind, &mut Vec::new()) {
            ask(inner, &candidate, kind, candidate.offer.bytes.get(), &mut Vec::new());
        }
    }
}

/// The system is under pressure: idle memory goes back, and at the critical level as much else as is too much.
pub(crate) fn relieve(inner: &Arc<Inner>, place: usize, change: PressureChange) {
    let taken = inner.with(|state| !std::mem::replace(&mut state.turns[place].taken, true));
    if !taken {
        return;
    }
    let _turn = TurnGuard { inner, place };
    let root = inner.with(|state| state.books.place(place).root);
    let over =
        inner.with(|state| state.books.node(root).committed.saturating_sub(state.books.node(root).limit));
    let (mut left, mut faults) = (change.excess.get().max(over), Vec::new());
    for kind in RUNGS {
        if kind != HolderKind::Idle && (change.level < PressureLevel::Critical || left == 0) {
            break;
        }
        for candidate in candidates(inner, place, root, kind, &mut faults) {
            let want = match kind {
                HolderKind::Idle => candidate.offer.bytes.get(),
                HolderKind::Pending => left,
                HolderKind::Holder => left.min(takeable(inner, candidate.node, root)),
            };
            if want > 0 {
                left = left.saturating_sub(ask(inner, &candidate, kind, want, &mut faults));
            }
        }
    }
}

/// By node: what the least valuable byte under it is worth.
pub(crate) fn worths(inner: &Arc<Inner>) -> Vec<f64> {
    let count = inner.with(|state| state.books.nodes().len());
    let mut least = vec![f64::INFINITY; count];
    for place in 0..inner.charter.lines.len() {
        let root = inner.with(|state| state.books.place(place).root);
        for candidate in candidates(inner, place, root, HolderKind::Holder, &mut Vec::new()) {
            let at = &mut least[candidate.node.index()];
            *at = at.min(candidate.offer.worth);
        }
    }
    inner.with(|state| {
        // Parents come before their children.
        for index in (0..count).rev() {
            if let Some(parent) = state.books.nodes()[index].parent {
                least[parent.index()] = least[parent.index()].min(least[index]);
            }
        }
    });
    least.into_iter().map(|worth| if worth.is_finite() { worth } else { 0.0 }).collect()
}
