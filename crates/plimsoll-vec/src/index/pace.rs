//! How long a search will take on this machine, by trying a little of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plimsoll::Bytes;
use plimsoll::holding::streaming::{Align, Chunks};

use super::forecast::slot_bytes;
use super::search::Search;
use super::view::View;
use super::{Forecast, Index, VecError};
use crate::BLOCK_ROWS;
use crate::column::Column;
use crate::scan::{self, Queries, Rows, Who, scan_rows};
use crate::top::Tops;

/// Chunks that are tried, and about how large they are.
const TRIED: u64 = 8;
const CHUNK_BYTES: u64 = 1 << 20;
/// Of what there is no more than this part is tried.
const PART: u64 = 10;
const SLOTS: usize = 3;

/// What a trial came to.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Bytes a second, from the disk.
    read: f64,
    /// Blocks a second, by one thread, for the queries of a pass.
    look: f64,
}

impl Index {
    /// About how long a search will take: a little of the index is read and looked through, a tenth of it or 8 MiB at most, and
    /// the rest goes on like that. None where nothing of it is on the disk yet, or where there is no room to try.
    ///
    /// Reading and looking overlap, so the slower of the two counts. What other programs do meanwhile is not known, nor is how
    /// long originals take that are looked at again.
    pub fn expected_time(&self, queries: &[f32], search: &Search) -> Result<Option<Duration>, VecError> {
        let view = self.view();
        let (question, forecast) = self.look_ahead(&view, queries, search)?;
        let Some((column, blocks)) = largest(&view) else { return Ok(None) };
        let unit = view.shape.upper_bytes() as u64;
        let tried = (blocks / PART).clamp(1, (TRIED * CHUNK_BYTES / unit).max(1));
        let chunk = tried.div_ceil(TRIED);
        // Lists are looked into by few queries at a time.
        let at_once = if forecast.lists.is_some() { 1 } else { forecast.queries_a_pass.max(1) };
        let part = &queries[..(at_once * view.shape.dimension).min(queries.len())];
        let heap = question.heap_bytes(&view.shape, at_once);
        let ring = slot_bytes(chunk * unit).saturating_mul(SLOTS as u64);
        if heap.saturating_add(ring) > self.budget().standing().room || part.is_empty() {
            return Ok(None);
        }
        let _charge = self.budget().charge(heap)?;
        let asked = view.as_asked(part, question.threads)?;
        let prepared = view.queries(&asked.vectors)?;
        let trial = Trial { index: self, column, blocks: tried, chunk, unit };
        let pace = Pace { read: trial.read()?, look: trial.look(&prepared, question.listed)? };
        let all = view.segments.iter().map(|(segment, _)| segment.codes().header().units).sum();
        Ok(seconds(&forecast, &pace, (all, question.queries, question.threads)))
    }
}

/// The segment that has most, and how many blocks.
fn largest(view: &View) -> Option<(&Arc<Column>, u64)> {
    let columns = view.segments.iter().map(|(segment, _)| segment.codes());
    columns
        .map(|column| (column, column.header().units))
        .max_by_key(|(_, units)| *units)
        .filter(|(_, units)| *units > 0)
}

/// All of it at this pace: so many blocks, queries and threads.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn seconds(
    forecast: &Forecast,
    pace: &Pace,
    (blocks, queries, threads): (u64, usize, usize),
) -> Option<Duration> {
    let looks = match forecast.lists {
        Some(probed) => queries as f64 * probed.lists as f64 / probed.of.max(1) as f64,
        None => queries.div_ceil(forecast.queries_a_pass.max(1)) as f64,
    };
    let look = blocks as f64 * looks / pace.look / threads.max(1) as f64;
    let read = forecast.read.get() as f64 / pace.read;
    Duration::try_from_secs_f64(look.max(read) + forecast.lower.get() as f64 / pace.read).ok()
}

/// The first blocks of a segment.
struct Trial<'t> {
    index: &'t Index,
    column: &'t Arc<Column>,
    blocks: u64,
    chunk: u64,
    unit: u64,
}

impl Trial<'_> {
    fn chunks(&self) -> Result<Chunks, VecError> {
        let streaming = self.index.budget().streaming("trial").slots(SLOTS).readers(2);
        let feed = streaming.source(Arc::new(self.column.units(0..self.blocks)))?;
        Ok(feed.chunks(Bytes::new(self.chunk * self.unit), Align::Bytes(self.unit)))
    }

    /// Bytes a second.
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    fn read(&self) -> Result<f64, VecError> {
        let began = Instant::now();
        let mut bytes = 0;
        for chunk in self.chunks()? {
            bytes += chunk?.len();
        }
        Ok(bytes.max(1) as f64 / began.elapsed().as_secs_f64().max(1e-9))
    }

    /// Blocks a second. What comes first fills the lists, and counts only where nothing follows.
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    fn look(&self, queries: &Queries, listed: usize) -> Result<f64, VecError> {
        let mut tops = Tops::new(queries, listed)?;
        let (mut took, mut blocks) = (Duration::ZERO, 0_u64);
        for (number, chunk) in self.chunks()?.enumerate() {
            let chunk = chunk?;
            let (first, count) = (chunk.offset() / self.unit, chunk.len() as u64 / self.unit);
            self.column.check(first, &chunk)?;
            let rows = Rows {
                blocks: &chunk,
                column: scan::Column::Upper,
                count: usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(BLOCK_ROWS),
                first: first * BLOCK_ROWS as u64,
                allow: None,
            };
            if number == 1 {
                (took, blocks) = (Duration::ZERO, 0);
            }
            let began = Instant::now();
            scan_rows(queries, &rows, Who::All, &mut tops);
            took += began.elapsed();
            blocks += count;
        }
        Ok(blocks.max(1) as f64 / took.as_secs_f64().max(1e-9))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slower_of_reading_and_looking_counts_and_more_takes_longer() {
        let pace = Pace { read: 1000.0, look: 10.0 };
        let nothing = super::super::forecast::tests::nothing();
        let forecast = Forecast { read: Bytes::new(2000), queries_a_pass: 4, ..nothing };
        let seconds = |forecast: &Forecast, work| seconds(forecast, &pace, work).unwrap().as_secs_f64();
        assert!((seconds(&forecast, (10, 4, 1)) - 2.0).abs() < 1e-9, "reading");
        assert!(
            (seconds(&forecast, (100, 8, 2)) - 10.0).abs() < 1e-9,
            "two passes of looking, by two threads"
        );
        let planes = Forecast { lower: Bytes::new(500), ..forecast };
        assert!((seconds(&planes, (10, 4, 1)) - 2.5).abs() < 1e-9, "and lower planes behind it");
        let still = Pace { read: 0.0, look: 0.0 };
        assert_eq!(super::seconds(&planes, &still, (10, 4, 1)), None);
    }
}
