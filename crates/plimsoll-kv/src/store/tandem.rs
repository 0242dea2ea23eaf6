//! Two stores as one: a near one that is quick and small, and a far one that is large.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Expect, Found, Listed, Record, Room, Store, StoreError};
use crate::block::BlockId;

/// How often the near store is asked to make room for one batch.
const TRIES: usize = 8;

/// A near store before a far one: a folder before an object store, which several machines may share.
///
/// What is put goes to both. When the near one is full, it gives up what was not read for longest among the blocks that
/// the far one has; so the near one is a cache of the far one, and what the near one lacks is read from the far one and
/// kept near again. When the far one fails, blocks stay near alone, and the near one's own limit holds for them.
pub struct Tandem {
    name: String,
    near: Arc<dyn Store>,
    far: Arc<dyn Store>,
    places: Mutex<Places>,
}

/// What is where.
#[derive(Default)]
struct Places {
    far: HashSet<BlockId>,
    /// When each block of the near store was last read or put.
    near: HashMap<BlockId, u64>,
    /// Those moments, the oldest first; outdated ones are passed over.
    order: VecDeque<(BlockId, u64)>,
    moment: u64,
}

impl Places {
    fn used(&mut self, id: BlockId) {
        self.moment += 1;
        self.near.insert(id, self.moment);
        self.order.push_back((id, self.moment));
        // Outdated moments are at most as many as there are blocks.
        if self.order.len() > 2 * self.near.len() + 64 {
            let near = &self.near;
            self.order.retain(|(id, moment)| near.get(id) == Some(moment));
        }
    }

    /// The blocks that the near store may give up, the longest unread first.
    fn victims(&mut self, count: usize) -> Vec<BlockId> {
        let mut victims = Vec::new();
        let mut kept = VecDeque::new();
        while victims.len() < count {
            let Some((id, moment)) = self.order.pop_front() else { break };
            if self.near.get(&id) != Some(&moment) {
                continue;
            }
            if self.far.contains(&id) {
                self.near.remove(&id);
                victims.push(id);
            } else {
                kept.push_back((id, moment));
            }
        }
        while let Some(entry) = kept.pop_back() {
            self.order.push_front(entry);
        }
        victims
    }
}

impl Tandem {
    /// Two stores as one; asks both what they have.
    pub fn open(near: Arc<dyn Store>, far: Arc<dyn Store>) -> Result<Self, StoreError> {
        let mut places = Places::default();
        near.list(&mut |listed| places.used(listed.id))?;
        far.list(&mut |listed| {
            places.far.insert(listed.id);
        })?;
        let name = format!("{} before {}", near.name(), far.name());
        Ok(Self { name, near, far, places: Mutex::new(places) })
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts records near, which gives up what the far store has.
    fn put_near(&self, records: &[Record<'_>]) -> Result<(), StoreError> {
        let mut done = self.near.put(records);
        for _ in 0..TRIES {
            if !matches!(done, Err(StoreError::Full { .. } | StoreError::Refused(_))) {
                break;
            }
            let victims = self.places().victims(2 * records.len());
            if victims.is_empty() {
                break;
            }
            self.near.remove(&victims)?;
            done = self.near.put(records);
        }
        done?;
        let mut places = self.places();
        for record in records {
            places.used(record.id);
        }
        Ok(())
    }
}

impl Store for Tandem {
    fn name(&self) -> &str {
        &self.name
    }

    fn put(&self, records: &[Record<'_>]) -> Result<(), StoreError> {
        let far = self.far.put(records);
        if far.is_ok() {
            self.places().far.extend(records.iter().map(|record| record.id));
        }
        // One of the two is enough: what is near alone is as safe as without a far store.
        match self.put_near(records) {
            Err(near) if far.is_err() => Err(near),
            _ => Ok(()),
        }
    }

    fn read(
        &self,
        id: BlockId,
        expect: &Expect<'_>,
        sections: Range<usize>,
        into: &mut [u8],
    ) -> Result<Found, StoreError> {
        let is_near = self.places().near.contains_key(&id);
        if is_near && matches!(self.near.read(id, expect, sections.clone(), into), Ok(Found::Yes)) {
            self.places().used(id);
            return Ok(Found::Yes);
        }
        let is_far = self.places().far.contains(&id);
        if is_far { self.far.read(id, expect, sections, into) } else { Ok(Found::No) }
    }

    fn remove(&self, ids: &[BlockId]) -> Result<(), StoreError> {
        {
            let mut places = self.places();
            for id in ids {
                places.near.remove(id);
                places.far.remove(id);
            }
        }
        let far = self.far.remove(ids);
        self.near.remove(ids)?;
        far
    }

    fn list(&self, tell: &mut dyn FnMut(Listed)) -> Result<(), StoreError> {
        // The far one has everything but what it failed to take, and that may come after what only it has.
        let mut told = HashSet::new();
        self.far.list(&mut |listed| {
            told.insert(listed.id);
            tell(listed);
        })?;
        self.near.list(&mut |listed| {
            if !told.contains(&listed.id) {
                tell(listed);
            }
        })
    }

    fn room(&self) -> Room {
        let (near, far) = (self.near.room(), self.far.room());
        Room { blocks: near.blocks.max(far.blocks), ..near }
    }
}
