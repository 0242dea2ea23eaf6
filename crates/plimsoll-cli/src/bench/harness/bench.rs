//! An engine with its types hidden, except inside the loop that is timed.

use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

use super::{Engine, Seat};

/// The sizes of the other blocks. Small, so that a million of them fit on a small machine, and several, so that
/// they do not all share one bin.
const HELD_SIZES: [u64; 4] = [1_024, 256, 512, 768];

/// An [`Engine`] whose types are hidden, so that several stand in one list.
pub trait Peer: Send + Sync {
    /// The name in the results.
    fn name(&self) -> &'static str;

    /// Opens a fresh engine for so many threads.
    fn open(&self, threads: usize) -> Vec<Box<dyn Bench>>;
}

impl<E: Engine> Peer for E {
    fn name(&self) -> &'static str {
        Engine::name(self)
    }

    fn open(&self, threads: usize) -> Vec<Box<dyn Bench>> {
        let occupied = |seat| Box::new(Occupied { seat, held: Vec::new() }) as Box<dyn Bench>;
        self.seats(threads).into_iter().map(occupied).collect()
    }
}

/// A seat of any engine, with the blocks it holds while others are timed.
pub trait Bench: Send {
    /// Takes `live` blocks to keep, with as many holes between them as blocks are kept (at most
    /// [`MOST_HOLES`]), so that an engine that searches its free list has one to search.
    fn hold(&mut self, live: usize) -> Result<(), Gap>;

    /// Times so many pairs.
    fn batch(&mut self, bytes: u64, pairs: u32, touch: bool) -> Result<Duration, Gap>;
}

/// The most holes that [`Bench::hold`] leaves.
pub const MOST_HOLES: usize = 100_000;

/// How long an engine may take to hand out the blocks that live meanwhile. One whose cost grows with their number
/// would otherwise keep all the others waiting for minutes.
pub const HOLD_AT_MOST: Duration = Duration::from_secs(5);

/// Why there is no figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// The engine had no room for the blocks.
    Full,
    /// The engine has no memory that could be touched.
    NoMemory,
    /// Taking the blocks that should live meanwhile lasted longer than [`HOLD_AT_MOST`].
    TooSlow,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "it had no room for the blocks",
            Self::NoMemory => "it keeps books only and has no memory to touch",
            Self::TooSlow => "it took too long to take the blocks that should live meanwhile",
        })
    }
}

struct Occupied<S: Seat> {
    seat: S,
    held: Vec<S::Block>,
}

impl<S: Seat> Occupied<S> {
    /// The loop that is timed. Not inlined, so that every engine's is a function of its own.
    #[inline(never)]
    fn pairs<const TOUCH: bool>(&mut self, bytes: u64, pairs: u32) -> Result<Duration, Gap> {
        let start = Instant::now();
        for _ in 0..pairs {
            let mut block = self.seat.take(black_box(bytes)).ok_or(Gap::Full)?;
            let touched = !TOUCH || self.seat.touch(&mut block, bytes);
            self.seat.put(black_box(block));
            if !touched {
                return Err(Gap::NoMemory);
            }
        }
        Ok(start.elapsed())
    }
}

impl<S: Seat> Bench for Occupied<S> {
    fn hold(&mut self, live: usize) -> Result<(), Gap> {
        let holes = live.min(MOST_HOLES);
        let every = live.div_ceil(holes.max(1));
        let mut gone = Vec::with_capacity(holes);
        self.held.reserve(live);
        let began = Instant::now();
        let mut outcome = Ok(());
        for (at, &bytes) in (0..live).zip(HELD_SIZES.iter().cycle()) {
            let kept = self.seat.take(bytes);
            let hole = if at % every == 0 { self.seat.take(bytes) } else { None };
            if kept.is_none() {
                outcome = Err(Gap::Full);
            } else if at % 256 == 0 && began.elapsed() > HOLD_AT_MOST {
                outcome = Err(Gap::TooSlow);
            }
            self.held.extend(kept);
            gone.extend(hole);
            if outcome.is_err() {
                break;
            }
        }
        for block in gone {
            self.seat.put(block);
        }
        outcome
    }

    fn batch(&mut self, bytes: u64, pairs: u32, touch: bool) -> Result<Duration, Gap> {
        if touch { self.pairs::<true>(bytes, pairs) } else { self.pairs::<false>(bytes, pairs) }
    }
}

impl<S: Seat> Drop for Occupied<S> {
    fn drop(&mut self) {
        for block in self.held.drain(..) {
            self.seat.put(block);
        }
    }
}
