//! Several parts into one, so that a search opens few.

use std::ops::Range;
use std::sync::{Arc, PoisonError};

use super::manifest::{Manifest, PartEntry};
use super::publish::number;
use super::{Library, folder};
use crate::DocsError;
use crate::part::{Part, merge};

/// So many parts of a size are put together.
const MANY: usize = 8;
/// A part is not made larger than that.
const PART_MOST: u64 = 4 << 30;

/// Which parts to put together, by their bytes: at least [`MANY`] at the end of which none is larger than all others together.
fn next(sizes: &[u64]) -> Option<Range<usize>> {
    let mut best = None;
    let (mut sum, mut largest) = (0_u64, 0);
    for from in (0..sizes.len()).rev() {
        let size = sizes[from];
        if sum + size > PART_MOST {
            break;
        }
        largest = size.max(largest);
        sum += size;
        if sizes.len() - from >= MANY && largest <= sum - largest {
            best = Some(from..sizes.len());
        }
    }
    best
}

impl Library {
    /// Puts parts together where there are many small ones. Says how many there were too many.
    pub(crate) fn shrink(&self) -> Result<usize, DocsError> {
        let sizes: Vec<u64> = self.parts().iter().map(|part| part.bytes()).collect();
        match next(&sizes) {
            Some(range) => self.merge_parts(range),
            None => Ok(0),
        }
    }

    /// Puts all parts together and leaves behind what was removed. Says how many parts there were too many.
    pub fn compact(&self) -> Result<usize, DocsError> {
        let count = self.parts().len();
        let facts = self.facts();
        if count == 0 || count == 1 && facts.dead == 0 {
            return Ok(0);
        }
        self.merge_parts(0..count)
    }

    fn merge_parts(&self, range: Range<usize>) -> Result<usize, DocsError> {
        let mut writer = self.writer()?;
        let old = self.parts();
        let path = folder::part(&self.folder, writer.next_file);
        writer.next_file += 1;
        let merged: Vec<&Part> = old[range.clone()].iter().map(AsRef::as_ref).collect();
        let first = merged.first().map_or(0, |part| part.first());
        let facts = {
            let documents = self.documents();
            merge(&merged, &path, &|document| documents.get(document).is_some())?
        };
        let entry = PartEntry { file: number(&facts), first, passages: facts.passages, bytes: facts.bytes };
        let part = Arc::new(Part::open(&path, first, &self.account)?);
        let mut manifest: Manifest = (*self.manifest()).clone();
        let gone: Vec<PartEntry> = manifest.parts.splice(range.clone(), [entry]).collect();
        self.write(&mut writer, manifest, &[])?;
        let mut parts = (*old).clone();
        parts.splice(range.clone(), [part]);
        *self.parts.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(parts);
        for part in gone {
            // Who has it open reads on; what is left is swept when the library is opened next.
            let _ = std::fs::remove_file(folder::part(&self.folder, part.file));
        }
        Ok(range.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::next;

    #[test]
    fn parts_are_put_together_when_there_are_many_of_a_size() {
        assert_eq!(next(&[]), None);
        assert_eq!(next(&[5; 7]), None);
        assert_eq!(next(&[5; 8]), Some(0..8));
        assert_eq!(next(&[1000, 5, 5, 5, 5, 5, 5, 5, 5]), Some(1..9), "a large one is left alone");
        assert_eq!(next(&[40, 40, 5, 5, 5, 5, 5, 5, 5, 5]), Some(0..10));
        assert_eq!(next(&[3 << 30, 1 << 30, 1, 1, 1, 1, 1, 1, 1, 1]), Some(2..10), "none becomes too large");
    }
}
