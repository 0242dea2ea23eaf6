//! Vectors on their way into lists: in memory, or in a few files by ranges of lists.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use crate::column::ColumnError;
use crate::index::VecError;

/// A vector's row in the input and its list, before its numbers; a checksum stands behind them.
const BESIDE: usize = 16;
/// What is read of a file at once.
const READ_BYTES: usize = 1 << 16;

/// A vector in a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'r> {
    pub(super) row: u32,
    pub(super) list: u32,
    /// Its numbers as they stand there.
    numbers: &'r [u8],
}

impl Record<'_> {
    /// Adds its numbers.
    pub(super) fn numbers(&self, into: &mut Vec<f32>) {
        let numbers = self.numbers.chunks_exact(4);
        into.extend(numbers.map(|four| f32::from_le_bytes(four.try_into().unwrap_or_default())));
    }
}

/// Files that vectors are put into by ranges of lists. They are gone when this is; those of who was killed are swept when
/// the index is opened for writing.
#[derive(Debug)]
pub(super) struct Parts {
    files: Vec<Part>,
    record: usize,
    units: Vec<u8>,
}

#[derive(Debug)]
struct Part {
    path: PathBuf,
    file: File,
    lists: Range<u32>,
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Parts {
    /// What a vector takes in a file.
    pub(super) const fn record_bytes(dimension: usize) -> usize {
        dimension.saturating_mul(4).saturating_add(BESIDE)
    }

    /// What it takes of memory for batches of so many: records as they are written, or what is read.
    pub(super) fn heap_bytes(dimension: usize, batch: usize) -> u64 {
        let record = Self::record_bytes(dimension);
        (batch * record).max(READ_BYTES + record) as u64
    }

    /// Begins a file for each range of lists.
    pub(super) fn create(
        paths: impl Iterator<Item = PathBuf>,
        ranges: impl Iterator<Item = Range<u32>>,
        dimension: usize,
    ) -> Result<Self, VecError> {
        let begin = |(path, lists): (PathBuf, Range<u32>)| {
            // One that was left behind is nobody's.
            let _ = std::fs::remove_file(&path);
            let file = File::options().read(true).write(true).create_new(true).open(&path);
            let file = file.map_err(|error| written(&path, error))?;
            Ok(Part { path, file, lists })
        };
        let files = paths.zip(ranges).map(begin).collect::<Result<_, VecError>>()?;
        Ok(Self { files, record: Self::record_bytes(dimension), units: Vec::new() })
    }

    /// Puts vectors away, of which the first is row `first` of the input, each with its list.
    pub(super) fn put(&mut self, vectors: &[f32], first: u32, lists: &[u32]) -> Result<(), VecError> {
        let dimension = vectors.len() / lists.len().max(1);
        for part in &mut self.files {
            self.units.clear();
            for ((row, list), vector) in (first..).zip(lists).zip(vectors.chunks_exact(dimension)) {
                if part.lists.contains(list) {
                    let start = self.units.len();
                    self.units.extend_from_slice(&row.to_le_bytes());
                    self.units.extend_from_slice(&list.to_le_bytes());
                    self.units.extend(vector.iter().flat_map(|number| number.to_le_bytes()));
                    let sum = xxh3_64(&self.units[start..]);
                    self.units.extend_from_slice(&sum.to_le_bytes());
                }
            }
            part.file.write_all(&self.units).map_err(|error| written(&part.path, error))?;
        }
        Ok(())
    }

    /// How many files there are.
    pub(super) fn count(&self) -> usize {
        self.files.len()
    }

    /// The lists of a file.
    pub(super) fn lists(&self, part: usize) -> Range<u32> {
        self.files.get(part).map_or(0..0, |part| part.lists.clone())
    }

    /// Each vector of a file, in the order they came.
    pub(super) fn each(&self, part: usize, mut take: impl FnMut(Record<'_>)) -> Result<(), VecError> {
        let Some(part) = self.files.get(part) else { return Ok(()) };
        let failed = |source| ColumnError::Read { path: part.path.clone(), source };
        io::Seek::rewind(&mut &part.file).map_err(failed)?;
        let mut file = BufReader::with_capacity(READ_BYTES, &part.file);
        let mut unit = vec![0; self.record];
        let mut number = 0;
        loop {
            match file.read_exact(&mut unit) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(failed(error).into()),
            }
            let (said, sum) = unit.split_at(self.record - 8);
            if sum != xxh3_64(said).to_le_bytes() {
                return Err(ColumnError::Damaged { path: part.path.clone(), unit: number }.into());
            }
            let word = |at: usize| said[at..at + 4].try_into().map_or(0, u32::from_le_bytes);
            take(Record { row: word(0), list: word(4), numbers: &said[8..] });
            number += 1;
        }
    }

    /// Takes away a file whose vectors are where they belong.
    pub(super) fn done(&mut self, part: usize) {
        if let Some(part) = self.files.get(part) {
            let _ = std::fs::remove_file(&part.path);
        }
    }
}

fn written(path: &Path, source: io::Error) -> VecError {
    ColumnError::Write { path: path.to_owned(), source }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_come_back_by_their_lists_and_files_are_gone_in_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let paths = [1, 2].map(|number| folder.path().join(number.to_string()));
        let mut parts = Parts::create(paths.clone().into_iter(), [0..3, 3..9].into_iter(), 2).unwrap();
        parts.put(&[0.5, 1.0, 1.5, 2.0, 2.5, 3.0], 0, &[4, 0, 2]).unwrap();
        parts.put(&[3.5, 4.0], 3, &[8]).unwrap();
        let of = |parts: &Parts, part: usize| {
            let (mut rows, mut numbers) = (Vec::new(), Vec::new());
            let each = parts.each(part, |record| {
                rows.push((record.row, record.list));
                record.numbers(&mut numbers);
            });
            each.map(|()| (rows, numbers))
        };
        assert_eq!(of(&parts, 0).unwrap(), (vec![(1, 0), (2, 2)], vec![1.5, 2.0, 2.5, 3.0]));
        assert_eq!(of(&parts, 1).unwrap(), (vec![(0, 4), (3, 8)], vec![0.5, 1.0, 3.5, 4.0]));
        assert_eq!(of(&parts, 1).unwrap().0.len(), 2, "a file is read as often as is needed");
        let mut bytes = std::fs::read(&paths[0]).unwrap();
        bytes[30] ^= 1;
        std::fs::write(&paths[0], bytes).unwrap();
        let damaged = of(&parts, 0).unwrap_err();
        assert!(matches!(damaged, VecError::Column(ColumnError::Damaged { unit: 1, .. })), "{damaged}");
        drop(parts);
        assert!(paths.iter().all(|path| !path.exists()));
    }
}
