//! One stream: work that is being recorded, work that was handed in, and the fences between.
//!
//! wgpu has one queue, so everything that is handed in runs in that order. A stream is what is recorded and not
//! handed in yet: many small operations become one submission, which costs as much as a hundred of them.
//!
//! A fence hands in what was recorded when the stream's earlier work is done, so that the GPU begins at once.
//! While it is busy, more is recorded, fences and all; it is handed in when somebody asks for one of the fences,
//! downloads, or has put enough on the stream.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use plimsoll_device::{DeviceError, Fence};
use wgpu::SubmissionIndex;

use crate::backing::Part;
use crate::core::Core;
use crate::staging::{Slot, Staged, Staging};

/// So many operations, or bytes that they move, are handed in without being asked.
const OPERATIONS_MAX: u32 = 256;
const BYTES_MAX: u64 = 16 << 20;

/// What other threads look at without a lock, and the GPU's callbacks write to.
#[derive(Debug, Default)]
struct Progress {
    /// Fences put on the stream.
    issued: AtomicU64,
    /// The last of them whose work was handed in.
    sent: AtomicU64,
    /// The last of them that is signalled.
    signalled: AtomicU64,
    /// Submissions that the GPU has finished.
    finished: AtomicU64,
}

/// What is behind a stream's number.
#[derive(Debug)]
pub(crate) struct Lane {
    progress: Arc<Progress>,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    encoder: Option<wgpu::CommandEncoder>,
    /// Kernels that follow each other share a pass. While one is open nothing else can be recorded.
    pass: Option<wgpu::ComputePass<'static>>,
    operations: u32,
    bytes: u64,
    /// Staging memory of what is being recorded; the last one may have room.
    slots: Vec<Slot>,
    /// Buffers that the host reads in place and that were written since the last submission.
    shown: Vec<wgpu::Buffer>,
    submitted: u64,
    last: Option<SubmissionIndex>,
    /// Which submission each fence that is not signalled waits for.
    marks: VecDeque<(u64, SubmissionIndex)>,
}

impl Book {
    /// Fence `seq`, and those before it that have no mark, wait for this submission.
    fn mark(&mut self, progress: &Progress, seq: u64, index: &SubmissionIndex) {
        let signalled = progress.signalled.load(Ordering::Acquire);
        while self.marks.front().is_some_and(|(seq, _)| *seq <= signalled) {
            self.marks.pop_front();
        }
        self.marks.push_back((seq, index.clone()));
        progress.sent.store(seq, Ordering::Release);
    }
}

impl Lane {
    pub(crate) fn new() -> Self {
        Self { progress: Arc::default(), book: Mutex::default() }
    }

