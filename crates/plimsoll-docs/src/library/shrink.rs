//! Several parts into one, so that a search opens few.

use std::ops::Range;
use std::sync::{Arc, PoisonError};

use super::library::Writer;
use super::manifest::{Manifest, PartEntry};
use super::publish::number;
use super::{Library, folder};
use crate::DocsError;
use crate::part::{Part, merge};
use crate::room::Room;

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

/// All parts, in groups none of which is larger than a part may be.
fn groups(sizes: &[u64]) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let mut sum = 0;
    for (number, &size) in sizes.iter().enumerate() {
        sum += size;
        match groups.last_mut() {
            Some(group) if sum <= PART_MOST => group.end = number + 1,
            _ => {
                groups.push(number..number + 1);
                sum = size;
            }
        }
    }
    groups
}

/// What two attempts came to. Where there was no room for one of them, the other still counts.
fn some(one: Result<usize, DocsError>, other: Result<usize, DocsError>) -> Result<usize, DocsError> {
    match (one, other) {
        (Err(DocsError::Memory(_)), Ok(fewer)) | (Ok(fewer), Err(DocsError::Memory(_))) if fewer > 0 => {
            Ok(fewer)
        }
        (one, other) => Ok(one? + other?),
    }
}

impl Library {
    /// Puts parts together where there are many small ones. Says how many there were too many. Without room for it they stay, until
    /// the next time.
    pub(crate) fn shrink(&self) -> Result<usize, DocsError> {
        let mut writer = self.writer()?;
        let Some(range) = next(&self.sizes()) else { return Ok(0) };
        match self.merge_as_fits(&mut writer, range) {
            Err(DocsError::Memory(_)) => Ok(0),
            done => done,
        }
    }

    /// Puts all parts together, as far as one may become that large, and leaves behind what was removed. Says how many parts there were
    /// too many.
    pub fn compact(&self) -> Result<usize, DocsError> {
        let mut writer = self.writer()?;
        // The last first: where those before them stand stays as it is.
        let groups = groups(&self.sizes()).into_iter().rev();
        groups.map(|group| self.merge_as_fits(&mut writer, group)).sum()
    }

    fn sizes(&self) -> Vec<u64> {
        self.parts().iter().map(|part| part.bytes()).collect()
    }

    /// Puts parts together, or where there is no room for all of them, each half of them.
    fn merge_as_fits(&self, writer: &mut Writer, range: Range<usize>) -> Result<usize, DocsError> {
        if range.len() < 2 && !self.has_dead(range.start) {
            return Ok(0);
        }
        match self.merge_parts(writer, range.clone()) {
            Err(DocsError::Memory(_)) if range.len() > 2 => {
                let half = range.start + range.len() / 2;
                // The later half first: where the other stands stays as it is.
                let later = self.merge_as_fits(writer, half..range.end);
                some(later, self.merge_as_fits(writer, range.start..half))
            }
            done => done,
        }
    }

    /// Whether a part has passages of documents that are gone.
    fn has_dead(&self, part: usize) -> bool {
        let (parts, documents) = (self.parts(), self.documents());
        parts
            .get(part)
            .is_some_and(|part| part.runs().iter().any(|run| documents.get(run.document).is_none()))
    }

    fn merge_parts(&self, writer: &mut Writer, range: Range<usize>) -> Result<usize, DocsError> {
        let old = self.parts();
        let path = folder::part(&self.folder, writer.next_file);
        writer.next_file += 1;
        let merged: Vec<&Part> = old[range.clone()].iter().map(AsRef::as_ref).collect();
        let first = merged.first().map_or(0, |part| part.first());
        let outcome = {
            let (documents, mut room) = (self.documents(), Room::new(&self.account)?);
            merge(&merged, &path, &|document| documents.get(document).is_some(), &mut room)
        };
        let opened = outcome.and_then(|facts| Ok((Part::open(&path, first, &self.account)?, facts)));
        let (part, facts) = opened.inspect_err(|_| {
            // It counts nowhere.
            let _ = std::fs::remove_file(&path);
        })?;
        let entry = PartEntry { file: number(&facts), first, passages: facts.passages, bytes: facts.bytes };
        let mut manifest: Manifest = (*self.manifest()).clone();
        let gone: Vec<PartEntry> = manifest.parts.splice(range.clone(), [entry]).collect();
        self.write(writer, manifest, &[])?;
        let mut parts = (*old).clone();
        parts.splice(range.clone(), [Arc::new(part)]);
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
    use super::{groups, next};

    #[test]
    fn all_are_in_groups_that_a_part_may_be_as_large_as() {
        assert!(groups(&[]).is_empty());
        assert_eq!(groups(&[5, 6, 4 << 30]), [0..2, 2..3]);
        assert_eq!(groups(&[3 << 30, 1 << 30, 1, 5 << 30, 7]), [0..2, 2..3, 3..4, 4..5]);
    }

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
