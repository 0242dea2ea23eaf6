//! What one thread writes of one recorder.
//!
//! A thread writes into a *chunk* that it shares with whoever reads: four relaxed stores and one that publishes them.
//! When the chunk is full it takes the next: the one before last, if nobody needs it, so that a thread without a
//! recording holds two chunks and never asks for memory; while something is recorded, full chunks are kept for it.
//! The lock below is taken once a chunk, and otherwise only by who reads.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::packed::{Words, at_time};

/// Events in a chunk: 32 KiB of them.
pub(crate) const CHUNK_EVENTS: usize = 1024;

/// Some events of one thread, in the order in which they happened.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// How many chunks of this thread came before.
    pub(crate) serial: u64,
    len: AtomicUsize,
    words: Box<[[AtomicU64; 4]]>,
}

impl Chunk {
    /// An empty one, whose memory is really there.
    pub(crate) fn fresh() -> Arc<Self> {
        Arc::new(Self::new(0))
    }

    fn new(serial: u64) -> Self {
        let words = std::iter::repeat_with(|| [const { AtomicU64::new(0) }; 4]).take(CHUNK_EVENTS).collect();
        Self { serial, len: AtomicUsize::new(0), words }
    }

    /// How many events may be read.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// One of the first [`len`](Self::len).
    pub(crate) fn get(&self, at: usize) -> Words {
        let slots = &self.words[at];
        std::array::from_fn(|word| slots[word].load(Ordering::Relaxed))
    }

    #[inline]
    fn set(&self, at: usize, words: Words) {
        for (word, slot) in words.into_iter().zip(&self.words[at]) {
            slot.store(word, Ordering::Relaxed);
        }
        self.len.store(at + 1, Ordering::Release);
    }
}

/// One thread's chunks, for its writer and for readers.
#[derive(Debug)]
pub(crate) struct Ring {
    /// Its number in the recorder.
    pub(crate) thread: u16,
    /// The thread's name.
    pub(crate) name: String,
    chunks: Mutex<Chunks>,
}

#[derive(Debug)]
pub(crate) struct Chunks {
    /// Full ones that somebody records, oldest first.
    pub(crate) kept: VecDeque<Arc<Chunk>>,
    /// The full one before the current.
    pub(crate) previous: Option<Arc<Chunk>>,
    pub(crate) current: Arc<Chunk>,
    /// The thread is gone.
    pub(crate) done: bool,
}

impl Ring {
    pub(crate) fn chunks(&self) -> MutexGuard<'_, Chunks> {
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Events that were ever written.
    pub(crate) fn written(&self) -> u64 {
        let chunks = self.chunks();
        chunks.current.serial * CHUNK_EVENTS as u64 + chunks.current.len() as u64
    }
}

/// What becomes of a chunk that is full.
#[derive(Debug)]
pub(crate) enum Keep {
    /// Nobody wants it.
    No,
    /// Somebody does. The writer goes on with this one, if there is one to spare.
    Yes(Option<Arc<Chunk>>),
}

/// The one that writes to a ring. It belongs to its thread.
#[derive(Debug)]
pub(crate) struct Writer {
    ring: Arc<Ring>,
    chunk: Arc<Chunk>,
    at: usize,
    last_ns: u64,
}

impl Writer {
    pub(crate) fn new(thread: u16, name: String) -> Self {
        let chunk = Arc::new(Chunk::new(0));
        let chunks =
            Chunks { kept: VecDeque::new(), previous: None, current: Arc::clone(&chunk), done: false };
        let ring = Arc::new(Ring { thread, name, chunks: Mutex::new(chunks) });
        Self { ring, chunk, at: 0, last_ns: 0 }
    }

    pub(crate) const fn ring(&self) -> &Arc<Ring> {
        &self.ring
    }

    /// Writes one event, whose words have no time yet. A clock that goes back stands still. `keep` says whether a chunk
    /// that is full now is to be kept for somebody.
    #[inline]
    pub(crate) fn push(&mut self, words: Words, now_ns: u64, keep: impl FnOnce() -> Keep) {
        self.last_ns = self.last_ns.max(now_ns);
        self.chunk.set(self.at, at_time(words, self.last_ns));
        self.at += 1;
        if self.at == CHUNK_EVENTS {
            self.turn_over(keep());
        }
    }

