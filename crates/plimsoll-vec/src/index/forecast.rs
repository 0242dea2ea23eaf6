//! What a search will take, known before it runs. Pure.

use plimsoll::Bytes;

use super::device::DeviceShare;
use super::lists::Probed;
use super::lower::{LEFT_BYTES, hands_bytes};
use super::rerank::again_bytes;
use super::{Shape, VecError};
use crate::scan::Queries;
use crate::top::{Hit, Limits, Tops};

/// Chunks of codes are about so large where the budget lets them.
const CHUNK_BYTES: u64 = 4 << 20;

/// What a search will take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// Passes over what is on disk; none where all codes are in memory.
    pub passes: u64,
    /// Queries that share a pass.
    pub queries_a_pass: usize,
    /// Codes that stay in memory.
    pub kept: Bytes,
    /// Codes that each pass reads.
    pub streamed: Bytes,
    /// Codes that are read altogether.
    pub read: Bytes,
    /// Lower planes that are read of what the signs leave: about so much, if those rows are anywhere.
    pub lower: Bytes,
    /// Blocks of a chunk.
    pub chunk_blocks: u64,
    /// Chunks of the ring.
    pub slots: usize,
    /// What it takes of memory, with what is kept: with less it is not done so.
    pub peak: Bytes,
    /// What it will have besides, as nobody else wants it now: what caches keep of what it reads, and what the pool of
    /// the account has ready. All of it gives way.
    pub spare: Bytes,
    /// Lists that each query looks into; none where it looks at everything.
    pub lists: Option<Probed>,
    /// What it takes on the device that searches; none where the host does.
    pub device: Option<DeviceShare>,
}

impl Forecast {
    /// What will be charged at most, if nobody else comes.
    pub fn charged(&self) -> Bytes {
        Bytes::new(self.peak.get().saturating_add(self.spare.get()))
    }

    /// What of it are leases: what is kept, and the ring.
    pub(super) fn leases(&self, block_bytes: u64) -> u64 {
        let ring = if self.passes > 0 {
            slot_bytes(self.chunk_blocks * block_bytes).saturating_mul(self.slots as u64)
        } else {
            0
        };
        self.kept.get().saturating_add(ring)
    }
}

/// How many of all are looked at, if so many looks go anywhere.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate"
)]
pub(super) fn touched(all: u64, looks: u64) -> u64 {
    if all == 0 { 0 } else { (all as f64 * (1.0 - (-(looks as f64) / all as f64).exp())) as u64 }
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    pub(super) queries: usize,
    /// What a pass leaves to each: with `planes` more than the candidates.
    pub(super) listed: usize,
    /// Candidates for each.
    pub(super) candidates: usize,
    pub(super) threads: usize,
    /// Candidates are looked at again.
    pub(super) again: bool,
}

/// What there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stock {
    /// Codes on disk.
    pub(super) codes_bytes: u64,
    /// Blocks of all segments.
    pub(super) blocks: u64,
    /// Of the codes, those in memory already.
    pub(super) kept_bytes: u64,
    /// Blocks of lower planes that were read one by one and are still there.
    pub(super) pages_bytes: u64,
    /// Memory that is free for this search, with that of what is kept.
    pub(super) room: u64,
    pub(super) limit: Bytes,
    /// What lies in memory beside: checksums, marks of the dead, young rows.
    pub(super) fixed: u64,
}

