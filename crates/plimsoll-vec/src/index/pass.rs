//! A pass over all blocks: from memory, and as they stream in.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use plimsoll::Bytes;
use plimsoll::holding::streaming::{Align, Chunk, Chunks};

use super::VecError;
use super::answer::Measured;
use super::forecast::Forecast;
use super::keep::{Fresh, Kept, Plan};
use super::search::Run;
use super::view::Part;
use crate::BLOCK_ROWS;
use crate::column::Column;
use crate::held::{lock, unlocked};
use crate::scan::{Queries, Rows, Who, scan_rows};
use crate::top::{Limits, Tops, TopsError};

impl Run<'_> {
    /// Looks at every block, with all threads.
    pub(super) fn pass(
        &self,
        queries: &Queries,
        plan: Plan,
        forecast: &Forecast,
        measured: &mut Measured,
    ) -> Result<Tops, VecError> {
        let desk = Desk::new(self, queries, plan, forecast);
        let mut lists = (0..self.threads)
            .map(|_| Tops::new(queries, self.listed))
            .collect::<Result<Vec<Tops>, TopsError>>()?;
        let mut workers = (0..).zip(&mut lists);
        let own = workers.next();
        let died = std::thread::scope(|scope| {
            let others: Vec<_> = workers
                .map(|(worker, tops)| {
                    scope.spawn({
                        let desk = &desk;
                        move || desk.work(worker, queries, tops)
                    })
                })
                .collect();
            if let Some((worker, tops)) = own {
                desk.work(worker, queries, tops);
            }
            others.into_iter().map(|other| other.join().is_err()).fold(false, |died, this| died | this)
        });
        if died {
            return Err(VecError::Died);
        }
        measured.read += desk.finish()?;
        let (all, others) = lists.split_first_mut().ok_or(VecError::Died)?;
        for other in others {
            all.merge(other);
        }
        Ok(lists.swap_remove(0))
    }

    fn segment(&self, place: usize) -> &Arc<Column> {
        self.view.segments[place].0.codes()
    }
}

/// Parts of what is in memory, for each thread: so many that all end at about the same time.
const PARTS_A_THREAD: u64 = 16;
/// No part is smaller, but for the last of a piece.
const PART_BYTES: u64 = 128 << 10;

/// Where the threads of a pass take their work from.
struct Desk<'r> {
    run: &'r Run<'r>,
    /// What all threads together know of what can still enter lists.
    limits: Limits,
    tasks: Mutex<Vec<Task>>,
    feed: Mutex<Feed<'r>>,
    read: Mutex<u64>,
    failed: Mutex<Option<VecError>>,
    stop: AtomicBool,
}

enum Task {
    /// Some blocks of a piece, counted from its first.
    Kept(usize, Kept, Range<u64>),
    Fresh(usize, Fresh),
    Young(usize),
}

/// Blocks on their way, segment after segment.
struct Feed<'r> {
    run: &'r Run<'r>,
    left: std::vec::IntoIter<(usize, Range<u64>)>,
    open: Option<(usize, u64, Chunks)>,
    chunk: Bytes,
    slots: usize,
}

impl Feed<'_> {
    /// The next chunk: of which segment, from which block on.
    fn next(&mut self) -> Option<Result<(usize, u64, Chunk), VecError>> {
        loop {
            if let Some((place, first, chunks)) = &mut self.open {
                match chunks.next() {
                    Some(Ok(chunk)) => {
                        let block_bytes = self.run.segment(*place).header().unit_bytes;
                        let block = *first + chunk.offset() / block_bytes;
                        return Some(Ok((*place, block, chunk)));
                    }
                    Some(Err(error)) => return Some(Err(error.into())),
                    None => self.open = None,
                }
            }
            let (place, blocks) = self.left.next()?;
            let column = self.run.segment(place);
            let first = blocks.start;
            let source = Arc::new(column.units(blocks));
            let budget = self.run.index.budget();
            let streaming = budget.streaming("vectors").slots(self.slots).readers(2);
            match streaming.source(source) {
                Ok(feed) => {
                    let align = Align::Bytes(column.header().unit_bytes);
                    self.open = Some((place, first, feed.chunks(self.chunk, align)));
                }
                Err(error) => return Some(Err(error.into())),
            }
        }
    }
}