    #[cold]
    fn turn_over(&mut self, keep: Keep) {
        let mut chunks = self.ring.chunks();
        let before_last = chunks.previous.take();
        let next = match keep {
            Keep::No => before_last,
            Keep::Yes(fresh) => {
                chunks.kept.push_back(Arc::clone(&self.chunk));
                // What was kept cannot be written over.
                fresh.or(before_last)
            }
        };
        let mut next = next.unwrap_or_else(Chunk::fresh);
        if Arc::get_mut(&mut next).is_none() {
            // Somebody still reads it.
            next = Chunk::fresh();
        }
        if let Some(chunk) = Arc::get_mut(&mut next) {
            chunk.serial = self.chunk.serial + 1;
            *chunk.len.get_mut() = 0;
        }
        chunks.previous = Some(std::mem::replace(&mut chunks.current, Arc::clone(&next)));
        drop(chunks);
        self.chunk = next;
        self.at = 0;
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.ring.chunks().done = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(writer: &mut Writer, from: u64, count: u64, keep: bool) {
        for value in from..from + count {
            writer.push([0, value, 0, 0], 0, || if keep { Keep::Yes(None) } else { Keep::No });
        }
    }

    fn firsts(chunk: &Chunk) -> Vec<u64> {
        (0..chunk.len()).map(|at| chunk.get(at)[1]).collect()
    }

    #[test]
    fn without_a_recording_two_chunks_take_turns() {
        let mut writer = Writer::new(0, String::new());
        let all = CHUNK_EVENTS as u64;
        write(&mut writer, 0, 3 * all + 5, false);
        let ring = Arc::clone(writer.ring());
        let chunks = ring.chunks();
        assert!(chunks.kept.is_empty());
        assert_eq!(firsts(&chunks.current), (3 * all..3 * all + 5).collect::<Vec<_>>());
        assert_eq!(firsts(chunks.previous.as_ref().unwrap()), (2 * all..3 * all).collect::<Vec<_>>());
        drop(chunks);
        assert_eq!(ring.written(), 3 * all + 5);
    }

    #[test]
    fn what_is_kept_or_read_is_not_written_over() {
        let mut writer = Writer::new(0, String::new());
        let all = CHUNK_EVENTS as u64;
        write(&mut writer, 0, all, true);
        write(&mut writer, all, all, false);
        let read = Arc::clone(writer.ring().chunks().previous.as_ref().unwrap());
        write(&mut writer, 2 * all, 4 * all, false);
        assert_eq!(firsts(&read), (all..2 * all).collect::<Vec<_>>());
        assert_eq!(firsts(&writer.ring().chunks().kept[0]), (0..all).collect::<Vec<_>>());
    }

    #[test]
    fn a_clock_that_goes_back_stands_still() {
        let mut writer = Writer::new(0, String::new());
        for time in [5, 9, 3, 10] {
            writer.push([0; 4], time, || Keep::No);
        }
        let chunk = Arc::clone(&writer.ring().chunks().current);
        assert_eq!([0, 1, 2, 3].map(|at| chunk.get(at)[0] >> 8), [5, 9, 9, 10]);
    }

    #[test]
    fn a_reader_beside_the_writer_sees_whole_events() {
        let mut writer = Writer::new(0, String::new());
        let ring = Arc::clone(writer.ring());
        let rounds = if cfg!(miri) { 3_000 } else { 200_000 };
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for value in 0..rounds {
                    writer.push([0, value, value, value], value, || Keep::No);
                }
            });
            for _ in 0..rounds / 1_000 {
                let chunk = Arc::clone(&ring.chunks().current);
                for at in 0..chunk.len() {
                    let words = chunk.get(at);
                    assert!(words == [words[1] << 8, words[1], words[1], words[1]], "{words:?}");
                }
            }
        });
    }
}