impl Question {
    /// What so many queries take at once beside codes.
    pub(super) fn heap_bytes(&self, shape: &Shape, queries: usize) -> u64 {
        let Shape { codec, metric, dimension, .. } = shape.coded();
        let prepared = Queries::bytes_for(codec, metric, dimension, queries).get();
        // A list a thread, what they tell each other, and the answer in order.
        let threads = self.threads as u64;
        let lists = |k| Tops::bytes_for(codec, metric, dimension, queries, k).get().saturating_mul(threads);
        let limits = Limits::bytes_for(queries);
        let hits = queries.saturating_mul(self.listed).saturating_mul(size_of::<Hit>()) as u64;
        let lower = self.lower_bytes(shape, queries);
        let again = self.again_bytes(shape, queries);
        let projected = shape.projected_bytes(queries, self.threads);
        let copies = copies_bytes(queries, shape.dimension);
        [prepared, lists(self.listed), limits, hits, lower, again, projected, copies]
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    /// What a second look takes, if there is one.
    pub(super) fn again_bytes(&self, shape: &Shape, queries: usize) -> u64 {
        if self.again { again_bytes(shape, queries, self.candidates, self.threads) } else { 0 }
    }

    /// What the second stage of planes takes: lists of candidates, what the signs left, and blocks in hands.
    pub(super) fn lower_bytes(&self, shape: &Shape, queries: usize) -> u64 {
        if shape.layout().lower_bytes() == 0 {
            return 0;
        }
        let threads = self.threads as u64;
        let lists = Tops::bytes_without_desk(queries, self.candidates);
        let left = queries.saturating_mul(self.listed).saturating_mul(LEFT_BYTES) as u64;
        let hands = hands_bytes(shape.layout()).saturating_mul(threads);
        lists.saturating_mul(threads).saturating_add(left).saturating_add(hands)
    }

    /// About what will be read of lower planes: the blocks that rows anywhere are in, less those that are there.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate"
    )]
    pub(super) fn lower(&self, shape: &Shape, blocks: u64, pages_bytes: u64) -> Bytes {
        let bytes = shape.layout().lower_bytes() as f64;
        let blocks = blocks as f64;
        if bytes == 0.0 || blocks == 0.0 {
            return Bytes::ZERO;
        }
        let rows = self.queries.saturating_mul(self.listed) as f64;
        let there = (pages_bytes as f64 / (blocks * bytes)).min(1.0);
        Bytes::new((blocks * bytes * (1.0 - (-rows / blocks).exp()) * (1.0 - there)) as u64)
    }

    /// Passes with so many queries at once over what streams, and what they read with what is kept from now on.
    pub(super) fn reads(&self, at_once: usize, streamed: u64, load: u64) -> (u64, Bytes) {
        let passes = if streamed == 0 { 0 } else { self.queries.div_ceil(at_once.max(1)) as u64 };
        (passes, Bytes::new(streamed.saturating_mul(passes).saturating_add(load)))
    }

    /// The way of doing it that reads least.
    pub(super) fn forecast(&self, shape: &Shape, stock: &Stock) -> Result<Forecast, VecError> {
        let block = shape.upper_bytes() as u64;
        let lower = self.lower(shape, stock.blocks, stock.pages_bytes);
        let slots = self.threads + 2;
        let all = stock.codes_bytes;
        let whole = |queries: usize| self.heap_bytes(shape, queries).saturating_add(all);
        let forecast = |queries: usize, kept: u64, chunk_blocks: u64, peak: u64| {
            let streamed = all - kept;
            let (passes, read) = self.reads(queries, streamed, kept.saturating_sub(stock.kept_bytes));
            Forecast {
                passes,
                queries_a_pass: queries,
                kept: Bytes::new(kept),
                streamed: Bytes::new(streamed),
                read,
                lower,
                chunk_blocks,
                slots,
                peak: Bytes::new(peak.saturating_add(stock.fixed)),
                spare: Bytes::ZERO,
                lists: None,
                device: None,
            }
        };
        let chunk_blocks = (CHUNK_BYTES / block.max(1)).max(1);
        if whole(self.queries).saturating_add(slack(all)) <= stock.room {
            return Ok(forecast(self.queries, all, chunk_blocks, whole(self.queries)));
        }
        // As many queries at once as there is room for, with chunks as large as that leaves.
        let ring = |blocks: u64| slot_bytes(blocks * block).saturating_mul(slots as u64);
        let least = ring(1);
        let fits =
            |queries: usize, ring: u64| self.heap_bytes(shape, queries).saturating_add(ring) <= stock.room;
        let queries = (0..=self.queries.next_power_of_two().ilog2())
            .map(|halved| self.queries.div_ceil(1 << halved).max(1))
            .find(|queries| fits(*queries, least));
        let Some(queries) = queries else {
            let needed = self.heap_bytes(shape, 1).saturating_add(least).saturating_add(stock.fixed);
            let what = "for one query at a time";
            return Err(VecError::Budget { budget: stock.limit, what, needed: Bytes::new(needed) });
        };
        let mut blocks = chunk_blocks;
        while blocks > 1 && !fits(queries, ring(blocks)) {
            blocks /= 2;
        }
        let taken = self.heap_bytes(shape, queries).saturating_add(ring(blocks));
        // Whole pieces, and room for what the pool rounds up.
        let piece = blocks * block;
        let left = stock.room.saturating_sub(taken);
        let left = left.saturating_sub(slack(left));
        let kept = (left / piece_bytes(piece)).saturating_mul(piece).min(all);
        Ok(forecast(queries, kept, blocks, taken.saturating_add(kept)))
    }
}

