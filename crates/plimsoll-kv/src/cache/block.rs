//! The states of a block, each a type that allows what may be done in it.
//!
//! [`Filling`] belongs to one sequence, which writes its page; [`Complete`] has all its tokens and can no longer be
//! written; [`Shared`] is in the index, may be in many sequences at once, and is only read. Who wants to go on from the
//! middle of one makes a copy ([`Shared::fork`], [`Filling::fork`]).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use plimsoll::Bytes;
use plimsoll::pool::Lease;

use super::copies::{Hot, Origin};
use super::core::{Core, Seat, snapshot_bytes};
use super::demote::Native;
use super::error::CacheError;
use super::state::Dropped;
use crate::block::{BlockId, Root, Token, identity};
use crate::engine::Pages;
use crate::policy::{Hint, Visit};

/// A block that one sequence fills.
pub struct Filling<P: Pages> {
    core: Arc<Core<P>>,
    page: P::Page,
    tokens: Vec<Token>,
    snapshot: Option<Lease>,
}

/// A block that has all its tokens.
pub struct Complete<P: Pages> {
    core: Arc<Core<P>>,
    page: P::Page,
    tokens: Vec<Token>,
    snapshot: Option<Lease>,
    seconds: f32,
}

/// A block that everybody may read. While one of these lives, the block and all before it stay.
pub struct Shared<P: Pages> {
    core: Arc<Core<P>>,
    hot: Arc<Hot<P>>,
    /// Its place in the index, or a later block's: that holds all before it. Nothing for a block that is its
    /// sequence's alone.
    seat: Option<Arc<Seat<P>>>,
    visit: Visit,
}

/// More tokens than a block has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a block has room for {room} more tokens, not for {asked}; complete it and fill the next")]
pub struct Overfull {
    /// How many there is room for.
    pub room: usize,
    /// How many came.
    pub asked: usize,
}

impl<P: Pages> Filling<P> {
    pub(super) fn new(core: Arc<Core<P>>) -> Result<Self, CacheError> {
        let page = core.take_page()?;
        let tokens = Vec::with_capacity(core.layout.block_tokens as usize);
        Ok(Self { core, page, tokens, snapshot: None })
    }

    /// The page.
    pub const fn page(&self) -> &P::Page {
        &self.page
    }

    /// The page, for the engine to write.
    pub const fn page_mut(&mut self) -> &mut P::Page {
        &mut self.page
    }

    /// The tokens so far.
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// How many more it has room for.
    pub fn room(&self) -> usize {
        (self.core.layout.block_tokens as usize).saturating_sub(self.tokens.len())
    }

    /// The engine has written the rows of these tokens.
    pub fn push(&mut self, tokens: &[Token]) -> Result<(), Overfull> {
        if tokens.len() > self.room() {
            return Err(Overfull { room: self.room(), asked: tokens.len() });
        }
        self.tokens.extend_from_slice(tokens);
        Ok(())
    }

    /// The state at the block's end, for a model that needs it to go on (see
    /// [`Layout::snapshot_bytes`](crate::layout::Layout::snapshot_bytes)). Kept in host memory.
    pub fn set_snapshot(&mut self, state: &[u8]) -> Result<(), CacheError> {
        let wanted = usize::try_from(self.core.layout.snapshot_bytes).unwrap_or(usize::MAX);
        if state.len() != wanted {
            let section = self.core.layout.layers.len();
            return Err(crate::codec::CodecError::Length { section, wanted, found: state.len() }.into());
        }
        let mut lease = self.core.take_warm(Bytes::new(state.len() as u64), f64::INFINITY)?;
        lease.write(0, state)?;
        self.snapshot = Some(lease);
        Ok(())
    }

    /// Another of the same content, for a sequence that goes another way from here.
    pub fn fork(&self) -> Result<Self, CacheError> {
        fork(&self.core, &self.page, &self.tokens)
    }

    /// No more will be written. `took` is what its tokens took to compute. A block that has room left is given back:
    /// only whole blocks are shared.
    pub fn complete(self, took: Duration) -> Result<Complete<P>, Self> {
        if self.room() > 0 {
            return Err(self);
        }
        self.core.rates().computed(self.tokens.len() as u64, took.as_secs_f64());
        let Self { core, page, tokens, snapshot } = self;
        Ok(Complete { core, page, tokens, snapshot, seconds: took.as_secs_f32() })
    }
}

impl<P: Pages> Complete<P> {
    /// The page.
    pub const fn page(&self) -> &P::Page {
        &self.page
    }

    /// Puts it into the index after `parent`, or as a sequence's first. If the same block is there already, that one
    /// comes back and this one's page goes back to the engine. If another block of the same identity is there, this
    /// one stays its sequence's alone, and so does all that comes after it.
    pub fn share(self, root: &Root, parent: Option<&Shared<P>>) -> Shared<P> {
        let Self { core, page, tokens, snapshot, seconds } = self;
        let above = parent.map(|parent| parent.hot.origin.id);
        let id = identity(root, above, &tokens, &mut Vec::new());
        let origin = Origin { id, parent: above, root: *root, tokens: tokens.into() };
        let hot = Arc::new(Hot { origin: Arc::new(origin), page, snapshot });
        // A parent that is in no index has no children there.
        let orphan = parent.is_some_and(|parent| parent.seat.is_none());
        let at = parent.and_then(|parent| core.node_of(parent));
        if orphan || (parent.is_some() && at.is_none()) {
            let mut state = core.state();
            let visit = state.visit(core.now(), &[], 0);
            drop(state);
            return Shared { core, hot, seat: None, visit };
        }
        let visit = parent.map(|parent| parent.visit);
        let (hot, node, visit) = core.admit(at, hot, visit, seconds);
        let seat = node.map(|node| core.seat(node));
        core.mailbox.nudge();
        Shared { core, hot, seat, visit }
    }
}

