//! What was leased and given back, counted where it happens.

use super::tag::Tag;

/// One tag's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct TagTally {
    leases: u64,
    live: i64,
}

/// Counts of one thread, or summed over threads.
///
/// Sums are exact. One thread's own numbers may be below zero, because a lease may be dropped on another
/// thread than it was taken on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    live: i64,
    /// The most that this thread had live.
    peak: i64,
    /// Live bytes that nobody asked for: what rounding adds.
    waste: i64,
    /// Leases that the thread's cache served, as far as its bins have reported them.
    hits: u64,
    /// Leases that it did not.
    misses: u64,
    /// By tag, without those that carry none.
    tags: Vec<TagTally>,
}

impl Tally {
    /// Counts a lease, unless that takes a call: the first use of a tag on a thread.
    #[inline]
    pub(crate) fn try_lease(&mut self, bytes: u64, requested: u64, tag: Tag) -> bool {
        if tag != Tag::NONE {
            let Some(slot) = self.tags.get_mut(tag.index()) else { return false };
            slot.leases += 1;
            slot.live += bytes.cast_signed();
        }
        self.live += bytes.cast_signed();
        if self.live > self.peak {
            self.peak = self.live;
        }
        if bytes != requested {
            self.waste += (bytes - requested).cast_signed();
        }
        true
    }

    /// Counts a lease's end, unless that takes a call.
    #[inline]
    pub(crate) fn try_give_back(&mut self, bytes: u64, requested: u64, tag: Tag) -> bool {
        if tag != Tag::NONE {
            let Some(slot) = self.tags.get_mut(tag.index()) else { return false };
            slot.live -= bytes.cast_signed();
        }
        self.live -= bytes.cast_signed();
        if bytes != requested {
            self.waste -= (bytes - requested).cast_signed();
        }
        true
    }

    /// A lease that the thread's cache did not serve.
    pub(crate) fn miss(&mut self, bytes: u64, requested: u64, tag: Tag) {
        self.misses += 1;
        self.make_room_for(tag);
        let counted = self.try_lease(bytes, requested, tag);
        debug_assert!(counted, "there is room for the tag");
    }

    /// The end of a lease.
    pub(crate) fn give_back(&mut self, bytes: u64, requested: u64, tag: Tag) {
        self.make_room_for(tag);
        let counted = self.try_give_back(bytes, requested, tag);
        debug_assert!(counted, "there is room for the tag");
    }

    /// Leases that a bin served.
    pub(crate) const fn fold_hits(&mut self, hits: u64) {
        self.hits += hits;
    }

    fn make_room_for(&mut self, tag: Tag) {
        if tag.index() >= self.tags.len() {
            self.tags.resize((tag.index() + 1).next_power_of_two(), TagTally::default());
        }
    }

    /// Adds another thread's counts. Peaks of different threads were not at one time, so they do not add up:
    /// the larger one is kept.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.live += other.live;
        self.waste += other.waste;
        self.hits += other.hits;
        self.misses += other.misses;
        self.peak = self.peak.max(other.peak);
        for (index, more) in other.tags.iter().enumerate().filter(|(_, more)| **more != TagTally::default()) {
            self.make_room_for(Tag::from_index(index));
            let slot = &mut self.tags[index];
            slot.leases += more.leases;
            slot.live += more.live;
        }
    }

    /// Bytes that are live, as placed.
    pub(crate) fn live(&self) -> u64 {
        self.live.max(0).cast_unsigned()
    }

    /// Bytes that are live, as asked.
    pub(crate) fn requested(&self) -> u64 {
        (self.live - self.waste).max(0).cast_unsigned()
    }

    /// The most that one thread had live.
    pub(crate) fn peak(&self) -> u64 {
        self.peak.max(0).cast_unsigned()
    }

    pub(crate) const fn hits(&self) -> u64 {
        self.hits
    }

    pub(crate) const fn leases(&self) -> u64 {
        self.hits + self.misses
    }

    /// Each tag that was used: leases so far, and bytes live now. What carries no tag comes as
    /// [`Tag::NONE`].
    pub(crate) fn tags(&self) -> Vec<(Tag, u64, u64)> {
        let mut untagged = TagTally { leases: self.leases(), live: self.live };
        let mut tags = Vec::new();
        for (index, tag) in self.tags.iter().enumerate().filter(|(_, tag)| tag.leases > 0) {
            untagged.leases -= tag.leases;
            untagged.live -= tag.live;
            tags.push((Tag::from_index(index), tag.leases, tag.live.max(0).cast_unsigned()));
        }
        if untagged.leases > 0 {
            tags.push((Tag::NONE, untagged.leases, untagged.live.max(0).cast_unsigned()));
        }
        tags
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_over_threads_are_exact_though_each_is_lopsided() {
        let tag = Tag::new("tally-test");
        let (mut here, mut there) = (Tally::default(), Tally::default());
        here.miss(512, 500, tag);
        here.miss(256, 256, Tag::NONE);
        there.give_back(512, 500, tag);
        let mut sum = Tally::default();
        sum.merge(&there);
        sum.merge(&here);
        assert_eq!((sum.live(), sum.requested(), sum.peak(), sum.leases()), (256, 256, 768, 2));
        assert_eq!(sum.tags(), [(tag, 1, 0), (Tag::NONE, 1, 256)]);
    }
}
