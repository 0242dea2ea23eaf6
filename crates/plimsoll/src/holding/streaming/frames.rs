//! Which chunks of an indexed file are in memory, and which goes when room is needed. Pure: no I/O, no locks.
//!
//! Least-recently-used is the wrong rule for the order that matters most: over a cycle that is one chunk too long it
//! has no hits at all. Where an order is known, the chunk that is needed *latest* goes first, which is the best any
//! rule can do; where none is known, the least recently used does.

use std::collections::{HashMap, VecDeque};

use super::readahead::Learner;

/// A chunk's state.
#[derive(Debug)]
pub enum Frame<S> {
    /// Being read.
    Loading {
        /// Somebody waits for it.
        wanted: bool,
    },
    /// Here.
    Ready {
        /// Its bytes.
        stored: S,
        /// How many use it.
        pins: u32,
        /// When it was last asked for or read.
        used: u64,
        /// It was read ahead and has not been asked for.
        ahead: bool,
        /// Somebody waited for it and has not come for it yet. By its order it is needed latest of all, as it was just asked
        /// for; it must not make room before it was used.
        wanted: bool,
    },
}

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<S> {
    /// It is here, pinned now; whether it had been read ahead.
    Here(S, bool),
    /// Somebody is reading it.
    Coming,
    /// Nobody is; the one who asks is to read it.
    Absent,
}

/// The chunks in memory, and what is to be read ahead.
#[derive(Debug)]
pub struct Frames<S> {
    held: HashMap<u64, Frame<S>>,
    wishes: VecDeque<u64>,
    learner: Learner,
    chunks: u64,
    tick: u64,
}

impl<S: Clone> Frames<S> {
    /// None of so many chunks.
    pub fn new(chunks: u64) -> Self {
        Self { held: HashMap::new(), wishes: VecDeque::new(), learner: Learner::new(), chunks, tick: 0 }
    }

    /// A chunk is asked for: the order is learnt from it, and what should be read ahead becomes a wish. `ahead` is the
    /// most that makes sense: more would push out what was just read ahead.
    pub fn asked(&mut self, chunk: u64, ahead: usize) {
        self.learner.access(chunk);
        self.wishes.clear();
        let (held, chunks) = (&self.held, self.chunks);
        let wanted = self.learner.predict(ahead).filter(|next| *next < chunks && *next != chunk);
        self.wishes.extend(wanted.filter(|next| !held.contains_key(next)));
    }

    /// Looks for a chunk, and pins it when it is here.
    pub fn find(&mut self, chunk: u64) -> Found<S> {
        self.tick += 1;
        match self.held.get_mut(&chunk) {
            None => Found::Absent,
            Some(Frame::Loading { wanted }) => {
                *wanted = true;
                Found::Coming
            }
            Some(Frame::Ready { stored, pins, used, ahead, wanted }) => {
                *pins += 1;
                *used = self.tick;
                *wanted = false;
                Found::Here(stored.clone(), std::mem::take(ahead))
            }
        }
    }

    /// The next wish that nobody has fulfilled meanwhile.
    pub fn next_wish(&mut self) -> Option<u64> {
        std::iter::from_fn(|| self.wishes.pop_front()).find(|wish| !self.held.contains_key(wish))
    }

    /// Somebody begins to read a chunk.
    pub fn loading(&mut self, chunk: u64) {
        let before = self.held.insert(chunk, Frame::Loading { wanted: false });
        assert!(before.is_none(), "chunk {chunk} is read twice at once");
    }

    /// It was read: ahead of any request, or for one, which then has it pinned.
    pub fn loaded(&mut self, chunk: u64, stored: S, ahead: bool) {
        self.tick += 1;
        let wanted = ahead && matches!(self.held.get(&chunk), Some(Frame::Loading { wanted: true }));
        let frame = Frame::Ready { stored, pins: u32::from(!ahead), used: self.tick, ahead, wanted };
        self.held.insert(chunk, frame);
    }

    /// It could not be read.
    pub fn failed(&mut self, chunk: u64) {
        self.held.remove(&chunk);
    }

    /// One use less.
    pub fn unpin(&mut self, chunk: u64) {
        if let Some(Frame::Ready { pins, .. }) = self.held.get_mut(&chunk) {
            assert!(*pins > 0, "chunk {chunk} is unpinned more often than pinned");
            *pins -= 1;
        }
    }

