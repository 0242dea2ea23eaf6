//! How learning and dividing use their budget. Pure.

use plimsoll::Bytes;

use super::division::Division;
use super::kmeans;
use super::parts::Parts;
use super::sample::Sample;
use super::sink::Sink;
use super::truth::Truth;
use crate::BLOCK_ROWS;
use crate::column::PAGE_BYTES;
use crate::index::{Shape, VecError};
use crate::top::Hit;

/// Vectors that are divided or coded at once, where the budget lets them.
const ROWS_AT_ONCE: usize = 4096;
/// The most files that wait for being put in order.
const FILES_MAX: usize = 64;
/// The most vectors of a list that its middle is learned from: more do not make it better.
const LEARN_MAX: u64 = 256;
/// With fewer than this, fewer lists are better where nobody said how many.
const LEARN_GOOD: u64 = 12;
/// With fewer than this there is nothing to learn.
const LEARN_LEAST: u64 = 3;
/// Vectors that are held out to try the lists with.
const HELD_MAX: u64 = 200;
/// The fewest that tell something, of a tenth each.
const HELD_LEAST: u64 = 10;

/// What the way depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task {
    pub(super) shape: Shape,
    pub(super) rows: u64,
    pub(super) threads: usize,
    /// Vectors bring ids, or were given some.
    pub(super) ids: bool,
}

/// How middles are learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Learning {
    pub(super) lists: usize,
    /// Vectors that are learned from.
    pub(super) sample: usize,
    /// Vectors that are held out.
    pub(super) hold: usize,
    pub(super) chunk: u64,
    /// What it takes of memory beside the ring.
    pub(super) bytes: u64,
}

/// How vectors are divided and coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// Vectors at once.
    pub(super) batch: usize,
    pub(super) chunk: u64,
    /// Vectors that are held at once to be put in order.
    pub(super) held: usize,
    /// Files that they wait in; none: they wait in memory.
    pub(super) files: usize,
    /// What it takes of memory beside the ring.
    pub(super) bytes: u64,
}

/// What a ring takes for such chunks.
pub(super) fn ring_bytes(chunk: u64) -> u64 {
    (chunk + PAGE_BYTES as u64) * 4
}

impl Task {
    /// What middles are among.
    fn kind(&self) -> (crate::Metric, usize) {
        let Shape { metric, dimension, .. } = self.shape.coded();
        (metric, dimension)
    }

    /// A vector as it comes.
    fn row_bytes(&self) -> u64 {
        self.shape.dimension as u64 * 4
    }

    /// The same with as many threads as a quarter of the room lets compare vectors with middles.
    pub(super) fn frugal(mut self, room: u64) -> Self {
        let (metric, dimension) = self.kind();
        while self.threads > 1 && Division::nearest_bytes(metric, dimension, 1, self.threads) > room / 4 {
            self.threads /= 2;
        }
        self
    }

    /// What can be done, with fewer threads if it must be; without room, what would do for one.
    pub(super) fn fitted<T>(&mut self, plan: impl Fn(&Self) -> Result<T, u64>) -> Result<T, u64> {
        loop {
            match plan(self) {
                Err(_) if self.threads > 1 => self.threads /= 2,
                planned => return planned,
            }
        }
    }

    /// How to learn so many lists with this much room; with `fewer`, fewer lists if there is not enough.
    pub(super) fn learning(&self, lists: usize, fewer: bool, room: u64) -> Result<Learning, u64> {
        let mut lists = lists;
        loop {
            let (learning, least) = self.learning_of(lists, room);
            let sample = learning.sample as u64;
            // What is little because there is no more is not for want of room.
            let all = sample + learning.hold as u64 >= self.rows;
            if (all || sample >= lists as u64 * LEARN_GOOD) && learning.fits(room) {
                return Ok(learning);
            }
            if fewer && lists > 1 {
                lists /= 2;
            } else if (all || sample >= lists as u64 * LEARN_LEAST) && learning.fits(room) {
                return Ok(learning);
            } else {
                return Err(least);
            }
        }
    }

