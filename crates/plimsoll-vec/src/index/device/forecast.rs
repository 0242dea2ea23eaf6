//! What a search on a device will take, known before it runs. Pure.

use plimsoll::{Bytes, Place};

use super::super::forecast::Question;
use super::super::lists::wanted;
use super::super::{Forecast, Shape, VecError};
use super::among::Among;
use super::store::SLOTS;
use crate::BLOCK_ROWS;
use crate::scan::Queries;
use crate::top::Tops;

/// Chunks of codes are about so large where there is room.
const CHUNK_BYTES: u64 = 16 << 20;
/// Chunks that the host holds: two readers fill them.
pub(super) const HOST_SLOTS: usize = 4;
/// Pieces that stay are whole multiples of this, or to the end of a segment: then they end at whole pages of the disk.
pub(super) const PIECE_BLOCKS: u64 = 64;
/// The largest piece where not everything stays: what goes to make room is no more than it has to be.
pub(super) const PIECE_BYTES: u64 = 256 << 20;
/// Every lease begins at a multiple of this.
const ALIGN: u64 = 256;

/// What a search takes on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceShare {
    /// Where.
    pub place: Place,
    /// The most of its memory that will be charged, with what is kept there and what the pool has to spare.
    pub peak: Bytes,
}

/// What there is.
#[derive(Clone, Debug)]
pub(super) struct DeviceStock {
    pub(super) place: Place,
    /// Blocks of each segment.
    pub(super) segments: Vec<u64>,
    /// Codes that are on the device already.
    pub(super) kept_bytes: u64,
    /// The middles of lists are there, too.
    pub(super) middles: bool,
    /// What squares take of a block that stays.
    pub(super) squares_bytes: u64,
    /// Blocks of lower planes that the host has.
    pub(super) pages_bytes: u64,
    /// Marks of who may be found, of each part that not all rows of may.
    pub(super) masks: Vec<u64>,
    /// Memory that is free for this search, with that of what is kept.
    pub(super) room: u64,
    /// What is free beside what the pool has.
    pub(super) pool_room: u64,
    pub(super) limit: Bytes,
    /// What others of the account have there.
    pub(super) fixed: u64,
    /// The largest single allocation, and what memory is taken by.
    pub(super) most: u64,
    pub(super) granule: u64,
    /// Of the host: what lies in memory beside, and what is free.
    pub(super) host_fixed: u64,
    pub(super) host_room: u64,
    pub(super) host_limit: Bytes,
    /// Whether the ring of the host is of its ordinary memory.
    pub(super) host_ring: bool,
}

impl DeviceStock {
    /// What is charged now.
    pub(super) fn charged(&self) -> u64 {
        self.limit.get().saturating_sub(self.pool_room)
    }
}

/// What the kernels work in, for so many rows at a time and so many queries, with squares kept or not.
pub(super) type DeskBytes<'d> = &'d dyn Fn(u64, usize, bool) -> u64;

/// What comparing so many queries with the middles of lists takes, and what the kernels work in that look into lists.
pub(super) type AmongBytes<'d> = &'d dyn Fn(&Among, usize) -> [u64; 4];

/// What the device's pool will have behind leases that are taken in this order, once so many bytes that are kept have gone.
pub(super) type BackedBytes<'d> = &'d dyn Fn(u64, &[Bytes]) -> Bytes;

/// A search, with what it is about.
pub(super) struct Outlook<'o> {
    pub(super) question: Question,
    pub(super) shape: Shape,
    pub(super) stock: &'o DeviceStock,
    pub(super) desk: DeskBytes<'o>,
    /// Where some lists are looked into.
    pub(super) among: Option<(Among, AmongBytes<'o>)>,
    pub(super) backed: BackedBytes<'o>,
}

impl Question {
    /// What the host has of so many queries that a device searches for: as they are compared, their lists as they come, and
    /// hits; and of planes what the second stage takes, which the host does.
    pub(super) fn device_bytes(&self, shape: &Shape, queries: usize) -> u64 {
        let each = shape.dimension as u64 * 8 + self.listed as u64 * (8 + 16);
        let here = (queries as u64).saturating_mul(each);
        let projected = shape.projected_bytes(queries, self.threads);
        let Shape { codec, metric, dimension, .. } = shape.coded();
        let planes = if shape.layout().lower_bytes() == 0 {
            0
        } else {
            let prepared = Queries::bytes_for(codec, metric, dimension, queries).get();
            let left = Tops::bytes_without_desk(queries, self.listed);
            prepared.saturating_add(left).saturating_add(self.lower_bytes(shape, queries))
        };
        here.saturating_add(projected).saturating_add(planes)
    }
}

