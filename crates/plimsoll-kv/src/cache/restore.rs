//! The way up: a stored prefix is brought into the engine's pages.
//!
//! Reading runs ahead on the readers' threads, in the order in which layers are needed; decoding into pages happens on
//! the caller's thread when it asks for a layer, so no two threads ever write one page. Whatever goes wrong with a block
//! (damage, another block's bytes, a store that does not answer in time, no page), the prefix ends before it and the
//! rest is to be computed.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use plimsoll::Bytes;
use plimsoll::pool::Lease;

use super::copies::{Hot, Origin, Warm};
use super::core::{Core, Seat, snapshot_bytes};
use super::prefix::Prefix;
use super::state::Source;
use super::{Shared, cut};
use crate::block::{BlockId, Chain};
use crate::engine::Pages;
use crate::policy::Visit;
use crate::store::{Expect, Found, Wanted};
use crate::tree::{NodeId, Tier};

/// Records at least this large are read in parts, so that the first layers come first.
const LARGE: usize = 1 << 20;
const PARTS: usize = 4;
/// Blocks that are read with one call of the store.
const ERRANDS: usize = 8;

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

struct Piece<P: Pages> {
    node: NodeId,
    boundary: bool,
    state: Stage<P>,
}

enum Stage<P: Pages> {
    Hot(Arc<Hot<P>>),
    Coming { origin: Arc<Origin>, page: P::Page, snapshot: Option<Lease>, from: From },
}

enum From {
    Warm(Arc<Warm>),
    Cold { form: u32, parts: Vec<Part> },
}

/// Some sections of a record.
struct Part {
    sections: Range<usize>,
    lengths: Vec<u32>,
    coming: Option<Receiver<Option<Lease>>>,
    here: Option<Lease>,
}

/// Sections to be read.
struct Errand {
    id: BlockId,
    origin: Arc<Origin>,
    form: u32,
    sections: Range<usize>,
    into: Lease,
    send: Sender<Option<Lease>>,
}