    /// Takes out the chunk that is needed latest; `than` keeps those that are needed before it. None when all that
    /// are here are in use or needed sooner.
    pub fn evict(&mut self, than: Option<u64>) -> Option<S> {
        let expected = |chunk: u64| self.learner.expected_in(chunk, u64::MAX).unwrap_or(u64::MAX);
        let limit = than.map(expected);
        let (victim, _) = self
            .held
            .iter()
            .filter_map(|(&chunk, frame)| match frame {
                Frame::Ready { pins: 0, used, wanted: false, .. } => {
                    Some((chunk, (expected(chunk), std::cmp::Reverse(*used))))
                }
                _ => None,
            })
            .max_by_key(|&(_, order)| order)?;
        if limit.is_some_and(|limit| expected(victim) <= limit) {
            return None;
        }
        match self.held.remove(&victim) {
            Some(Frame::Ready { stored, .. }) => Some(stored),
            _ => None,
        }
    }

    /// Chunks that are here and not in use.
    pub fn idle(&self) -> usize {
        self.held
            .values()
            .filter(|frame| matches!(frame, Frame::Ready { pins: 0, wanted: false, .. }))
            .count()
    }

    /// Predictions of the next chunk that were right, and that were wrong.
    pub fn score(&self) -> (u64, u64) {
        self.learner.score()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs accesses against so many frames without reading ahead; how many were hits.
    fn hits(accesses: impl Iterator<Item = u64>, room: usize, chunks: u64) -> usize {
        let mut frames: Frames<()> = Frames::new(chunks);
        let mut held = 0;
        let mut hits = 0;
        for chunk in accesses {
            frames.asked(chunk, 0);
            if let Found::Here((), _) = frames.find(chunk) {
                hits += 1;
            } else {
                if held == room {
                    frames.evict(None).unwrap();
                    held -= 1;
                }
                frames.loading(chunk);
                frames.loaded(chunk, (), false);
                held += 1;
            }
            frames.unpin(chunk);
        }
        hits
    }

    #[test]
    fn a_cycle_longer_than_the_room_keeps_most_of_it() {
        // LRU has no hit at all here; the best possible is (room − 1) of (cycle − 1) in every round.
        let hits = hits((0..10).cycle().take(1_000), 8, 10);
        assert!(hits > 700, "{hits} of 1,000");
    }

    #[test]
    fn without_an_order_the_least_recently_used_goes() {
        let mut frames: Frames<u64> = Frames::new(100);
        for chunk in [50, 3, 77] {
            frames.loading(chunk);
            frames.loaded(chunk, chunk, false);
            frames.unpin(chunk);
        }
        assert_eq!(frames.find(50), Found::Here(50, false));
        frames.unpin(50);
        assert_eq!(frames.evict(None), Some(3));
        assert_eq!(frames.find(77), Found::Here(77, false));
        assert_eq!(frames.evict(None), Some(50));
        assert_eq!(frames.evict(None), None, "what is in use stays");
    }

    #[test]
    fn what_somebody_waited_for_does_not_make_room_before_it_was_used() {
        let mut frames: Frames<u64> = Frames::new(5);
        for chunk in (0..5).cycle().take(14) {
            frames.asked(chunk, 1);
        }
        // Four was read ahead, and asked for while it was being read: in this circle it is needed latest.
        for chunk in [0, 4] {
            frames.loading(chunk);
        }
        frames.asked(4, 1);
        assert_eq!(frames.find(4), Found::Coming);
        for chunk in [0, 4] {
            frames.loaded(chunk, chunk, true);
        }
        assert_eq!(frames.idle(), 1);
        assert_eq!(frames.evict(None), Some(0));
        assert_eq!(frames.evict(None), None);
        assert_eq!(frames.find(4), Found::Here(4, true));
        frames.unpin(4);
        assert_eq!(frames.evict(None), Some(4));
    }

    #[test]
    fn reading_ahead_never_pushes_out_what_is_needed_sooner() {
        let mut frames: Frames<u64> = Frames::new(100);
        for chunk in 0..6 {
            frames.asked(chunk, 4);
        }
        for chunk in [6, 7, 2] {
            frames.loading(chunk);
            frames.loaded(chunk, chunk, true);
        }
        assert_eq!(frames.evict(Some(8)), Some(2), "what is behind goes");
        assert_eq!(frames.evict(Some(8)), None, "what is ahead stays");
        assert_eq!(frames.next_wish(), Some(8));
    }
}
