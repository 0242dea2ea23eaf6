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
use crate::held::{lock, unlocked};
use crate::index::VecError;
use crate::index::encode::on_threads;
use crate::index::forecast::Forecast;
use crate::index::search::Run;
use crate::index::view::Part;
use crate::scan::{MANY, Queries, Rows, Who, scan_rows};
use crate::top::{Tops, TopsError};

/// The most queries that look at a list together.
pub(super) const GROUP: usize = 96;
/// Work that a thread of its own pays for: bytes, times the queries that look at them.
const THREAD_WORK: u64 = 512 << 10;

/// A pass.
pub(super) struct Pass<'p> {
    run: &'p Run<'p>,
    queries: &'p Queries,
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

/// What a thread has of its own: what it found, and room for queries that look together.
struct Seat {
    tops: Tops,
    many: Option<Group>,
}

/// Queries that look at the same rows.
struct Group {
    queries: Queries,
    tops: Tops,
    /// Which of the wishes they are.
    wants: Range<usize>,
}

impl<'p> Pass<'p> {
    pub(super) fn new(
        run: &'p Run<'p>,
        queries: &'p Queries,
        targets: &'p Targets,
        forecast: &Forecast,
    ) -> Result<Self, VecError> {
        let shape = run.view.shape;
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
    pub(super) fn run(self) -> Result<(Tops, Bytes), VecError> {
        let threads = self.threads();
        let all: Mutex<Option<Tops>> = Mutex::new(None);
        let worker = AtomicUsize::new(0);
        on_threads(threads, &|| match Tops::new(self.queries, self.run.listed) {
            Ok(tops) => {
                let mut seat = Seat { tops, many: None };
                self.work(worker.fetch_add(1, Ordering::Relaxed), &mut seat);
                match &mut *lock(&all) {
                    Some(all) => all.merge(&seat.tops),
                    none => *none = Some(seat.tops),
                }
            }
            Err(error) => self.fail(error.into()),
        });
        if let Some(error) = unlocked(self.failed) {
            return Err(error);
        }
        let all = unlocked(all);
        Ok((all.ok_or(VecError::Died)?, Bytes::new(self.read.into_inner())))
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
            there.extend(unlocked(read));
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
        let row = {
            let (codec, numbers) = self.run.view.shape.kind();
            codec.row_bytes(numbers) as u64
        };
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
        let mut first = [0];
        let rows = self.rows(target, block, bytes, &mut first);
        let scan = |queries: &Queries, who: Who, tops: &mut Tops| {
            for rows in &rows {
                scan_rows(queries, rows, who, tops);
            }
        };
        if wants.len() == self.queries.count() {
            // All of them, in order.
            scan(self.queries, Who::All, &mut seat.tops);
            return Ok(());
        }
        if wants.len() < MANY {
            scan(self.queries, Who::These(wants), &mut seat.tops);
            return Ok(());
        }
        let groups = wants.len().div_ceil(GROUP);
        let mut from = target.wants.start;
        for these in wants.chunks(wants.len().div_ceil(groups)) {
            let wants = from..from + these.len();
            from = wants.end;
            let group = match &mut seat.many {
                Some(group) => group,
                none => none.insert(Group::new(self.queries)?),
            };
            group.gather(self.queries, these, wants);
            group.exchange(these, &mut seat.tops);
            scan(&group.queries, Who::All, &mut group.tops);
            group.exchange(these, &mut seat.tops);
        }
        Ok(())
    }

    /// Those rows of a target that are in these blocks: the first are cut by a mask, the last by their number.
    fn rows<'r>(
        &'r self,
        target: &Target,
        block: u64,
        bytes: &'r [u8],
        first: &'r mut [u64; 1],
    ) -> [Rows<'r>; 2] {
        let run = self.run;
        let column = run.half(target.place);
        let block_bytes = column.block_bytes(run.view.shape.layout());
        let before = block * BLOCK_ROWS as u64;
        let count = usize::try_from(target.rows.end - before).unwrap_or(usize::MAX);
        let count = count.min(bytes.len() / block_bytes * BLOCK_ROWS);
        let at = usize::try_from(block).unwrap_or(usize::MAX);
        let mask = run.masks[target.place].as_deref();
        let cut = if target.rows.start > before { count.min(BLOCK_ROWS) } else { 0 };
        *first =
            [of_rows(block, &target.rows)
                & mask.and_then(|mask| mask.get(at)).map_or(u64::MAX, |bits| *bits)];
        let from = cut.div_ceil(BLOCK_ROWS);
        let number = run.bases[target.place] + before;
        let head = Rows { blocks: bytes, column, count: cut, first: number, allow: Some(first) };
        let rest = Rows {
            blocks: bytes.get(from * block_bytes..).unwrap_or_default(),
            column,
            count: count - cut,
            first: number + (from * BLOCK_ROWS) as u64,
            allow: mask.and_then(|mask| mask.get(at + from..)),
        };
        [head, rest]
    }

    fn go_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    fn fail(&self, error: VecError) {
        self.stop.store(true, Ordering::Relaxed);
        lock(&self.failed).get_or_insert(error);
    }
}

impl Group {
    /// Room for as many as look together.
    fn new(all: &Queries) -> Result<Self, TopsError> {
        let queries = all.room(GROUP.min(all.count()));
        let tops = Tops::new(&queries, 1)?;
        Ok(Self { queries, tops, wants: 0..0 })
    }

    /// Brings queries together that look at the same rows; those of the last time are there still.
    fn gather(&mut self, all: &Queries, these: &[u32], wants: Range<usize>) {
        if self.wants != wants {
            self.queries.gather(all, these);
            self.tops.fit(&self.queries);
            self.wants = wants;
        }
    }

    /// Takes the lists of these queries, or gives them back.
    fn exchange(&mut self, these: &[u32], tops: &mut Tops) {
        for (at, query) in these.iter().enumerate() {
            self.tops.exchange(at, tops, *query as usize);
        }
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
