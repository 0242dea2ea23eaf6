//! The way down within memory: from pages to host memory, and out of both.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use plimsoll::Bytes;
use plimsoll::pool::Lease;

use super::copies::{Hot, Warm};
use super::core::{Core, snapshot_bytes};
use super::state::Dropped;
use crate::codec::{Codec, CodecError};
use crate::engine::{PageError, Pages};
use crate::tree::{NodeId, Tier};

/// Why a block has no warm copy.
#[derive(Debug, thiserror::Error)]
pub(super) enum DemoteError {
    #[error(transparent)]
    Page(#[from] PageError),
    #[error(transparent)]
    Memory(#[from] plimsoll::pool::LeaseError),
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// A pin for the time of a copy; let go of also by a panic.
pub(super) struct Busy<'c, P: Pages> {
    core: &'c Core<P>,
    node: NodeId,
}

impl<'c, P: Pages> Busy<'c, P> {
    /// Of a node that was pinned for this.
    pub fn new(core: &'c Core<P>, node: NodeId) -> Self {
        core.moving.fetch_add(1, Ordering::Relaxed);
        Self { core, node }
    }
}

impl<P: Pages> Drop for Busy<'_, P> {
    fn drop(&mut self) {
        self.core.state().unpin(self.node);
        self.core.moving.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<P: Pages> Core<P> {
    /// The hot tier gives up the copy that is worth least, after bringing it down if no other tier has it and there
    /// is room. What left comes back, to be dropped or used again; nothing if nothing may go.
    pub fn give_up_hot(&self) -> Option<Dropped<Hot<P>, Warm>> {
        let (node, hot, worth) = {
            let mut state = self.state();
            let now = self.now();
            let node = state.victim(Tier::Hot, now)?;
            let bytes = self.copy_bytes(Tier::Hot, &state, node);
            if state.tree().copies(node) > 1 {
                self.counts.tiers[Tier::Hot].evicted.add(1);
                return Some(state.drop_copy(node, Tier::Hot, bytes));
            }
            let worth = state.worth(node, now);
            let hot = Arc::clone(state.hot(node)?);
            state.pin(node);
            (node, hot, worth)
        };
        let busy = Busy::new(self, node);
        // Where it cannot be brought down it goes all the same: it can be computed again.
        let warm = self.make_warm(&hot, worth).ok();
        let counted = self.page_bytes() + snapshot_bytes(&hot);
        drop(hot);
        {
            let mut state = self.state();
            if let Some(warm) = warm {
                let bytes = warm.bytes.bytes().get();
                if state.put_warm(node, warm, bytes).is_ok() {
                    self.counts.tiers[Tier::Warm].demoted.add(bytes);
                }
            }
        }
        drop(busy);
        let mut state = self.state();
        // Somebody may have begun to use it meanwhile, or it may have left altogether.
        if !state.tree().is_live(node) || !state.tree().is_leaf(node, Tier::Hot) {
            return Some(Dropped::Nothing);
        }
        self.counts.tiers[Tier::Hot].evicted.add(1);
        Some(state.drop_copy(node, Tier::Hot, counted))
    }

    /// The warm tier gives up its least copy if that is worth less than `worth` a byte. Says how much it was.
    pub fn give_up_warm(&self, worth: f64) -> Option<Bytes> {
        let (dropped, bytes) = {
            let mut state = self.state();
            let now = self.now();
            let node = state.victim(Tier::Warm, now)?;
            let bytes = self.copy_bytes(Tier::Warm, &state, node);
            if state.worth(node, now) > worth {
                return None;
            }
            (state.drop_copy(node, Tier::Warm, bytes), bytes)
        };
        self.counts.tiers[Tier::Warm].evicted.add(1);
        dropped.forget();
        Some(Bytes::new(bytes))
    }

    /// A copy of a page in host memory, in the warm tier's precision.
    pub fn make_warm(&self, hot: &Hot<P>, worth: f64) -> Result<Arc<Warm>, DemoteError> {
        let native = Native::of(&self.pages, &hot.page, &self.layout)?;
        let snapshot = hot.snapshot.as_ref().map(Lease::as_slice).transpose()?;
        let Encoded { bytes, ends, form } = self.encode(&self.warm_codec, native.bytes(), snapshot, worth)?;
        Ok(Arc::new(Warm { origin: Arc::clone(&hot.origin), bytes, form, ends: ends.into() }))
    }

    /// A block in a tier's form, in host memory that is worth `worth` a byte. Numbers that cannot be quantized are kept
    /// as they are.
    pub fn encode(
        &self,
        codec: &Codec,
        native: &[u8],
        snapshot: Option<&[u8]>,
        worth: f64,
    ) -> Result<Encoded, DemoteError> {
        match self.encode_as(codec, native, snapshot, worth) {
            Err(DemoteError::Codec(CodecError::Unquantizable { .. })) => {
                self.encode_as(&self.native_codec, native, snapshot, worth)
            }
            done => done,
        }
    }

    fn encode_as(
        &self,
        codec: &Codec,
        native: &[u8],
        snapshot: Option<&[u8]>,
        worth: f64,
    ) -> Result<Encoded, DemoteError> {
        let layers = self.layout.layers.len();
        let sections = layers + usize::from(snapshot.is_some());
        let most: usize = (0..sections).map(|section| codec.section_bytes(section)).sum();
        let mut bytes = self.take_warm(Bytes::new(most as u64), worth)?;
        let into = bytes.as_mut_slice()?;
        let (mut end, mut ends) = (0, Vec::with_capacity(sections));
        for section in 0..sections {
            let from = match snapshot {
                Some(snapshot) if section == layers => snapshot,
                _ => &native[self.layout.span(section..section + 1)],
            };
            end += codec.encode(section, from, &mut into[end..end + codec.section_bytes(section)])?;
            ends.push(u32::try_from(end).unwrap_or(u32::MAX));
        }
        Ok(Encoded { bytes, ends, form: codec.form().tag() })
    }
}

/// A block in a tier's form.
pub(super) struct Encoded {
    pub bytes: Lease,
    /// Where each section ends; the snapshot, if there is one, is the last.
    pub ends: Vec<u32>,
    pub form: u32,
}

/// A page's bytes where the host can see them: in place, or copied.
pub(super) enum Native<'h> {
    InPlace(&'h [u8]),
    Copied(Vec<u8>),
}

impl<'h> Native<'h> {
    pub fn of<P: Pages>(
        pages: &P,
        page: &'h P::Page,
        layout: &crate::layout::Layout,
    ) -> Result<Self, PageError> {
        if let Some(bytes) = pages.bytes(page) {
            return Ok(Self::InPlace(bytes));
        }
        let mut copied = vec![0; layout.block_bytes()];
        pages.read(page, 0, &mut copied)?;
        Ok(Self::Copied(copied))
    }

    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::InPlace(bytes) => bytes,
            Self::Copied(bytes) => bytes,
        }
    }
}