    /// With so many lists: as large a sample as there is room for, and what the smallest takes.
    fn learning_of(&self, lists: usize, room: u64) -> (Learning, u64) {
        // About a thousandth of the input.
        let chunk = (self.rows * self.row_bytes() / 1024).clamp(16 << 10, 1 << 20).max(self.row_bytes() + 4);
        let each = self.kind().1 as u64 * 4 + kmeans::ROW_BYTES;
        // Each list needs one, and what is held out cannot be learned from.
        let mut hold = HELD_MAX.min(self.rows / 8).min(self.rows - lists as u64);
        // About a sixtieth of the input.
        while hold > HELD_LEAST && self.trying(hold, BLOCK_ROWS) > self.rows * self.row_bytes() / 60 {
            hold /= 2;
        }
        let fixed = kmeans::beside_bytes(self.kind(), lists, self.threads)
            + hold * (self.row_bytes() + 8)
            + Sample::beside_bytes(&self.shape, usize::try_from(hold).unwrap_or(usize::MAX));
        let most = (self.rows - hold).min(lists as u64 * LEARN_MAX);
        let left = room.saturating_sub(fixed + ring_bytes(chunk));
        let sample = most.min(left / each);
        let least = fixed + ring_bytes(chunk) + most.min(lists as u64 * LEARN_LEAST) * each;
        let learning = Learning {
            lists,
            sample: usize::try_from(sample).unwrap_or(usize::MAX),
            hold: usize::try_from(hold).unwrap_or(0),
            chunk,
            bytes: fixed + sample * each,
        };
        (learning, least)
    }

    /// How to divide with this much room: in memory if all fits, else with few files. Without room, what would do.
    pub(super) fn way(&self, lists: usize, held_out: usize, room: u64) -> Result<Way, u64> {
        let mut batch = ROWS_AT_ONCE;
        loop {
            let one = |way: Way| (way.bytes + ring_bytes(way.chunk) <= room).then_some(way);
            let (memory, files) =
                (self.in_memory(batch, lists, held_out), self.in_files(batch, lists, held_out, room));
            if let Some(way) = one(memory).or(one(files)) {
                return Ok(way);
            }
            if batch == BLOCK_ROWS {
                return Err(files.bytes + ring_bytes(files.chunk));
            }
            batch /= 2;
        }
    }

    fn chunk(&self, batch: usize) -> u64 {
        (8 << 20).min(batch as u64 * self.row_bytes()).max(self.row_bytes() + 4)
    }

    /// What stays from the beginning to the end: where each vector goes, where lists begin, checksums of blocks, ids.
    fn fixed(&self, lists: usize) -> u64 {
        let sums = self.rows.div_ceil(BLOCK_ROWS as u64) * 8;
        let ids = if self.ids { self.rows * 24 } else { 0 };
        self.rows * 4 + lists as u64 * 16 + sums + ids
    }

    /// What comparing with what was held out takes.
    fn trying(&self, held_out: u64, batch: usize) -> u64 {
        let held_out = usize::try_from(held_out).unwrap_or(usize::MAX);
        if held_out == 0 { 0 } else { Truth::bytes(self.kind(), held_out, batch, self.threads) }
    }

    /// What dividing a batch takes.
    fn dividing(&self, batch: usize, held_out: usize) -> u64 {
        let vectors = batch as u64 * (self.row_bytes() + size_of::<Hit>() as u64 + 4 + 8);
        let (metric, dimension) = self.kind();
        let reduced = self.shape.latent_bytes(batch) + self.shape.desk_bytes() * self.threads as u64;
        vectors
            + reduced
            + self.trying(held_out as u64, batch)
            + Division::nearest_bytes(metric, dimension, 1, self.threads)
    }

