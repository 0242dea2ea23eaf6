//! Which end of a free run a block is cut from.
//!
//! Best fit says which run; the end decides what becomes of it. Only granules that are wholly free can be exchanged, so
//! what matters is that blocks touch few granules, most of all in a pool that has few of them. Models ask for sizes
//! that are multiples of one another. Cut from the low end, these line up with each other and with the granules; one
//! small block among them shifts all that follow it. So small blocks, and the slabs of the smallest, are cut from the
//! high end, where they leave the rest as it was.
//!
//! Rules that went by the age or the size of a block's neighbours kept more backed and exchanged twice as often, on
//! recordings and on made-up traces alike (`tests/synthetic`).

use super::arena::Arena;
use super::bins::{Fit, Want};
use super::node::Zone;
use super::settings::Backing;

impl Arena {
    /// Moves a fit in the large zone of a growable range to the end that suits its size.
    #[inline]
    pub(super) fn choose_end(&self, fit: Fit, want: &Want) -> Fit {
        match self.settings.backing {
            Backing::Pages { granule, .. }
                if want.bytes < granule / 2 && self.nodes.at(fit.node).zone() == Zone::Large =>
            {
                self.at_high_end(fit, want)
            }
            _ => fit,
        }
    }

    /// The same fit at the high end of its run.
    pub(super) fn at_high_end(&self, fit: Fit, want: &Want) -> Fit {
        let address = (want.base + self.nodes.at(fit.node).end() - want.bytes) & !(want.align - 1);
        Fit { node: fit.node, offset: address - want.base }
    }
}