    /// The right to put work on the stream.
    pub(crate) fn turn<'l>(
        &'l self,
        core: &'l Core,
        staging: &'l Arc<Staging>,
    ) -> Result<Turn<'l>, DeviceError> {
        core.check()?;
        let book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Turn { core, staging, progress: &self.progress, book })
    }

    /// The same, unless somebody has it: then there is nothing to hand in that they would not.
    pub(crate) fn try_turn<'l>(&'l self, core: &'l Core, staging: &'l Arc<Staging>) -> Option<Turn<'l>> {
        let book = match self.book.try_lock() {
            Ok(book) => book,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(Turn { core, staging, progress: &self.progress, book })
    }

    pub(crate) fn signalled(
        &self,
        core: &Core,
        staging: &Arc<Staging>,
        fence: Fence,
    ) -> Result<bool, DeviceError> {
        if self.known(fence)? {
            return Ok(true);
        }
        if self.progress.sent.load(Ordering::Acquire) < fence.seq
            && let Some(mut turn) = self.try_turn(core, staging)
        {
            turn.submit()?;
        }
        core.look()?;
        self.known(fence)
    }

    fn known(&self, fence: Fence) -> Result<bool, DeviceError> {
        if self.progress.signalled.load(Ordering::Acquire) >= fence.seq {
            return Ok(true);
        }
        if fence.seq > self.progress.issued.load(Ordering::Acquire) {
            return Err(DeviceError::UnknownFence(fence));
        }
        Ok(false)
    }

    pub(crate) fn wait(
        &self,
        core: &Core,
        staging: &Arc<Staging>,
        fence: Fence,
        at_most: Duration,
    ) -> Result<(), DeviceError> {
        if self.signalled(core, staging, fence)? {
            return Ok(());
        }
        let start = Instant::now();
        loop {
            let mark = {
                let mut turn = self.turn(core, staging)?;
                if self.progress.sent.load(Ordering::Acquire) < fence.seq {
                    turn.submit()?;
                }
                let mut marks = turn.book.marks.iter();
                marks.find(|(seq, _)| *seq >= fence.seq).map(|(_, index)| index.clone())
            };
            // Without a mark it was signalled meanwhile.
            let left = at_most.saturating_sub(start.elapsed());
            let done = match &mark {
                Some(index) if !left.is_zero() => core.wait(index, Some(left))?,
                Some(_) => false,
                None => self.signalled(core, staging, fence)?,
            };
            if done {
                self.progress.signalled.fetch_max(fence.seq, Ordering::Release);
                return Ok(());
            }
            if start.elapsed() >= at_most {
                return Err(DeviceError::FenceTimeout { fence, waited: at_most });
            }
        }
    }
}

/// The right to put work on a stream.
#[derive(Debug)]
pub(crate) struct Turn<'l> {
    pub(crate) core: &'l Core,
    pub(crate) staging: &'l Arc<Staging>,
    progress: &'l Arc<Progress>,
    book: MutexGuard<'l, Book>,
}

