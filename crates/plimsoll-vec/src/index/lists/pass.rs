//! A pass over the lists that queries look into: each is read once, and looked at by all that want it.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use plimsoll::Bytes;
use plimsoll::holding::streaming::{Align, Chunk, Chunks};
use plimsoll::pool::Lease;

use super::forecast::piece_blocks;
use super::shelf::{Piece, Taken};
use super::target::{Target, Targets, of_rows};
use crate::BLOCK_ROWS;
use crate::column::{Column, Ranges};
use crate::index::VecError;
use crate::index::encode::on_threads;
use crate::index::forecast::Forecast;
use crate::index::search::Run;
use crate::index::view::Part;
use crate::scan::{MANY, Queries};
use crate::top::{Best, Tops};

/// The most queries that look at a list together.
pub(super) const GROUP: usize = 96;
/// Work that a thread of its own pays for: bytes, times the queries that look at them.
const THREAD_WORK: u64 = 512 << 10;

/// A pass.
pub(super) struct Pass<'p> {
    run: &'p Run<'p>,
    vectors: &'p [f32],
    queries: Vec<Queries>,
    targets: &'p Targets,
    /// Pieces in memory, in order.
    pieces: Vec<(Piece, Arc<Lease>)>,
    piece_blocks: u64,
    /// Targets in memory, and how many of them were taken.
    here: Vec<u32>,
    next: AtomicUsize,
    feed: Mutex<Feed<'p>>,
    read: AtomicU64,
    stop: AtomicBool,
    failed: Mutex<Option<VecError>>,
}

/// What streams in: segment after segment.
struct Feed<'p> {
    run: &'p Run<'p>,
    left: std::vec::IntoIter<(usize, Vec<Range<u64>>)>,
    open: Option<(usize, Arc<Ranges>, Chunks)>,
    chunk: Bytes,
    slots: usize,
}

/// A chunk that came: of which segment, and which of its blocks.
type Came = (usize, Arc<Ranges>, Chunk);

/// What a thread has of its own.
struct Seat {
    best: Vec<Best>,
    one: Tops,
    many: Option<(Queries, Tops, Range<usize>)>,
}

impl<'p> Pass<'p> {
    pub(super) fn new(
        run: &'p Run<'p>,
        vectors: &'p [f32],
        targets: &'p Targets,
        forecast: &Forecast,
    ) -> Result<Self, VecError> {
        let shape = run.view.shape;
        let queries = vectors
            .chunks_exact(shape.dimension)
            .map(|vector| run.view.queries(vector))
            .collect::<Result<Vec<_>, _>>()?;
        let block = shape.upper_bytes() as u64;
        let feed = Feed {
            run,
            left: Vec::new().into_iter(),
            open: None,
            chunk: Bytes::new(forecast.chunk_blocks * block),
            slots: forecast.slots,
        };
        let mut pass = Self {
            run,
            vectors,
            queries,
            targets,
            pieces: Vec::new(),
            piece_blocks: piece_blocks(block),
            here: Vec::new(),
            next: AtomicUsize::new(0),
            feed: Mutex::new(feed),
            read: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            failed: Mutex::new(None),
        };
        pass.pieces = pass.shelve(forecast.kept.get(), block)?;
        pass.part();
        Ok(pass)
    }

    /// Looks at everything, and gives the best of each query.
    pub(super) fn run(self) -> Result<(Vec<Best>, Bytes), VecError> {
        let threads = self.threads();
        let candidates = self.run.listed;
        let seats: Mutex<Vec<Vec<Best>>> = Mutex::new(Vec::new());
        let worker = AtomicUsize::new(0);
        on_threads(threads, &|| match Seat::new(&self.queries, candidates) {
            Ok(mut seat) => {
                self.work(worker.fetch_add(1, Ordering::Relaxed), &mut seat);
                lock(&seats).push(seat.best);
            }
            Err(error) => self.fail(error),
        });
        if let Some(error) = self.failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        let mut seats = seats.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut all = seats.pop().unwrap_or_default();
        for seat in &seats {
            all.iter_mut().zip(seat).for_each(|(all, best)| all.merge(best));
        }
        Ok((all, Bytes::new(self.read.into_inner())))
    }

