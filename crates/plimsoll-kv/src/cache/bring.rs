//! Decoding into pages: layer after layer for who begins before the end, block after block for who waits for all.
//!
//! Who waits for all has helpers, since one thread decodes more slowly than a disk reads. Each block is handed to one of
//! them, page and all, so no two threads ever write one page. What was read is decoded and given back before much more
//! is asked for: so the same memory is read into again and again, and is still in the processor's caches when it is
//! decoded.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use plimsoll::Bytes;
use plimsoll::pool::Lease;

use super::core::Core;
use super::errand::Errands;
use super::piece::{From, Lost, Part, Piece, Stage};
use crate::engine::Pages;
use crate::tree::Tier;

/// Bytes that are asked for ahead of what is decoded: what keeps every reader at a call of a few MiB, and as much again.
pub(super) const AHEAD_BYTES: u64 = 32 << 20;
/// A helper for so many bytes of pages at least: starting one must not take longer than what it does.
const SHARE_BYTES: usize = 8 << 20;

/// Blocks that are brought whole, each by one of several threads.
struct Work<'r, P: Pages> {
    core: &'r Arc<Core<P>>,
    until: Instant,
    queue: Mutex<Queue<'r, P>>,
}

struct Queue<'r, P: Pages> {
    /// Blocks that nobody has taken, and which of all the first is.
    rest: &'r mut [Piece<P>],
    first: usize,
    /// How many of them have been asked for.
    asked: usize,
    /// Bytes that were asked for and are not in their pages.
    ahead: u64,
    /// Threads that have a block in hand: only they give memory back.
    busy: usize,
    lost: Option<(usize, Lost)>,
}

/// Brings all blocks. If one is lost, says which is the first, and why; those before it are there.
pub(super) fn bring<P: Pages>(
    core: &Arc<Core<P>>,
    pieces: &mut [Piece<P>],
    until: Instant,
) -> Option<(usize, Lost)> {
    let coming = pieces.iter().filter(|piece| matches!(piece.state, Stage::Coming { .. })).count();
    let shares = coming.saturating_mul(core.layout.block_bytes()) / SHARE_BYTES;
    let helpers = core.decoders.min(shares).saturating_sub(1);
    let ahead = pieces.iter().map(Piece::held).sum();
    let asked = pieces.iter().take_while(|piece| piece.parts().iter().all(Part::is_asked)).count();
    let queue = Mutex::new(Queue { rest: pieces, first: 0, asked, ahead, busy: 0, lost: None });
    let work = Work { core, until, queue };
    thread::scope(|scope| {
        for _ in 0..helpers {
            let helper = thread::Builder::new().name("plimsoll-kv-decode".to_owned());
            // Where the system has no thread to spare, those that are there do it all.
            if helper.spawn_scoped(scope, || work.go()).is_err() {
                break;
            }
        }
        work.go();
    });
    let queue = work.queue.into_inner().unwrap_or_else(PoisonError::into_inner);
    // What nobody took has nothing of its own in its page.
    assert!(queue.lost.is_some() || queue.rest.is_empty(), "a block was left, and none was lost");
    queue.lost
}

impl<'r, P: Pages> Work<'r, P> {
    /// Takes one block after the other, until there are no more.
    fn go(&self) {
        let (mut copy, mut done) = (Vec::new(), None);
        while let Some((index, piece)) = self.take(done) {
            done = Some(piece.held());
            if let Err(lost) = self.core.decode_block(piece, self.until, &mut copy) {
                let mut queue = self.queue();
                if queue.lost.as_ref().is_none_or(|&(first, _)| index < first) {
                    queue.lost = Some((index, lost));
                }
            }
        }
    }

    /// The next block, for who had none yet, or has done with one of so many bytes.
    fn take(&self, done: Option<u64>) -> Option<(usize, &'r mut Piece<P>)> {
        let mut queue = self.queue();
        if let Some(bytes) = done {
            queue.ahead = queue.ahead.saturating_sub(bytes);
            queue.busy -= 1;
        }
        // What comes after a block that is lost is of no use.
        if queue.lost.is_some() {
            return None;
        }
        queue.ask(self.core);
        // There was no memory for the next one. Whoever still decodes will give some back, and goes on then. If nobody
        // does, it is taken all the same, and found not to have come.
        if queue.asked == 0 && queue.busy > 0 && !queue.rest.is_empty() {
            return None;
        }
        let (piece, rest) = std::mem::take(&mut queue.rest).split_first_mut()?;
        let index = queue.first;
        queue.rest = rest;
        queue.first += 1;
        queue.asked = queue.asked.saturating_sub(1);
        queue.busy += 1;
        Some((index, piece))
    }

