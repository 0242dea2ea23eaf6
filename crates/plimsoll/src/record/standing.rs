//! What there was before a recording began.

use super::{Baseline, Event, Kind, clock};
use crate::Bytes;
use crate::pool::Tag;

/// A pool that can say what it has.
pub(crate) trait Standing: Send + Sync + std::fmt::Debug {
    /// What it has now. Its threads' caches are empty afterwards.
    fn standing(&self) -> Stand;
}

/// What a pool has at one moment.
#[derive(Debug, Default)]
pub(crate) struct Stand {
    /// The pool's number.
    pub(crate) source: u16,
    /// What it has from its device: address and bytes.
    pub(crate) backed: Vec<(u64, u64)>,
    /// Blocks that are leased or wait for the device: address and bytes.
    pub(crate) blocks: Vec<(u64, u64)>,
    /// Of the leased ones, how much by tag.
    pub(crate) tags: Vec<(Tag, u64)>,
}

impl Stand {
    /// As the first events of a recording, and the sums by tag. What no tag accounts for is untagged.
    pub(crate) fn into_events(self) -> (Vec<Event>, Vec<Baseline>) {
        let event = |kind, (address, bytes): (u64, u64)| Event {
            address,
            bytes,
            source: self.source,
            ..Event::new(kind)
        };
        let blocks = self.blocks.iter().map(|block| event(Kind::Already, *block));
        let events = self.backed.iter().map(|range| event(Kind::Back, *range)).chain(blocks).collect();
        let all: u64 = self.blocks.iter().map(|(_, bytes)| bytes).sum();
        let mut left = all;
        let mut tags = Vec::new();
        for (tag, live) in self.tags.iter().filter(|(tag, live)| *tag != Tag::NONE && *live > 0) {
            let placed = (*live).min(left);
            left -= placed;
            tags.push(Baseline { source: self.source, tag: tag.number(), placed: Bytes::new(placed) });
        }
        if left > 0 {
            tags.push(Baseline { source: self.source, tag: 0, placed: Bytes::new(left) });
        }
        (events, tags)
    }
}

/// What was found when a recording began.
#[derive(Debug, Default)]
pub(super) struct Before {
    pub(super) events: Vec<Event>,
    pub(super) baseline: Vec<Baseline>,
    /// When everybody had been asked.
    pub(super) until_ns: u64,
}

impl Before {
    pub(super) fn of(pools: &[std::sync::Arc<dyn Standing>]) -> Self {
        let mut before = Self::default();
        for pool in pools {
            let (events, tags) = pool.standing().into_events();
            before.events.extend(events);
            before.baseline.extend(tags);
        }
        before.until_ns = clock::now_ns();
        before
    }
}
