//! How long reading a split model of 400 GB takes, and how much it holds: `cargo run --release -p plimsoll-plan
//! --example read_speed [FOLDER]`.
//!
//! The files are sparse: headers as a model like DeepSeek V3 has them, data that are holes. Beside it stands how long
//! reading the same headers takes when nothing is done with them.

#![allow(clippy::print_stdout, reason = "what is measured is printed")]
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::error::Error;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use plimsoll_plan::read;

const RUNS: usize = 21;
const PARTS: u32 = 9;

/// Counts the bytes that are allocated now, and the most there were.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged; counting touches two numbers only.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let stated = std::env::args().nth(1).map(PathBuf::from);
    let folder = stated.as_deref().unwrap_or(folder.path());
    let (first, headers) = support::deepseek_like(folder, PARTS)?;
    let total: u64 =
        (1..=PARTS).filter_map(|part| std::fs::metadata(part_of(folder, part)).ok()).map(|at| at.len()).sum();
    let model = read::open(&first)?;
    println!(
        "{PARTS} parts, {:.1} GB, {} tensors, headers of {headers} bytes",
        total as f64 / 1e9,
        model.tensors.len()
    );
    drop(model);
    let before = NOW.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let model = median(|| read::open(&first).map(drop))?;
    let held = MOST.load(Ordering::Relaxed).saturating_sub(before);
    let plain = median(|| plainly(folder, headers / u64::from(PARTS)))?;
    println!("read as a model: {:.2} ms (target 100 ms)", model.as_secs_f64() * 1e3);
    println!("held at most:    {:.2} MiB (target 64 MiB)", held as f64 / f64::from(1 << 20));
    println!("as many bytes of the same files, read and dropped: {:.2} ms", plain.as_secs_f64() * 1e3);
    Ok(())
}

fn part_of(folder: &Path, part: u32) -> PathBuf {
    folder.join(format!("like-{part:05}-of-{PARTS:05}.gguf"))
}

/// Reads the beginnings of all parts, as many bytes in all as their headers have.
fn plainly(folder: &Path, bytes_each: u64) -> std::io::Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    for part in 1..=PARTS {
        let mut start = File::open(part_of(folder, part))?.take(bytes_each);
        while start.read(&mut buffer)? > 0 {}
    }
    Ok(())
}

fn median<E>(mut run: impl FnMut() -> Result<(), E>) -> Result<Duration, E> {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times[RUNS / 2])
}
