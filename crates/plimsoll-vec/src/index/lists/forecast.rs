//! What a search in lists will take, known before it runs. Pure.

use plimsoll::Bytes;

use super::Division;
use super::pass::GROUP;
use crate::index::forecast::{Forecast, Question, Stock, copies_bytes, slot_bytes};
use crate::index::{Shape, VecError};
use crate::scan::Queries;
use crate::top::{Hit, Tops};

/// Chunks that stream in are about so large where the budget lets them.
const CHUNK_BYTES: u64 = 1 << 20;
/// Codes stay in memory in pieces of about this size.
const PIECE_BYTES: u64 = 256 << 10;

/// How many lists a search looks into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probed {
    /// So many.
    pub lists: usize,
    /// Of so many.
    pub of: usize,
    /// How many of 10,000 of the ten nearest are expected there; none where that is not known.
    pub found: Option<u32>,
}

impl Probed {
    /// The share of the ten nearest that is expected there.
    pub fn recall(self) -> Option<f64> {
        self.found.map(|found| f64::from(found) / 10_000.0)
    }
}

/// Blocks of a piece that stays in memory: a piece begins at a whole page where that is possible.
pub(super) fn piece_blocks(block_bytes: u64) -> u64 {
    let block_bytes = block_bytes.max(1);
    let lowest = block_bytes & block_bytes.wrapping_neg();
    (PIECE_BYTES / block_bytes).max(1).next_multiple_of((4096 / lowest).max(1))
}

impl Question {
    /// What so many queries take at once beside codes, in lists.
    pub(in crate::index) fn lists_bytes(&self, shape: &Shape, probed: Probed, queries: usize) -> u64 {
        let coded = shape.coded();
        let Shape { codec, metric, dimension, .. } = coded;
        let threads = self.threads as u64;
        let hit = size_of::<Hit>() as u64;
        let prepared = Queries::bytes_for(codec, metric, dimension, queries).get();
        let lists = Tops::bytes_for(codec, metric, dimension, queries, self.listed).get();
        // Those that look at a list together, and what a thread finds for a query, in order.
        let together = GROUP.min(queries);
        let group = Queries::bytes_for(codec, metric, dimension, together).get()
            + Tops::bytes_for(codec, metric, dimension, together, 1).get()
            + self.listed as u64 * (hit + 8);
        // The lists that are looked into.
        let wants = (queries as u64).saturating_mul(probed.lists as u64 * (hit + 8 + 8 + 4) + 4);
        let marks = probed.of.div_ceil(64) as u64 * 8 + probed.of as u64 * 40;
        prepared
            .saturating_add(threads.saturating_mul(lists.saturating_add(group)))
            .saturating_add(Division::looked_for_bytes(&coded, queries, probed.lists, self.threads))
            .saturating_add(wants)
            .saturating_add(copies_bytes(queries, shape.dimension))
            .saturating_add(shape.projected_bytes(queries, self.threads))
            .saturating_add(marks)
            .saturating_add(self.again_bytes(shape, queries))
            .saturating_add(self.lower_bytes(shape, queries))
    }
}

/// The way of doing it that reads least: with all codes in memory if they fit, else with as many queries a pass as there
/// is room for.
pub(super) fn forecast(
    question: &Question,
    shape: &Shape,
    stock: &Stock,
    probed: Probed,
) -> Result<Forecast, VecError> {
    let block = shape.upper_bytes() as u64;
    let all = stock.codes_bytes;
    let slots = question.threads + 2;
    let chunk_blocks = (CHUNK_BYTES / block.max(1)).max(1);
    let needs = |queries: usize| question.lists_bytes(shape, probed, queries);
    let ring = |blocks: u64| slot_bytes(blocks * block).saturating_mul(slots as u64);
    // Pieces end at whole pages in the pool.
    let whole = all + all / 64 + (512 << 10);
    let halved = || {
        (0..=question.queries.next_power_of_two().ilog2())
            .map(|halved| question.queries.div_ceil(1 << halved).max(1))
    };
    let kept_whole = halved().find(|queries| needs(*queries).saturating_add(whole) <= stock.room);
    let (queries, kept, chunk_blocks, taken) = if let Some(queries) = kept_whole {
        (queries, all, chunk_blocks, needs(queries))
    } else {
        let fits = |queries: usize, blocks: u64| needs(queries).saturating_add(ring(blocks)) <= stock.room;
        let Some(queries) = halved().find(|queries| fits(*queries, 1)) else {
            let needed = needs(1).saturating_add(ring(1)).saturating_add(stock.fixed);
            let what = "for one query at a time";
            return Err(VecError::Budget { budget: stock.limit, what, needed: Bytes::new(needed) });
        };
        let mut blocks = chunk_blocks;
        while blocks > 1 && !fits(queries, blocks) {
            blocks /= 2;
        }
        let taken = needs(queries).saturating_add(ring(blocks));
        let left = stock.room.saturating_sub(taken);
        let left = left.saturating_sub(left / 64 + (512 << 10));
        let piece = piece_blocks(block) * block;
        (queries, (left / piece * piece).min(all), blocks, taken)
    };
    let streams = kept < all;
    let passes = if streams { question.queries.div_ceil(queries) as u64 } else { 0 };
    // Of lists that queries choose each for itself, so many are looked into by one at least.
    let together = if streams { queries.min(question.queries) } else { question.queries };
    let wanted = wanted(probed, together, all, block).get();
    let there = stock.kept_bytes.min(all);
    let read = if streams {
        // What stays is read once; of the rest what is looked into, each pass.
        let out = Bytes::new(wanted).fraction(ratio(all - kept, all)).get();
        out.saturating_mul(passes).saturating_add(wanted.min(kept.saturating_sub(there)))
    } else {
        Bytes::new(wanted).fraction(ratio(all - there, all)).get()
    };
    Ok(Forecast {
        passes,
        queries_a_pass: queries,
        kept: Bytes::new(kept),
        streamed: Bytes::new(all - kept),
        read: Bytes::new(read),
        lower: question.lower(shape, stock.blocks, stock.pages_bytes),
        chunk_blocks,
        slots,
        peak: Bytes::new(taken.saturating_add(kept).saturating_add(stock.fixed)),
        spare: Bytes::ZERO,
        lists: Some(probed),
        device: None,
    })
}

