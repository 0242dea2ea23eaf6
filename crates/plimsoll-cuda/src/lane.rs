//! One stream: what was put on it, and how far the device has come.
//!
//! A fence is an event of the driver. Events are kept and used again; whether a fence is signalled is known without
//! asking the driver once it, or a later one of its stream, has been seen. Each operation holds what it uses until a
//! mark behind it has passed, so memory that is freed under work stays until the work is done.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use plimsoll_device::{DeviceError, Fence, Stream};

use crate::driver::{Driver, RawEvent, RawStream};
use crate::gpu::Gpu;
use crate::memory::Use;

/// After so many operations without a fence a mark is put on the stream, so that what they hold is let go.
const UNMARKED_MAX: u64 = 256;

pub(crate) struct Lane {
    raw: RawStream,
    gpu: Arc<Gpu>,
    /// The last fence that is known to be signalled.
    done: AtomicU64,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    /// Fences that were put on the stream.
    issued: u64,
    /// Operations that were.
    started: u64,
    /// The last operation that a mark stands behind.
    marked: u64,
    marks: VecDeque<Mark>,
    running: VecDeque<(u64, Use)>,
    spare: Vec<RawEvent>,
}

/// An event on the stream: every operation up to `operation`, and every fence up to `fence`, is before it.
struct Mark {
    event: RawEvent,
    operation: u64,
    fence: u64,
}

/// What operations held; dropped after the lane's lock is let go, because freeing calls the driver.
type LetGo = Vec<Use>;

impl Lane {
    pub(crate) fn open(gpu: &Arc<Gpu>) -> Result<Self, DeviceError> {
        gpu.enter()?;
        let raw = gpu.told("opening a stream", gpu.driver.stream())?;
        Ok(Self { raw, gpu: Arc::clone(gpu), done: AtomicU64::new(0), book: Mutex::default() })
    }

    pub(crate) const fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts work on the stream. What it uses is written down before it is checked to be backed, and both before the
    /// work starts: whoever takes backing away marks it first and looks for work then, so one of the two sees the
    /// other.
    pub(crate) fn start<T>(
        &self,
        uses: &[&Use],
        work: impl FnOnce(&dyn Driver, RawStream) -> Result<T, DeviceError>,
    ) -> Result<T, DeviceError> {
        let mut book = self.book();
        self.gpu.enter()?;
        let operation = book.started + 1;
        book.started = operation;
        let before = book.running.len();
        book.running.extend(uses.iter().map(|&used| (operation, used.clone())));
        if let Err(error) = uses.iter().try_for_each(|used| used.check()) {
            let let_go: LetGo = book.running.drain(before..).map(|(_, used)| used).collect();
            drop(book);
            drop(let_go);
            return Err(error);
        }
        let result = work(self.gpu.driver.as_ref(), self.raw);
        let let_go = if operation - book.marked >= UNMARKED_MAX {
            // A mark that cannot be made now is made with a later operation.
            let _later = self.mark(&mut book);
            self.look(&mut book)
        } else {
            Vec::new()
        };
        drop(book);
        drop(let_go);
        result
    }

    /// Puts an event behind everything so far.
    fn mark(&self, book: &mut Book) -> Result<(), DeviceError> {
        let driver = self.gpu.driver.as_ref();
        let event = match book.spare.pop() {
            Some(event) => event,
            None => self.gpu.told("making an event", driver.event())?,
        };
        // SAFETY: event and stream are this lane's own and live.
        if let Err(code) = unsafe { driver.record(event, self.raw) } {
            book.spare.push(event);
            return self.gpu.told("putting a fence on a stream", Err(code));
        }
        book.marked = book.started;
        book.marks.push_back(Mark { event, operation: book.started, fence: book.issued });
        Ok(())
    }

    /// Looks how far the device has come.
    fn look(&self, book: &mut Book) -> LetGo {
        let mut passed = None;
        while let Some(mark) = book.marks.front() {
            // SAFETY: the event was recorded on this lane's stream and lives until the lane is dropped.
            match unsafe { self.gpu.driver.passed(mark.event) } {
                Ok(true) => {}
                Ok(false) => break,
                Err(code) => {
                    // Told to whoever asks next, because the GPU is lost then.
                    let _told = self.gpu.told::<()>("work on a stream", Err(code));
                    break;
                }
            }
            if let Some(mark) = book.marks.pop_front() {
                passed = Some((mark.operation, mark.fence));
                book.spare.push(mark.event);
            }
        }
        let Some((operation, fence)) = passed else {
            return Vec::new();
        };
        self.done.store(fence, Ordering::Release);
        let done = book.running.partition_point(|(number, _)| *number <= operation);
        book.running.drain(..done).map(|(_, used)| used).collect()
    }

