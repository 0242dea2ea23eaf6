//! Streams on a virtual clock.
//!
//! Each stream keeps two queues: work, with the time at which it is done, and fences, with the time at which
//! they are signalled and how much work was before them. Bytes move when the work is done, not when it is put
//! there: code that uses memory before its fence sees the old bytes, as on a real device.
//!
//! Time moves only when somebody moves it, so that the same calls give the same result on every machine. Work
//! that is due runs in the order of its time, and in the order of the streams where times are equal.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::backing::{Side, SimBacking};
use super::kernels::Work as Kernel;
use crate::lanes::Lanes;
use crate::{DeviceError, Fence, Stream, SyncTo};

/// Not before somebody says so.
const NEVER: u64 = u64::MAX;

/// A part of a region that work uses; it holds what is behind it.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) backing: Arc<SimBacking>,
    pub(super) part: Range<u64>,
}

/// Work on a stream.
#[derive(Debug)]
pub(super) enum Op {
    Copy {
        source: Piece,
        target: Piece,
    },
    Fill {
        target: Piece,
        value: u8,
    },
    Write {
        bytes: Box<[u8]>,
        target: Piece,
    },
    Sync {
        piece: Piece,
        to: SyncTo,
    },
    Kernel(Kernel),
    /// Takes time and moves nothing (a download: the bytes are taken by the one who waits).
    Pause,
}

impl Op {
    fn run(self) {
        match self {
            Self::Copy { source, target } => {
                SimBacking::copy(&source.backing, &source.part, &target.backing, &target.part);
            }
            Self::Fill { target, value } => target.backing.fill(&target.part, value),
            Self::Write { bytes, target } => {
                // What was checked when it was put there stays backed: `decommit` refuses what is in use.
                let _ = target.backing.write(&target.part, Side::Device, &bytes);
            }
            Self::Sync { piece, to } => piece.backing.sync(&piece.part, to),
            Self::Kernel(work) => work.run(),
            Self::Pause => {}
        }
    }

    fn pieces(&self) -> [Option<&Piece>; 5] {
        match self {
            Self::Copy { source, target } => [Some(source), Some(target), None, None, None],
            Self::Fill { target, .. } | Self::Write { target, .. } => [Some(target), None, None, None, None],
            Self::Sync { piece, .. } => [Some(piece), None, None, None, None],
            Self::Kernel(work) => work.pieces(),
            Self::Pause => [const { None }; 5],
        }
    }
}

#[derive(Debug)]
struct Mark {
    seq: u64,
    due: u64,
    /// How many pieces of work were put on the stream before it.
    after: u64,
}

#[derive(Debug, Default)]
struct LaneBook {
    work: VecDeque<(u64, Op)>,
    fences: VecDeque<Mark>,
    busy_until: u64,
    put: u64,
    done: u64,
    issued: u64,
    signalled: u64,
    held: bool,
}

/// What others may look at without a lock.
#[derive(Debug, Default)]
struct LaneGlance {
    signalled: AtomicU64,
    issued: AtomicU64,
}

#[derive(Debug, Default)]
struct Book {
    lanes: Vec<LaneBook>,
    held: bool,
    lose_at: Option<u64>,
}

/// All streams of a device and its clock.
#[derive(Debug)]
pub(super) struct Work {
    now: AtomicU64,
    /// How much work is put there and not done.
    pending: AtomicU64,
    book: Mutex<Book>,
    glances: Lanes<LaneGlance>,
}

/// Whether the clock passed the moment at which the device is to be lost.
pub(super) type Gone = bool;

impl Work {
    pub(super) fn new() -> Self {
        Self {
            now: AtomicU64::new(0),
            pending: AtomicU64::new(0),
            book: Mutex::new(Book { lanes: vec![LaneBook::default()], ..Book::default() }),
            glances: Lanes::new(LaneGlance::default()),
        }
    }

    pub(super) fn now(&self) -> Duration {
        Duration::from_nanos(self.now.load(Ordering::Acquire))
    }

