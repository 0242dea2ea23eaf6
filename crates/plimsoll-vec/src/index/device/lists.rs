//! The part of a pass that looks into lists: runs of rows, one launch for all that are in a piece or a chunk.

use std::ops::Range;
use std::sync::Arc;

use plimsoll::Bytes;
use plimsoll::holding::streaming::Align;
use plimsoll::pool::Lease;
use plimsoll_device::kernels::nearest::Run as RunOf;

use super::super::VecError;
use super::super::answer::Measured;
use super::super::lists::Targets;
use super::pass::{Pass, ROWS};
use super::store::{Rows, Slot};
use crate::column::Ranges;
use crate::gpu::desk::{Desk, Look};

/// Blocks of a segment that lie one after the other somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Lying {
    blocks: Range<u64>,
    /// Which block there is the first of them.
    at: u64,
}

impl Pass<'_> {
    /// The lists of a segment that some queries want: what of them stays on the device, and what streams in.
    pub(super) fn lists_of(
        &mut self,
        (desk, slots): (&mut Desk, &mut [Slot]),
        place: usize,
        (targets, chunk): (&Targets, u64),
        measured: &mut Measured,
    ) -> Result<(), VecError> {
        let kept = self.kept((place, chunk), &mut slots[0], measured, |pass, piece| {
            let lying = Lying { blocks: piece.first..piece.first + piece.blocks, at: 0 };
            let rows = (&mut piece.rows, piece.squares.as_mut());
            pass.look_at(desk, (place, piece.blocks), &[lying], targets, rows)
        })?;
        let streamed = ranges(targets, place, kept);
        if streamed.is_empty() {
            return Ok(());
        }
        let run = self.run;
        let column = run.view.segments[place].0.codes();
        let ranges = Arc::new(Ranges::new(column, &streamed));
        let unit = column.header().unit_bytes;
        let feed = self.streaming.source(Arc::clone(&ranges) as Arc<_>)?;
        for (turn, bytes) in feed.chunks(Bytes::new(chunk * unit), Align::Bytes(unit)).enumerate() {
            let bytes = bytes?;
            let count = bytes.len() as u64 / unit;
            let mut lying: Vec<Lying> = Vec::new();
            for blocks in ranges.places(bytes.offset() / unit, count) {
                let at = lying.last().map_or(0, |last| last.at + (last.blocks.end - last.blocks.start));
                let of = |block: u64| usize::try_from(block * unit).unwrap_or(usize::MAX);
                column.check(blocks.start, &bytes[of(at)..of(at + (blocks.end - blocks.start))])?;
                lying.push(Lying { blocks, at });
            }
            measured.read += bytes.bytes();
            let slot = &mut slots[turn % slots.len()];
            self.store.fill(slot, std::iter::once(&bytes[..]))?;
            slot.searched = self.look_at(desk, (place, count), &lying, targets, (&mut slot.rows, None))?;
        }
        Ok(())
    }

    fn look_at(
        &mut self,
        desk: &mut Desk,
        (place, blocks): (usize, u64),
        lying: &[Lying],
        targets: &Targets,
        (rows, squares): (&mut Rows, Option<&mut Lease>),
    ) -> Result<Option<plimsoll_device::Fence>, VecError> {
        let base = self.run.bases[place];
        let runs = runs(targets, place, lying, base);
        if runs.is_empty() {
            return Ok(None);
        }
        let look = Look {
            rows: (&mut rows.numbers, 0),
            scales: rows.scales.as_mut().map(|scales| (scales, 0)),
            squares: squares.map(|squares| (squares, 0)),
            mask: self.masks[place].as_mut().map(|mask| (mask, 0)),
            count: blocks * ROWS,
            first: base,
        };
        Ok(desk.look_at(self.searches, look, &runs, &targets.wishes)?)
    }
}

/// The blocks from `kept` on that the lists of a segment are in, put together where they meet.
fn ranges(targets: &Targets, place: usize, kept: u64) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for target in targets.all.iter().filter(|target| target.place == place) {
        let blocks = target.blocks();
        let blocks = blocks.start.max(kept)..blocks.end;
        match ranges.last_mut() {
            _ if blocks.is_empty() => {}
            Some(last) if last.end >= blocks.start => last.end = last.end.max(blocks.end),
            _ => ranges.push(blocks),
        }
    }
    ranges
}

/// The rows of lists among blocks that lie somewhere, as a device is told of them.
fn runs(targets: &Targets, place: usize, lying: &[Lying], base: u64) -> Vec<RunOf> {
    let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let mut runs = Vec::new();
    for Lying { blocks, at } in lying {
        let here = blocks.start * ROWS..blocks.end * ROWS;
        let first =
            targets.all.partition_point(|target| (target.place, target.rows.end) <= (place, here.start));
        let those = targets.all[first..].iter();
        for target in those.take_while(|target| target.place == place && target.rows.start < here.end) {
            let rows = target.rows.start.max(here.start)..target.rows.end.min(here.end);
            if rows.is_empty() || target.wants.is_empty() {
                continue;
            }
            let lies = |row: u64| narrow(row - here.start + at * ROWS);
            runs.push(RunOf {
                begin: lies(rows.start),
                end: lies(rows.end),
                first: narrow(base + rows.start),
                from: narrow(target.wants.start as u64),
                to: narrow(target.wants.end as u64),
            });
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::super::super::lists::Target;
    use super::*;

    fn targets(rows: &[(usize, Range<u64>)]) -> Targets {
        let all = (0..).zip(rows).map(|(at, (place, rows))| Target {
            place: *place,
            rows: rows.clone(),
            wants: at..at + 1,
        });
        Targets { all: all.collect(), wishes: (0..rows.len()).map(|_| 0).collect() }
    }

    #[test]
    fn runs_are_where_blocks_lie_and_have_the_numbers_of_their_rows() {
        let targets = targets(&[(0, 0..100), (1, 10..70), (1, 70..71), (1, 300..400), (2, 0..64)]);
        assert_eq!(ranges(&targets, 1, 0), [0..2, 4..7]);
        assert_eq!(ranges(&targets, 1, 1), [1..2, 4..7], "what is kept does not stream");
        assert_eq!(ranges(&targets, 1, 7), []);
        let lying = [Lying { blocks: 1..2, at: 0 }, Lying { blocks: 4..6, at: 1 }];
        let told: Vec<_> = runs(&targets, 1, &lying, 1000)
            .iter()
            .map(|run| (run.begin..run.end, run.first, run.from))
            .collect();
        assert_eq!(told, [(0..6, 1064, 1), (6..7, 1070, 2), (64 + 44..64 + 128, 1300, 3)]);
        assert_eq!(runs(&targets, 0, &[Lying { blocks: 0..2, at: 0 }], 0).len(), 1);
    }
}