    fn in_memory(&self, batch: usize, lists: usize, held_out: usize) -> Way {
        let chunk = self.chunk(batch);
        let coding = Sink::bytes(&self.shape, batch, self.threads) + self.rows * 4;
        let bytes =
            self.fixed(lists) + self.rows * self.row_bytes() + coding.max(self.dividing(batch, held_out));
        let held = usize::try_from(self.rows).unwrap_or(usize::MAX);
        Way { batch, chunk, held, files: 0, bytes }
    }

    fn in_files(&self, batch: usize, lists: usize, held_out: usize, room: u64) -> Way {
        let chunk = self.chunk(batch);
        let files = Parts::heap_bytes(self.shape.dimension, batch);
        let dividing = self.dividing(batch, held_out) + files;
        let each = self.row_bytes() + 8;
        let coding = Sink::bytes(&self.shape, batch, self.threads) + files;
        // What dividing takes, and the ring, is free by then.
        let left = room.saturating_sub(self.fixed(lists) + coding);
        let held = (left / each).clamp(batch as u64, self.rows.max(batch as u64));
        let bytes =
            self.fixed(lists) + dividing.max((coding + held * each).saturating_sub(ring_bytes(chunk)));
        // Ranges are cut by what a sample says, and not to the row: a little more than would do.
        let parts = (self.rows + self.rows / 4).div_ceil(held);
        let held = usize::try_from(held).unwrap_or(usize::MAX);
        Way {
            batch,
            chunk,
            held,
            files: usize::try_from(parts).unwrap_or(FILES_MAX).clamp(1, FILES_MAX),
            bytes,
        }
    }
}

impl Learning {
    fn fits(&self, room: u64) -> bool {
        self.bytes + ring_bytes(self.chunk) <= room
    }
}

/// What is said where a budget does not do.
pub(super) fn too_little(limit: Bytes, used: u64, least: u64, what: &'static str) -> VecError {
    VecError::Budget { budget: limit, what, needed: Bytes::new(least + used) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Codec, Metric};

    fn task(rows: u64) -> Task {
        let shape = Shape {
            dimension: 768,
            metric: Metric::L2,
            codec: Codec::Int4,
            originals: true,
            lists: None,
            reduced: None,
        };
        Task { shape, rows, threads: 2, ids: false }
    }

    #[test]
    fn what_is_asked_for_does_and_more_room_learns_from_more() {
        let task = task(200_000);
        let (mut sample, mut refused) = (0, 0);
        for mib in [1, 4, 8, 16, 24, 32, 61, 128, 1024] {
            match task.learning(1024, false, mib << 20) {
                Ok(learning) => {
                    assert!(learning.bytes + ring_bytes(learning.chunk) <= mib << 20);
                    assert!(learning.sample >= sample && learning.sample >= 1024 * 3, "{mib}: {learning:?}");
                    sample = learning.sample;
                }
                Err(least) => {
                    assert!(least > mib << 20);
                    assert!(task.learning(1024, false, least).is_ok(), "what is asked for does");
                    refused += 1;
                }
            }
        }
        assert!(refused > 0 && sample == 200_000 - 200, "{refused} refused, {sample} at most");
        // A tenth of the raw data, and nobody said how many lists.
        let learning = task.learning(2048, true, 61_440_000).unwrap();
        assert_eq!(learning.lists, 1024);
        assert_eq!(self::task(5).learning(5, false, 1 << 30).unwrap().sample, 5);
    }

    #[test]
    fn vectors_wait_in_memory_if_they_fit_and_in_files_if_not() {
        let task = task(200_000);
        let way = task.way(1024, 200, 2 << 30).unwrap();
        assert_eq!((way.files, way.batch), (0, 4096));
        let way = task.way(1024, 200, 60_000_000).unwrap();
        assert!(way.files > 10 && way.files <= 64 && way.held > 4096, "{way:?}");
        assert!(way.bytes + ring_bytes(way.chunk) <= 60_000_000);
        let least = task.way(1024, 200, 1 << 20).unwrap_err();
        assert!(task.way(1024, 200, least).is_ok(), "what is asked for does");
    }
}
