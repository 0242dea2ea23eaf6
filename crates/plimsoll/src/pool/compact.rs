//! Making one long free run out of several short ones, when the line carries no more.
//!
//! Only movable leases that nobody has pinned move, and only when growing was refused: copying costs bandwidth,
//! so it is the last thing before a refusal and never done in the background.

use std::collections::HashMap;
use std::sync::{Arc, RwLockWriteGuard, TryLockError};

use plimsoll_device::{Device, DeviceError, Fence, Stream};

use super::arena::{Move, NodeId, Placed};
use super::block::Block;
use super::central::Central;
use super::core::PoolCore;
use super::error::LeaseError;
use super::fences::fence_or_none;
use super::grow::Need;
use super::lease::Lease;
use super::movable::Site;

/// A compaction keeps alignments up to a page; leases that asked for more stay where they are.
const KEPT_ALIGN_LOG2: u8 = 12;

/// The leases that may move now, held so that nobody pins them meanwhile.
type Held<'s> = HashMap<NodeId, RwLockWriteGuard<'s, Lease>>;

impl PoolCore {
    /// Moves unpinned leases together until `need` fits, if they suffice.
    pub(super) fn compact_for(self: &Arc<Self>, need: Need) -> Result<Option<Box<Block>>, LeaseError> {
        // Handles are looked up first and let go last, both without the pool's lock: one of them may be the
        // last reference to its lease, whose drop comes back to the pool.
        let sites: Vec<Arc<Site>> =
            self.central().sites.values().filter_map(std::sync::Weak::upgrade).collect();
        let mut held: Held<'_> = sites.iter().filter_map(|site| self.unpinned(site)).collect();
        if held.is_empty() {
            return Ok(None);
        }
        let mut central = self.central();
        self.absorb(&mut central);
        let plan = central.arena.plan_compaction(need.bytes, need.align, |node| held.contains_key(&node));
        let Some(moves) = plan else { return Ok(None) };
        let Some(targets) = central.arena.claim(&moves) else { return Ok(None) };
        let copied = self.copy_all(&central, &moves);
        for (step, target) in moves.iter().zip(targets) {
            match (&copied, held.remove(&step.node)) {
                (Ok(()), Some(lease)) => settle_move(&mut central, step, &target, lease),
                (Err(failed), Some(mut lease)) => match failed.until {
                    // The device may still read here and write there.
                    Some(fence) => {
                        lease.keep_until(fence);
                        let mut block = self.block_at(&central, &target);
                        block.fences = Some(Box::new(fence.into()));
                        central.wait_for(block);
                    }
                    None => central.arena.release(target.node),
                },
                (_, None) => unreachable!("only leases that are held are moved"),
            }
        }
        match copied {
            Ok(()) => Ok(self.place_anywhere(&mut central, need)),
            Err(failed) => Err(failed.error.into()),
        }
    }

    /// Copies every block of a plan and waits until the device has done so.
    fn copy_all(&self, central: &Central, moves: &[Move]) -> Result<(), Failed> {
        let device: &dyn Device = self.device().as_ref();
        let stream = Stream::default();
        for (started, step) in moves.iter().enumerate() {
            let (from, from_at) = central.locate(step.from);
            let (to, to_at) = central.locate(step.to);
            let copied = from
                .span(from_at..from_at + step.bytes)
                .and_then(|source| device.copy(stream, source, to.span(to_at..to_at + step.bytes)?));
            copied.map_err(|error| Failed {
                until: (started > 0).then(|| fence_or_none(device, stream)),
                error,
            })?;
        }
        let fence = fence_or_none(device, stream);
        device.wait(fence, self.settings.fence_deadline).map_err(|error| match error {
            // Nothing runs on a device that is lost.
            DeviceError::Lost { .. } => Failed { until: None, error },
            error => Failed { until: Some(fence), error },
        })
    }

    /// The lease at a site with its block's node, if it is this pool's (a handle's content can be exchanged for
    /// that of another's), not pinned, and not used by the device.
    fn unpinned<'s>(&self, site: &'s Arc<Site>) -> Option<(NodeId, RwLockWriteGuard<'s, Lease>)> {
        let lease = match site.try_write() {
            Ok(lease) => lease,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let block = lease.block.as_ref().filter(|block| std::ptr::eq(Arc::as_ptr(&block.core), self))?;
        let node = block.node;
        let may = block.align_log2 <= KEPT_ALIGN_LOG2 && lease.check_quiet().is_ok();
        may.then_some((node, lease))
    }
}

/// Copies that were not made, or not in time.
struct Failed {
    error: DeviceError,
    /// Until then the device may still make some of them.
    until: Option<Fence>,
}

fn settle_move(central: &mut Central, step: &Move, target: &Placed, mut lease: RwLockWriteGuard<'_, Lease>) {
    let Some(block) = lease.block.as_mut() else {
        unreachable!("a lease of no bytes has no place to move from")
    };
    central.arena.release(step.node);
    let (region, offset) = central.locate(target.offset);
    block.note_move(|block| (block.region, block.offset, block.node) = (region, offset, target.node));
    if let Some(site) = central.sites.remove(&step.node) {
        central.sites.insert(target.node, site);
    }
    central.moved += 1;
}
