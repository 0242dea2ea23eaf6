//! Some units here and some there, as one stream.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use plimsoll::holding::streaming::Source;

use super::Column;

/// Several ranges of units of a column, one after the other, as a source for a stream. Whoever takes the chunks checks them.
#[derive(Debug)]
pub struct Ranges {
    column: Arc<Column>,
    /// Each range, with how many units are in those before.
    parts: Vec<(u64, Range<u64>)>,
    units: u64,
    name: String,
}

impl Ranges {
    /// These, which must be in order and apart.
    pub fn new(column: &Arc<Column>, ranges: &[Range<u64>]) -> Self {
        let mut units = 0;
        let with = |range: &Range<u64>| {
            units += range.end - range.start;
            (units - (range.end - range.start), range.clone())
        };
        let parts = ranges.iter().map(with).collect();
        let name = column.path().display().to_string();
        Self { column: Arc::clone(column), parts, units, name }
    }

    /// Which units of the column so many units of the stream are, from this one on: range by range.
    pub fn places(&self, from: u64, count: u64) -> impl Iterator<Item = Range<u64>> {
        let end = from + count;
        self.parts[self.range_of(from)..].iter().map_while(move |(before, range)| {
            let start = from.max(*before);
            let end = end.min(before + (range.end - range.start));
            (start < end).then(|| range.start + (start - before)..range.start + (end - before))
        })
    }

    /// The range that a unit of the stream is in.
    fn range_of(&self, unit: u64) -> usize {
        self.parts.partition_point(|(before, _)| *before <= unit).saturating_sub(1)
    }
}

impl Source for Ranges {
    fn name(&self) -> &str {
        &self.name
    }

    fn bytes_now(&self) -> io::Result<u64> {
        Ok(self.units * self.column.header().unit_bytes)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let unit_bytes = self.column.header().unit_bytes;
        let Some((before, range)) = self.parts.get(self.range_of(offset / unit_bytes)) else { return Ok(0) };
        // To the end of its range and no further: what follows is read next.
        let within = offset - before * unit_bytes;
        let left = ((range.end - range.start) * unit_bytes).saturating_sub(within);
        let most = into.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.column.read_raw(range.start * unit_bytes + within, &mut into[..most])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::{ColumnWriter, Header, Holds};

    #[test]
    fn ranges_are_read_as_if_they_were_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("column");
        let header =
            Header { holds: Holds::Codes, dimension: 4, codec: 0, unit_bytes: 10, units: 0, rows: 0 };
        let mut writer = ColumnWriter::create(&path, header).unwrap();
        let units: Vec<u8> = (0..200).collect();
        writer.append(&units, 20).unwrap();
        writer.finish().unwrap();
        let column = Arc::new(Column::open(&path, &header).unwrap());
        let source = Ranges::new(&column, &[1..3, 7..8, 15..20]);
        assert_eq!(source.bytes_now().unwrap(), 80);
        let (mut all, mut at) = (vec![0; 80], 0);
        while at < 80 {
            let end = (at + 27).min(80);
            let got = source.read_at(at as u64, &mut all[at..end]).unwrap();
            assert!(got > 0);
            at += got;
        }
        assert_eq!(all, [&units[10..30], &units[70..80], &units[150..200]].concat());
        assert_eq!(source.read_at(80, &mut [0; 4]).unwrap(), 0);
        let places = |from, count| source.places(from, count).collect::<Vec<_>>();
        assert_eq!(places(0, 8), [1..3, 7..8, 15..20]);
        assert_eq!(places(1, 3), [2..3, 7..8, 15..16]);
        assert_eq!(places(4, 2).first(), Some(&(16..18)));
    }
}
