//! The way up: a stored prefix is brought into the engine's pages.
//!
//! Reading runs ahead on the readers' threads (`errand.rs`). Decoding into pages happens when the caller asks for it: a
//! layer of all blocks on its own thread, or all of them with helpers (`bring.rs`). Whatever goes wrong with a block
//! (damage, another block's bytes, a store that does not answer in time, no page), the prefix ends before it and the
//! rest is to be computed.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::bring::{AHEAD_BYTES, bring};
use super::copies::{Hot, Origin};
use super::core::{Core, Seat, snapshot_bytes};
use super::errand::Errands;
use super::piece::{From, Lost, Piece, Stage, parts};
use super::prefix::Prefix;
use super::state::Source;
use super::{Shared, cut};
use crate::block::{BlockId, Chain};
use crate::engine::Pages;
use crate::policy::Visit;
use crate::tree::{NodeId, Tier};

/// What is read of large records before it is known whether their first layers are wanted first.
const FIRST_BYTES: u64 = 2 << 20;

/// A prefix on its way into the engine's pages.
pub struct Restore<P: Pages> {
    core: Arc<Core<P>>,
    _seat: Arc<Seat<P>>,
    found: usize,
    /// Holds the part that is hot already.
    _hot: Option<Arc<Seat<P>>>,
    visit: Visit,
    pieces: Vec<Piece<P>>,
    /// Layers that are all there.
    layers: usize,
    until: Instant,
}

/// A prefix that is in the engine's pages.
#[derive(Debug)]
pub struct Restored<P: Pages> {
    /// Its blocks, the first one first.
    pub blocks: Vec<Shared<P>>,
    /// How many blocks had been found stored; what is missing is to be computed.
    pub found: usize,
}

impl<P: Pages> Restore<P> {
    pub(super) fn begin(prefix: Prefix<P>, chain: &Chain) -> Self {
        let core = Arc::clone(&prefix.core);
        let nodes = core.agreeing(&prefix.nodes(), chain);
        let choices = prefix.choices();
        let wanted = cut(&choices[..nodes.len()]);
        core.counts.declined.add(prefix.blocks.saturating_sub(wanted) as u64);
        let patience = core.settings.cold.as_ref().map_or(Duration::ZERO, |cold| cold.patience);
        let until = Instant::now() + patience;
        let hot = core.hold_hot(&nodes);
        let mut restore = Self {
            _seat: prefix.seat,
            found: prefix.blocks,
            visit: prefix.visit,
            _hot: hot,
            pieces: Vec::with_capacity(wanted),
            layers: 0,
            until,
            core,
        };
        for (index, &node) in nodes.iter().enumerate().take(wanted) {
            match restore.piece(node, index, chain) {
                Ok(piece) => restore.pieces.push(piece),
                Err(Lost::Doubt) => {
                    restore.core.counts.doubts.add(1);
                    break;
                }
                Err(Lost::Late) => break,
            }
        }
        restore.core.counts.declined.add((wanted - restore.pieces.len()) as u64);
        // In which order parts are wanted is not known yet, and the wrong one costs more than a late beginning.
        let parts = restore.pieces.iter().any(|piece| piece.parts().len() > 1);
        restore.read_ahead(if parts { FIRST_BYTES } else { AHEAD_BYTES });
        restore
    }

    /// How many blocks are on their way or there. It can only become fewer.
    pub fn blocks(&self) -> usize {
        self.pieces.len()
    }

    /// Waits until the pages hold all layers up to this one, and says how many blocks do. When that is fewer than
    /// before, the blocks after them are to be computed, from the first layer on.
    pub fn layer(&mut self, layer: usize) -> usize {
        let last = (layer + 1).min(self.core.layout.layers.len());
        while self.layers < last {
            // Also what there was no memory for before.
            self.read_ahead(u64::MAX);
            self.bring_layer(self.layers);
            self.layers += 1;
        }
        self.pieces.len()
    }

    /// A block's page; its layers are there up to the one that was waited for.
    pub fn page(&self, block: usize) -> Option<&P::Page> {
        self.pieces.get(block).map(|piece| match &piece.state {
            Stage::Hot(hot) => &hot.page,
            Stage::Coming { page, .. } => page,
        })
    }

