//! One order out of many: the events of several threads, each in its own order, put together.
//!
//! Times decide, as far as they can. The coarse clock stands still for a millisecond, in which thousands of events may
//! happen, so two things are added. Events of one thread that carry the same time are spread evenly over the time until
//! the clock moved again: where they fell is not known, and this is the guess that is wrong least. And what cannot be is
//! not: an address is leased, then given back, then leased again. A thread whose next event would break that waits for
//! the thread that makes it true; a block's turn tells which of several ends belongs to a lease.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use super::file::Section;
use super::packed::{Words, unpack};
use super::ring::Chunk;
use super::{Event, Kind, RecordingError};

/// The most that events of one moment are spread over.
const SPREAD_NS: u64 = 1_000_000;

/// Some consecutive events of one thread.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) thread: u16,
    held: Held,
}

#[derive(Clone, Debug)]
enum Held {
    /// In memory, shared with the thread that wrote it.
    Chunk { chunk: Arc<Chunk>, from: usize, to: usize },
    /// In a file.
    Section(Section),
}

impl Piece {
    pub(super) fn of(thread: u16, chunk: &Arc<Chunk>, from: usize, to: usize) -> Self {
        Self { thread, held: Held::Chunk { chunk: Arc::clone(chunk), from, to } }
    }

    pub(super) const fn in_file(thread: u16, section: Section) -> Self {
        Self { thread, held: Held::Section(section) }
    }

    pub(super) fn len(&self) -> u64 {
        match &self.held {
            Held::Chunk { from, to, .. } => (to - from) as u64,
            Held::Section(section) => section.events,
        }
    }

    pub(super) fn first_ns(&self) -> Option<u64> {
        let words = match &self.held {
            Held::Chunk { chunk, from, to } if from < to => chunk.get(*from),
            _ => return None,
        };
        Some(unpack(words, 0)?.at_ns)
    }

    /// Its events, as they were written.
    pub(super) fn words(&self, file: Option<&super::file::FileReader>) -> Result<Vec<Words>, RecordingError> {
        match (&self.held, file) {
            (Held::Chunk { chunk, from, to }, _) => Ok((*from..*to).map(|at| chunk.get(at)).collect()),
            (Held::Section(section), Some(file)) => file.words(section),
            (Held::Section(_), None) => Ok(Vec::new()),
        }
    }
}

/// One thread's events, a piece at a time.
#[derive(Debug)]
struct Stream<'r> {
    pieces: std::slice::Iter<'r, Piece>,
    buffer: Vec<Event>,
    at: usize,
}

/// The pieces of all threads, each thread's together.
pub(super) type ByThread = Vec<Vec<Piece>>;

pub(super) fn by_thread(pieces: Vec<Piece>) -> ByThread {
    let mut all: ByThread = Vec::new();
    for piece in pieces {
        let thread = usize::from(piece.thread);
        if all.len() <= thread {
            all.resize_with(thread + 1, Vec::new);
        }
        all[thread].push(piece);
    }
    all
}

/// All threads' events in one order.
#[derive(Debug)]
pub(super) struct Merge<'r> {
    file: Option<&'r super::file::FileReader>,
    origin_ns: u64,
    streams: Vec<Stream<'r>>,
    /// The time of each stream's next event, earliest first.
    heads: BinaryHeap<Reverse<(u64, usize)>>,
    /// Heads that cannot be yet.
    waiting: Vec<Reverse<(u64, usize)>>,
    /// Blocks that are leased, with their turn; kept only where several threads may have touched them.
    leased: Option<HashMap<(u16, u64), u8>>,
    last_ns: u64,
}

impl<'r> Merge<'r> {
    pub(super) fn new(
        threads: &'r ByThread,
        file: Option<&'r super::file::FileReader>,
        before: &[Event],
        origin_ns: u64,
    ) -> Result<Self, RecordingError> {
        let several = threads.iter().filter(|pieces| !pieces.is_empty()).count() > 1;
        let already = before.iter().filter(|event| event.kind == Kind::Already);
        let leased = several.then(|| already.map(|event| ((event.source, event.address), ANY)).collect());
        let stream = |pieces: &'r Vec<Piece>| Stream { pieces: pieces.iter(), buffer: Vec::new(), at: 0 };
        let mut merge = Self {
            file,
            origin_ns,
            streams: threads.iter().map(stream).collect(),
            heads: BinaryHeap::new(),
            waiting: Vec::new(),
            leased,
            last_ns: 0,
        };
        for index in 0..merge.streams.len() {
            merge.refill(index)?;
        }
        Ok(merge)
    }