impl Turn<'_> {
    /// What is being recorded.
    pub(crate) fn encoder(&mut self) -> &mut wgpu::CommandEncoder {
        self.book.pass = None;
        self.book.encoder.get_or_insert_with(|| self.core.encoder())
    }

    /// The kernels that are being recorded.
    pub(crate) fn pass(&mut self) -> &mut wgpu::ComputePass<'static> {
        let book = &mut *self.book;
        let encoder = book.encoder.get_or_insert_with(|| self.core.encoder());
        book.pass.get_or_insert_with(|| {
            encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()).forget_lifetime()
        })
    }

    /// An operation was recorded that writes to `target`. Hands in when there is enough.
    pub(crate) fn recorded(&mut self, target: &Part<'_>, bytes: u64) -> Result<(), DeviceError> {
        if target.host_visible && !self.book.shown.contains(target.buffer) {
            self.book.shown.push(target.buffer.clone());
        }
        self.book.operations += 1;
        self.book.bytes += bytes;
        if self.book.operations >= OPERATIONS_MAX || self.book.bytes >= BYTES_MAX {
            self.submit()?;
        }
        Ok(())
    }

    /// Hands in what was recorded.
    pub(crate) fn submit(&mut self) -> Result<(), DeviceError> {
        self.core.check()?;
        let book = &mut *self.book;
        book.pass = None;
        let Some(mut encoder) = book.encoder.take() else { return Ok(()) };
        if !book.shown.is_empty() {
            // What the device wrote is visible to the host only behind a barrier that says so.
            let read = |buffer| wgpu::BufferTransition { buffer, state: wgpu::BufferUses::MAP_READ };
            encoder.transition_resources(book.shown.iter().map(read), std::iter::empty());
            book.shown.clear();
        }
        (book.operations, book.bytes) = (0, 0);
        let slots = std::mem::take(&mut book.slots);
        let index = self.core.submit(encoder.finish())?;
        book.submitted += 1;
        if !slots.is_empty() {
            self.staging.submitted(&index);
        }
        let issued = self.progress.issued.load(Ordering::Relaxed);
        if issued > self.progress.sent.load(Ordering::Relaxed) {
            book.mark(self.progress, issued, &index);
        }
        book.last = Some(index);
        let (progress, number) = (Arc::clone(self.progress), book.submitted);
        self.core.queue.on_submitted_work_done(move || {
            progress.signalled.fetch_max(issued, Ordering::Release);
            progress.finished.fetch_max(number, Ordering::Release);
            drop(slots);
        });
        Ok(())
    }

    /// Whether everything that was ever put on the stream is done.
    pub(crate) fn idle(&self) -> Result<bool, DeviceError> {
        if self.book.encoder.is_some() {
            return Ok(false);
        }
        let done = || self.progress.finished.load(Ordering::Acquire) >= self.book.submitted;
        if !done() {
            self.core.look()?;
        }
        Ok(done())
    }

    /// Hands in what was recorded and waits for it.
    pub(crate) fn settle(&mut self) -> Result<(), DeviceError> {
        self.submit()?;
        if let (false, Some(last)) = (self.idle()?, &self.book.last) {
            self.core.wait(last, None)?;
            self.progress.finished.fetch_max(self.book.submitted, Ordering::Release);
        }
        Ok(())
    }

    /// The submission that was handed in last.
    pub(crate) fn last(&self) -> Option<SubmissionIndex> {
        self.book.last.clone()
    }

    pub(crate) fn fence(&mut self) -> Result<u64, DeviceError> {
        self.core.check()?;
        let seq = self.progress.issued.load(Ordering::Relaxed) + 1;
        self.progress.issued.store(seq, Ordering::Release);
        let done = self.progress.finished.load(Ordering::Acquire) >= self.book.submitted;
        match (&self.book.encoder, self.book.last.clone()) {
            // The GPU has nothing of this stream to do: it begins now.
            (Some(_), _) if done => self.submit()?,
            // It goes in with what follows, or when it is asked for.
            (Some(_), _) => {}
            (None, Some(last)) if !done => {
                self.book.mark(self.progress, seq, &last);
                let progress = Arc::clone(self.progress);
                self.core.queue.on_submitted_work_done(move || {
                    progress.signalled.fetch_max(seq, Ordering::Release);
                });
            }
            (None, _) => {
                self.progress.sent.store(seq, Ordering::Release);
                self.progress.signalled.fetch_max(seq, Ordering::Release);
            }
        }
        Ok(seq)
    }

    /// `bytes` of staging memory for this stream's work, at most a slot's, at an offset that is `phase` modulo
    /// `step`. It is free for others when the work is done.
    pub(crate) fn stage(
        &mut self,
        others: &dyn Fn(),
        bytes: u64,
        step: u64,
        phase: u64,
    ) -> Result<Staged, DeviceError> {
        if self.book.slots.last().is_none_or(|slot| slot.room(step, phase) < bytes) {
            let slot = self.slot(others)?;
            self.book.slots.push(slot);
        }
        let staged = self.book.slots.last_mut().and_then(|slot| slot.place(bytes, step, phase));
        staged.ok_or_else(|| DeviceError::System {
            what: "staging a transfer",
            why: format!("{bytes} bytes are more than a slot of staging memory"),
        })
    }

    /// How many bytes the slot that is being filled has room for.
    pub(crate) fn room(&self, step: u64, phase: u64) -> u64 {
        self.book.slots.last().map_or(0, |slot| slot.room(step, phase))
    }

    /// A slot of staging memory, waiting for one if need be. `others` hands in what other streams have recorded:
    /// they may hold slots and wait for nothing.
    pub(crate) fn slot(&mut self, others: &dyn Fn()) -> Result<Slot, DeviceError> {
        loop {
            if let Some(slot) = self.staging.take() {
                return Ok(slot);
            }
            self.submit()?;
            others();
            if let Some(index) = self.staging.oldest() {
                self.core.wait(&index, None)?;
            } else {
                // Another thread waits for it, or holds a slot for a moment.
                std::thread::yield_now();
                self.core.look()?;
            }
        }
    }
}