    /// Waits for all of it. The blocks are hot from now on, and held.
    pub fn finish(mut self) -> Restored<P> {
        if self.layers == 0 {
            let lost = bring(&self.core, &mut self.pieces, self.until);
            self.lose(lost);
        } else {
            self.layer(self.core.layout.layers.len().saturating_sub(1));
        }
        self.bring_snapshots();
        let boundary = |piece: &Piece<P>| !self.core.layout.needs_snapshot() || piece.boundary;
        let whole = self.pieces.iter().rposition(boundary).map_or(0, |last| last + 1);
        self.pieces.truncate(whole);
        let found = self.found;
        let blocks = self.settle();
        self.core.counts.restored_blocks.add(blocks.len() as u64);
        self.core.mailbox.nudge();
        Restored { blocks, found }
    }

    /// Puts the blocks into the hot tier.
    fn settle(&mut self) -> Vec<Shared<P>> {
        let core = Arc::clone(&self.core);
        let Some(last) = self.pieces.last().map(|piece| piece.node) else { return Vec::new() };
        let mut visit = self.visit;
        let mut spare = Vec::new();
        let mut hots = Vec::with_capacity(self.pieces.len());
        {
            let mut state = core.state();
            state.pin(last);
            for piece in self.pieces.drain(..) {
                let hot = match piece.state {
                    Stage::Hot(hot) => hot,
                    Stage::Coming { origin, page, snapshot, from } => {
                        let hot = Arc::new(Hot { origin, page, snapshot });
                        let bytes = core.page_bytes() + snapshot_bytes(&hot);
                        let kept = match state.put_hot(piece.node, Arc::clone(&hot), bytes) {
                            Ok(()) => hot,
                            Err(again) => {
                                // Another sequence restored it meanwhile.
                                let kept = state.hot(piece.node).map_or(again, Arc::clone);
                                spare.push(hot);
                                kept
                            }
                        };
                        drop(from);
                        kept
                    }
                };
                state.used(&mut visit, piece.node);
                hots.push(hot);
            }
        }
        drop(spare);
        let seat = core.seat(last);
        hots.into_iter()
            .map(|hot| Shared::new(Arc::clone(&core), hot, Some(Arc::clone(&seat)), visit))
            .collect()
    }

    /// What there is of one block, and a page for it.
    fn piece(&self, node: NodeId, index: usize, chain: &Chain) -> Result<Piece<P>, Lost> {
        let core = &self.core;
        let (source, boundary) = {
            let state = core.state();
            (state.source(node), state.is_boundary(node))
        };
        let parent = index.checked_sub(1).map(|before| chain.ids()[before]);
        let (root, tokens) = (chain.root(), chain.block(index));
        let stage = match source {
            None => return Err(Lost::Late),
            Some(Source::Hot(hot)) => {
                if !hot.origin.is(root, parent, tokens) {
                    return Err(Lost::Doubt);
                }
                core.counts.tiers[Tier::Hot].hits.add(1);
                Stage::Hot(hot)
            }
            Some(Source::Warm(warm)) => {
                if !warm.origin.is(root, parent, tokens) {
                    return Err(Lost::Doubt);
                }
                core.counts.tiers[Tier::Warm].hits.add(1);
                let origin = Arc::clone(&warm.origin);
                Stage::Coming { origin, page: self.page_for()?, snapshot: None, from: From::Warm(warm) }
            }
            Some(Source::Cold { form, sections, .. }) => {
                let lengths = core.section_lengths(form, sections, boundary).ok_or(Lost::Doubt)?;
                core.counts.tiers[Tier::Cold].hits.add(1);
                let origin = Origin { id: chain.ids()[index], parent, root: *root, tokens: tokens.into() };
                let from = From::Cold { form, parts: parts(&lengths) };
                Stage::Coming { origin: Arc::new(origin), page: self.page_for()?, snapshot: None, from }
            }
        };
        Ok(Piece { node, boundary, state: stage })
    }

    fn page_for(&self) -> Result<P::Page, Lost> {
        self.core.take_page().map_err(|_| Lost::Late)
    }

