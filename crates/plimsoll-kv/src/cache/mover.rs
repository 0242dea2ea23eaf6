//! The thread that moves blocks down, and what it is told.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::core::Core;
use super::demote::Busy;
use crate::block::BlockId;
use crate::engine::Pages;
use crate::tree::{NodeId, Tier};

/// How many copies are moved before looking again.
pub(super) const BATCH: usize = 16;
/// How often to look when nobody says anything.
const REST: Duration = Duration::from_millis(250);

/// What is to be done.
#[derive(Default)]
pub(super) struct Mailbox {
    post: Mutex<Post>,
    came: Condvar,
}

#[derive(Default)]
struct Post {
    nudged: bool,
    stop: bool,
    /// Blocks that no store has, in the order in which they were completed, with the second of it.
    unsaved: VecDeque<(BlockId, f64)>,
}

impl Mailbox {
    /// Something may be to be moved.
    pub fn nudge(&self) {
        let mut post = self.post();
        if !post.nudged {
            post.nudged = true;
            self.came.notify_one();
        }
    }

    pub fn stop(&self) {
        self.post().stop = true;
        self.came.notify_one();
    }

    /// A block is complete that no store has.
    pub fn unsaved(&self, id: BlockId, now: f64) {
        self.post().unsaved.push_back((id, now));
    }

    /// Some of those that were complete at this second.
    pub fn due(&self, by: f64) -> Vec<BlockId> {
        let mut post = self.post();
        let count = post.unsaved.iter().take(BATCH).take_while(|(_, at)| *at <= by).count();
        post.unsaved.drain(..count).map(|(id, _)| id).collect()
    }

    /// Waits for something to do; false when it is over.
    fn wait(&self) -> bool {
        let mut post = self.post();
        if !post.nudged && !post.stop {
            post = self.came.wait_timeout(post, REST).unwrap_or_else(PoisonError::into_inner).0;
        }
        post.nudged = false;
        !post.stop
    }

    fn post(&self) -> MutexGuard<'_, Post> {
        self.post.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the thread. Whatever fails in it, it goes on.
pub(super) fn start<P: Pages>(core: &Arc<Core<P>>) -> std::io::Result<JoinHandle<()>> {
    let core = Arc::clone(core);
    thread::Builder::new().name("plimsoll-kv-move".to_owned()).spawn(move || {
        while core.mailbox.wait() {
            // What was pinned is let go of while a panic unwinds, so nothing stays charged for ever.
            while catch_unwind(AssertUnwindSafe(|| core.tend())).unwrap_or_else(|_| {
                core.counts.restarts.add(1);
                false
            }) {}
        }
    })
}

impl<P: Pages> Core<P> {
    /// One round of everything; whether there was anything to do.
    pub fn tend(&self) -> bool {
        // All three, in this order: room first.
        let hot = self.tend_hot();
        let warm = self.tend_warm();
        let saved = self.tend_unsaved();
        hot || warm || saved
    }

    fn tend_hot(&self) -> bool {
        let mark = below(self.hot_limit, self.page_bytes());
        let mut moved = false;
        for _ in 0..BATCH {
            if self.state().bytes[Tier::Hot] <= mark {
                break;
            }
            let Some(copy) = self.give_up_hot() else { break };
            copy.forget();
            moved = true;
        }
        moved
    }

    fn tend_warm(&self) -> bool {
        let mark = below(self.warm_limit, self.warm_codec.block_bytes() as u64);
        let victims = {
            let mut state = self.state();
            let now = self.now();
            let (mut over, mut victims) = (state.bytes[Tier::Warm].saturating_sub(mark), Vec::new());
            while over > 0 && victims.len() < BATCH {
                let Some(node) = state.victim(Tier::Warm, now) else { break };
                over = over.saturating_sub(self.copy_bytes(Tier::Warm, &state, node));
                state.pin(node);
                victims.push(node);
            }
            victims
        };
        if victims.is_empty() {
            return false;
        }
        let busy: Vec<Busy<'_, P>> = victims.iter().map(|&node| Busy::new(self, node)).collect();
        self.save(&victims);
        drop(busy);
        for node in victims {
            self.leave_warm(node);
        }
        true
    }

    /// The warm copy goes, unless somebody has begun to use it.
    fn leave_warm(&self, node: NodeId) {
        let dropped = {
            let mut state = self.state();
            if !state.tree().is_live(node) || !state.tree().is_leaf(node, Tier::Warm) {
                return;
            }
            let bytes = self.copy_bytes(Tier::Warm, &state, node);
            state.drop_copy(node, Tier::Warm, bytes)
        };
        self.counts.tiers[Tier::Warm].evicted.add(1);
        dropped.forget();
    }

    fn tend_unsaved(&self) -> bool {
        let Some(settle) = self.settings.cold.as_ref().map(|cold| cold.settle) else {
            // Nobody will ever save them.
            return !self.mailbox.due(f64::INFINITY).is_empty();
        };
        let by = settle.map_or(f64::INFINITY, |settle| self.now() - settle.as_secs_f64());
        let ids = self.mailbox.due(by);
        if ids.is_empty() {
            return false;
        }
        if settle.is_some() {
            self.save_ids(&ids);
        }
        true
    }
}

/// Where a tier's room should begin: a sixteenth, and at least two blocks, below its limit.
fn below(limit: u64, block: u64) -> u64 {
    limit.saturating_sub((limit / 16).max(block.saturating_mul(2)))
}
