//! Disk: one file written and read, through the system's cache and past it.
//!
//! A write counts until `fsync` says that it is on the disk. Reading through the cache is measured twice: after the
//! system was asked to forget the file, and again with all of it in memory. Direct requests pass the cache by; one
//! at a time tells what a plain program gets, four at a time what the disk can do.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::thread;
use std::time::Instant;

use plimsoll::Bytes;
use serde::Serialize;

use super::report::{DiskReport, DiskRow, LeftOut};
use super::scratch::Scratch;
use super::{Figure, MemoryError, Operation, Plan, progress::Progress};

/// Direct requests start at a multiple of this, in the file and in memory: the largest sector in use.
const SECTOR: usize = 4096;

/// How bytes go between program and disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Through {
    /// Through the system's cache, which holds nothing of the file when a read begins.
    Buffered,
    /// Out of the system's cache alone.
    Cached,
    /// Past the system's cache.
    Direct,
}

impl Through {
    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Buffered => "buffered",
            Self::Cached => "cached",
            Self::Direct => "direct",
        }
    }
}

/// How a file is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Way {
    operation: Operation,
    through: Through,
    in_flight: usize,
}

const fn way(operation: Operation, through: Through, in_flight: usize) -> Way {
    Way { operation, through, in_flight }
}

const WAYS: [Way; 7] = [
    way(Operation::Write, Through::Buffered, 1),
    way(Operation::Read, Through::Buffered, 1),
    way(Operation::Read, Through::Cached, 1),
    way(Operation::Write, Through::Direct, 1),
    way(Operation::Write, Through::Direct, MOST_IN_FLIGHT),
    way(Operation::Read, Through::Direct, 1),
    way(Operation::Read, Through::Direct, MOST_IN_FLIGHT),
];

const MOST_IN_FLIGHT: usize = 4;

/// Steps that [`measure`] reports.
pub(super) const STEPS: usize = WAYS.len();

/// Measures every way. What the system or the file system does not offer is left out with the reason.
pub(super) fn measure(
    scratch: &Scratch,
    plan: &Plan,
    progress: &Progress,
    left_out: &mut Vec<LeftOut>,
) -> Result<DiskReport, MemoryError> {
    let size = scratch.size(plan.file)?;
    if size < plan.file {
        let why = format!("a file of {size} instead of {}: more would fill the disk", plan.file);
        left_out.push(LeftOut::absent("disk", why));
    }
    let failed = |what| move |source| MemoryError::Disk { folder: scratch.folder.clone(), what, source };
    let mut trial = Trial::new(&scratch.file, size, plan);
    progress.say("disk: first write");
    trial.write(1).and_then(|()| scratch.file.sync_all()).map_err(failed("written"))?;
    let mut rows = Vec::new();
    for way in WAYS {
        let Way { operation, through, in_flight } = way;
        progress.say(format!("disk: {} {}", through.name(), operation.name()));
        match trial.prepare(way) {
            Ok(()) => {
                let what = if operation == Operation::Read { "read" } else { "written" };
                let figure = trial.time(way).map_err(failed(what))?;
                rows.extend(figure.map(|figure| DiskRow { operation, through, in_flight, figure }));
            }
            Err(why) if in_flight == 1 => left_out.push(LeftOut::absent(
                format!("disk, {} {}", through.name(), operation.name()),
                format!("not offered here ({why})"),
            )),
            Err(_) => {}
        }
        progress.step(1);
    }
    Ok(DiskReport {
        folder: scratch.disk.folder.display().to_string(),
        file_system: scratch.disk.file_system.clone(),
        in_memory: scratch.disk.is_memory(),
        file_bytes: size.get(),
        block_bytes: plan.block.get(),
        rows,
    })
}

struct Trial<'t> {
    file: &'t File,
    size: Bytes,
    plan: &'t Plan,
    /// What is written or was read, one for each request in flight.
    blocks: Vec<Vec<u8>>,
}

impl<'t> Trial<'t> {
    fn new(file: &'t File, size: Bytes, plan: &'t Plan) -> Self {
        let block = plan.block.as_usize() + SECTOR;
        Self { file, size, plan, blocks: (0..MOST_IN_FLIGHT).map(|_| noise(block)).collect() }
    }