impl<P: Pages> Shared<P> {
    pub(super) const fn new(
        core: Arc<Core<P>>,
        hot: Arc<Hot<P>>,
        seat: Option<Arc<Seat<P>>>,
        visit: Visit,
    ) -> Self {
        Self { core, hot, seat, visit }
    }

    /// The page, to be read.
    pub fn page(&self) -> &P::Page {
        &self.hot.page
    }

    /// Its identity.
    pub fn id(&self) -> BlockId {
        self.hot.origin.id
    }

    /// Its tokens.
    pub fn tokens(&self) -> &[Token] {
        &self.hot.origin.tokens
    }

    /// The state at its end, if it was kept.
    pub fn snapshot(&self) -> Option<&[u8]> {
        self.hot.snapshot.as_ref().and_then(|lease| lease.as_slice().ok())
    }

    /// Whether others can find it: not if another block has its identity.
    pub const fn is_indexed(&self) -> bool {
        self.seat.is_some()
    }

    /// A copy with the first `tokens` tokens, to go on from there.
    pub fn fork(&self, tokens: usize) -> Result<Filling<P>, CacheError> {
        let tokens = &self.tokens()[..tokens.min(self.tokens().len())];
        fork(&self.core, self.page(), tokens)
    }

    /// Says something about the block's future, and about that of all before it in the same sequence.
    pub fn hint(&self, hint: Hint) {
        let mut state = self.core.state();
        let Some(node) = state.find(self.id()).filter(|_| self.seat.is_some()) else {
            return;
        };
        let path: Vec<_> = state.tree().path(node).collect();
        for node in path {
            state.hint(node, hint);
        }
    }
}

impl<P: Pages> Clone for Shared<P> {
    fn clone(&self) -> Self {
        Self {
            core: Arc::clone(&self.core),
            hot: Arc::clone(&self.hot),
            seat: self.seat.clone(),
            visit: self.visit,
        }
    }
}

impl<P: Pages> Core<P> {
    /// Where a shared block is in the index.
    fn node_of(&self, shared: &Shared<P>) -> Option<crate::tree::NodeId> {
        shared.seat.as_ref()?;
        self.state().find(shared.id())
    }

    /// Puts a hot block into the index, pinned; or finds it there. `None` if another has its identity.
    fn admit(
        &self,
        parent: Option<crate::tree::NodeId>,
        hot: Arc<Hot<P>>,
        visit: Option<Visit>,
        seconds: f32,
    ) -> (Arc<Hot<P>>, Option<crate::tree::NodeId>, Visit) {
        let bytes = self.page_bytes() + snapshot_bytes(&hot);
        let mut state = self.state();
        let came = state.visit_of(hot.origin.id).or(visit);
        let mut visit = came.unwrap_or_else(|| state.visit(self.now(), &[], 0));
        let node = state.place(parent, hot.origin.id);
        let there = state.hot(node).map(|other| Arc::clone(&other.origin));
        let there = there.or_else(|| state.warm(node).map(|warm| Arc::clone(&warm.origin)));
        let other =
            there.is_some_and(|other| !other.is(&hot.origin.root, hot.origin.parent, &hot.origin.tokens));
        // What stands elsewhere in the tree is another block too.
        if other || state.tree().parent(node) != parent {
            self.counts.doubts.add(1);
            state.unpin(node);
            return (hot, None, visit);
        }
        state.used(&mut visit, node);
        if state.seconds(node, self.page_bytes()) <= 0.0 {
            state.cost(node, seconds, self.page_bytes());
        }
        let fuller = hot.snapshot.is_some() && !state.is_boundary(node);
        let mut dropped = Vec::new();
        if fuller {
            // Copies without the state of the block's end are of less use than this one.
            for tier in crate::tree::Tier::ALL {
                let counted = self.copy_bytes(tier, &state, node);
                dropped.push(state.drop_copy(node, tier, counted));
            }
            state.set_boundary(node, true);
        }
        let kept = if state.put_hot(node, Arc::clone(&hot), bytes).is_ok() {
            self.mailbox.unsaved(hot.origin.id, self.now());
            hot
        } else {
            self.counts.deduplicated.add(bytes);
            dropped.push(Dropped::Hot(Arc::clone(&hot)));
            state.hot(node).map_or(hot, Arc::clone)
        };
        drop(state);
        drop(dropped);
        (kept, Some(node), visit)
    }
}

fn fork<P: Pages>(core: &Arc<Core<P>>, page: &P::Page, tokens: &[Token]) -> Result<Filling<P>, CacheError> {
    let mut copy = Filling::new(Arc::clone(core))?;
    let native = Native::of(&core.pages, page, &core.layout)?;
    core.pages.write(&mut copy.page, 0, native.bytes())?;
    copy.tokens.extend_from_slice(tokens);
    Ok(copy)
}

impl<P: Pages> fmt::Debug for Filling<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filling")
            .field("tokens", &self.tokens.len())
            .field("room", &self.room())
            .finish_non_exhaustive()
    }
}

impl<P: Pages> fmt::Debug for Complete<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Complete").field("tokens", &self.tokens.len()).finish_non_exhaustive()
    }
}

impl<P: Pages> fmt::Debug for Shared<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("id", &self.id())
            .field("indexed", &self.is_indexed())
            .finish_non_exhaustive()
    }
}
