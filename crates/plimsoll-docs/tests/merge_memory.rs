//! Putting parts together takes what was charged for it, and goes on with fewer where there is no room for all.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a scenario fails by panicking")]

mod bed;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt::Write as _;

use bed::{Bed, find, names};
use plimsoll::{Bytes, Engine, EngineAccount, Place};
use plimsoll_docs::{DocsError, IngestSettings, Library};

/// Counts what the thread that asks has allocated, and the most of it.
struct Counting;

thread_local! {
    static NOW: Cell<i64> = const { Cell::new(0) };
    static MOST: Cell<i64> = const { Cell::new(0) };
}

fn add(bytes: usize, sign: i64) {
    NOW.set(NOW.get() + sign * i64::try_from(bytes).unwrap_or(i64::MAX));
    MOST.set(MOST.get().max(NOW.get()));
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches two numbers of the thread, which need no
// allocation and no end.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size(), 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        add(layout.size(), -1);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const PARTS: usize = 7;
const DOCUMENTS: usize = 1500;
/// Names of files, the manifest as text, what a refusal says.
const ASIDE: u64 = 48 << 10;

/// A library of some parts, each of many documents and of one long one.
fn made() -> Bed {
    let bed = Bed::new(Bytes::mib(256));
    let library = bed.create();
    for part in 0..PARTS {
        for number in 0..DOCUMENTS {
            bed.file(&format!("{part}/{number}.txt"), format!("Only here is needle{part}x{number}."));
        }
        let mut long = String::new();
        for number in 0..40_000 {
            let _ = writeln!(long, "The line and {} hold {number}.", number * 31 % 977 + part);
        }
        bed.file(&format!("{part}/long.txt"), long);
        // One thread writes one part.
        let settings = IngestSettings { threads: 1, ..IngestSettings::default() };
        library.ingest(&[bed.files().join(part.to_string())], &settings, &mut |_| true).unwrap();
    }
    assert_eq!(library.facts().parts, PARTS, "fewer than are put together unasked");
    bed
}

/// The library in an account of its own, with so much room beside what it takes itself.
fn opened(bed: &Bed, room: u64) -> (Library, EngineAccount) {
    let account = |line: Bytes| Engine::in_memory(line, "docs").unwrap().account("docs").unwrap();
    let whole = account(Bytes::mib(256));
    let library = Library::open(&bed.folder(), &whole).unwrap();
    let taken = whole.charged(Place::Host);
    drop(library);
    let account = account(taken + Bytes::new(room));
    (Library::open_to_write(&bed.folder(), &account).unwrap(), account)
}

fn is_whole(library: &Library) {
    for (part, number) in [(0, 0), (3, 700), (PARTS - 1, DOCUMENTS - 1)] {
        assert_eq!(names(&find(library, &format!("needle{part}x{number}"))), [format!("{number}.txt")]);
    }
    assert_eq!(library.search(&plimsoll_docs::Query::words("977", 50)).unwrap().len(), 50);
}

#[test]
fn what_a_merge_holds_is_charged_and_bounded() {
    let bed = made();
    // Where there is room for nothing, nothing is lost.
    let (library, account) = opened(&bed, 256 << 10);
    let before = account.charged(Place::Host);
    assert!(matches!(library.compact(), Err(DocsError::Memory(_))));
    assert_eq!((library.facts().parts, account.charged(Place::Host)), (PARTS, before));
    let files = std::fs::read_dir(bed.folder()).unwrap().flatten().map(|entry| entry.path());
    let parts = files.filter(|path| path.extension().is_some_and(|end| end == "part" || end == "terms"));
    assert_eq!(parts.count(), PARTS, "what was begun is gone");
    is_whole(&library);
    drop(library);
    // For some of them at a time.
    let (library, _) = opened(&bed, 1300 << 10);
    let fewer = library.compact().unwrap();
    let left = library.facts().parts;
    assert!(left > 1 && left < PARTS && left + fewer == PARTS, "{left} parts, {fewer} fewer");
    is_whole(&library);
    drop(library);
    // For all.
    let (library, account) = opened(&bed, 32 << 20);
    let (before, opening) = (account.charged(Place::Host), account.peak(Place::Host));
    NOW.set(0);
    MOST.set(0);
    library.compact().unwrap();
    let held = u64::try_from(MOST.get()).unwrap();
    let charged = account.peak(Place::Host) - before;
    assert!(account.peak(Place::Host) > opening, "{charged}: the peak is the merge's");
    assert!(held <= charged.get() + ASIDE, "{held} held, {charged} charged");
    assert!(held > 512 << 10, "{held}: it is held by this thread");
    assert_eq!(library.facts().parts, 1);
    is_whole(&library);
}
