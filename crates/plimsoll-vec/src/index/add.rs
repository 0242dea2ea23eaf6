//! Adding and deleting a few: into the log first, then into memory.

use std::sync::Arc;

use super::dead::Dead;
use super::log::{Change, RECORD_MAX};
use super::view::View;
use super::young::{self, Batch};
use super::{Index, NO_ID, VecError};

/// Young rows are made a segment when they take so much of the budget's eighth, or more than this.
const YOUNG_MOST: u64 = 64 << 20;

impl Index {
    /// Adds vectors, which are found from now on, and on the disk when this returns. Without ids they get the next ones.
    /// Gives the ids back.
    ///
    /// For a few at a time; many are better built into a segment of their own ([`build`](Self::build)).
    pub fn add(&self, vectors: &[f32], ids: Option<&[u64]>) -> Result<Vec<u64>, VecError> {
        let mut writer = self.writer()?;
        let shape = self.shape();
        let count = shape.count(vectors)?;
        let ids = match ids {
            Some(ids) if ids.len() != count => {
                return Err(VecError::Ids { vectors: count as u64, ids: ids.len() as u64 });
            }
            Some(ids) => ids.to_vec(),
            None => (writer.manifest.next_id..).take(count).collect(),
        };
        if count == 0 {
            return Ok(ids);
        }
        if vectors.len().saturating_mul(4) > RECORD_MAX / 2 {
            let most = (RECORD_MAX / 8 / shape.dimension) as u64;
            return Err(VecError::TooMany { rows: count as u64, most });
        }
        self.check_new(&ids)?;
        let room = YOUNG_MOST.min(self.budget().standing().limit.get() / 8);
        if self.young_bytes() + young::bytes_for(&shape, count) > room {
            self.publish_with(&mut writer)?;
        }
        // Coding finds what is wrong with a vector, and the charge whether there is room, before anything is written.
        let batch = Batch::new(&self.view().coding()?, &shape, ids.clone(), vectors.to_vec(), self.budget())?;
        writer.log.append(&Change::Add { ids: ids.clone(), vectors: vectors.to_vec() })?;
        let last = ids.iter().copied().max().unwrap_or_default();
        writer.manifest.next_id = writer.manifest.next_id.max(last.saturating_add(1));
        self.take_in(batch)?;
        Ok(ids)
    }

    /// Deletes vectors by their ids. Says how many there were; ids that are not there are passed over.
    pub fn delete(&self, ids: &[u64]) -> Result<u64, VecError> {
        let mut writer = self.writer()?;
        let mut sorted = ids.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let found: usize = self.view().find(&sorted)?.iter().map(Vec::len).sum();
        if found == 0 {
            return Ok(0);
        }
        for part in sorted.chunks(RECORD_MAX / 16) {
            let change = Change::Delete { ids: part.to_vec() };
            writer.log.append(&change)?;
            self.apply(change)?;
        }
        Ok(found as u64)
    }

    /// Whether these ids may be given to new vectors: none twice, none that lives.
    pub(super) fn check_new(&self, ids: &[u64]) -> Result<(), VecError> {
        let mut sorted = ids.to_vec();
        sorted.sort_unstable();
        if sorted.last() == Some(&NO_ID) {
            return Err(VecError::ReservedId(NO_ID));
        }
        if let Some(twice) = sorted.windows(2).find(|two| two[0] == two[1]) {
            return Err(VecError::Duplicate { id: twice[0] });
        }
        let found = self.view().find(&sorted)?;
        match found.iter().flatten().next() {
            Some((id, _)) => Err(VecError::Duplicate { id: *id }),
            None => Ok(()),
        }
    }

    fn young_bytes(&self) -> u64 {
        let view = self.view();
        let bytes = |batch: &Batch| young::bytes_for(&view.shape, batch.ids.len());
        view.young.iter().map(|(batch, _)| bytes(batch)).sum()
    }

    /// What a record of the log says.
    pub(super) fn apply(&self, change: Change) -> Result<(), VecError> {
        match change {
            Change::Add { ids, vectors } => {
                let batch = Batch::new(&self.view().coding()?, &self.shape(), ids, vectors, self.budget())?;
                self.take_in(batch)
            }
            Change::Delete { mut ids } => {
                ids.sort_unstable();
                let view = self.view();
                let found = view.find(&ids)?;
                let (segments, young) = found.split_at(view.segments.len());
                let kill = |dead: &Dead, found: &[(u64, u64)], rows: u64| {
                    if found.is_empty() {
                        dead.clone()
                    } else {
                        dead.with(found.iter().map(|(_, row)| *row), rows)
                    }
                };
                let next = View {
                    shape: view.shape,
                    division: view.division.clone(),
                    books: view.books.clone(),
                    reduced: view.reduced.clone(),
                    segments: (view.segments.iter().zip(segments))
                        .map(|((segment, dead), found)| {
                            (Arc::clone(segment), kill(dead, found, segment.rows()))
                        })
                        .collect(),
                    young: (view.young.iter().zip(young))
                        .map(|((batch, dead), found)| (Arc::clone(batch), kill(dead, found, batch.rows())))
                        .collect(),
                };
                self.replace(next);
                Ok(())
            }
        }
    }

    /// Puts a batch on the view, together with those before it that are not much larger: so rows are copied few times,
    /// and there are few batches.
    fn take_in(&self, batch: Batch) -> Result<(), VecError> {
        let view = self.view();
        let mut next = View::clone(&view);
        let mut batch = (Arc::new(batch), Dead::default());
        while let Some((last, dead)) = next.young.pop_if(|(last, _)| last.rows() <= batch.0.rows() * 2) {
            let parts = [(&*last, &dead), (&*batch.0, &batch.1)];
            batch = match Batch::joined(&view.coding()?, &view.shape, &parts, self.budget()) {
                Ok(joined) => (Arc::new(joined), Dead::default()),
                // Without room for both, they stay two.
                Err(VecError::Refused(_)) => {
                    next.young.push((last, dead));
                    break;
                }
                Err(error) => return Err(error),
            };
        }
        next.young.push(batch);
        self.replace(next);
        Ok(())
    }
}