    fn queue(&self) -> MutexGuard<'_, Queue<'r, P>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Pages> Queue<'_, P> {
    /// Asks for the next blocks, a call's worth at least, as far as may be ahead.
    fn ask(&mut self, core: &Arc<Core<P>>) {
        if self.asked > 0 && self.ahead + core.call_bytes() > AHEAD_BYTES {
            return;
        }
        let mut errands = Errands::new(core);
        while self.asked == 0 || self.ahead + errands.asked < AHEAD_BYTES {
            let Some(piece) = self.rest.get_mut(self.asked) else { break };
            piece.whole();
            let parts = piece.parts().len();
            if !(0..parts).all(|part| errands.ask(core, piece, part)) {
                break;
            }
            self.asked += 1;
        }
        errands.send(core);
        self.ahead += errands.asked;
    }
}

impl<P: Pages> Core<P> {
    /// Decodes one layer of a block.
    pub fn decode_layer(&self, piece: &mut Piece<P>, layer: usize, until: Instant) -> Result<(), Lost> {
        let Stage::Coming { page, from, .. } = &mut piece.state else { return Ok(()) };
        let began = Instant::now();
        let warm = matches!(from, From::Warm(_));
        let codec = self.codec(from.form()).map_err(|_| Lost::Doubt)?;
        let encoded = from.encoded(layer, until)?;
        let span = self.layout.span(layer..layer + 1);
        let bytes = encoded.len() as u64;
        if let Some(native) = self.pages.bytes_mut(page) {
            codec.decode(layer, encoded, &mut native[span]).map_err(|_| Lost::Doubt)?;
        } else {
            let mut native = vec![0; span.len()];
            codec.decode(layer, encoded, &mut native).map_err(|_| Lost::Doubt)?;
            self.pages.write(page, span.start, &native).map_err(|_| Lost::Late)?;
        }
        from.done(layer);
        if warm {
            self.restored_warm(bytes, began);
        }
        Ok(())
    }

    /// Decodes all layers of a block. Pages that the host cannot see are written at once, from `copy`.
    fn decode_block(&self, piece: &mut Piece<P>, until: Instant, copy: &mut Vec<u8>) -> Result<(), Lost> {
        let Stage::Coming { page, from, .. } = &mut piece.state else { return Ok(()) };
        let began = Instant::now();
        let bytes = if let Some(native) = self.pages.bytes_mut(page) {
            self.decode_into(from, native, until)?
        } else {
            copy.resize(self.layout.block_bytes(), 0);
            let bytes = self.decode_into(from, copy, until)?;
            self.pages.write(page, 0, copy).map_err(|_| Lost::Late)?;
            bytes
        };
        if matches!(from, From::Warm(_)) {
            self.restored_warm(bytes, began);
        }
        Ok(())
    }

    /// Decodes all layers, and says how many bytes they were.
    fn decode_into(&self, from: &mut From, native: &mut [u8], until: Instant) -> Result<u64, Lost> {
        let codec = self.codec(from.form()).map_err(|_| Lost::Doubt)?;
        let (mut bytes, mut at) = (0, 0);
        for layer in 0..self.layout.layers.len() {
            let encoded = from.encoded(layer, until)?;
            let end = at + self.layout.layer_bytes(layer);
            let into = native.get_mut(at..end).ok_or(Lost::Late)?;
            codec.decode(layer, encoded, into).map_err(|_| Lost::Doubt)?;
            bytes += encoded.len() as u64;
            at = end;
            from.done(layer);
        }
        Ok(bytes)
    }

    /// Decodes the state of a block's end, if it is to have one.
    pub fn decode_snapshot(&self, piece: &mut Piece<P>, until: Instant) -> Result<(), Lost> {
        let (section, boundary) = (self.layout.layers.len(), piece.boundary);
        let Stage::Coming { snapshot, from, .. } = &mut piece.state else { return Ok(()) };
        if !boundary {
            return Ok(());
        }
        let codec = self.codec(from.form()).map_err(|_| Lost::Doubt)?;
        let encoded = from.encoded(section, until)?;
        let bytes = Bytes::new(codec.native_bytes(section) as u64);
        let mut lease: Lease = self.take_warm(bytes, f64::INFINITY).map_err(|_| Lost::Late)?;
        let into = lease.as_mut_slice().map_err(|_| Lost::Late)?;
        codec.decode(section, encoded, into).map_err(|_| Lost::Doubt)?;
        *snapshot = Some(lease);
        Ok(())
    }

    fn restored_warm(&self, bytes: u64, began: Instant) {
        self.counts.tiers[Tier::Warm].restored.add(bytes);
        self.rates().tiers[Tier::Warm].learn(bytes, began.elapsed().as_secs_f64());
    }
}
