//! What all handles, threads and holders of a cache share.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use plimsoll::governor::Account;
use plimsoll::pool::{Lease, LeaseError, LeaseRequest, Tag};
use plimsoll::{Bytes, Place};

use super::copies::{Hot, Warm};
use super::error::CacheError;
use super::mover::Mailbox;
use super::rates::Rates;
use super::reader::Readers;
use super::settings::CacheSettings;
use super::state::{Dropped, State};
use super::stats::Counts;
use crate::codec::{Codec, Packing, Precision};
use crate::engine::{Effort, PageError, Pages};
use crate::layout::Layout;
use crate::tree::{NodeId, Tier};

/// How many copies are given up in search of one page that nobody uses.
const TRIES: usize = 16;
/// How many threads decode at most: more than that wait for memory, and not for each other.
const DECODERS: usize = 4;
/// How long a page is waited for while copies are being made.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) type Book<P> = State<Hot<P>, Warm>;

pub(super) struct Core<P: Pages> {
    pub pages: P,
    pub layout: Layout,
    pub settings: CacheSettings,
    pub warm_codec: Codec,
    pub native_codec: Codec,
    pub cold_codec: Option<Codec>,
    /// The most that each tier in memory may have; the mover keeps a little below it.
    pub hot_limit: u64,
    pub warm_limit: u64,
    pub counts: Counts,
    pub mailbox: Mailbox,
    pub readers: Readers,
    /// How many threads decode what somebody waits for, that one included.
    pub decoders: usize,
    /// How many copies are being made from blocks that are held for that.
    pub moving: AtomicUsize,
    pub tag: Tag,
    /// Nothing that could block, allocate from an account, or call back is done under it.
    state: Mutex<Book<P>>,
    rates: Mutex<Rates>,
}

impl<P: Pages> Core<P> {
    pub fn new(pages: P, settings: CacheSettings) -> Result<Self, CacheError> {
        let layout = pages.layout().clone();
        let codec = |precision, packing| Codec::new(&layout, precision, packing);
        let cold = settings.cold.as_ref();
        let hot_limit = limit(pages.account(), pages.place());
        let warm = &settings.warm.pool;
        let warm_limit = limit(warm.account(), warm.place());
        let blocks = (hot_limit / (layout.block_bytes() as u64).max(1)).saturating_mul(2);
        let ghosts = usize::try_from(blocks.clamp(1 << 12, 1 << 20)).unwrap_or(1 << 12);
        Ok(Self {
            warm_codec: codec(settings.warm.precision, Packing::None)?,
            native_codec: codec(Precision::Native, Packing::None)?,
            cold_codec: cold.map(|cold| codec(cold.precision, cold.packing)).transpose()?,
            readers: Readers::start(settings.threads && cold.is_some())?,
            decoders: if settings.threads { processors().min(DECODERS) } else { 1 },
            pages,
            hot_limit,
            warm_limit,
            counts: Counts::default(),
            mailbox: Mailbox::default(),
            moving: AtomicUsize::new(0),
            tag: Tag::new(&settings.name),
            state: Mutex::new(State::new(ghosts)),
            rates: Mutex::new(settings.rates),
            layout,
            settings,
        })
    }

    /// The book. A thread that died with it left it whole: every change is one call.
    pub fn state(&self) -> MutexGuard<'_, Book<P>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What things take.
    pub fn rates(&self) -> MutexGuard<'_, Rates> {
        self.rates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seconds since the cache was opened.
    pub fn now(&self) -> f64 {
        self.settings.clock.now().as_secs_f64()
    }

    /// What a block takes in the hot tier.
    pub fn page_bytes(&self) -> u64 {
        self.layout.block_bytes() as u64
    }

    /// A page. Copies that are on their way somewhere hold the blocks before them; when that is why there is none, it
    /// waits for them, but not for long. Never called by who makes such copies.
    pub fn take_page(&self) -> Result<P::Page, PageError> {
        let until = Instant::now() + PATIENCE;
        loop {
            let moving = self.moving.load(Ordering::Relaxed) > 0;
            match self.try_page() {
                Err(_) if moving && Instant::now() < until => thread::sleep(Duration::from_micros(500)),
                done => return done,
            }
        }
    }

    /// A page: a free one, or that of the block which is worth least, or what the governor can find.
    fn try_page(&self) -> Result<P::Page, PageError> {
        if let Ok(page) = self.pages.take(Effort::Quiet) {
            return Ok(page);
        }
        for _ in 0..TRIES {
            match self.give_up_hot() {
                // Pages that carry no more than the block are used again as they are.
                Some(Dropped::Hot(hot)) => {
                    if let Some(hot) = Arc::into_inner(hot) {
                        return Ok(hot.page);
                    }
                }
                Some(_) => {}
                None => break,
            }
        }
        self.pages.take(Effort::Ask)
    }

    /// Host memory of the warm tier: free, or given up by what is worth less than `worth` a byte.
    pub fn take_warm(&self, bytes: Bytes, worth: f64) -> Result<Lease, LeaseError> {
        let request = || LeaseRequest::new(bytes).tag(self.tag);
        let pool = &self.settings.warm.pool;
        let mut refused = match pool.lease_quietly(request()) {
            Ok(lease) => return Ok(lease),
            Err(refused) => refused,
        };
        for _ in 0..TRIES {
            if self.give_up_warm(worth).is_none() {
                break;
            }
            match pool.lease_quietly(request()) {
                Ok(lease) => return Ok(lease),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    /// The seat of a block that is pinned already.
    pub fn seat(self: &Arc<Self>, node: NodeId) -> Arc<Seat<P>> {
        Arc::new(Seat { core: Arc::clone(self), node })
    }

    /// What a copy is counted as.
    pub fn copy_bytes(&self, tier: Tier, state: &Book<P>, node: NodeId) -> u64 {
        match tier {
            Tier::Hot => self.page_bytes() + state.hot(node).map_or(0, |hot| snapshot_bytes(hot)),
            Tier::Warm => state.warm(node).map_or(0, |warm| warm.bytes.bytes().get()),
            Tier::Cold => 0,
        }
    }
}

/// How many threads can run at once.
pub(super) fn processors() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The most that an account may have on a place.
fn limit(account: &Account, place: Place) -> u64 {
    let snapshot = account.governor().snapshot();
    let share = snapshot.place(place).and_then(|book| book.share(account.path()).map(|share| share.limit));
    share.map_or(u64::MAX, Bytes::get)
}

pub(super) fn snapshot_bytes<P: Pages>(hot: &Hot<P>) -> u64 {
    hot.snapshot.as_ref().map_or(0, |lease| lease.bytes().get())
}

/// Holds a block in the index, and with it all that come before, until it is dropped.
pub(super) struct Seat<P: Pages> {
    core: Arc<Core<P>>,
    node: NodeId,
}

impl<P: Pages> Seat<P> {
    pub fn node(&self) -> NodeId {
        self.node
    }
}

impl<P: Pages> Drop for Seat<P> {
    fn drop(&mut self) {
        self.core.state().unpin(self.node);
        self.core.mailbox.nudge();
    }
}