    /// Takes the pieces of what is looked at from memory, and reads those into it that are missing while there is room.
    fn shelve(&self, most: u64, block: u64) -> Result<Vec<(Piece, Arc<Lease>)>, VecError> {
        let mut wanted: Vec<(usize, u64)> = self
            .segments()
            .flat_map(|(_, target)| {
                let blocks = target.blocks();
                (blocks.start / self.piece_blocks..blocks.end.div_ceil(self.piece_blocks))
                    .map(|piece| (target.place, piece))
            })
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        let number = |place: usize| self.run.view.segments[place].0.number();
        let named: std::collections::BTreeMap<u64, usize> =
            (0..self.run.view.segments.len()).map(|place| (number(place), place)).collect();
        let blocks = |(segment, piece): Piece| {
            let column = self.column(named[&segment]);
            (column.header().units - piece * self.piece_blocks).min(self.piece_blocks)
        };
        let length = |piece: Piece| usize::try_from(blocks(piece) * block).unwrap_or(usize::MAX);
        let wanted = wanted.iter().map(|(place, piece)| (number(*place), *piece));
        let Taken { mut there, fresh } =
            self.run.index.shelf().take(wanted, length, most, self.run.index.budget());
        if !fresh.is_empty() {
            let work = Mutex::new(fresh.into_iter());
            let read = Mutex::new(Vec::new());
            on_threads(self.run.threads, &|| {
                while let Some((piece, mut lease)) = self.go_on().then(|| lock(&work).next()).flatten() {
                    let column = self.column(named[&piece.0]);
                    let done = lease.as_mut_slice().map_err(VecError::from).and_then(|into| {
                        self.read.fetch_add(into.len() as u64, Ordering::Relaxed);
                        Ok(column.read(piece.1 * self.piece_blocks, into)?)
                    });
                    match done {
                        Ok(()) => lock(&read).push((piece, self.run.index.shelf().add(piece, lease))),
                        Err(error) => self.fail(error),
                    }
                }
            });
            if let Some(error) = lock(&self.failed).take() {
                return Err(error);
            }
            there.extend(read.into_inner().unwrap_or_else(PoisonError::into_inner));
        }
        there.sort_unstable_by_key(|(piece, _)| *piece);
        Ok(there)
    }

    /// Parts what is in memory from what streams in.
    fn part(&mut self) {
        let mut streamed: Vec<(usize, Vec<Range<u64>>)> = Vec::new();
        for (at, target) in (0..).zip(&self.targets.all) {
            if self.is_here(target) {
                self.here.push(at);
                continue;
            }
            let blocks = target.blocks();
            if streamed.last().is_none_or(|(place, _)| *place != target.place) {
                streamed.push((target.place, Vec::new()));
            }
            let Some((_, ranges)) = streamed.last_mut() else { continue };
            match ranges.last_mut() {
                // A block that two lists share is read once.
                Some(last) if last.end >= blocks.start => last.end = last.end.max(blocks.end),
                _ => ranges.push(blocks),
            }
        }
        let feed = self.feed.get_mut().unwrap_or_else(PoisonError::into_inner);
        feed.left = streamed.into_iter();
    }

    fn is_here(&self, target: &Target) -> bool {
        let Some((segment, _)) = self.run.view.segments.get(target.place) else { return true };
        let blocks = target.blocks();
        let mut pieces = blocks.start / self.piece_blocks..blocks.end.div_ceil(self.piece_blocks);
        pieces.all(|piece| self.piece((segment.number(), piece)).is_some())
    }

    fn piece(&self, piece: Piece) -> Option<&Arc<Lease>> {
        let at = self.pieces.binary_search_by_key(&piece, |(piece, _)| *piece).ok()?;
        self.pieces.get(at).map(|(_, lease)| lease)
    }

    /// Targets in segments.
    fn segments(&self) -> impl Iterator<Item = (usize, &Target)> {
        let segments = self.run.view.segments.len();
        self.targets.all.iter().enumerate().filter(move |(_, target)| target.place < segments)
    }

    fn column(&self, place: usize) -> &Arc<Column> {
        self.run.view.segments[place].0.codes()
    }