impl Outlook<'_> {
    fn block(&self) -> u64 {
        self.shape.upper_bytes() as u64
    }

    fn all(&self) -> u64 {
        self.stock.segments.iter().sum::<u64>().saturating_mul(self.block())
    }

    /// A chunk as it arrives and, where that is another way, as it is searched.
    fn slot(&self, chunk: u64) -> u64 {
        let twice = if self.shape.codec.side_bytes() > 0 { 2 } else { 1 };
        chunk.saturating_mul(self.block()).saturating_add(ALIGN * 2).saturating_mul(twice)
    }

    /// Queries, their lists, and what the kernels work in, with so many blocks in a chunk and at most so many in a piece; then
    /// likewise what middles are compared by.
    fn desk_bytes(&self, queries: usize, chunk: u64, piece: u64) -> [u64; 6] {
        let desk = |blocks: u64, squares| {
            (self.desk)(
                blocks.saturating_mul(BLOCK_ROWS as u64),
                queries,
                squares && self.stock.squares_bytes > 0,
            )
        };
        let [asked, lists, compared, runs] =
            self.among.map_or([0; 4], |(among, bytes)| bytes(&among, queries));
        let desk = desk(chunk, false).max(desk(piece, true)).max(runs);
        let numbers = (queries as u64).saturating_mul(self.shape.coded().dimension as u64 * 4);
        let found = (queries as u64).saturating_mul(self.question.listed as u64 * 8);
        [numbers, found, desk, asked, lists, compared]
    }

    /// The middles of lists and which of them are looked for, where some are looked into.
    fn middles_bytes(&self) -> [u64; 2] {
        self.among.map_or([0; 2], |(among, _)| among.middles_bytes())
    }

    /// What so many queries take beside codes that stay.
    fn beside(&self, queries: usize, chunk: u64, piece: u64) -> u64 {
        let masks = self.stock.masks.iter().map(|bytes| bytes.next_multiple_of(ALIGN)).sum();
        let ring = self.slot(chunk).saturating_mul(SLOTS as u64);
        let desk = self.desk_bytes(queries, chunk, piece).into_iter();
        let middles = self.middles_bytes().into_iter();
        desk.chain(middles).chain([masks, ring, ALIGN * 10]).fold(0, u64::saturating_add)
    }

    /// What will be charged on the device: leases in the order in which a search takes them, as the pool backs them.
    fn charged(&self, queries: usize, chunk: u64, kept: u64) -> Bytes {
        let (stock, block) = (self.stock, self.block().max(1));
        let numbers = (self.shape.layout().first_bytes() * BLOCK_ROWS) as u64;
        let rows = |blocks: u64| [blocks * (block - numbers), blocks * numbers];
        // Pieces of each segment, as far as they are not there.
        let (at_once, mut left) = (self.piece_most(kept), kept / block);
        let [middles, wanted] = self.middles_bytes();
        let (mut there, mut leases) = (stock.kept_bytes / block, Vec::new());
        leases.extend(Some(middles).filter(|_| !stock.middles));
        for all in &stock.segments {
            let mut here = left.min(*all);
            left -= here;
            let known = there.min(here);
            (there, here) = (there - known, here - known);
            while here > 0 {
                let blocks = here.min(at_once);
                leases.extend(rows(blocks).into_iter().chain([blocks * stock.squares_bytes]));
                here -= blocks;
            }
        }
        leases.extend(&stock.masks);
        leases.push(wanted);
        leases.extend(self.desk_bytes(queries, chunk, self.piece(kept)));
        for _ in 0..SLOTS {
            let stage = if self.shape.codec.side_bytes() > 0 { chunk * block } else { 0 };
            leases.extend([[stage, 0], rows(chunk)].as_flattened());
        }
        let leases: Vec<Bytes> = leases.into_iter().filter(|bytes| *bytes > 0).map(Bytes::new).collect();
        let gone = stock.kept_bytes.saturating_sub(kept) / block * (block + stock.squares_bytes);
        (self.backed)(gone, &leases)
    }

    /// What the host has of so many queries.
    fn heap(&self, queries: usize) -> u64 {
        let again = if self.question.again { self.question.threads * self.shape.dimension * 8 } else { 0 };
        let among = self.among.map_or(0, |(among, _)| among.host_bytes(queries));
        self.question.device_bytes(&self.shape, queries).saturating_add(again as u64).saturating_add(among)
    }

    fn host(&self, queries: usize, chunk: u64) -> u64 {
        let slot = super::super::forecast::slot_bytes(chunk.saturating_mul(self.block()));
        let ring = if self.stock.host_ring { slot.saturating_mul(HOST_SLOTS as u64) } else { 0 };
        self.heap(queries).saturating_add(ring)
    }

    /// The most blocks of one piece.
    fn piece_most(&self, kept: u64) -> u64 {
        let most = if kept < self.all() { self.stock.most.min(PIECE_BYTES) } else { self.stock.most };
        most_blocks(most, self.block())
    }

    /// The largest piece of a segment.
    fn piece(&self, kept: u64) -> u64 {
        let longest = self.stock.segments.iter().copied().max().unwrap_or_default();
        longest.min(self.piece_most(kept)).min(kept / self.block().max(1))
    }

    /// What so many kept bytes take, with what pools round up.
    fn taken(&self, kept: u64) -> u64 {
        let kept = kept + kept / self.block().max(1) * self.stock.squares_bytes;
        kept.saturating_add(kept / 64).saturating_add(4 * self.stock.granule)
    }

    /// What so many queries take with so much kept, with what pools round up.
    fn needed(&self, queries: usize, chunk: u64, kept: u64) -> u64 {
        let beside = self.beside(queries, chunk, self.piece(kept));
        beside.saturating_add(beside / 64).saturating_add(self.taken(kept))
    }

    /// As many of the queries at a time as this lets pass.
    fn most_queries(&self, fits: impl Fn(usize) -> bool) -> Option<usize> {
        let all = self.question.queries;
        let halved = |halvings: u32| all.div_ceil(1 << halvings).max(1);
        (0..=all.next_power_of_two().ilog2()).map(halved).find(|queries| fits(*queries))
    }

    /// The way of doing it that brings least.
    pub(super) fn forecast(&self) -> Result<Forecast, VecError> {
        let (block, all, stock) = (self.block(), self.all(), self.stock);
        let wanted = (CHUNK_BYTES / block.max(1) / 2 * 2).max(2);
        let longest = stock.segments.iter().copied().max().unwrap_or_default();
        let wanted = wanted.min(longest.next_multiple_of(2).max(2)).min(most_blocks(stock.most, block));
        let on_host = |queries, chunk| self.host(queries, chunk) <= stock.host_room;
        let suits = |queries| self.among.is_none_or(|(among, _)| among.suits(queries));
        let fits = |queries, chunk, kept| {
            suits(queries) && on_host(queries, chunk) && self.needed(queries, chunk, kept) <= stock.room
        };
        // Chunks are halved before queries are, down to a few.
        let chunks =
            || std::iter::successors(Some(wanted), |chunk| (*chunk > 2).then(|| (chunk / 4 * 2).max(2)));
        for chunk in chunks().take(4) {
            if let Some(queries) = self.most_queries(|queries| fits(queries, chunk, all)) {
                return Ok(self.told(queries, chunk, all));
            }
        }
        let Some(queries) = self.most_queries(|queries| fits(queries, 2, 0)) else {
            return Err(self.refusal());
        };
        let chunk = chunks().find(|chunk| fits(queries, *chunk, 0)).unwrap_or(2);
        // What is left keeps whole pieces. A larger piece takes a larger desk, so this is tried from above.
        let unit = PIECE_BLOCKS * block;
        let most = stock.room.saturating_sub(self.beside(queries, chunk, 0)) / unit.max(1);
        let (mut least, mut over) = (0, most + 1);
        while least + 1 < over {
            let middle = least.midpoint(over);
            if fits(queries, chunk, (middle * unit).min(all)) { least = middle } else { over = middle }
        }
        let kept = (least * unit).min(all);
        Ok(self.told(queries, chunk, kept))
    }

    fn told(&self, queries: usize, chunk: u64, kept: u64) -> Forecast {
        let (stock, streamed) = (self.stock, self.all() - kept);
        // Of lists what is wanted streams in; what stays is brought there whole.
        let a_pass = self.among.map_or(streamed, |(among, _)| {
            let together = queries.min(self.question.queries);
            wanted(among.probed, together, streamed, self.block()).get()
        });
        let (passes, read) = self.question.reads(queries, a_pass, kept.saturating_sub(stock.kept_bytes));
        Forecast {
            passes,
            queries_a_pass: queries,
            kept: Bytes::new(kept),
            streamed: Bytes::new(streamed),
            read,
            lower: self.question.lower(&self.shape, stock.segments.iter().sum(), stock.pages_bytes),
            chunk_blocks: chunk,
            slots: HOST_SLOTS,
            peak: Bytes::new(self.host(queries, chunk).saturating_add(stock.host_fixed)),
            spare: Bytes::ZERO,
            lists: self.among.map(|(among, _)| among.probed),
            device: Some(DeviceShare {
                place: stock.place,
                peak: Bytes::new(self.charged(queries, chunk, kept).get().saturating_add(stock.fixed)),
            }),
        }
    }

    fn refusal(&self) -> VecError {
        let stock = self.stock;
        if self.host(1, 2) > stock.host_room {
            let needed = Bytes::new(self.host(1, 2).saturating_add(stock.host_fixed));
            let what = "for one query at a time on the way to a device";
            return VecError::Budget { budget: stock.host_limit, what, needed };
        }
        let needed = self.needed(1, 2, 0).saturating_add(stock.fixed);
        let what = "of the device's memory for one query at a time";
        VecError::Budget { budget: stock.limit, what, needed: Bytes::new(needed) }
    }
}