    /// Lets go of what is done.
    pub(crate) fn sweep(&self) {
        if self.gpu.enter().is_ok() {
            let let_go = self.look(&mut self.book());
            drop(let_go);
        }
    }

    /// Whether work that may still run uses a part of the same memory.
    pub(crate) fn uses(&self, wanted: &Use) -> bool {
        let mut book = self.book();
        let mut let_go = Vec::new();
        if book.running.iter().any(|(_, used)| used.overlaps(wanted)) && self.gpu.enter().is_ok() {
            let _later = self.mark(&mut book);
            let_go = self.look(&mut book);
        }
        let uses = book.running.iter().any(|(_, used)| used.overlaps(wanted));
        drop(book);
        drop(let_go);
        uses
    }

    /// Puts a fence on the stream, which the device calls `stream`.
    pub(crate) fn fence(&self, stream: Stream) -> Result<Fence, DeviceError> {
        let mut book = self.book();
        self.gpu.enter()?;
        book.issued += 1;
        if let Err(error) = self.mark(&mut book) {
            book.issued -= 1;
            return Err(error);
        }
        let seq = book.issued;
        let let_go = self.look(&mut book);
        drop(book);
        drop(let_go);
        Ok(Fence { stream, seq })
    }

    /// Has the device hold what comes on this stream until a fence of another one is signalled.
    pub(crate) fn follow(&self, other: &Self, fence: Fence) -> Result<(), DeviceError> {
        if other.signalled(fence)? {
            return Ok(());
        }
        let book = other.book();
        self.gpu.enter()?;
        // Marks stand in order, and the first that covers the fence is its own. None: it was seen to pass meanwhile.
        let Some(mark) = book.marks.iter().find(|mark| mark.fence >= fence.seq) else { return Ok(()) };
        // SAFETY: the event was recorded on the other lane's stream, and is not recorded again while its book is locked;
        // the driver remembers the record that it had when this returns.
        let answer = unsafe { self.gpu.driver.follow(self.raw, mark.event) };
        self.gpu.told("ordering streams", answer)
    }

    pub(crate) fn signalled(&self, fence: Fence) -> Result<bool, DeviceError> {
        self.gpu.lost.check(&self.gpu.probe.name)?;
        if fence.seq != 0 && fence.seq <= self.done.load(Ordering::Acquire) {
            return Ok(true);
        }
        let mut book = self.book();
        if fence.seq == 0 || fence.seq > book.issued {
            return Err(DeviceError::UnknownFence(fence));
        }
        self.gpu.enter()?;
        let let_go = self.look(&mut book);
        drop(book);
        drop(let_go);
        self.gpu.lost.check(&self.gpu.probe.name)?;
        Ok(fence.seq <= self.done.load(Ordering::Acquire))
    }

    /// Waits for a fence. Most work is short, and whoever sleeps wakes too late for it: short waits are spent looking,
    /// and longer ones asleep for a small part of what was waited already.
    pub(crate) fn wait(&self, fence: Fence, at_most: Duration) -> Result<(), DeviceError> {
        const LOOKING: Duration = Duration::from_millis(2);
        const NAP_MIN: Duration = Duration::from_micros(50);
        const NAP_MAX: Duration = Duration::from_millis(1);
        if self.signalled(fence)? {
            return Ok(());
        }
        let began = Instant::now();
        loop {
            let waited = began.elapsed();
            if waited >= at_most {
                return Err(DeviceError::FenceTimeout { fence, waited: at_most });
            }
            if waited > LOOKING {
                thread::sleep((waited / 32).clamp(NAP_MIN, NAP_MAX).min(at_most.saturating_sub(waited)));
            } else {
                thread::yield_now();
            }
            if self.signalled(fence)? {
                return Ok(());
            }
        }
    }

    /// Waits for everything on the stream, however long it takes.
    pub(crate) fn finish(&self) -> Result<(), DeviceError> {
        let fence = self.fence(Stream(0))?;
        loop {
            match self.wait(fence, Duration::from_mins(1)) {
                Err(DeviceError::FenceTimeout { .. }) => {}
                result => return result,
            }
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let book = self.book.get_mut().unwrap_or_else(PoisonError::into_inner);
        let driver = self.gpu.driver.as_ref();
        if driver.enter().is_err() {
            return;
        }
        // SAFETY: nobody else has this stream or its events any more. What runs is waited for, because it uses memory
        // that is let go with the book; on a lost device that returns at once, with an error that nobody needs.
        unsafe {
            let _ = driver.finish(self.raw);
            for event in book.marks.drain(..).map(|mark| mark.event).chain(book.spare.drain(..)) {
                let _ = driver.close_event(event);
            }
            let _ = driver.close_stream(self.raw);
        }
    }
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane").field("raw", &self.raw).field("done", &self.done).finish_non_exhaustive()
    }
}
