//! Which rows are dead: a bit a row, a word a block.

use std::io;
use std::path::Path;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::VecError;
use crate::BLOCK_ROWS;
use crate::segment::numbered;

/// The dead among the rows of one segment.
#[derive(Clone, Debug, Default)]
pub(super) struct Dead {
    /// None where all live.
    words: Option<Arc<[u64]>>,
    count: u64,
}

impl Dead {
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Whether a row is dead.
    pub(super) fn has(&self, row: u64) -> bool {
        self.word(row / 64) >> (row % 64) & 1 == 1
    }

    /// The dead among the rows of a block, a bit each.
    pub(super) fn word(&self, block: u64) -> u64 {
        self.words.as_ref().and_then(|words| words.get(index(block))).copied().unwrap_or_default()
    }

    /// The same with these rows dead too, among so many.
    pub(super) fn with(&self, dead: impl IntoIterator<Item = u64>, rows: u64) -> Self {
        let mut words = self.words.as_deref().map_or_else(|| vec![0; blocks(rows)], <[u64]>::to_vec);
        let mut count = self.count;
        for row in dead {
            if let Some(word) = words.get_mut(index(row / 64)) {
                count += u64::from(*word >> (row % 64) & 1 == 0);
                *word |= 1 << (row % 64);
            }
        }
        Self { words: Some(words.into()), count }
    }

    /// Which rows may be found: those that live and are allowed. None where all may.
    pub(super) fn mask(&self, allowed: Option<&[u64]>) -> Option<Vec<u64>> {
        match (self.words.as_deref(), allowed) {
            (None, None) => None,
            (Some(dead), None) => Some(dead.iter().map(|word| !word).collect()),
            (None, Some(allowed)) => Some(allowed.to_vec()),
            (Some(dead), Some(allowed)) => {
                Some(dead.iter().zip(allowed).map(|(dead, allowed)| !dead & allowed).collect())
            }
        }
    }

    fn words(&self, rows: u64) -> impl Iterator<Item = u64> {
        let words = self.words.clone();
        (0..blocks(rows)).map(move |block| words.as_ref().map_or(0, |words| words[block]))
    }
}

/// How many blocks so many rows take.
pub(super) fn blocks(rows: u64) -> usize {
    index(rows.div_ceil(BLOCK_ROWS as u64))
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Writes who is dead in each segment, in their order.
pub(super) fn write(folder: &Path, number: u64, segments: &[(Dead, u64)]) -> Result<(), VecError> {
    let path = numbered(folder, number, "dead");
    let words = segments.iter().flat_map(|(dead, rows)| dead.words(*rows));
    let mut bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    let sum = xxh3_64(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    let write = || -> io::Result<()> {
        std::fs::write(&path, &bytes)?;
        std::fs::File::open(&path)?.sync_all()
    };
    write().map_err(|source| VecError::Folder { path: path.clone(), source })
}

/// Reads it back for segments of so many rows.
pub(super) fn read(folder: &Path, number: u64, rows: &[u64]) -> Result<Vec<Dead>, VecError> {
    let path = numbered(folder, number, "dead");
    let bytes = std::fs::read(&path).map_err(|source| VecError::Folder { path: path.clone(), source })?;
    let wrong = |why: &str| VecError::Manifest { path: path.clone(), why: why.to_owned() };
    let (words, sum) = bytes.split_last_chunk().ok_or_else(|| wrong("it is cut"))?;
    if u64::from_le_bytes(*sum) != xxh3_64(words) {
        return Err(wrong("its checksum does not match"));
    }
    let expected: usize = rows.iter().map(|rows| blocks(*rows)).sum();
    if words.len() != expected * 8 {
        return Err(wrong("it is of another set of segments"));
    }
    let mut words = words.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap_or_default()));
    let dead = |rows: &u64| {
        let words: Vec<u64> = words.by_ref().take(blocks(*rows)).collect();
        let count = words.iter().map(|word| u64::from(word.count_ones())).sum();
        Dead { words: (count > 0).then(|| words.into()), count }
    };
    Ok(rows.iter().map(dead).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dead_are_counted_once_and_read_back() {
        let dead = Dead::default().with([3, 64, 64, 129], 130).with([3, 5], 130);
        assert_eq!(dead.count(), 4);
        assert!(dead.has(129) && !dead.has(4));
        assert_eq!(dead.mask(None).unwrap(), [!0b10_1000, !1, !2]);
        assert_eq!(dead.mask(Some(&[0b1111, 0, 2])).unwrap(), [0b0111, 0, 0]);
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), 1, &[(Dead::default(), 64), (dead, 130)]).unwrap();
        let back = read(folder.path(), 1, &[64, 130]).unwrap();
        assert_eq!((back[0].count(), back[1].count()), (0, 4));
        assert!(back[0].mask(None).is_none() && back[1].has(5));
        assert!(read(folder.path(), 1, &[130]).is_err());
    }
}