    /// As many threads as the work pays for.
    fn threads(&self) -> usize {
        let row = self.run.view.shape.codec.row_bytes(self.run.view.shape.dimension) as u64;
        let work = |target: &Target| (target.rows.end - target.rows.start) * row * target.wants.len() as u64;
        let all: u64 = self.targets.all.iter().map(work).sum();
        usize::try_from(all / THREAD_WORK).unwrap_or(usize::MAX).clamp(1, self.run.threads)
    }

    /// One thread's part. The first looks at what streams in, the others begin with what is in memory.
    fn work(&self, worker: usize, seat: &mut Seat) {
        let done = if worker == 0 {
            self.streamed(seat).and_then(|()| self.here(seat))
        } else {
            self.here(seat).and_then(|()| self.streamed(seat))
        };
        if let Err(error) = done {
            self.fail(error);
        }
    }

    fn here(&self, seat: &mut Seat) -> Result<(), VecError> {
        let block_bytes = self.run.view.shape.upper_bytes();
        while self.go_on() {
            let Some(at) = self.here.get(self.next.fetch_add(1, Ordering::Relaxed)) else { return Ok(()) };
            let target = &self.targets.all[*at as usize];
            match &self.run.parts[target.place] {
                Part::Young(batch) => self.look(target, 0, &batch.blocks, seat)?,
                Part::Segment(segment) => {
                    let blocks = target.blocks();
                    for piece in blocks.start / self.piece_blocks..blocks.end.div_ceil(self.piece_blocks) {
                        let Some(lease) = self.piece((segment.number(), piece)) else { continue };
                        let first = piece * self.piece_blocks;
                        let from = blocks.start.max(first);
                        let to = blocks.end.min(first + self.piece_blocks);
                        let at = |block: u64| usize::try_from(block - first).unwrap_or(0) * block_bytes;
                        self.look(target, from, &lease.as_slice()?[at(from)..at(to)], seat)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn streamed(&self, seat: &mut Seat) -> Result<(), VecError> {
        while self.go_on() {
            let next = lock(&self.feed).next();
            let Some(next) = next else { return Ok(()) };
            let (place, ranges, chunk) = next?;
            let unit = self.column(place).header().unit_bytes;
            let mut bytes = &chunk[..];
            self.read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            for blocks in ranges.places(chunk.offset() / unit, bytes.len() as u64 / unit) {
                let length = usize::try_from((blocks.end - blocks.start) * unit).unwrap_or(usize::MAX);
                let (these, rest) = bytes.split_at(length);
                bytes = rest;
                self.column(place).check(blocks.start, these)?;
                self.blocks(place, &blocks, these, seat)?;
            }
        }
        Ok(())
    }

    /// Looks at blocks that streamed in, for all that want something of them.
    fn blocks(
        &self,
        place: usize,
        blocks: &Range<u64>,
        bytes: &[u8],
        seat: &mut Seat,
    ) -> Result<(), VecError> {
        let unit = bytes.len() / usize::try_from(blocks.end - blocks.start).unwrap_or(1).max(1);
        let first = self
            .targets
            .all
            .partition_point(|target| (target.place, target.blocks().end) <= (place, blocks.start));
        for target in &self.targets.all[first..] {
            let own = target.blocks();
            if target.place != place || own.start >= blocks.end {
                break;
            }
            // What is in memory is looked at there, as a whole.
            if self.is_here(target) {
                continue;
            }
            let (from, to) = (own.start.max(blocks.start), own.end.min(blocks.end));
            let at = |block: u64| usize::try_from(block - blocks.start).unwrap_or(0) * unit;
            self.look(target, from, &bytes[at(from)..at(to)], seat)?;
        }
        Ok(())
    }

    /// Looks at those rows of a target that are in these blocks, for all that want them.
    fn look(&self, target: &Target, block: u64, bytes: &[u8], seat: &mut Seat) -> Result<(), VecError> {
        let wants = self.targets.wants(target);
        if wants.len() < MANY {
            for query in wants {
                let best = &mut seat.best[*query as usize];
                seat.one.exchange(0, best);
                self.rows(&self.queries[*query as usize], target, block, bytes, &mut seat.one);
                seat.one.exchange(0, best);
            }
            return Ok(());
        }
        let groups = wants.len().div_ceil(GROUP);
        let mut from = target.wants.start;
        for group in wants.chunks(wants.len().div_ceil(groups)) {
            let range = from..from + group.len();
            from = range.end;
            self.gather(group, range, seat)?;
            let Seat { best, many: Some((queries, tops, _)), .. } = seat else { continue };
            for (at, query) in group.iter().enumerate() {
                tops.exchange(at, &mut best[*query as usize]);
            }
            self.rows(queries, target, block, bytes, tops);
            for (at, query) in group.iter().enumerate() {
                tops.exchange(at, &mut best[*query as usize]);
            }
        }
        Ok(())
    }

    /// Brings queries together that look at the same rows; those of the last time are there still.
    fn gather(&self, group: &[u32], range: Range<usize>, seat: &mut Seat) -> Result<(), VecError> {
        if seat.many.as_ref().is_some_and(|(_, _, last)| *last == range) {
            return Ok(());
        }
        let shape = self.run.view.shape;
        let vector = |query: &u32| &self.vectors[*query as usize * shape.dimension..][..shape.dimension];
        let vectors: Vec<f32> = group.iter().flat_map(|query| vector(query).iter().copied()).collect();
        let queries = self.run.view.queries(&vectors)?;
        let tops = match seat.many.take() {
            Some((_, mut tops, _)) => {
                tops.fit(&queries);
                tops
            }
            None => Tops::new(&queries, 1)?,
        };
        seat.many = Some((queries, tops, range));
        Ok(())
    }

    fn rows(&self, queries: &Queries, target: &Target, block: u64, bytes: &[u8], tops: &mut Tops) {
        let run = self.run;
        let block_bytes = run.block_bytes(target.place);
        let mask = run.masks[target.place].as_deref();
        let base = run.bases[target.place];
        let first = block * BLOCK_ROWS as u64;
        // The last rows are cut by their number, the first by a mask.
        let rows = usize::try_from(target.rows.end - first).unwrap_or(usize::MAX);
        let rows = rows.min(bytes.len() / block_bytes * BLOCK_ROWS);
        let at = usize::try_from(block).unwrap_or(usize::MAX);
        let (mut bytes, mut rows, mut from) = (bytes, rows, 0);
        if target.rows.start > first {
            let words = [of_rows(block, &target.rows) & mask.map_or(u64::MAX, |mask| mask[at])];
            let first = (bytes, rows.min(BLOCK_ROWS), base + first);
            run.scan(queries, target.place, first, Some(&words), tops);
            bytes = bytes.get(block_bytes..).unwrap_or_default();
            rows = rows.saturating_sub(BLOCK_ROWS);
            from = 1;
        }
        if rows > 0 {
            let mask = mask.and_then(|mask| mask.get(at + from..));
            let rest = (bytes, rows, base + first + (from * BLOCK_ROWS) as u64);
            run.scan(queries, target.place, rest, mask, tops);
        }
    }

    fn go_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    fn fail(&self, error: VecError) {
        self.stop.store(true, Ordering::Relaxed);
        lock(&self.failed).get_or_insert(error);
    }
}

impl Seat {
    fn new(queries: &[Queries], candidates: usize) -> Result<Self, VecError> {
        let best = queries.iter().map(|_| Best::new(candidates)).collect();
        let Some(first) = queries.first() else { return Err(VecError::Empty) };
        Ok(Self { best, one: Tops::new(first, 1)?, many: None })
    }
}

impl Feed<'_> {
    /// The next chunk: of which segment, and of which of its blocks.
    fn next(&mut self) -> Option<Result<Came, VecError>> {
        loop {
            if let Some((place, ranges, chunks)) = &mut self.open {
                match chunks.next() {
                    Some(Ok(chunk)) => return Some(Ok((*place, Arc::clone(ranges), chunk))),
                    Some(Err(error)) => return Some(Err(error.into())),
                    None => self.open = None,
                }
            }
            let (place, ranges) = self.left.next()?;
            let column = self.run.view.segments[place].0.codes();
            let ranges = Arc::new(Ranges::new(column, &ranges));
            let streaming = self.run.index.budget().streaming("lists").slots(self.slots).readers(2);
            match streaming.source(Arc::clone(&ranges) as Arc<_>) {
                Ok(feed) => {
                    let align = Align::Bytes(column.header().unit_bytes);
                    self.open = Some((place, ranges, feed.chunks(self.chunk, align)));
                }
                Err(error) => return Some(Err(error.into())),
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
