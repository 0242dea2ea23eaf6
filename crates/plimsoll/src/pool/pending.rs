//! Blocks that were dropped while the device may still use them.
//!
//! They are kept a stream at a time in the order of their fences, so that a look at the front of each queue
//! tells how far the device has come. A block that waits for several streams waits for one after the other.

use std::collections::VecDeque;

use plimsoll_device::{Bytes, DeviceError, Fence, Stream};

use super::block::Block;

/// Stands for a fence that the device did not give, on a stream where work was started all the same.
pub(super) const UNFENCED: u64 = u64::MAX;

#[derive(Default)]
pub(super) struct Pending {
    queues: Vec<Queue>,
    bytes: u64,
    poisoned: u64,
}

struct Queue {
    stream: Stream,
    waiting: VecDeque<(u64, Box<Block>)>,
    /// A wait on this queue ran out: its blocks count as poisoned until the stream moves again.
    stuck: bool,
}

impl Pending {
    /// Takes a block in; gives it back at once when it waits for nothing.
    pub(super) fn push(&mut self, mut block: Box<Block>) -> Option<Box<Block>> {
        let Some(fence) = block.fences.as_mut().and_then(|fences| fences.pop()) else {
            block.fences = None;
            return Some(block);
        };
        self.bytes += block.bytes;
        let known = self.queues.iter().position(|queue| queue.stream == fence.stream);
        let index = known.unwrap_or_else(|| {
            self.queues.push(Queue { stream: fence.stream, waiting: VecDeque::new(), stuck: false });
            self.queues.len() - 1
        });
        let queue = &mut self.queues[index];
        if queue.stuck {
            self.poisoned += block.bytes;
        }
        if queue.waiting.back().is_none_or(|(seq, _)| *seq <= fence.seq) {
            queue.waiting.push_back((fence.seq, block));
        } else {
            let at = queue.waiting.partition_point(|(seq, _)| *seq <= fence.seq);
            queue.waiting.insert(at, (fence.seq, block));
        }
        None
    }

    /// Hands every block whose fences are all signalled to `ready`.
    ///
    /// On a lost device nothing runs any more, so everything is ready: its contents are gone, and its bytes
    /// must not stay charged for ever.
    pub(super) fn poll(
        &mut self,
        mut signalled: impl FnMut(Fence) -> Result<bool, DeviceError>,
        mut ready: impl FnMut(Box<Block>),
    ) {
        if self.bytes == 0 {
            return;
        }
        let mut again = Vec::new();
        for queue in &mut self.queues {
            while let Some((seq, _)) = queue.waiting.front() {
                let fence = Fence { stream: queue.stream, seq: *seq };
                match signalled(fence) {
                    Ok(true) | Err(DeviceError::Lost { .. }) => {}
                    Ok(false) | Err(_) => break,
                }
                let Some((_, block)) = queue.waiting.pop_front() else {
                    break;
                };
                if std::mem::take(&mut queue.stuck) {
                    // It moves again.
                    let waiting = queue.waiting.iter().map(|(_, block)| block.bytes).sum::<u64>();
                    self.poisoned -= block.bytes + waiting;
                }
                self.bytes -= block.bytes;
                again.push(block);
            }
        }
        let waits_on = again.iter().any(|block| block.fences.as_ref().is_some_and(|f| !f.is_empty()));
        for block in again {
            if let Some(block) = self.push(block) {
                ready(block);
            }
        }
        if waits_on {
            self.poll(signalled, ready);
        }
    }

    /// Where work has no fence: asks for one now, which says as much and a little later.
    pub(super) fn fence_late(&mut self, mut fence: impl FnMut(Stream) -> Option<Fence>) {
        for queue in &mut self.queues {
            if queue.waiting.back().is_some_and(|(seq, _)| *seq == UNFENCED)
                && let Some(fence) = fence(queue.stream)
            {
                let unfenced = queue.waiting.iter_mut().rev().take_while(|(seq, _)| *seq == UNFENCED);
                unfenced.for_each(|(seq, _)| *seq = fence.seq);
            }
        }
    }

    /// The last fence on each stream, of those that are stuck only when `all` is set: when all are signalled
    /// nothing waits.
    pub(super) fn backs(&self, all: bool) -> Vec<Fence> {
        let back =
            |queue: &Queue| queue.waiting.back().map(|(seq, _)| Fence { stream: queue.stream, seq: *seq });
        self.queues.iter().filter(|queue| all || !queue.stuck).filter_map(back).collect()
    }

    /// A wait for this fence's stream ran out.
    pub(super) fn mark_stuck(&mut self, fence: Fence) {
        for queue in self.queues.iter_mut().filter(|queue| queue.stream == fence.stream && !queue.stuck) {
            queue.stuck = true;
            self.poisoned += queue.waiting.iter().map(|(_, block)| block.bytes).sum::<u64>();
        }
    }

    /// All that waits.
    pub(super) const fn bytes(&self) -> Bytes {
        Bytes::new(self.bytes)
    }

    /// The part of it whose fence did not signal in time.
    pub(super) const fn poisoned(&self) -> Bytes {
        Bytes::new(self.poisoned)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.bytes == 0
    }
}
