//! The recorder of one governor: who writes, who records, and what is kept for them.
//!
//! # What is always written
//! Everything that is rare beside a lease: charges, backing, evictions, refusals, pressure, scopes, marks. Each thread
//! keeps its last one or two thousand; [`Recorder::recent`] reads them after something went wrong.
//!
//! # What is written while somebody records
//! Leases and their ends as well. A warm lease costs less than writing it down, so this is only done when it is asked
//! for; nobody asking costs the hot path one load that is always in its cache.
//!
//! # What is shared
//! Each thread writes to a [ring](super::ring) of its own and takes no lock that another writer takes. Locks below are
//! taken when a thread writes for the first time, and by who begins, ends and reads recordings.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::here::Here;
use super::packed::{Words, pack, placed};
use super::ring::{CHUNK_EVENTS, Chunk, Keep, Ring, Writer};
use super::session::Sessions;
use super::sites::Line;
use super::standing::Standing;
use super::{Event, Kind, Source, clock};
use crate::pool::Tag;
use crate::{Bytes, Place};

/// How many recorders of this process want leases written down. One number for all, so that a lease looks at a static
/// and not at a recorder.
static WANTED: AtomicU32 = AtomicU32::new(0);

/// Rings of threads that are gone, kept for [`Recorder::recent`].
const MOST_GONE: usize = 64;
/// Chunks to spare while somebody records: 4 MiB, what two threads that do nothing but lease write in two milliseconds.
const STOCK: usize = 128;
/// The source of what has none, or of one that is beyond the table.
pub(crate) const NO_SOURCE: u16 = u16::MAX;

/// Whether a lease is to look further.
#[inline]
pub(crate) fn leases_wanted() -> bool {
    WANTED.load(Ordering::Relaxed) != 0
}

/// Keeps what happens to one governor's accounts and pools.
///
/// Charges, backing, evictions, refusals, pressure, scopes and marks are always written down, a ring a thread;
/// leases and their ends while somebody [records](crate::Engine::record). [`recent`](Self::recent) reads what threads did last.
#[derive(Debug)]
pub struct Recorder {
    serial: u64,
    on: AtomicBool,
    /// How many want leases as well.
    leases: AtomicU32,
    /// How many recordings run: for each, full chunks are kept.
    pub(super) running: AtomicU32,
    /// Whether events that are not asked to may ask the system for the time.
    pub(super) exact: AtomicBool,
    /// Chunks that are kept, and may be.
    pub(super) kept: AtomicU64,
    pub(super) most_kept: AtomicU64,
    /// Events that were not kept for want of room.
    pub(super) dropped: AtomicU64,
    rings: Mutex<Rings>,
    sources: Mutex<Vec<Source>>,
    /// For threads that are ending and can have no ring any more.
    strangers: Mutex<Option<Writer>>,
    pools: Mutex<Vec<Weak<dyn Standing>>>,
    pub(super) sessions: Mutex<Sessions>,
    /// Empty chunks, while somebody records.
    stock: Mutex<Vec<Arc<Chunk>>>,
}

#[derive(Debug, Default)]
struct Rings {
    list: Vec<Arc<Ring>>,
    /// Threads so far.
    threads: u64,
    /// Events of rings that were let go.
    gone: u64,
}

/// What the recorder does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecorderStats {
    /// Recordings that run.
    pub recordings: u64,
    /// Events that were ever written.
    pub events: u64,
    /// Events that a recording should have and has not, because it was over its limit.
    pub dropped: u64,
    /// Threads that ever wrote.
    pub threads: u64,
}

