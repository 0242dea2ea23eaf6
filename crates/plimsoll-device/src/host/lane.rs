//! One stream of the host device: a queue and, once it is needed, a thread.
//!
//! Most work on the host is a small copy on an idle stream. That runs where it is asked for: handing it to a
//! thread costs more than doing it. Everything else is queued for the stream's worker, which starts with the
//! first such work and sleeps when there is none. Whoever runs something has the stream's *turn*; there is one,
//! so work runs in the order in which it was put there, whoever runs it.
//!
//! Work that panics loses the device: its bytes are neither old nor new, and nobody waits for a fence that
//! would say otherwise.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::backing::Pin;
use super::kernels::Work;
use super::system::refused;
use crate::lost::Lost;
use crate::{DeviceError, Fence};

/// Something to be done on a stream. It holds what it uses.
pub(super) enum Job {
    Copy {
        source: Pin,
        target: Pin,
    },
    Fill {
        target: Pin,
        value: u8,
    },
    Write {
        bytes: Box<[u8]>,
        target: Pin,
    },
    Kernel(Work),
    #[cfg(test)]
    Test(Box<dyn FnOnce() + Send>),
}

impl Job {
    fn run(self) {
        match self {
            Self::Copy { source, target } => target.copy_from(&source),
            Self::Fill { target, value } => target.fill(value),
            Self::Write { bytes, target } => target.put(&bytes),
            Self::Kernel(work) => work.run(),
            #[cfg(test)]
            Self::Test(job) => job(),
        }
    }
}

enum Entry {
    Job(Job),
    /// The fence of this number is signalled.
    Fence(u64),
    /// The caller with this ticket has the turn.
    Turn(u64),
}

#[derive(Default)]
struct Book {
    queue: VecDeque<Entry>,
    /// Somebody has the turn.
    busy: bool,
    issued: u64,
    tickets: u64,
    granted: Option<u64>,
    worker: bool,
    closed: bool,
}

/// A stream's queue, shared by the device and the stream's worker.
pub(super) struct Lane {
    book: Mutex<Book>,
    work: Condvar,
    done: Condvar,
    signalled: AtomicU64,
    device: String,
    lost: Arc<Lost>,
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane").field("signalled", &self.signalled).finish_non_exhaustive()
    }
}

impl Lane {
    pub(super) fn new(device: &str, lost: &Arc<Lost>) -> Arc<Self> {
        Arc::new(Self {
            book: Mutex::default(),
            work: Condvar::new(),
            done: Condvar::new(),
            signalled: AtomicU64::new(0),
            device: device.to_owned(),
            lost: Arc::clone(lost),
        })
    }

    /// Puts a job at the end of the stream. With `inline` it runs here if the stream is idle.
    pub(super) fn submit(self: &Arc<Self>, job: Job, inline: bool) -> Result<(), DeviceError> {
        let mut book = self.book();
        if inline && !book.busy && book.queue.is_empty() {
            book.busy = true;
            drop(book);
            let turn = Turn(self);
            self.run(job);
            drop(turn);
            return self.lost.check(&self.device);
        }
        self.push(&mut book, Entry::Job(job))
    }

