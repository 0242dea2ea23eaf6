//! The chunks of an indexed file behind their lock, and the thread that reads ahead.
//!
//! Reading and reserving happen without the lock; a chunk that is being read is marked, and whoever wants it waits for
//! it. A chunk without pins has no owner but the book, so that evicting it yields its slot at once.

use std::time::Instant;

use super::StreamError;
use super::cursor::Piece;
use super::frames::{Found, Frames};
use super::indexed::IndexedStats;
use super::reader::read_piece;
use super::ring::{FEWEST_SLOTS, Shape};
use super::slot::{Slot, SlotSource, Want};
use super::source::Source;
use crate::Bytes;
use crate::governor::{Emergency, HolderKind, Offer, Shrink};
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, lock};

/// A chunk in a slot.
pub(super) struct Loaded {
    slot: Box<dyn Slot>,
    start: usize,
    len: usize,
}

impl Loaded {
    pub(super) fn as_slice(&self) -> &[u8] {
        &self.slot.as_slice()[self.start..self.start + self.len]
    }
}

/// What the handle, the pages, the reader and the governor share.
pub(super) struct Shared {
    pub(super) shape: Shape,
    slots: Arc<dyn SlotSource>,
    pub(super) source: Arc<dyn Source>,
    pub(super) bytes: u64,
    pub(super) chunk: u64,
    state: Mutex<State>,
    /// A chunk was read, a page was dropped, or a slot came back.
    moved: Condvar,
    /// There is something to read ahead.
    wished: Condvar,
}

struct State {
    frames: Frames<Arc<Loaded>>,
    empty: Vec<Box<dyn Slot>>,
    /// Slots that exist, and those that are being asked for.
    slots: usize,
    /// Slots that are being asked for, and may not be given.
    hoped: usize,
    /// How many slots there may be; fewer for a while after a shrink.
    target: usize,
    /// Requests until the target is the most again.
    calm: usize,
    stats: IndexedStats,
    /// Seconds and bytes of all reads, for what a byte costs to get back.
    read: (f64, u64),
    closed: bool,
}

impl State {
    /// Slots beyond those that are never given up. One that is only hoped for cannot stand in for them.
    fn spare(&self) -> usize {
        (self.slots - self.hoped).saturating_sub(FEWEST_SLOTS)
    }
}

/// Why a chunk could not be read, and the slot that it was read into.
type Unread = (StreamError, Box<dyn Slot>);

/// A slot to read into, or why there is none.
enum Room {
    Slot(Box<dyn Slot>),
    None,
}

impl Shared {
    pub(super) fn open(
        shape: Shape,
        slots: Arc<dyn SlotSource>,
        source: Arc<dyn Source>,
        bytes: u64,
        chunk: Bytes,
    ) -> Result<Arc<Self>, StreamError> {
        // An empty file has no chunks and needs no slots.
        let first = if bytes == 0 { 0 } else { FEWEST_SLOTS };
        let mut empty = slots.first(first, shape.slot_bytes, shape.align)?;
        empty.reserve(shape.most);
        let state = State {
            frames: Frames::new(bytes.div_ceil(chunk.get())),
            slots: empty.len(),
            hoped: 0,
            target: shape.most,
            calm: 0,
            empty,
            stats: IndexedStats::default(),
            read: (0.0, 0),
            closed: false,
        };
        Ok(Arc::new(Self {
            shape,
            slots,
            source,
            bytes,
            chunk: chunk.get(),
            state: Mutex::new(state),
            moved: Condvar::new(),
            wished: Condvar::new(),
        }))
    }

    pub(super) fn stats(&self) -> IndexedStats {
        let state = lock(&self.state);
        let (predicted, mispredicted) = state.frames.score();
        IndexedStats { predicted, mispredicted, ..state.stats }
    }

    pub(super) fn at(&self, index: u64) -> Result<Arc<Loaded>, StreamError> {
        let mut state = lock(&self.state);
        state.calm = state.calm.saturating_sub(1);
        if state.calm == 0 {
            state.target = self.shape.most;
        }
        let ahead = state.slots.max(state.target).saturating_sub(1).min(self.shape.ahead);
        state.frames.asked(index, ahead);
        self.wished.notify_one();
        let mut stalled_since: Option<Instant> = None;
        let mut waited = false;
        loop {
            match state.frames.find(index) {
                Found::Here(loaded, was_ahead) => {
                    state.stats.hits += u64::from(!waited);
                    state.stats.hits_ahead += u64::from(was_ahead && !waited);
                    state.stats.waits += u64::from(waited);
                    return Ok(loaded);
                }
                Found::Coming => {
                    waited = true;
                    state = self.moved.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
                    continue;
                }
                Found::Absent => {}
            }
            state.frames.loading(index);
            let (back, room) = self.room(state, None);
            state = back;
            if let Room::Slot(slot) = room {
                drop(state);
                let Some(loaded) = self.load(index, slot, false)? else {
                    return Err(self.closed_error());
                };
                lock(&self.state).stats.misses += 1;
                return Ok(loaded);
            }
            state.frames.failed(index);
            // Every slot is with the user, or is just being read into.
            let waited = stalled_since.get_or_insert_with(Instant::now).elapsed();
            let Some(left) = self.shape.stall.checked_sub(waited).filter(|left| !left.is_zero()) else {
                let (name, slots) = (self.shape.name.clone(), state.slots);
                return Err(StreamError::AllHeld { name, slots, waited });
            };
            let woken = self.moved.wait_timeout(state, left);
            state = woken.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }

    /// A slot: an empty one, one more from the account, or that of the chunk needed latest.
    fn room<'shared>(
        &'shared self,
        mut state: MutexGuard<'shared, State>,
        wish: Option<u64>,
    ) -> (MutexGuard<'shared, State>, Room) {
        if let Some(slot) = state.empty.pop() {
            return (state, Room::Slot(slot));
        }
        if state.slots < state.target {
            state.slots += 1;
            state.hoped += 1;
            drop(state);
            let asked = self.slots.slot(self.shape.slot_bytes, self.shape.align, Want::Spare);
            state = lock(&self.state);
            state.hoped -= 1;
            if let Ok(Some(slot)) = asked {
                return (state, Room::Slot(slot));
            }
            state.slots -= 1;
            state.target = state.slots.max(FEWEST_SLOTS);
            state.calm = 2 * self.shape.most;
        }
        let slot = state.frames.evict(wish).and_then(Arc::into_inner);
        let room = slot.map_or(Room::None, |loaded| Room::Slot(loaded.slot));
        (state, room)
    }