impl Recorder {
    /// A recorder whose first sources are these: those that are found without looking for them.
    pub(crate) fn new(sources: impl Iterator<Item = Source>) -> Arc<Self> {
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        Arc::new(Self {
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            on: AtomicBool::new(true),
            leases: AtomicU32::new(0),
            running: AtomicU32::new(0),
            exact: AtomicBool::new(false),
            kept: AtomicU64::new(0),
            most_kept: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            rings: Mutex::default(),
            sources: Mutex::new(sources.take(usize::from(NO_SOURCE)).collect()),
            strangers: Mutex::default(),
            pools: Mutex::default(),
            sessions: Mutex::default(),
            stock: Mutex::default(),
        })
    }

    /// Turns everything that is always written off, or on again: for measuring what it costs.
    pub fn set_on(&self, on: bool) {
        self.on.store(on, Ordering::Relaxed);
    }

    pub(super) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// Numbers now.
    pub fn stats(&self) -> RecorderStats {
        let rings = held(&self.rings);
        let strangers = held(&self.strangers).as_ref().map_or(0, |writer| writer.ring().written());
        RecorderStats {
            recordings: u64::from(self.running.load(Ordering::Relaxed)),
            events: rings.list.iter().map(|ring| ring.written()).sum::<u64>() + rings.gone + strangers,
            dropped: self.dropped.load(Ordering::Relaxed),
            threads: rings.threads,
        }
    }

    /// Names a moment, on this thread.
    pub fn mark(self: &Arc<Self>, name: &str) {
        self.note(Event { tag: Tag::new(name).number(), source: NO_SOURCE, ..Event::new(Kind::Mark) });
    }

    pub(super) const fn serial(&self) -> u64 {
        self.serial
    }