    /// Puts a stream's next event among the heads.
    fn refill(&mut self, index: usize) -> Result<(), RecordingError> {
        let stream = &mut self.streams[index];
        while stream.at == stream.buffer.len() {
            let Some(piece) = stream.pieces.next() else { return Ok(()) };
            let words = piece.words(self.file)?;
            stream.buffer.clear();
            // Kinds of a later version are passed over.
            stream.buffer.extend(words.into_iter().filter_map(|words| unpack(words, piece.thread)));
            for event in &mut stream.buffer {
                event.at_ns = event.at_ns.saturating_sub(self.origin_ns);
            }
            spread(&mut stream.buffer);
            stream.at = 0;
        }
        self.heads.push(Reverse((stream.buffer[stream.at].at_ns, index)));
        Ok(())
    }

    fn head(&self, index: usize) -> &Event {
        let stream = &self.streams[index];
        &stream.buffer[stream.at]
    }

    /// Whether an event can be the next, by what came before.
    fn can_be(&self, event: &Event) -> bool {
        let Some(leased) = &self.leased else { return true };
        let turn = leased.get(&(event.source, event.address)).copied();
        match event.kind {
            Kind::Lease => turn.is_none(),
            Kind::Drop | Kind::Retire => turn.is_some_and(|turn| turn == ANY || turn == event.turn),
            _ => true,
        }
    }

    pub(super) fn next(&mut self) -> Result<Option<Event>, RecordingError> {
        let mut found = None;
        while let Some(head) = self.heads.pop() {
            if self.can_be(self.head(head.0.1)) {
                found = Some(head.0.1);
                break;
            }
            self.waiting.push(head);
        }
        let stuck = found.is_none();
        let mut waiting = std::mem::take(&mut self.waiting);
        if stuck && !waiting.is_empty() {
            // Something is missing that would have made one of them true: the earliest goes.
            found = Some(waiting.remove(0).0.1);
        }
        self.heads.extend(waiting.drain(..));
        self.waiting = waiting;
        let Some(index) = found else { return Ok(None) };
        let mut event = *self.head(index);
        self.streams[index].at += 1;
        self.refill(index)?;
        if let Some(leased) = &mut self.leased {
            match event.kind {
                Kind::Lease => drop(leased.insert((event.source, event.address), event.turn)),
                Kind::Drop | Kind::Retire => drop(leased.remove(&(event.source, event.address))),
                _ => {}
            }
        }
        self.last_ns = self.last_ns.max(event.at_ns);
        event.at_ns = self.last_ns;
        Ok(Some(event))
    }
}

/// A turn that belongs to any end: of a block that was leased before the recording began. Turns that are recorded
/// begin at one after 255.
pub(super) const ANY: u8 = 0;

/// Spreads events of the same moment evenly over the time until the next.
fn spread(events: &mut [Event]) {
    let mut from = 0;
    while from < events.len() {
        let time = events[from].at_ns;
        let same = events[from..].iter().take_while(|event| event.at_ns == time).count();
        let next = events.get(from + same).map_or(time + SPREAD_NS, |event| event.at_ns);
        let room = next.saturating_sub(time).min(SPREAD_NS);
        for (at, event) in events[from..from + same].iter_mut().enumerate() {
            event.at_ns = time + room * at as u64 / same as u64;
        }
        from += same;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(at_ns: u64) -> Event {
        Event { at_ns, ..Event::new(Kind::Mark) }
    }

    #[test]
    fn events_of_one_moment_are_spread_until_the_next_and_no_further_than_the_clock_stands_still() {
        let mut events = [at(5), at(5), at(5), at(5), at(45), at(45)];
        spread(&mut events);
        let times: Vec<u64> = events.iter().map(|event| event.at_ns).collect();
        assert_eq!(times, [5, 15, 25, 35, 45, 45 + SPREAD_NS / 2]);
        let mut far = [at(0), at(0), at(10 * SPREAD_NS)];
        spread(&mut far);
        assert_eq!(far[1].at_ns, SPREAD_NS / 2);
    }
}