/// Why a block is not restored.
enum Lost {
    /// It is not what it should be, or is gone.
    Doubt,
    /// It did not come in time, or there was no room.
    Late,
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
        restore.read_ahead(chain);
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
            self.bring(self.layers);
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
        let layers = self.core.layout.layers.len();
        if self.layers == 0 {
            self.bring_blocks();
        } else {
            self.layer(layers.saturating_sub(1));
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

    /// Asks the readers for everything that is in a store, the first parts of all blocks first.
    fn read_ahead(&mut self, chain: &Chain) {
        let core = Arc::clone(&self.core);
        let most = self.pieces.iter().map(Piece::parts).max().unwrap_or(0);
        for part in 0..most {
            let mut errands = Vec::new();
            for (index, piece) in self.pieces.iter_mut().enumerate() {
                let Stage::Coming { origin, from: From::Cold { form, parts }, .. } = &mut piece.state else {
                    continue;
                };
                let Some(part) = parts.get_mut(part) else { continue };
                let bytes = part.lengths.iter().map(|&bytes| u64::from(bytes)).sum();
                let Ok(into) = core.take_warm(Bytes::new(bytes), f64::INFINITY) else { continue };
                let (send, receive) = channel();
                part.coming = Some(receive);
                let (form, sections) = (*form, part.sections.clone());
                errands.push(Errand {
                    id: chain.ids()[index],
                    origin: Arc::clone(origin),
                    form,
                    sections,
                    into,
                    send,
                });
                if errands.len() == ERRANDS {
                    core.send_for(std::mem::take(&mut errands));
                }
            }
            core.send_for(errands);
        }
    }

    /// Decodes one layer of every block that is not hot yet.
    fn bring(&mut self, layer: usize) {
        let (core, until) = (Arc::clone(&self.core), self.until);
        let lost = self.pieces.iter_mut().enumerate().find_map(|(index, piece)| {
            let Stage::Coming { page, from, .. } = &mut piece.state else { return None };
            core.decode(from, page, layer, until).err().map(|lost| (index, lost))
        });
        self.lose(lost);
    }

    /// Decodes block after block, for who waits for all of them: while one is decoded, the next are being read.
    fn bring_blocks(&mut self) {
        let (core, until, layers) = (Arc::clone(&self.core), self.until, self.core.layout.layers.len());
        let lost = self.pieces.iter_mut().enumerate().find_map(|(index, piece)| {
            let Stage::Coming { page, from, .. } = &mut piece.state else { return None };
            (0..layers)
                .find_map(|layer| core.decode(from, page, layer, until).err().map(|lost| (index, lost)))
        });
        self.lose(lost);
        self.layers = layers;
    }

    fn bring_snapshots(&mut self) {
        if !self.core.layout.needs_snapshot() {
            return;
        }
        let (core, until) = (Arc::clone(&self.core), self.until);
        let lost = self.pieces.iter_mut().enumerate().find_map(|(index, piece)| {
            let Stage::Coming { snapshot, from, .. } = &mut piece.state else { return None };
            if !piece.boundary {
                return None;
            }
            match core.decode_snapshot(from, until) {
                Ok(lease) => {
                    *snapshot = Some(lease);
                    None
                }
                Err(lost) => Some((index, lost)),
            }
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

impl<P: Pages> Piece<P> {
    fn parts(&self) -> usize {
        match &self.state {
            Stage::Coming { from: From::Cold { parts, .. }, .. } => parts.len(),
            _ => 0,
        }
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

    fn send_for(self: &Arc<Self>, errands: Vec<Errand>) {
        if !errands.is_empty() {
            let core = Arc::clone(self);
            self.readers.run(move || core.read(errands));
        }
    }

    /// Reads some sections of several blocks, and answers each: with nothing if there is any doubt, or the store fails.
    fn read(&self, mut errands: Vec<Errand>) {
        let Some(cold) = &self.settings.cold else { return };
        let began = Instant::now();
        let mut wanted = Vec::with_capacity(errands.len());
        for errand in &mut errands {
            let origin = &errand.origin;
            let (parent, root, tokens) = (origin.parent, &origin.root, &*origin.tokens);
            let expect = Expect { parent, root, tokens, form: errand.form };
            // A lease of host memory that nothing else uses is always visible.
            let Ok(into) = errand.into.as_mut_slice() else { return };
            wanted.push(Wanted {
                id: errand.id,
                expect,
                sections: errand.sections.clone(),
                into,
                found: Ok(Found::No),
            });
        }
        cold.store.read_many(&mut wanted);
        let found: Vec<bool> = wanted.iter().map(|wanted| matches!(wanted.found, Ok(Found::Yes))).collect();
        let bytes: usize = wanted.iter().map(|wanted| wanted.into.len()).sum();
        drop(wanted);
        // A failure is counted as what it took, for nothing.
        self.rates().tiers[Tier::Cold].learn(bytes as u64, began.elapsed().as_secs_f64());
        for (errand, found) in errands.into_iter().zip(found) {
            if found {
                self.counts.tiers[Tier::Cold].restored.add(errand.into.bytes().get());
            }
            // Whoever asked may have stopped waiting.
            let _ = errand.send.send(found.then_some(errand.into));
        }
    }

    fn decode(&self, from: &mut From, page: &mut P::Page, layer: usize, until: Instant) -> Result<(), Lost> {
        let began = Instant::now();
        let warm = matches!(from, From::Warm(_));
        let (form, encoded) = encoded(from, layer, until)?;
        let codec = self.codec(form).map_err(|_| Lost::Doubt)?;
        let span = self.layout.span(layer..layer + 1);
        let bytes = encoded.len() as u64;
        if let Some(native) = self.pages.bytes_mut(page) {
            codec.decode(layer, encoded, &mut native[span]).map_err(|_| Lost::Doubt)?;
        } else {
            let mut native = vec![0; span.len()];
            codec.decode(layer, encoded, &mut native).map_err(|_| Lost::Doubt)?;
            self.pages.write(page, span.start, &native).map_err(|_| Lost::Late)?;
        }
        if warm {
            self.counts.tiers[Tier::Warm].restored.add(bytes);
            self.rates().tiers[Tier::Warm].learn(bytes, began.elapsed().as_secs_f64());
        }
        Ok(())
    }

    fn decode_snapshot(&self, from: &mut From, until: Instant) -> Result<Lease, Lost> {
        let section = self.layout.layers.len();
        let (form, encoded) = encoded(from, section, until)?;
        let codec = self.codec(form).map_err(|_| Lost::Doubt)?;
        let bytes = Bytes::new(codec.native_bytes(section) as u64);
        let mut lease = self.take_warm(bytes, f64::INFINITY).map_err(|_| Lost::Late)?;
        let into = lease.as_mut_slice().map_err(|_| Lost::Late)?;
        codec.decode(section, encoded, into).map_err(|_| Lost::Doubt)?;
        Ok(lease)
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

/// A section as it is encoded, once it is there.
fn encoded(from: &mut From, section: usize, until: Instant) -> Result<(u32, &[u8]), Lost> {
    match from {
        From::Warm(warm) => {
            let span = warm.span(section).ok_or(Lost::Doubt)?;
            let bytes = warm.bytes.as_slice().map_err(|_| Lost::Late)?;
            Ok((warm.form, bytes.get(span).ok_or(Lost::Doubt)?))
        }
        From::Cold { form, parts } => {
            let part = parts.iter_mut().find(|part| part.sections.contains(&section)).ok_or(Lost::Doubt)?;
            let span = part.span(section);
            Ok((*form, part.wait(until)?.get(span).ok_or(Lost::Doubt)?))
        }
    }
}

impl Part {
    fn span(&self, section: usize) -> Range<usize> {
        let before = section.saturating_sub(self.sections.start);
        let start = self.lengths[..before].iter().map(|&bytes| bytes as usize).sum();
        start..start + self.lengths[before] as usize
    }

    fn wait(&mut self, until: Instant) -> Result<&[u8], Lost> {
        if let Some(coming) = self.coming.take() {
            let left = until.saturating_duration_since(Instant::now());
            match coming.recv_timeout(left) {
                Ok(Some(lease)) => self.here = Some(lease),
                Ok(None) => return Err(Lost::Doubt),
                Err(_) => return Err(Lost::Late),
            }
        }
        self.here.as_ref().and_then(|lease| lease.as_slice().ok()).ok_or(Lost::Late)
    }
}

/// Cuts a record into parts that are read one after the other.
fn parts(lengths: &[u32]) -> Vec<Part> {
    let bytes: usize = lengths.iter().map(|&bytes| bytes as usize).sum();
    let count = if bytes >= LARGE { PARTS } else { 1 };
    let each = lengths.len().div_ceil(count).max(1);
    let part = |(index, lengths): (usize, &[u32])| Part {
        sections: index * each..index * each + lengths.len(),
        lengths: lengths.to_vec(),
        coming: None,
        here: None,
    };
    lengths.chunks(each).enumerate().map(part).collect()
}

impl<P: Pages> fmt::Debug for Restore<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Restore")
            .field("blocks", &self.pieces.len())
            .field("layers", &self.layers)
            .finish_non_exhaustive()
    }
}
