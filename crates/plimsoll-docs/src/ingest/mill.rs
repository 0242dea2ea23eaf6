//! Threads that pack and index blocks.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::part::{Block, PartFacts, PartWriter};
use crate::{DocsError, Library};

/// What a thread is to do.
enum Job {
    Take(Block),
    Finish(Box<PartWriter>),
    End,
}

/// What threads share.
struct State {
    /// Parts that are being written, and that no thread has in its hands.
    open: Vec<PartWriter>,
    finished: Vec<PartFacts>,
    /// Blocks that may be filled.
    free: Vec<Block>,
    /// Jobs that are not done.
    left: usize,
    failed: Option<DocsError>,
    /// What a part may come to.
    part: usize,
}

/// Threads and what goes to them.
pub(super) struct Mill<'l> {
    library: &'l Library,
    jobs: SyncSender<Job>,
    waiting: Mutex<Receiver<Job>>,
    state: Mutex<State>,
    done: Condvar,
    /// What a part may come to at most.
    part: usize,
}

impl<'l> Mill<'l> {
    /// For so many threads, with so many bytes a part, and blocks for passages of so many bytes at most.
    pub(super) fn new(library: &'l Library, threads: usize, part: usize, longest: usize) -> Self {
        let blocks = 2 * threads + 1;
        let (jobs, waiting) = sync_channel(blocks + threads);
        let free = (0..blocks).map(|_| Block::new(longest)).collect();
        let state = State { open: Vec::new(), finished: Vec::new(), free, left: 0, failed: None, part };
        Self {
            library,
            jobs,
            waiting: Mutex::new(waiting),
            state: Mutex::new(state),
            done: Condvar::new(),
            part,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread's work, until `close`.
    pub(super) fn work(&self) {
        loop {
            let job = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(job) = job else { return };
            match job {
                Job::Take(block) => {
                    let _turn = Turn(self);
                    self.take(block);
                }
                Job::Finish(part) => {
                    let _turn = Turn(self);
                    let finished = part.finish();
                    let mut state = self.state();
                    match finished {
                        Ok(facts) => state.finished.push(facts),
                        Err(error) => state.fail(error.into()),
                    }
                }
                Job::End => return,
            }
        }
    }

    fn take(&self, mut block: Block) {
        let open = self.state().open.pop();
        let part = match open {
            Some(part) => Ok(part),
            None => self.library.new_part(),
        };
        let outcome = part.and_then(|mut part| {
            part.push(&block)?;
            let most = self.state().part;
            if part.bytes() < most {
                return Ok((Some(part), None));
            }
            Ok((None, Some(part.finish()?)))
        });
        block.clear();
        let mut state = self.state();
        state.free.push(block);
        match outcome {
            Ok((open, finished)) => {
                state.open.extend(open);
                state.finished.extend(finished);
            }
            Err(error) => state.fail(error),
        }
    }

    /// An empty block, as soon as there is one.
    pub(super) fn block(&self) -> Result<Block, DocsError> {
        let mut state = self.state();
        loop {
            if let Some(failed) = state.failed.take() {
                return Err(failed);
            }
            if let Some(block) = state.free.pop() {
                return Ok(block);
            }
            state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Hands a block over.
    pub(super) fn send(&self, block: Block) -> Result<(), DocsError> {
        if block.count == 0 {
            self.state().free.push(block);
            return Ok(());
        }
        self.put(Job::Take(block))
    }

    fn put(&self, job: Job) -> Result<(), DocsError> {
        {
            let mut state = self.state();
            if let Some(failed) = state.failed.take() {
                return Err(failed);
            }
            state.left += 1;
        }
        // The other end lives as long as this one.
        let _ = self.jobs.send(job);
        Ok(())
    }

    /// Everything that was handed over, as parts.
    pub(super) fn drain(&self) -> Result<Vec<PartFacts>, DocsError> {
        self.settle()?;
        let open = std::mem::take(&mut self.state().open);
        for part in open {
            self.put(Job::Finish(Box::new(part)))?;
        }
        self.settle()?;
        Ok(std::mem::take(&mut self.state().finished))
    }

    fn settle(&self) -> Result<(), DocsError> {
        let mut state = self.state();
        while state.left > 0 {
            state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.failed.take().map_or(Ok(()), Err)
    }

    /// A part may come to less from now on.
    pub(super) fn press(&self, bytes: usize) {
        let mut state = self.state();
        state.part = bytes.min(self.part);
    }

    /// A part may come to what it may again.
    pub(super) fn unpress(&self) {
        self.state().part = self.part;
    }

    /// Ends the threads.
    pub(super) fn close(&self, threads: usize) {
        for _ in 0..threads {
            let _ = self.jobs.send(Job::End);
        }
    }
}

/// A job that a thread is at. Over, however it ends, and nobody waits for it any more.
struct Turn<'m>(&'m Mill<'m>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.left -= 1;
        if std::thread::panicking() {
            state.fail(DocsError::Thread);
        }
        drop(state);
        self.0.done.notify_all();
    }
}

impl State {
    fn fail(&mut self, error: DocsError) {
        self.failed.get_or_insert(error);
    }
}