/// About what of so many bytes, in such blocks, is in the lists that so many queries look into.
pub(in crate::index) fn wanted(probed: Probed, queries: usize, all: u64, block: u64) -> Bytes {
    // A list lies in whole blocks, one of which it shares with the next.
    let blocks = (all / block.max(1)).max(1);
    let wider = 1.0 + ratio(probed.of as u64, blocks);
    Bytes::new(all).fraction((share(probed, queries) * wider).min(1.0))
}

fn ratio(part: u64, whole: u64) -> f64 {
    Bytes::new(part).ratio(Bytes::new(whole.max(1)))
}

/// The share of lists that so many queries look into together, if each looks anywhere.
#[expect(clippy::cast_precision_loss, reason = "a share")]
fn share(probed: Probed, queries: usize) -> f64 {
    let left = 1.0 - probed.lists as f64 / probed.of.max(1) as f64;
    1.0 - left.max(0.0).powf(queries as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Codec, Metric};

    #[test]
    fn less_room_reads_no_less_and_what_is_asked_for_does() {
        let shape = Shape {
            dimension: 768,
            metric: Metric::L2,
            codec: Codec::Int4,
            originals: true,
            lists: None,
            reduced: None,
        };
        let question = Question { queries: 1000, listed: 40, candidates: 40, threads: 2, again: true };
        let probed = Probed { lists: 8, of: 1024, found: Some(9500) };
        let (mut last, mut answered, mut refused) = (0, 0, 0);
        for room in (0..200).rev().map(|mib| mib << 20) {
            let limit = Bytes::new(room);
            let stock = Stock {
                codes_bytes: 80 << 20,
                blocks: 4000,
                kept_bytes: 0,
                pages_bytes: 0,
                room,
                limit,
                fixed: 0,
            };
            match forecast(&question, &shape, &stock, probed) {
                Ok(said) => {
                    assert!(said.peak.get() <= room, "{room}: {said:?}");
                    assert_eq!(said.kept.get() + said.streamed.get(), 80 << 20);
                    assert!(said.read.get() * 100 >= last * 98, "{room}: {said:?}");
                    last = last.max(said.read.get());
                    answered += 1;
                }
                Err(VecError::Budget { needed, .. }) => {
                    let stock = Stock { room: needed.get(), ..stock };
                    assert!(forecast(&question, &shape, &stock, probed).is_ok(), "what is asked for does");
                    refused += 1;
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert!(answered > 150 && refused >= 1, "{answered} answered, {refused} refused");
    }

    #[test]
    fn one_query_reads_its_lists_and_many_read_all() {
        let shape = Shape {
            dimension: 768,
            metric: Metric::L2,
            codec: Codec::Int4,
            originals: true,
            lists: None,
            reduced: None,
        };
        let probed = Probed { lists: 8, of: 1024, found: None };
        let stock = Stock {
            codes_bytes: 800 << 20,
            blocks: 4000,
            kept_bytes: 0,
            pages_bytes: 0,
            room: 2 << 30,
            limit: Bytes::gib(2),
            fixed: 0,
        };
        let read = |queries, kept_bytes| {
            let question = Question { queries, listed: 10, candidates: 10, threads: 2, again: false };
            forecast(&question, &shape, &Stock { kept_bytes, ..stock }, probed).unwrap().read.get()
        };
        assert!(((800 << 20) / 128..(800 << 20) / 120).contains(&read(1, 0)), "{}", read(1, 0));
        assert!(read(5000, 0) > 790 << 20);
        assert_eq!(read(5000, 800 << 20), 0, "all of it is there");
    }
}