    pub(super) fn open(&self, device: &str) -> Result<Stream, DeviceError> {
        // Under the lock, so that numbers and books keep step.
        let mut book = self.book();
        let stream = self.glances.open(device, LaneGlance::default())?;
        let held = book.held;
        book.lanes.push(LaneBook { held, ..LaneBook::default() });
        Ok(stream)
    }

    pub(super) fn knows(&self, stream: Stream) -> Result<(), DeviceError> {
        self.glances.get(stream).map(|_| ())
    }

    /// Puts work on a stream that takes so long.
    pub(super) fn put(&self, stream: Stream, op: Op, takes: u64) -> Result<(), DeviceError> {
        self.knows(stream)?;
        let mut book = self.book();
        let now = self.now.load(Ordering::Acquire);
        let lane = &mut book.lanes[stream.0 as usize];
        lane.busy_until = lane.busy_until.max(now).saturating_add(takes);
        lane.put += 1;
        lane.work.push_back((lane.busy_until, op));
        self.pending.fetch_add(1, Ordering::Relaxed);
        if lane.busy_until <= now {
            self.settle(&mut book, now);
        }
        Ok(())
    }

    /// Moves the clock to where everything on the stream is done.
    pub(super) fn drain(&self, stream: Stream) -> Result<Gone, DeviceError> {
        self.knows(stream)?;
        let mut book = self.book();
        let until = book.lanes[stream.0 as usize].busy_until;
        Ok(self.move_to(&mut book, until))
    }

    pub(super) fn fence(&self, stream: Stream, delay: u64) -> Result<Fence, DeviceError> {
        let glance = self.glances.get(stream)?;
        let mut book = self.book();
        let now = self.now.load(Ordering::Acquire);
        let lane = &mut book.lanes[stream.0 as usize];
        lane.issued += 1;
        glance.issued.store(lane.issued, Ordering::Release);
        let seq = lane.issued;
        lane.fences.push_back(Mark {
            seq,
            due: lane.busy_until.max(now).saturating_add(delay),
            after: lane.put,
        });
        lane.look(glance, now);
        Ok(Fence { stream, seq })
    }

    /// Two loads at most: everything that moves the clock signals what is due before it returns.
    pub(super) fn signalled(&self, fence: Fence) -> Result<bool, DeviceError> {
        let glance = self.glances.get(fence.stream)?;
        if glance.signalled.load(Ordering::Acquire) >= fence.seq {
            return Ok(true);
        }
        if fence.seq > glance.issued.load(Ordering::Acquire) {
            return Err(DeviceError::UnknownFence(fence));
        }
        Ok(false)
    }

    /// Moves the clock to where the fence is signalled, but not further than `at_most`.
    pub(super) fn wait(&self, fence: Fence, at_most: Duration) -> Result<Gone, DeviceError> {
        if self.signalled(fence)? {
            return Ok(false);
        }
        let mut book = self.book();
        let now = self.now.load(Ordering::Acquire);
        let limit = now.saturating_add(nanos(at_most));
        let lane = &book.lanes[fence.stream.0 as usize];
        if lane.signalled >= fence.seq {
            return Ok(false);
        }
        let mark = lane.fences.iter().find(|mark| mark.seq == fence.seq);
        let due = mark.filter(|_| !lane.held).map_or(NEVER, |mark| mark.due);
        let gone = self.move_to(&mut book, due.min(limit));
        if gone || book.lanes[fence.stream.0 as usize].signalled >= fence.seq {
            return Ok(gone);
        }
        Err(DeviceError::FenceTimeout { fence, waited: at_most })
    }

    pub(super) fn advance(&self, by: Duration) -> Gone {
        let mut book = self.book();
        let to = self.now.load(Ordering::Acquire).saturating_add(nanos(by));
        self.move_to(&mut book, to)
    }

    /// Fences of this stream, or of all, wait to be signalled by hand; or no longer.
    pub(super) fn hold(&self, only: Option<Stream>, held: bool) -> Result<(), DeviceError> {
        let mut book = self.book();
        if let Some(stream) = only {
            self.knows(stream)?;
            book.lanes[stream.0 as usize].held = held;
        } else {
            book.held = held;
            book.lanes.iter_mut().for_each(|lane| lane.held = held);
        }
        let now = self.now.load(Ordering::Acquire);
        self.settle(&mut book, now);
        Ok(())
    }