    /// Somebody wants leases, or no longer.
    pub(super) fn want_leases(&self, want: bool) {
        if want {
            self.leases.fetch_add(1, Ordering::Relaxed);
            WANTED.fetch_add(1, Ordering::SeqCst);
        } else {
            WANTED.fetch_sub(1, Ordering::SeqCst);
            self.leases.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The number of an account at a place.
    pub(crate) fn source(&self, account: &str, place: Place, align: Bytes) -> u16 {
        let mut sources = held(&self.sources);
        let same = |known: &Source| known.place == place && known.align == align && known.account == account;
        let number = sources.iter().position(same).unwrap_or(sources.len());
        if number == sources.len() && number < usize::from(NO_SOURCE) {
            sources.push(Source { account: account.to_owned(), place, align });
        }
        u16::try_from(number).unwrap_or(NO_SOURCE)
    }

    pub(super) fn sources(&self) -> Vec<Source> {
        held(&self.sources).clone()
    }

    /// A pool that can say what it has when a recording begins.
    pub(crate) fn know(&self, pool: Weak<dyn Standing>) {
        let mut pools = held(&self.pools);
        pools.retain(|known| known.strong_count() > 0);
        pools.push(pool);
    }

    pub(super) fn pools(&self) -> Vec<Arc<dyn Standing>> {
        held(&self.pools).iter().filter_map(Weak::upgrade).collect()
    }

    /// All rings, those of threads without one included.
    pub(super) fn rings(&self) -> Vec<Arc<Ring>> {
        let strangers = held(&self.strangers).as_ref().map(|writer| Arc::clone(writer.ring()));
        held(&self.rings).list.iter().cloned().chain(strangers).collect()
    }

    /// The number of this thread's ring.
    pub(super) fn ring_here(self: &Arc<Self>) -> Option<u16> {
        Here::with(|here| here.writer(self, None).0.ring().thread)
    }

    /// A ring for this thread.
    pub(super) fn enrol(&self, name: Option<&str>) -> Writer {
        let mut rings = held(&self.rings);
        let thread = u16::try_from(rings.threads).unwrap_or(u16::MAX);
        rings.threads += 1;
        let name = name.map_or_else(|| format!("thread {thread}"), str::to_owned);
        let writer = Writer::new(thread, name);
        if self.running.load(Ordering::Relaxed) == 0 {
            let gone: Vec<usize> = (0..rings.list.len()).filter(|at| rings.list[*at].chunks().done).collect();
            for at in gone.iter().rev().skip(MOST_GONE) {
                let ring = rings.list.remove(*at);
                rings.gone += ring.written();
            }
        }
        rings.list.push(Arc::clone(writer.ring()));
        writer
    }

    /// Writes an event that is always written. Asks the system for the time, or for its last tick.
    pub(crate) fn note(self: &Arc<Self>, event: Event) {
        if self.is_on() {
            let often = matches!(event.kind, Kind::Charge | Kind::Discharge | Kind::Back | Kind::GiveBack);
            let now_ns =
                if often && !self.exact.load(Ordering::Relaxed) { clock::tick_ns() } else { clock::now_ns() };
            self.write(pack(&event), now_ns, None);
        }
    }

    /// Writes an event that is written while somebody records. Asks the system nothing, unless exact times were
    /// asked for.
    #[inline]
    pub(crate) fn note_lease(self: &Arc<Self>, words: Words, line: Option<Line>) {
        if self.leases.load(Ordering::Relaxed) > 0 {
            let exact = self.exact.load(Ordering::Relaxed);
            self.write(words, if exact { clock::now_ns() } else { clock::seen_ns() }, line);
        }
    }

    #[inline]
    fn write(self: &Arc<Self>, words: Words, now_ns: u64, line: Option<Line>) {
        let written = Here::with(|here| {
            let (writer, scope, site) = here.writer(self, line);
            self.push(writer, placed(words, scope, site), now_ns);
        });
        if written.is_none() {
            self.write_as_stranger(words, now_ns);
        }
    }

    #[cold]
    fn write_as_stranger(&self, words: Words, now_ns: u64) {
        let mut strangers = held(&self.strangers);
        let writer =
            strangers.get_or_insert_with(|| Writer::new(u16::MAX - 1, "(ending threads)".to_owned()));
        self.push(writer, words, now_ns);
    }

    #[inline]
    pub(super) fn push(&self, writer: &mut Writer, words: Words, now_ns: u64) {
        writer.push(words, now_ns, || self.keep());
    }

    /// Whether a full chunk is to be kept.
    #[cold]
    fn keep(&self) -> Keep {
        if self.running.load(Ordering::Relaxed) == 0 {
            return Keep::No;
        }
        let room = self.kept.fetch_add(1, Ordering::Relaxed) < self.most_kept.load(Ordering::Relaxed);
        if !room {
            self.kept.fetch_sub(1, Ordering::Relaxed);
            self.dropped.fetch_add(CHUNK_EVENTS as u64, Ordering::Relaxed);
            return Keep::No;
        }
        Keep::Yes(held(&self.stock).pop())
    }

    /// Sees that there are chunks to spare, so that who writes need not wait for the system to give memory: a page that
    /// is touched for the first time costs more than all the events that go into it.
    pub(super) fn restock(&self) {
        let missing = STOCK.saturating_sub(held(&self.stock).len());
        for _ in 0..missing {
            let fresh = Chunk::fresh();
            held(&self.stock).push(fresh);
        }
    }

    /// Nobody records any more.
    pub(super) fn sell_out(&self) {
        held(&self.stock).clear();
    }
}

pub(super) fn held<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_the_table_of_sources_is_nobodys() {
        let source =
            |number: u32| Source { account: format!("a{number}"), place: Place::Host, align: Bytes::new(1) };
        let recorder = Recorder::new((0..u32::from(NO_SOURCE) - 1).map(source));
        assert_eq!(recorder.source("a7", Place::Host, Bytes::new(1)), 7);
        assert_eq!(recorder.source("last", Place::Host, Bytes::new(64)), NO_SOURCE - 1);
        assert_eq!(recorder.source("one more", Place::Host, Bytes::new(64)), NO_SOURCE);
        assert_eq!(recorder.source("last", Place::Host, Bytes::new(64)), NO_SOURCE - 1);
        assert_eq!(recorder.sources().len(), usize::from(NO_SOURCE));
    }
}