    /// Waits for everything on the stream, and keeps what comes later waiting until the turn is dropped.
    pub(super) fn turn(self: &Arc<Self>) -> Result<Turn<'_>, DeviceError> {
        let mut book = self.book();
        if !book.busy && book.queue.is_empty() {
            book.busy = true;
            return Ok(Turn(self));
        }
        let ticket = book.tickets;
        book.tickets += 1;
        self.push(&mut book, Entry::Turn(ticket))?;
        while book.granted != Some(ticket) {
            book = self.done.wait(book).unwrap_or_else(PoisonError::into_inner);
        }
        book.granted = None;
        drop(book);
        let turn = Turn(self);
        self.lost.check(&self.device)?;
        Ok(turn)
    }

    /// Whether nothing is queued or running at this moment.
    pub(super) fn idle(&self) -> bool {
        let book = self.book();
        !book.busy && book.queue.is_empty()
    }

    pub(super) fn fence(self: &Arc<Self>) -> Result<u64, DeviceError> {
        let mut book = self.book();
        book.issued += 1;
        let seq = book.issued;
        if book.busy || !book.queue.is_empty() {
            if let Err(error) = self.push(&mut book, Entry::Fence(seq)) {
                book.issued -= 1;
                return Err(error);
            }
        } else {
            self.signalled.store(seq, Ordering::Release);
        }
        Ok(seq)
    }

    pub(super) fn signalled(&self, fence: Fence) -> Result<bool, DeviceError> {
        if self.signalled.load(Ordering::Acquire) >= fence.seq {
            return Ok(true);
        }
        if fence.seq > self.book().issued {
            return Err(DeviceError::UnknownFence(fence));
        }
        Ok(false)
    }

    pub(super) fn wait(&self, fence: Fence, at_most: Duration) -> Result<(), DeviceError> {
        if self.signalled(fence)? {
            return Ok(());
        }
        let start = Instant::now();
        let mut book = self.book();
        loop {
            self.lost.check(&self.device)?;
            if self.signalled.load(Ordering::Acquire) >= fence.seq {
                return Ok(());
            }
            let left = at_most.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(DeviceError::FenceTimeout { fence, waited: at_most });
            }
            book = self.done.wait_timeout(book, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// No more work will come; the worker ends when the queue is empty.
    pub(super) fn close(&self) {
        self.book().closed = true;
        self.work.notify_all();
    }

    /// Whether somebody waits for a turn.
    #[cfg(test)]
    pub(super) fn waits(&self) -> bool {
        self.book().queue.iter().any(|entry| matches!(entry, Entry::Turn(_)))
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(self: &Arc<Self>, book: &mut Book, entry: Entry) -> Result<(), DeviceError> {
        book.queue.push_back(entry);
        if !book.worker {
            let lane = Arc::clone(self);
            let started =
                thread::Builder::new().name("plimsoll-stream".to_owned()).spawn(move || lane.work());
            if let Err(error) = started {
                // Without a worker everything queued would wait for ever; the one that has the turn settles
                // what was there before.
                book.queue.pop_back();
                return Err(refused("starting a stream's thread", &error));
            }
            book.worker = true;
        }
        self.work.notify_one();
        Ok(())
    }

    /// The worker's life.
    fn work(self: &Arc<Self>) {
        let mut book = self.book();
        loop {
            if book.busy {
                book = self.work.wait(book).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            match book.queue.pop_front() {
                Some(Entry::Fence(seq)) => self.signal(seq),
                Some(Entry::Turn(ticket)) => {
                    book.busy = true;
                    book.granted = Some(ticket);
                    self.done.notify_all();
                }
                Some(Entry::Job(job)) => {
                    book.busy = true;
                    drop(book);
                    self.run(job);
                    book = self.book();
                    book.busy = false;
                }
                None if book.closed => return,
                None => book = self.work.wait(book).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Runs a job with the turn held. On a lost device it is only dropped.
    fn run(&self, job: Job) {
        if self.lost.is_set() {
            return;
        }
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| job.run())) {
            let what = panic
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "no message".to_owned());
            self.lost.set(format!("work on a stream panicked ({what})"));
            // Taken so that no waiter is between its check and its sleep.
            drop(self.book());
            self.done.notify_all();
        }
    }

    fn signal(&self, seq: u64) {
        // On a lost device no fence tells that work was done: it may not have been.
        if !self.lost.is_set() {
            self.signalled.store(seq, Ordering::Release);
        }
        self.done.notify_all();
    }
}

/// The right to work on a stream, all earlier work being done.
pub(super) struct Turn<'l>(&'l Arc<Lane>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut book = self.0.book();
        book.busy = false;
        while let Some(Entry::Fence(seq)) = book.queue.front() {
            let seq = *seq;
            book.queue.pop_front();
            self.0.signal(seq);
        }
        if !book.queue.is_empty() {
            self.0.work.notify_one();
        }
    }
}