    /// Signals a fence, and so those before it on its stream, after doing what was put there before it.
    pub(super) fn signal(&self, fence: Fence) -> Result<(), DeviceError> {
        self.signalled(fence)?;
        let glance = self.glances.get(fence.stream)?;
        let mut book = self.book();
        let now = self.now.load(Ordering::Acquire);
        let lane = &mut book.lanes[fence.stream.0 as usize];
        while let Some(mark) = lane.fences.pop_front_if(|mark| mark.seq <= fence.seq) {
            while lane.done < mark.after {
                self.run_next(lane);
            }
            lane.signalled = mark.seq;
        }
        lane.look(glance, now);
        Ok(())
    }

    /// Every fence that was issued.
    pub(super) fn issued(&self) -> Vec<Fence> {
        let book = self.book();
        let lanes = book.lanes.iter().zip(0_u32..);
        lanes.map(|(lane, number)| Fence { stream: Stream(number), seq: lane.issued }).collect()
    }

    /// Whether work that is not done uses a part of what is behind a region.
    pub(super) fn uses(&self, backing: &SimBacking, part: &Range<u64>) -> bool {
        if self.pending.load(Ordering::Acquire) == 0 {
            return false;
        }
        let book = self.book();
        let mut ops = book.lanes.iter().flat_map(|lane| &lane.work);
        ops.any(|(_, op)| {
            op.pieces().into_iter().flatten().any(|piece| {
                std::ptr::eq(Arc::as_ptr(&piece.backing), backing)
                    && piece.part.start < part.end
                    && part.start < piece.part.end
            })
        })
    }

    /// The device is gone at this moment of the clock.
    pub(super) fn lose_at(&self, at: Duration) {
        self.book().lose_at = Some(nanos(at));
    }

    /// Drops all that is not done.
    pub(super) fn abandon(&self) {
        let mut book = self.book();
        for lane in &mut book.lanes {
            self.pending.fetch_sub(lane.work.len() as u64, Ordering::Relaxed);
            lane.work.clear();
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn move_to(&self, book: &mut Book, to: u64) -> Gone {
        let now = self.now.load(Ordering::Acquire);
        if let Some(at) = book.lose_at.filter(|&at| at <= to.max(now)) {
            self.settle(book, at.max(now));
            self.now.store(to.max(now), Ordering::Release);
            return true;
        }
        self.settle(book, to.max(now));
        self.now.store(to.max(now), Ordering::Release);
        false
    }

    /// Does all that is due by `now`, and signals what is due.
    fn settle(&self, book: &mut Book, now: u64) {
        while self.pending.load(Ordering::Relaxed) > 0 {
            let next = |lane: &&mut LaneBook| lane.work.front().map_or(NEVER, |&(at, _)| at);
            let Some(lane) = book.lanes.iter_mut().min_by_key(next) else {
                break;
            };
            match lane.work.front() {
                Some(&(at, _)) if at <= now => self.run_next(lane),
                _ => break,
            }
        }
        for (lane, glance) in book.lanes.iter_mut().zip(self.glances.iter()) {
            lane.look(glance, now);
        }
    }

    fn run_next(&self, lane: &mut LaneBook) {
        if let Some((_, op)) = lane.work.pop_front() {
            op.run();
            self.pending.fetch_sub(1, Ordering::Release);
        }
        lane.done += 1;
    }
}

impl LaneBook {
    /// Signals what is due and shows it to those who look without a lock.
    fn look(&mut self, glance: &LaneGlance, now: u64) {
        let (held, done) = (self.held, self.done);
        while let Some(mark) = self.fences.pop_front_if(|mark| !held && mark.due <= now && mark.after <= done)
        {
            self.signalled = mark.seq;
        }
        glance.signalled.store(self.signalled, Ordering::Release);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
