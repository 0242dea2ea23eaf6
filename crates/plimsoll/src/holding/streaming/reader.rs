//! Readers: threads that fill a ring from a source, ahead of the consumer.

use std::io;

use super::align::CutError;
use super::chunk::{Draft, Seat};
use super::cursor::{Cursor, Piece};
use super::ring::{Filled, Ring};
use super::source::Source;
use super::{Align, StreamError};
use crate::Bytes;
use crate::sync::{Arc, Mutex, lock, thread};

/// What the readers of one stream share.
pub(super) struct Reading {
    pub(super) source: Arc<dyn Source>,
    pub(super) cursor: Mutex<Cursor>,
    pub(super) align: Align,
    pub(super) chunk: Bytes,
}

/// A slot for chunks of this size can be read into in whole grains wherever the chunk begins.
pub(super) fn slot_bytes(chunk: Bytes, grain: u64) -> Option<Bytes> {
    if grain <= 1 {
        return Some(chunk);
    }
    chunk.checked_round_up(grain)?.checked_add(Bytes::new(grain))
}

/// Starts `readers` threads, or fewer if the system gives no more; one at least.
pub(super) fn start(
    ring: &Arc<Ring>,
    reading: &Arc<Reading>,
    readers: usize,
) -> Result<Vec<std::thread::JoinHandle<()>>, StreamError> {
    let readers = if lock(&reading.cursor).is_fixed() { readers.max(1) } else { 1 };
    let mut threads = Vec::with_capacity(readers);
    for _ in 0..readers {
        let (seat, reading) = (Seat::at(ring), Arc::clone(reading));
        let started = std::thread::Builder::new()
            .name("plimsoll-reader".to_owned())
            .spawn(move || run(&seat, &reading));
        match started {
            Ok(thread) => threads.push(thread),
            Err(_) if !threads.is_empty() => break,
            Err(error) => {
                return Err(StreamError::NoThread { name: reading_name(ring), why: error.to_string() });
            }
        }
    }
    Ok(threads)
}

fn reading_name(ring: &Ring) -> String {
    ring.shape.name.clone()
}

/// Reads until the end, an error, or the consumer's leaving.
fn run(seat: &Seat, reading: &Reading) {
    let ring = seat.ring();
    while let Ok(mut draft) = Draft::of(ring) {
        // The place in the order is taken together with the piece, so that pieces arrive in the file's order.
        let (claimed, place) = {
            let mut cursor = lock(&reading.cursor);
            let claimed = cursor.claim(&*reading.source);
            if let Ok(None) = claimed {
                return;
            }
            (claimed, ring.place())
        };
        let promise = Promise { ring, place, kept: false };
        let read = claimed.and_then(|piece| match piece {
            Some(piece) => fill(reading, piece, &mut draft),
            None => Ok((0, 0, 0)),
        });
        match read {
            Ok((start, len, offset)) => {
                if let Some(slot) = draft.into_slot() {
                    promise.keep(Ok(Filled { slot, start, len, offset }));
                }
            }
            Err(error) => {
                lock(&reading.cursor).stop();
                promise.keep(Err(error));
                return;
            }
        }
    }
}

/// A place that was taken and must be filled, come what may: the consumer waits for it.
struct Promise<'ring> {
    ring: &'ring Ring,
    place: u64,
    kept: bool,
}

impl Promise<'_> {
    fn keep(mut self, item: Result<Filled, StreamError>) {
        self.kept = true;
        self.ring.fill(self.place, item);
    }
}

impl Drop for Promise<'_> {
    fn drop(&mut self) {
        if !self.kept {
            let name = reading_name(self.ring);
            self.ring.fill(self.place, Err(StreamError::ProducerDied { name }));
        }
    }
}

/// Reads a piece and cuts it: where in the slot the chunk starts, how long it is, where in the file it begins.
fn fill(reading: &Reading, piece: Piece, slot: &mut [u8]) -> Result<(usize, usize, u64), StreamError> {
    let source = &*reading.source;
    let (start, len) = read_piece(source, piece, slot)?;
    let data = &slot[start..start + len];
    let cut = reading.align.cut(data, piece.is_last()).map_err(|error| match (error, reading.align) {
        (CutError::PartialRow, Align::Bytes(row)) => StreamError::PartialRow {
            name: source.name().to_owned(),
            offset: piece.offset,
            left: len as u64,
            row,
        },
        _ => StreamError::RecordTooLong {
            name: source.name().to_owned(),
            offset: piece.offset,
            chunk: reading.chunk,
        },
    })?;
    let mut cursor = lock(&reading.cursor);
    if !cursor.is_fixed() {
        cursor.cut(piece, cut as u64);
    }
    Ok((start, cut, piece.offset))
}

/// Reads a whole piece into a slot, in whole grains where the source likes them. A source that ends early is an
/// error: it was longer when it was measured.
pub(super) fn read_piece(
    source: &dyn Source,
    piece: Piece,
    slot: &mut [u8],
) -> Result<(usize, usize), StreamError> {
    let grain = source.grain().max(1);
    let base = piece.offset / grain * grain;
    let skew = Bytes::new(piece.offset - base).as_usize();
    let len = Bytes::new(piece.len).as_usize();
    let need = skew + len;
    let span = need.next_multiple_of(Bytes::new(grain).as_usize());
    let mut filled = 0;
    while filled < need {
        match source.read_at(base + filled as u64, &mut slot[filled..span]) {
            Ok(0) => {
                return Err(StreamError::Shrunk {
                    name: source.name().to_owned(),
                    expected: piece.end,
                    found: base + filled as u64,
                });
            }
            Ok(read) => filled += read.min(span - filled),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(StreamError::Read {
                    name: source.name().to_owned(),
                    offset: base + filled as u64,
                    source: error,
                });
            }
        }
    }
    Ok((skew, len))
}

/// Waits for readers to end. One that panicked has told the consumer already.
pub(super) fn finish(threads: Vec<std::thread::JoinHandle<()>>) {
    for reader in threads {
        if reader.thread().id() != thread::current().id() {
            let _ = reader.join();
        }
    }
}