    /// Asks the readers for what is in a store, up to so many bytes, the first parts of all blocks first.
    fn read_ahead(&mut self, most: u64) {
        let mut errands = Errands::new(&self.core);
        let parts = self.pieces.iter().map(|piece| piece.parts().len()).max().unwrap_or(0);
        for part in 0..parts {
            for piece in &mut self.pieces {
                if errands.asked < most {
                    // What there is no memory for is asked for again when it is needed.
                    errands.ask(&self.core, piece, part);
                }
            }
        }
        errands.send(&self.core);
    }

    /// Decodes one layer of every block that is not hot yet.
    fn bring_layer(&mut self, layer: usize) {
        let (core, until) = (&self.core, self.until);
        let lost = self.pieces.iter_mut().enumerate().find_map(|(index, piece)| {
            core.decode_layer(piece, layer, until).err().map(|lost| (index, lost))
        });
        self.lose(lost);
    }

    fn bring_snapshots(&mut self) {
        if !self.core.layout.needs_snapshot() {
            return;
        }
        let (core, until) = (&self.core, self.until);
        let lost =
            self.pieces.iter_mut().enumerate().find_map(|(index, piece)| {
                core.decode_snapshot(piece, until).err().map(|lost| (index, lost))
            });
        self.lose(lost);
    }

    /// The prefix ends before a block.
    fn lose(&mut self, lost: Option<(usize, Lost)>) {
        let Some((index, why)) = lost else { return };
        self.core.counts.declined.add((self.pieces.len() - index) as u64);
        if matches!(why, Lost::Doubt) {
            self.core.counts.doubts.add(1);
            let piece = &self.pieces[index];
            if let Stage::Coming { from: From::Cold { .. }, .. } = &piece.state {
                self.core.forget_cold(piece.node);
            }
        }
        self.pieces.truncate(index);
    }
}

impl<P: Pages> Core<P> {
    /// Holds the part of a prefix that is hot, so that making pages for the rest does not take it.
    fn hold_hot(self: &Arc<Self>, nodes: &[NodeId]) -> Option<Arc<Seat<P>>> {
        let mut state = self.state();
        let hot = nodes.iter().take_while(|&&node| state.tree().has(node, Tier::Hot)).count();
        let last = *nodes.get(hot.checked_sub(1)?)?;
        state.pin(last);
        drop(state);
        Some(self.seat(last))
    }

    /// The part of a path that is this sequence's, block for block: identities that collide can lead astray.
    fn agreeing(&self, nodes: &[NodeId], chain: &Chain) -> Vec<NodeId> {
        let state = self.state();
        let same = |&(&node, &id): &(&NodeId, &BlockId)| state.tree().id(node) == id;
        let agreeing: Vec<NodeId> =
            nodes.iter().zip(chain.ids()).take_while(same).map(|(&node, _)| node).collect();
        if agreeing.len() < nodes.len() {
            self.counts.doubts.add(1);
        }
        agreeing
    }

    /// How long each section of a record is.
    fn section_lengths(&self, form: u32, sections: Option<Box<[u32]>>, boundary: bool) -> Option<Vec<u32>> {
        let count = self.layout.layers.len() + usize::from(boundary);
        if let Some(sections) = sections {
            return (sections.len() == count).then(|| sections.into_vec());
        }
        let codec = self.codec(form).ok()?;
        (0..count).map(|section| u32::try_from(codec.section_bytes(section)).ok()).collect()
    }

    /// A record that is not what it should be is forgotten here and in the store.
    fn forget_cold(&self, node: NodeId) {
        let Some(cold) = &self.settings.cold else { return };
        let id = {
            let mut state = self.state();
            let id = state.tree().id(node);
            state.drop_copy(node, Tier::Cold, 0).forget();
            id
        };
        // It is out of the index either way; what the store cannot remove it will tell again at the next start.
        let _ = cold.store.remove(&[id]);
    }
}

impl<P: Pages> fmt::Debug for Restore<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Restore")
            .field("blocks", &self.pieces.len())
            .field("layers", &self.layers)
            .finish_non_exhaustive()
    }
}
