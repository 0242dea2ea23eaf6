//! What a search will take, known before it runs. Pure.

use plimsoll::Bytes;

use super::lists::Probed;
use super::{Shape, VecError};
use crate::scan::Queries;
use crate::top::{Hit, Tops};

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
    /// Blocks of a chunk.
    pub chunk_blocks: u64,
    /// Chunks of the ring.
    pub slots: usize,
    /// What it takes of memory, with what is kept.
    pub peak: Bytes,
    /// Lists that each query looks into; none where it looks at everything.
    pub lists: Option<Probed>,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    pub(super) queries: usize,
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
    /// Of them, those in memory already.
    pub(super) kept_bytes: u64,
    /// Memory that is free for this search, with that of what is kept.
    pub(super) room: u64,
    pub(super) limit: Bytes,
    /// What lies in memory beside: checksums, marks of the dead, young rows.
    pub(super) fixed: u64,
}

impl Question {
    /// What so many queries take at once beside codes.
    fn needs(&self, shape: &Shape, queries: usize) -> u64 {
        let Shape { codec, metric, dimension, .. } = *shape;
        let prepared = Queries::bytes_for(codec, metric, dimension, queries).get();
        // A list a thread and one that they are merged into, and the answer in order.
        let lists = Tops::bytes_for(codec, metric, dimension, queries, self.candidates).get();
        let lists = lists.saturating_mul(self.threads as u64 + 1);
        let hits = queries.saturating_mul(self.candidates).saturating_mul(size_of::<Hit>()) as u64;
        let again = if self.again { (self.threads * dimension * 8) as u64 } else { 0 };
        let copies = copies_bytes(queries, dimension);
        prepared.saturating_add(lists).saturating_add(hits).saturating_add(again).saturating_add(copies)
    }

    /// The way of doing it that reads least.
    pub(super) fn forecast(&self, shape: &Shape, stock: &Stock) -> Result<Forecast, VecError> {
        let block = shape.codec.block_bytes(shape.dimension) as u64;
        let slots = self.threads + 2;
        let all = stock.codes_bytes;
        let whole = |queries: usize| self.needs(shape, queries).saturating_add(all);
        let forecast = |queries: usize, kept: u64, chunk_blocks: u64, peak: u64| {
            let streamed = all - kept;
            let passes = if streamed == 0 { 0 } else { self.queries.div_ceil(queries.max(1)) as u64 };
            // What is kept from now on is read once more.
            let load = kept.saturating_sub(stock.kept_bytes);
            Forecast {
                passes,
                queries_a_pass: queries,
                kept: Bytes::new(kept),
                streamed: Bytes::new(streamed),
                read: Bytes::new(streamed.saturating_mul(passes).saturating_add(load)),
                chunk_blocks,
                slots,
                peak: Bytes::new(peak.saturating_add(stock.fixed)),
                lists: None,
            }
        };
        let chunk_blocks = (CHUNK_BYTES / block.max(1)).max(1);
        if whole(self.queries).saturating_add(slack(all)) <= stock.room {
            return Ok(forecast(self.queries, all, chunk_blocks, whole(self.queries)));
        }
        // As many queries at once as there is room for, with chunks as large as that leaves.
        let ring = |blocks: u64| slot_bytes(blocks * block).saturating_mul(slots as u64);
        let least = ring(1);
        let fits = |queries: usize, ring: u64| self.needs(shape, queries).saturating_add(ring) <= stock.room;
        let queries = (0..=self.queries.next_power_of_two().ilog2())
            .map(|halved| self.queries.div_ceil(1 << halved).max(1))
            .find(|queries| fits(*queries, least));
        let Some(queries) = queries else {
            let needed = self.needs(shape, 1).saturating_add(least).saturating_add(stock.fixed);
            let what = "for one query at a time";
            return Err(VecError::Budget { budget: stock.limit, what, needed: Bytes::new(needed) });
        };
        let mut blocks = chunk_blocks;
        while blocks > 1 && !fits(queries, ring(blocks)) {
            blocks /= 2;
        }
        let taken = self.needs(shape, queries).saturating_add(ring(blocks));
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
            chunk_blocks: 0,
            slots: 0,
            peak: zero,
            lists: None,
        }
    }

    #[test]
    fn less_room_never_reads_less_and_never_takes_more_than_there_is() {
        let shape =
            Shape { dimension: 768, metric: Metric::L2, codec: Codec::Int8, originals: true, lists: None };
        let question = Question { queries: 1000, candidates: 40, threads: 4, again: true };
        let (mut last, mut answered, mut refused) = (0, 0, 0);
        for room in (0..400).rev().map(|step| step * (1 << 20)) {
            let limit = Bytes::new(room);
            let stock = Stock { codes_bytes: 300 << 20, kept_bytes: 0, room, limit, fixed: 0 };
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