/// What copies of queries take: the queue's, and that of whoever asks for all that wait.
pub(super) fn copies_bytes(queries: usize, dimension: usize) -> u64 {
    (queries as u64).saturating_mul(dimension as u64).saturating_mul(8)
}

/// What the pool may round up for so many bytes that are kept.
fn slack(kept: u64) -> u64 {
    kept / 64 + (512 << 10)
}

/// What a slot of the ring takes for a chunk: whole pages wherever the chunk begins.
pub(super) fn slot_bytes(chunk: u64) -> u64 {
    chunk.next_multiple_of(4096).saturating_add(2 * 4096)
}

/// What a piece of codes takes that is kept.
pub(super) fn piece_bytes(piece: u64) -> u64 {
    piece.next_multiple_of(4096)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{Codec, Metric};

    /// That of no search at all.
    pub(in super::super) fn nothing() -> Forecast {
        let zero = Bytes::ZERO;
        Forecast {
            passes: 0,
            queries_a_pass: 0,
            kept: zero,
            streamed: zero,
            read: zero,
            lower: zero,
            chunk_blocks: 0,
            slots: 0,
            peak: zero,
            spare: zero,
            lists: None,
            device: None,
        }
    }

    #[test]
    fn less_room_never_reads_less_and_never_takes_more_than_there_is() {
        let shape = Shape {
            dimension: 768,
            metric: Metric::L2,
            codec: Codec::Int8,
            originals: true,
            lists: None,
            reduced: None,
        };
        let question = Question { queries: 1000, listed: 40, candidates: 40, threads: 4, again: true };
        let (mut last, mut answered, mut refused) = (0, 0, 0);
        for room in (0..400).rev().map(|step| step * (1 << 20)) {
            let limit = Bytes::new(room);
            let codes_bytes = 300 << 20;
            let stock =
                Stock { codes_bytes, blocks: 6400, kept_bytes: 0, pages_bytes: 0, room, limit, fixed: 0 };
            match question.forecast(&shape, &stock) {
                Ok(forecast) => {
                    // Smaller chunks may leave room for one piece more.
                    assert!(forecast.read.get() * 100 >= last * 99, "{room}: {forecast:?}");
                    assert!(forecast.peak.get() <= room, "{room}: {forecast:?}");
                    assert_eq!(forecast.kept.get() + forecast.streamed.get(), 300 << 20);
                    last = last.max(forecast.read.get());
                    answered += 1;
                }
                Err(VecError::Budget { needed, .. }) => {
                    let stock = Stock { room: needed.get(), ..stock };
                    assert!(question.forecast(&shape, &stock).is_ok(), "what is asked for does");
                    refused += 1;
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert!(answered > 300 && refused >= 1, "{answered} answered, {refused} refused");
        assert!(last > 600 << 20, "the least room takes several passes");
    }
}
