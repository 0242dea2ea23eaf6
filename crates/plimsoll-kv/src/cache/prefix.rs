//! The stored prefix of a sequence.

use std::fmt;
use std::sync::Arc;

use super::core::{Core, Seat};
use super::cut;
use super::rates::Choice;
use super::restore::Restore;
use super::state::Source;
use crate::block::Chain;
use crate::engine::Pages;
use crate::policy::Visit;
use crate::tree::{NodeId, Tier, Tiers};

/// The longest stored prefix that a sequence can go on from. It stays while this lives.
pub struct Prefix<P: Pages> {
    pub(super) core: Arc<Core<P>>,
    pub(super) seat: Arc<Seat<P>>,
    pub(super) blocks: usize,
    pub(super) visit: Visit,
}

impl<P: Pages> Prefix<P> {
    pub(super) fn seek(core: &Arc<Core<P>>, chain: &Chain) -> Option<Self> {
        core.counts.sought.add(1);
        core.counts.asked.add(chain.ids().len() as u64);
        let mut state = core.state();
        let Some((mut blocks, mut node)) = state.tree().longest(chain.ids()) else {
            state.visit(core.now(), chain.ids(), 0);
            return None;
        };
        if core.layout.needs_snapshot() {
            // Sequences of such a model go on only from where its state was kept.
            while !state.is_boundary(node) {
                node = state.tree().parent(node)?;
                blocks = blocks.saturating_sub(1);
            }
        }
        state.pin(node);
        let visit = state.visit(core.now(), chain.ids(), blocks);
        drop(state);
        Some(Self { core: Arc::clone(core), seat: core.seat(node), blocks, visit })
    }

    /// How many blocks.
    pub const fn blocks(&self) -> usize {
        self.blocks
    }

    /// How many tokens they stand for.
    pub fn tokens(&self) -> usize {
        self.blocks * self.core.layout.block_tokens as usize
    }

    /// How many blocks each tier would be asked for.
    pub fn tiers(&self) -> Tiers<usize> {
        let mut tiers = Tiers::default();
        let state = self.core.state();
        for node in state.tree().path(self.seat.node()) {
            if let Some(tier) = Tier::ALL.into_iter().find(|&tier| state.tree().has(node, tier)) {
                tiers[tier] += 1;
            }
        }
        tiers
    }

    /// How many of its blocks take less to restore than to compute, by what both took so far: see [`cut`].
    pub fn worthwhile(&self) -> usize {
        cut(&self.choices())
    }

    /// Begins to bring it into the engine's pages, as far as that takes less than computing it. `chain` is the one it
    /// was sought for.
    pub fn restore(self, chain: &Chain) -> Restore<P> {
        Restore::begin(self, chain)
    }

    /// The blocks, the first one first.
    pub(super) fn nodes(&self) -> Vec<NodeId> {
        let state = self.core.state();
        let mut nodes: Vec<NodeId> = state.tree().path(self.seat.node()).collect();
        nodes.reverse();
        nodes
    }

    pub(super) fn choices(&self) -> Vec<Choice> {
        let (nodes, rates) = (self.nodes(), *self.core.rates());
        let state = self.core.state();
        let tokens = f64::from(self.core.layout.block_tokens);
        let mut choice = |node| {
            let restore = match state.source(node) {
                Some(Source::Hot(_)) => 0.0,
                Some(Source::Warm(warm)) => rates.restore(Tier::Warm, warm.bytes.bytes().get()),
                Some(Source::Cold { stored, .. }) => rates.restore(Tier::Cold, u64::from(stored)),
                None => f64::INFINITY,
            };
            // What this block took when it was computed, if that is known: later blocks take longer.
            let recompute = f64::from(state.seconds(node, self.core.page_bytes())).max(0.0);
            let recompute = if recompute > 0.0 { recompute } else { rates.token * tokens };
            Choice {
                restore,
                recompute,
                boundary: !self.core.layout.needs_snapshot() || state.is_boundary(node),
            }
        };
        nodes.into_iter().map(&mut choice).collect()
    }
}

impl<P: Pages> fmt::Debug for Prefix<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prefix")
            .field("blocks", &self.blocks)
            .field("tiers", &self.tiers())
            .finish_non_exhaustive()
    }
}
