//! The arena's own book-keeping, checked from end to end; for tests.

use super::arena::Arena;
use super::node::{NIL, State};
use super::settings::Backing;

impl Arena {
    /// Walks everything and asserts what must hold between two operations. Slow.
    #[doc(hidden)]
    pub fn check(&self) {
        let (granule, span) = match self.settings.backing {
            Backing::Pages { granule, span, .. } => (granule, span),
            Backing::Slabs { .. } => (1, super::arena::SLAB_SPAN),
        };
        let (mut id, mut before, mut at) = (self.start, NIL, 0);
        let (mut backed, mut taken, mut taken_blocks) = (0, 0, 0);
        let (mut free_blocks, mut holes) = ([0; 4], 0);
        let mut last: Option<(State, u8, bool)> = None;
        while id != NIL {
            let node = self.nodes.at(id);
            assert_eq!((node.prev, node.offset), (before, at), "the address list is broken at {id}");
            assert!(node.bytes() > 0 && node.bytes().is_multiple_of(self.settings.unit));
            match node.state() {
                State::Vacant => panic!("a vacant record is in the address list"),
                State::Hole => {
                    assert!(node.offset.is_multiple_of(granule) && node.end().is_multiple_of(granule));
                    holes += 1;
                }
                State::Free => {
                    backed += node.bytes();
                    free_blocks[node.zone() as usize] += 1;
                }
                State::Taken => {
                    backed += node.bytes();
                    taken += node.bytes();
                    taken_blocks += 1;
                }
            }
            let zone = node.zone() as u8;
            if node.state() != State::Taken
                && let Some((state, other, border)) = last
            {
                let apart = border || node.first() || other != zone || state != node.state();
                assert!(apart, "two neighbours at {at} should be one");
            }
            last = Some((node.state(), zone, node.last()));
            (before, at, id) = (id, node.end(), node.next);
        }
        assert_eq!(at, span, "the address list has gaps");
        assert_eq!((backed, taken, taken_blocks), (self.backed_bytes, self.taken_bytes, self.taken_blocks));
        assert_eq!(self.holes.ascending(&self.nodes, 0).count(), holes);
        for (bins, count) in self.free.iter().zip(free_blocks) {
            assert_eq!(bins.ascending(&self.nodes, 0).count(), count);
            assert_eq!(bins.descending(&self.nodes, 0).count(), count);
        }
    }
}