    /// Brings file and cache into the state that the way begins with.
    fn prepare(&mut self, way: Way) -> io::Result<()> {
        direct(self.file, false)?;
        match (way.through, way.operation) {
            (Through::Buffered, Operation::Read) => forget(self.file),
            (Through::Buffered, _) => Ok(()),
            (Through::Cached, _) => self.read(1),
            (Through::Direct, _) => {
                // What cannot be forgotten is clean by now and only in the way.
                let _kept = forget(self.file);
                direct(self.file, true)
            }
        }
    }

    fn time(&mut self, way: Way) -> io::Result<Option<Figure>> {
        let mut took = Vec::new();
        let first = Instant::now();
        for run in 0..self.plan.disk_runs {
            if run > 0 {
                if first.elapsed() > self.plan.disk_at_most {
                    break;
                }
                if way.through == Through::Buffered {
                    self.prepare(way)?;
                }
            }
            let began = Instant::now();
            if way.operation == Operation::Read {
                self.read(way.in_flight)?;
            } else {
                self.write(way.in_flight)?;
                self.file.sync_all()?;
            }
            took.push(began.elapsed());
        }
        Ok(Figure::of(self.size.get(), took))
    }

    fn read(&mut self, in_flight: usize) -> io::Result<()> {
        let file = self.file;
        self.each_block(in_flight, |block, at| file.read_exact_at(block, at))
    }

    fn write(&mut self, in_flight: usize) -> io::Result<()> {
        let file = self.file;
        self.each_block(in_flight, |block, at| {
            // No two blocks are alike, for disks that keep like blocks once.
            block[..8].copy_from_slice(&at.to_le_bytes());
            file.write_all_at(block, at)
        })
    }

    /// Every block of the file once; each of the threads takes every n-th.
    fn each_block(
        &mut self,
        threads: usize,
        work: impl Fn(&mut [u8], u64) -> io::Result<()> + Sync,
    ) -> io::Result<()> {
        let (size, step) = (self.size.get(), self.plan.block.as_usize());
        let one = |(thread, memory): (usize, &mut Vec<u8>)| {
            let start = memory.as_ptr().align_offset(SECTOR);
            let block = &mut memory[start..start + step];
            (0..size).step_by(step).skip(thread).step_by(threads).try_for_each(|at| work(block, at))
        };
        let mut seats = self.blocks.iter_mut().take(threads).enumerate();
        if threads == 1 {
            return seats.try_for_each(one);
        }
        thread::scope(|scope| {
            let one = &one;
            let workers: Vec<_> = seats.map(|seat| scope.spawn(move || one(seat))).collect();
            let join = |worker: thread::ScopedJoinHandle<'_, _>| {
                worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            workers.into_iter().try_for_each(join)
        })
    }
}

/// Asks the system to keep nothing of the file in memory; what is not written yet goes to the disk first.
#[cfg(target_os = "linux")]
fn forget(file: &File) -> io::Result<()> {
    file.sync_all()?;
    Ok(rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed)?)
}

#[cfg(not(target_os = "linux"))]
fn forget(_: &File) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system cannot be asked to forget a file"))
}

/// Bytes that no disk can press.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut memory = vec![0; bytes];
    for word in memory.chunks_mut(8) {
        // Marsaglia's xorshift.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        word.copy_from_slice(&state.to_le_bytes()[..word.len()]);
    }
    memory
}

#[cfg(target_os = "linux")]
fn direct(file: &File, on: bool) -> io::Result<()> {
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    let mut flags = fcntl_getfl(file)?;
    flags.set(OFlags::DIRECT, on);
    Ok(fcntl_setfl(file, flags)?)
}

#[cfg(target_os = "macos")]
fn direct(file: &File, on: bool) -> io::Result<()> {
    Ok(rustix::fs::fcntl_nocache(file, on)?)
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn direct(_: &File, on: bool) -> io::Result<()> {
    if on { Err(io::ErrorKind::Unsupported.into()) } else { Ok(()) }
}
