//! Finding this thread's cache of a pool in a few instructions.
//!
//! Each open pool has a small number (its *slot*); each thread has a table from slot to its cache of that
//! pool. The table's address is in a thread-local without a destructor, so that reading it is one load; a
//! second thread-local owns the table and gives everything back when the thread ends.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::biased::Biased;
use super::bins::Bins;
use super::core::PoolCore;

/// What a thread keeps of one pool, on cache lines that no other thread's cache shares.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct ThreadCache {
    pub(super) bins: Biased<Bins>,
    /// The most that `bins` may keep, for others to read without coming in.
    pub(super) room: Arc<AtomicU64>,
}

/// A pool's place in every thread's table.
///
/// Slots are reused; the serial number is not, so that a table entry of a closed pool is never taken for one
/// of its successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolKey {
    slot: u32,
    serial: u64,
}

#[derive(Default)]
struct FreeSlots {
    free: Vec<u32>,
    next: u32,
}

static SLOTS: Mutex<FreeSlots> = Mutex::new(FreeSlots { free: Vec::new(), next: 0 });

impl PoolKey {
    pub(crate) fn claim() -> Self {
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        let mut slots = SLOTS.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.free.pop().unwrap_or_else(|| {
            slots.next += 1;
            slots.next - 1
        });
        Self { slot, serial: SERIAL.fetch_add(1, Ordering::Relaxed) }
    }

    pub(crate) fn give_up(self) {
        SLOTS.lock().unwrap_or_else(PoisonError::into_inner).free.push(self.slot);
    }
}

#[derive(Clone, Copy)]
struct Entry {
    serial: u64,
    cache: *const ThreadCache,
}

/// The table's address and length, as the fast path reads them.
#[derive(Clone, Copy)]
struct View {
    entries: *const Entry,
    len: usize,
}

const NOTHING: View = View { entries: ptr::null(), len: 0 };

thread_local! {
    static VIEW: Cell<View> = const { Cell::new(NOTHING) };
    static TABLE: RefCell<Table> = const { RefCell::new(Table { entries: Vec::new(), caches: Vec::new() }) };
}

/// Owns what [`VIEW`] points to.
struct Table {
    entries: Vec<Entry>,
    caches: Vec<Option<Owned>>,
}

struct Owned {
    cache: Arc<ThreadCache>,
    core: std::sync::Weak<PoolCore>,
}

impl Drop for Table {
    fn drop(&mut self) {
        // From here on this thread has no caches: blocks that it drops later go straight to their pool.
        VIEW.set(NOTHING);
        for owned in self.caches.drain(..).flatten() {
            // A back end that panics must not take the process with it.
            let _closed = catch_unwind(AssertUnwindSafe(move || {
                if let Some(core) = owned.core.upgrade() {
                    if core.forget_thread(&owned.cache) {
                        elsewhere(move || core.clear_if_closed());
                    } else if let Some(last) = Arc::into_inner(core) {
                        elsewhere(move || drop(last));
                    }
                }
            }));
        }
    }
}

/// Gives back what a closed pool has, or closes one that a thread was the last to have as it ended, and maybe its device: by another
/// thread, because back ends use locals of their thread, and here these may be gone already.
fn elsewhere(work: impl FnOnce() + Send + 'static) {
    // Where no thread can be made, a pool is closed here after all, by what `work` drops.
    if let Ok(thread) = std::thread::Builder::new().spawn(work) {
        let _closed = thread.join();
    }
}

/// This thread's cache of the pool, if it has one.
#[expect(clippy::inline_always, reason = "the hot path: a call between its parts costs as much as a part")]
#[inline(always)]
fn find(key: PoolKey) -> Option<*const ThreadCache> {
    let view = VIEW.get();
    let slot = key.slot as usize;
    if slot >= view.len {
        return None;
    }
    // SAFETY: VIEW always describes this thread's live table (it is set whenever the table changes, and reset
    // before the table is dropped), and `slot` is within it.
    let entry = unsafe { *view.entries.add(slot) };
    (entry.serial == key.serial).then_some(entry.cache)
}

/// Runs `f` on this thread's cache of the pool; `input` comes back when there is no cache, or when another
/// thread is calling it in just now.
#[expect(clippy::inline_always, reason = "the hot path: a call between its parts costs as much as a part")]
#[inline(always)]
pub(crate) fn try_with<I, R>(key: PoolKey, input: I, f: impl FnOnce(&mut Bins, I) -> R) -> Result<R, I> {
    let Some(cache) = find(key) else { return Err(input) };
    // SAFETY: the table holds an Arc on the cache of each entry for as long as the entry stands, and this
    // thread is the one that changes its table. A cache stands in the table of one thread only, so all
    // `owner` calls come from here; `f` comes from this module's callers, which push, pop and count.
    unsafe { (*cache).bins.try_owner(input, f) }
}

/// Runs `f` on this thread's cache of the pool, if it has one; waits for whoever is calling it in.
pub(crate) fn with<R>(key: PoolKey, f: impl FnOnce(&mut Bins) -> R) -> Option<R> {
    let cache = find(key)?;
    // SAFETY: as in `try_with`.
    Some(unsafe { (*cache).bins.owner(f) })
}

/// Makes a cache of the pool for this thread. `false` when the thread is ending and can have none.
#[cold]
pub(crate) fn join(core: &Arc<PoolCore>) -> bool {
    TABLE
        .try_with(|table| {
            let Ok(mut table) = table.try_borrow_mut() else {
                return false;
            };
            let key = core.key();
            let slot = key.slot as usize;
            let cache = core.new_thread_cache();
            if table.entries.len() <= slot {
                table.entries.resize(slot + 1, Entry { serial: 0, cache: ptr::null() });
                table.caches.resize_with(slot + 1, || None);
            }
            table.entries[slot] = Entry { serial: key.serial, cache: Arc::as_ptr(&cache) };
            table.caches[slot] = Some(Owned { cache, core: Arc::downgrade(core) });
            VIEW.set(View { entries: table.entries.as_ptr(), len: table.entries.len() });
            true
        })
        .unwrap_or(false)
}

/// Whether this thread has a cache of the pool.
pub(crate) fn has(key: PoolKey) -> bool {
    with(key, |_| ()).is_some()
}