    /// Reads a chunk that is marked as loading, and marks it as loaded or failed. A chunk that somebody asked for is
    /// pinned by that; one that is read ahead must have no owner but the book when the lock is released.
    fn load(&self, index: u64, slot: Box<dyn Slot>, ahead: bool) -> Result<Option<Arc<Loaded>>, StreamError> {
        let (loaded, seconds) = self.read(index, slot);
        let mut state = lock(&self.state);
        let result = match loaded {
            Ok(loaded) => {
                state.read.0 += seconds;
                state.read.1 += loaded.len as u64;
                let loaded = Arc::new(loaded);
                let mine = (!ahead).then(|| Arc::clone(&loaded));
                state.frames.loaded(index, loaded, ahead);
                Ok(mine)
            }
            Err((error, slot)) => {
                state.frames.failed(index);
                state.empty.push(slot);
                Err(error)
            }
        };
        drop(state);
        self.moved.notify_all();
        result
    }

    fn read(&self, index: u64, mut slot: Box<dyn Slot>) -> (Result<Loaded, Unread>, f64) {
        let offset = index * self.chunk;
        let len = self.chunk.min(self.bytes - offset);
        let end = self.bytes;
        // A source that panics must not leave others waiting for the chunk.
        let settle = Settle { shared: self, index };
        let started = Instant::now();
        let read = read_piece(&*self.source, Piece { offset, len, end }, slot.as_mut_slice());
        std::mem::forget(settle);
        let loaded = match read {
            Ok((start, len)) => Ok(Loaded { slot, start, len }),
            Err(error) => Err((error, slot)),
        };
        (loaded, started.elapsed().as_secs_f64())
    }

    pub(super) fn read_ahead(&self) {
        let mut state = lock(&self.state);
        loop {
            if state.closed {
                return;
            }
            let Some(wish) = state.frames.next_wish() else {
                state = self.wished.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
                continue;
            };
            state.frames.loading(wish);
            let (back, room) = self.room(state, Some(wish));
            state = back;
            match room {
                Room::Slot(slot) => {
                    drop(state);
                    // Whoever asks for the chunk will read it again and be told what is wrong with it.
                    let read = self.load(wish, slot, true).is_ok();
                    state = lock(&self.state);
                    state.stats.read_ahead += u64::from(read);
                }
                Room::None => {
                    state.frames.failed(wish);
                    self.moved.notify_all();
                }
            }
        }
    }

    pub(super) fn unpin(&self, index: u64) {
        let mut state = lock(&self.state);
        state.frames.unpin(index);
        let excess =
            if state.closed || state.slots > state.target { Self::take_idle(&mut state) } else { None };
        drop(state);
        drop(excess);
        self.moved.notify_all();
    }

    fn take_idle(state: &mut State) -> Option<Box<dyn Slot>> {
        let slot = state.empty.pop().or_else(|| {
            let loaded = state.frames.evict(None).and_then(Arc::into_inner)?;
            Some(loaded.slot)
        })?;
        state.slots -= 1;
        Some(slot)
    }

    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        while let Some(slot) = Self::take_idle(&mut state) {
            drop(slot);
        }
        drop(state);
        self.wished.notify_all();
        self.moved.notify_all();
    }

    fn closed_error(&self) -> StreamError {
        StreamError::Closed { name: self.shape.name.clone() }
    }
}

/// Unmarks a chunk whose reader panicked; its slot went with the panic.
struct Settle<'shared> {
    shared: &'shared Shared,
    index: u64,
}

impl Drop for Settle<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        state.frames.failed(self.index);
        state.slots -= 1;
        drop(state);
        self.shared.moved.notify_all();
    }
}

impl Shrink for Shared {
    fn name(&self) -> &str {
        &self.shape.name
    }

    fn kind(&self) -> HolderKind {
        HolderKind::Holder
    }

    fn offer(&self) -> Offer {
        let state = lock(&self.state);
        let idle = state.empty.len() + state.frames.idle();
        let spare = idle.min(state.spare());
        #[expect(clippy::cast_precision_loss, reason = "a mean for comparing holders")]
        let worth = state.read.0 / state.read.1.max(1) as f64;
        let bytes = self.shape.slot_bytes.checked_mul(spare as u64).unwrap_or(Bytes::ZERO);
        Offer { bytes, worth }
    }

    fn shrink(&self, want: Bytes, _emergency: &Emergency) -> Bytes {
        let mut released = Bytes::ZERO;
        let mut state = lock(&self.state);
        state.calm = 2 * self.shape.most;
        while released < want && state.spare() > 0 {
            let Some(slot) = Self::take_idle(&mut state) else {
                break;
            };
            released += slot.charged();
            drop(state);
            drop(slot);
            state = lock(&self.state);
        }
        state.target = if released < want { FEWEST_SLOTS } else { state.slots.max(FEWEST_SLOTS) };
        drop(state);
        if released.is_zero() {
            return released;
        }
        self.slots.settle(released)
    }
}