impl<'r> Desk<'r> {
    fn new(run: &'r Run<'r>, queries: &Queries, plan: Plan, forecast: &Forecast) -> Self {
        let block = run.view.shape.upper_bytes() as u64;
        let segments = run.view.segments.len();
        let young = (segments..segments + run.view.young.len()).map(Task::Young);
        let all: u64 = plan.kept.iter().map(|(_, kept)| kept.blocks).sum();
        let part = (all / (run.threads as u64 * PARTS_A_THREAD)).max(PART_BYTES / block).max(1);
        let kept = plan.kept.into_iter().flat_map(|(place, kept)| {
            let blocks = kept.blocks;
            let of = move |first| Task::Kept(place, kept.clone(), first..(first + part).min(blocks));
            (0..blocks).step_by(usize::try_from(part).unwrap_or(usize::MAX)).map(of)
        });
        let fresh = plan.fresh.into_iter().map(|(place, fresh)| Task::Fresh(place, fresh));
        // Taken from the back: what must be read comes first.
        let tasks = young.chain(kept).chain(fresh).collect();
        let feed = Feed {
            run,
            left: plan.streamed.into_iter(),
            open: None,
            chunk: Bytes::new(forecast.chunk_blocks * block),
            slots: forecast.slots,
        };
        Self {
            run,
            limits: Limits::new(queries),
            tasks: Mutex::new(tasks),
            feed: Mutex::new(feed),
            read: Mutex::new(0),
            failed: Mutex::new(None),
            stop: AtomicBool::new(false),
        }
    }

    /// One thread's part. The first looks at what streams in, so that the ring is never full for long; the others begin
    /// with what is in memory.
    fn work(&self, worker: usize, queries: &Queries, tops: &mut Tops) {
        let streams = |tops: &mut Tops| {
            while self.go_on() {
                let next = lock(&self.feed).next();
                let Some(next) = next else { return Ok(()) };
                let (place, block, chunk) = next?;
                self.run.segment(place).check(block, &chunk)?;
                *lock(&self.read) += chunk.bytes().get();
                self.look(place, block, &chunk, queries, tops);
            }
            Ok(())
        };
        let tasks = |tops: &mut Tops| {
            while self.go_on() {
                let Some(task) = lock(&self.tasks).pop() else { return Ok(()) };
                self.task(task, queries, tops)?;
            }
            Ok(())
        };
        let done = if worker == 0 {
            streams(tops).and_then(|()| tasks(tops))
        } else {
            tasks(tops).and_then(|()| streams(tops))
        };
        if let Err(error) = done {
            self.stop.store(true, Ordering::Relaxed);
            lock(&self.failed).get_or_insert(error);
        }
    }

    fn go_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    fn task(&self, task: Task, queries: &Queries, tops: &mut Tops) -> Result<(), VecError> {
        match task {
            Task::Kept(place, kept, blocks) => {
                let bytes = self.run.view.shape.upper_bytes();
                let at = |block: u64| usize::try_from(block).unwrap_or(usize::MAX).saturating_mul(bytes);
                let part = &kept.bytes.as_slice()?[at(blocks.start)..at(blocks.end)];
                self.look(place, kept.first + blocks.start, part, queries, tops);
            }
            Task::Fresh(place, mut fresh) => {
                let into = fresh.into.as_mut_slice()?;
                self.run.segment(place).read(fresh.first, into)?;
                *lock(&self.read) += into.len() as u64;
                let kept = self.run.index.keep().add(fresh);
                self.look(place, kept.first, kept.bytes.as_slice()?, queries, tops);
            }
            Task::Young(place) => {
                if let Some(Part::Young(batch)) = self.run.parts.get(place) {
                    self.look(place, 0, &batch.blocks, queries, tops);
                }
            }
        }
        Ok(())
    }

    fn look(&self, place: usize, block: u64, bytes: &[u8], queries: &Queries, tops: &mut Tops) {
        let run = self.run;
        let column = run.half(place);
        let blocks = bytes.len() / column.block_bytes(run.view.shape.layout());
        let before = block * BLOCK_ROWS as u64;
        let all = run.parts.get(place).map_or(0, Part::rows);
        let count =
            usize::try_from(all.saturating_sub(before)).unwrap_or(usize::MAX).min(blocks * BLOCK_ROWS);
        let first = usize::try_from(block).unwrap_or(usize::MAX);
        let allow = run.masks[place].as_ref().and_then(|words| words.get(first..first + blocks));
        let first = run.bases[place] + before;
        tops.share(&self.limits);
        scan_rows(queries, &Rows { blocks: bytes, column, count, first, allow }, Who::All, tops);
    }

    /// How much was read, or what went wrong first.
    fn finish(self) -> Result<Bytes, VecError> {
        match unlocked(self.failed) {
            Some(error) => Err(error),
            None => Ok(Bytes::new(unlocked(self.read))),
        }
    }
}
