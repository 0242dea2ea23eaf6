//! Many reads at once through `io_uring`.
//!
//! A ring is taken from a small stock for one batch and put back; who finds none makes one. A batch returns only when the
//! system has finished with every buffer it was given: that is what makes lending them sound.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsRawFd as _;
use std::sync::{Mutex, PoisonError};

use io_uring::{IoUring, opcode, types};
use rustix::io::Errno;

use super::disk::Read;

/// How many reads are with the disk at once.
const DEPTH: u32 = 32;
const STOCK: usize = 4;
/// One read is at most so long; longer ones go in pieces, so that several are under way within one record too.
const PIECE_BYTES: usize = 1 << 20;

/// Rings that nobody uses at the moment.
pub(super) struct Rings(Mutex<Vec<IoUring>>);

impl std::fmt::Debug for Rings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Rings").finish()
    }
}

/// A part of a read.
#[derive(Clone, Copy, Debug)]
struct Piece {
    read: usize,
    descriptor: i32,
    at: u64,
    to: *mut u8,
    bytes: usize,
}

impl Rings {
    /// Nothing where the system has no `io_uring`, or keeps it from this process.
    pub(super) fn open() -> Option<Self> {
        let ring = IoUring::new(DEPTH).ok()?;
        Some(Self(Mutex::new(vec![ring])))
    }

    /// Reads all of them; what it cannot do is read one by one.
    pub(super) fn read(&self, reads: &mut [Read<'_>]) {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(mut ring) = taken.or_else(|| IoUring::new(DEPTH).ok()) else {
            reads.iter_mut().for_each(Read::one_by_one);
            return;
        };
        let pieces = pieces(reads);
        let (again, sound) = run(&mut ring, pieces, reads);
        if sound {
            let mut stock = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if stock.len() < STOCK {
                stock.push(ring);
            }
        }
        again.into_iter().for_each(|index| reads[index].one_by_one());
    }
}

/// All reads in pieces, in the order of the reads.
fn pieces(reads: &mut [Read<'_>]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (index, read) in reads.iter_mut().enumerate() {
        read.done = Ok(());
        let Some(descriptor) = read.file.descriptor().map(|descriptor| descriptor.as_raw_fd()) else {
            read.done = Err(io::ErrorKind::Unsupported.into());
            continue;
        };
        let mut at = read.at;
        for part in &mut read.parts {
            for piece in part.chunks_mut(PIECE_BYTES) {
                let (to, bytes) = (piece.as_mut_ptr(), piece.len());
                pieces.push(Piece { read: index, descriptor, at, to, bytes });
                at = at.saturating_add(bytes as u64);
            }
        }
    }
    pieces
}

/// Runs the pieces through a ring. Returns the reads that are to be done one by one, and whether the ring can be used
/// again. When it returns, the system has no buffer any more.
fn run(ring: &mut IoUring, mut waiting: Vec<Piece>, reads: &mut [Read<'_>]) -> (Vec<usize>, bool) {
    waiting.reverse();
    let mut flying: HashMap<u64, Piece> = HashMap::new();
    let mut again = Vec::new();
    let mut next = 0_u64;
    let mut sound = true;
    let undone = reads.iter().enumerate().filter(|(_, read)| read.done.is_err());
    again.extend(undone.map(|(index, _)| index));
    while sound && !waiting.is_empty() || !flying.is_empty() {
        while sound && flying.len() < DEPTH as usize {
            let Some(piece) = waiting.pop() else { break };
            let bytes = u32::try_from(piece.bytes).unwrap_or(u32::MAX);
            let read = opcode::Read::new(types::Fd(piece.descriptor), piece.to, bytes);
            let entry = read.offset(piece.at).build().user_data(next);
            // SAFETY: the buffer is part of one that `reads` borrows for longer than this function runs, and no other
            // piece covers it; the descriptor is kept open by the read's file. This function does not return before
            // every entry that was pushed has completed.
            if unsafe { ring.submission().push(&entry) }.is_err() {
                waiting.push(piece);
                break;
            }
            flying.insert(next, piece);
            next += 1;
        }
        match ring.submit_and_wait(1) {
            Ok(_) => {}
            Err(error) if Errno::from_io_error(&error) == Some(Errno::INTR) => {}
            // Nothing more is begun; what is with the system already is waited for.
            Err(_) => {
                sound = false;
                std::thread::yield_now();
            }
        }
        if !sound && unsubmitted(ring) >= flying.len() {
            // The system never saw what is left.
            break;
        }
        for completed in ring.completion() {
            let Some(mut piece) = flying.remove(&completed.user_data()) else { continue };
            match usize::try_from(completed.result()) {
                Ok(0) => reads[piece.read].done = Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) if read < piece.bytes => {
                    piece.at = piece.at.saturating_add(read as u64);
                    piece.to = piece.to.wrapping_add(read);
                    piece.bytes -= read;
                    waiting.push(piece);
                }
                Ok(_) => {}
                // Whatever a ring refuses, the plain call says it better, or does it.
                Err(_) => again.push(piece.read),
            }
        }
    }
    again.extend(waiting.iter().chain(flying.values()).map(|piece| piece.read));
    again.sort_unstable();
    again.dedup();
    (again, sound)
}

fn unsubmitted(ring: &mut IoUring) -> usize {
    ring.submission().len()
}