/// Blocks of one allocation: an even number, because marks are read by two blocks.
pub(super) fn most_blocks(most: u64, block: u64) -> u64 {
    (most / block.max(1) / 2 * 2).max(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Codec, Metric};

    fn stock(room: u64) -> DeviceStock {
        DeviceStock {
            place: Place::Cuda(0),
            segments: vec![3000, 1500],
            kept_bytes: 0,
            middles: false,
            squares_bytes: 0,
            pages_bytes: 0,
            masks: Vec::new(),
            room,
            pool_room: room,
            limit: Bytes::new(room),
            fixed: 0,
            most: 1 << 40,
            granule: 2 << 20,
            host_fixed: 0,
            host_room: 1 << 30,
            host_limit: Bytes::gib(1),
            host_ring: true,
        }
    }

    #[test]
    fn less_room_on_the_device_never_reads_less_and_what_is_asked_for_does() {
        let shape = Shape {
            dimension: 768,
            metric: Metric::L2,
            codec: Codec::Int8,
            originals: true,
            lists: None,
            reduced: None,
        };
        let question = Question { queries: 1000, listed: 10, candidates: 10, threads: 2, again: false };
        let desk =
            |rows: u64, queries: usize, _: bool| queries as u64 * (3104 + 8 * rows.min(8192)) + rows * 4;
        let backed =
            |_: u64, leases: &[Bytes]| leases.iter().copied().fold(Bytes::ZERO, Bytes::saturating_add);
        let all = 4500 * 49_408;
        let (mut last, mut refused, mut halved) = (0, 0, 0);
        for room in (0..600).rev().map(|mib| mib << 20) {
            let now = stock(room);
            let outlook = Outlook { question, shape, stock: &now, desk: &desk, among: None, backed: &backed };
            match outlook.forecast() {
                Ok(forecast) => {
                    let there = forecast.device.unwrap();
                    assert!(there.peak.get() <= room, "{room}: {forecast:?}");
                    assert_eq!(forecast.kept.get() + forecast.streamed.get(), all);
                    // Smaller chunks may leave room for a piece more.
                    assert!(forecast.read.get() * 100 >= last * 99, "{room}: {forecast:?}");
                    assert!(forecast.chunk_blocks.is_multiple_of(2));
                    last = last.max(forecast.read.get());
                    halved += u64::from(forecast.queries_a_pass < 1000);
                }
                Err(VecError::Budget { needed, .. }) => {
                    refused += 1;
                    let stock = stock(needed.get());
                    assert!(Outlook { stock: &stock, ..outlook }.forecast().is_ok(), "{needed}");
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert!(refused > 0 && halved > 0 && last > 2 * all, "{refused} {halved} {last}");
        let stock = DeviceStock { host_room: 1000, ..stock(600 << 20) };
        let refused = Outlook { question, shape, stock: &stock, desk: &desk, among: None, backed: &backed };
        let refused = refused.forecast().unwrap_err();
        assert!(refused.to_string().contains("on the way to a device"), "{refused}");
    }
}
