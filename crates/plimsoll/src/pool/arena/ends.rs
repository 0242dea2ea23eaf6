//! Which end of a free run a block is cut from.
//!
//! Best fit says which run; the end decides what becomes of it. Where a program frees its blocks in the order in
//! which it placed them (layer after layer), a block that is cut off beside the one freed next keeps the run
//! from ever being whole again: the large request that follows has to be grown for, layer after layer. No one rule
//! suited every recorded trace, so there are several, and the arena goes on to the next whenever growth had to
//! be paid with idle granules: a workload that repeats itself settles on a rule under which it no longer has to.

use super::arena::Arena;
use super::bins::{Fit, Want};
use super::node::{NIL, State, Zone};

/// A rule for the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The low one.
    Low,
    /// The high one.
    High,
    /// Beside the neighbour that has lain there longer: the younger one will sooner make the run longer. A hole
    /// counts as a wall, older than any block.
    Older,
    /// The same for blocks of less than half the run; the low end for others.
    OlderForLess,
    /// Beside the neighbour whose size is nearer to the block's own: likes are freed together.
    Alike,
}

/// Needs below this count in so few granules that other rules come first.
const FEW: u64 = 256 << 20;

impl Arena {
    /// Moves a fit in the large zone of a growable range to the end that the rule of the moment says.
    #[inline]
    pub(super) fn choose_end(&self, fit: Fit, want: &Want) -> Fit {
        let node = self.nodes.at(fit.node);
        if node.bytes() == want.bytes || node.zone() != Zone::Large || !self.pages() {
            return fit;
        }
        let rules = if self.need_high < FEW {
            [End::Older, End::Low, End::High]
        } else {
            [End::Low, End::OlderForLess, End::Alike]
        };
        let high = match rules[(self.exchanges % 3) as usize] {
            End::Low => false,
            End::High => true,
            End::Older => self.lain(node.next) > self.lain(node.prev),
            End::OlderForLess => want.bytes < node.bytes() / 2 && self.lain(node.next) > self.lain(node.prev),
            End::Alike => self.unlike(node.next, want.bytes) < self.unlike(node.prev, want.bytes),
        };
        if !high {
            return fit;
        }
        let address = (want.base + node.end() - want.bytes) & !(want.align - 1);
        Fit { node: fit.node, offset: address - want.base }
    }

    fn lain(&self, id: u32) -> u32 {
        if id == NIL || self.nodes.at(id).state() == State::Hole {
            return u32::MAX;
        }
        self.nodes.age(id)
    }

    fn unlike(&self, id: u32, bytes: u64) -> u64 {
        if id == NIL { u64::MAX } else { self.nodes.at(id).bytes().abs_diff(bytes) }
    }
}
