//! Blocks that were dropped while the device may still use them.
//!
//! They are kept a stream at a time in the order of their fences, so that a look at the front of each queue
//! tells how far the device has come. A block that waits for several streams waits for one after the other.
//!
//! A block that waits for one stream alone may be leased again at once by whoever uses it on that stream first,
//! because work on one stream runs in order. So these are also kept by size. They are not merged as they come: a run
//! of neighbours is done when the last of them is, and a stream that is always busy would keep it from everybody
//! else. They are merged when a request on their stream needs the run.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use plimsoll_device::{Bytes, DeviceError, Fence, Stream};

use super::arena::{Arena, NodeId, Zone};
use super::block::{Block, Position};
use super::fences::UNFENCED;

#[derive(Default)]
pub(super) struct Pending {
    queues: Vec<Queue>,
    bytes: u64,
    poisoned: u64,
    /// Blocks that were leased again before their fence.
    reused: u64,
}

struct Queue {
    stream: Stream,
    /// By fence, and by node where fences are equal.
    waiting: BTreeMap<(u64, NodeId), Box<Block>>,
    /// Those that wait for nothing else, by size in each zone.
    alone: BTreeSet<(Zone, u64, NodeId)>,
    /// The same, and which fence each waits for.
    fence_of: HashMap<NodeId, u64>,
    alone_bytes: u64,
    /// A wait on this queue ran out: its blocks count as poisoned until the stream moves again.
    stuck: bool,
}

/// What a request wants of the blocks that wait for its stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reuse {
    pub(super) stream: Stream,
    pub(super) zone: Zone,
    pub(super) bytes: u64,
    pub(super) align: u64,
}

impl Queue {
    fn new(stream: Stream) -> Self {
        Self {
            stream,
            waiting: BTreeMap::new(),
            alone: BTreeSet::new(),
            fence_of: HashMap::new(),
            alone_bytes: 0,
            stuck: false,
        }
    }

    fn insert(&mut self, arena: &Arena, seq: u64, block: Box<Block>) {
        if block.fences.as_ref().is_none_or(|fences| fences.is_empty()) {
            self.alone.insert((arena.zone_holding(block.node), block.bytes, block.node));
            self.fence_of.insert(block.node, seq);
            self.alone_bytes += block.bytes;
        }
        self.waiting.insert((seq, block.node), block);
    }

    fn remove(&mut self, arena: &Arena, seq: u64, node: NodeId) -> Option<Box<Block>> {
        let block = self.waiting.remove(&(seq, node))?;
        if self.fence_of.remove(&node).is_some() {
            self.alone.remove(&(arena.zone_holding(node), block.bytes, node));
            self.alone_bytes -= block.bytes;
        }
        Some(block)
    }

    fn fence(&self, seq: u64) -> Fence {
        Fence { stream: self.stream, seq }
    }

    fn bytes(&self) -> u64 {
        self.waiting.values().map(|block| block.bytes).sum()
    }

    /// Takes out a block that waits for nothing else.
    fn take(&mut self, arena: &Arena, node: NodeId) -> (u64, Box<Block>) {
        let seq = self.fence_of.get(&node).copied();
        match seq.and_then(|seq| Some((seq, self.remove(arena, seq, node)?))) {
            Some(found) => {
                // What is made of it is a lease of its own.
                found.1.note_settled();
                found
            }
            None => unreachable!("{node:?} was found in this queue"),
        }
    }

    fn block(&self, node: NodeId) -> Option<&Block> {
        let seq = self.fence_of.get(&node)?;
        self.waiting.get(&(*seq, node)).map(|block| &**block)
    }

    /// Whether a block waits for this stream alone, and for a fence that the device gave.
    fn lends(&self, node: NodeId) -> bool {
        self.fence_of.get(&node).is_some_and(|seq| *seq != UNFENCED)
    }

    /// The smallest block that serves the request.
    fn tightest(&self, want: &Reuse) -> Option<NodeId> {
        let from = (want.zone, want.bytes, NodeId::FIRST);
        let mut fits = self.alone.range(from..).take_while(|(zone, ..)| *zone == want.zone);
        let serves = |node: NodeId| {
            self.lends(node)
                && self.block(node).is_some_and(|block| block.address().is_multiple_of(want.align))
        };
        fits.find(|(_, _, node)| serves(*node)).map(|(_, _, node)| *node)
    }

    /// Neighbours that together serve the request with the least to spare: the first of them, and how many.
    fn run(&self, arena: &Arena, want: &Reuse) -> Option<(NodeId, usize)> {
        if self.alone_bytes < want.bytes {
            return None;
        }
        let here = |node: &NodeId| self.lends(*node);
        let starts = |node: &NodeId| here(node) && !arena.block_before(*node).is_some_and(|node| here(&node));
        let mut best: Option<(u64, NodeId, usize)> = None;
        let mut run: VecDeque<&Block> = VecDeque::new();
        let ours = self
            .alone
            .range((want.zone, 0, NodeId::FIRST)..)
            .map_while(|&(zone, _, node)| (zone == want.zone).then_some(node));
        for first in ours.filter(starts) {
            run.clear();
            let (mut bytes, mut next) = (0, Some(first));
            while let Some(block) = next.and_then(|node| self.block(node)) {
                bytes += block.bytes;
                run.push_back(block);
                while let Some(shorter) = bytes.checked_sub(run[0].bytes).filter(|left| *left >= want.bytes) {
                    bytes = shorter;
                    run.pop_front();
                }
                if bytes >= want.bytes
                    && run[0].address().is_multiple_of(want.align)
                    && best.is_none_or(|(least, ..)| bytes < least)
                {
                    best = Some((bytes, run[0].node, run.len()));
                }
                next = arena.block_after(block.node).filter(here);
            }
        }
        best.map(|(_, first, count)| (first, count))
    }

    /// Takes so many neighbours out as one block, which waits for the last of them.
    fn merge(&mut self, arena: &mut Arena, first: NodeId, count: usize) -> (u64, Box<Block>) {
        let (mut seq, mut whole) = self.take(arena, first);
        for _ in 1..count {
            let Some(next) = arena.block_after(first) else {
                unreachable!("a run's blocks lie side by side")
            };
            let (its, part) = self.take(arena, next);
            arena.join_blocks(first, next);
            whole.bytes += part.bytes;
            seq = seq.max(its);
        }
        (seq, whole)
    }
}

impl Pending {
    /// Takes a block in; gives it back at once when it waits for nothing.
    pub(super) fn push(&mut self, arena: &Arena, mut block: Box<Block>) -> Option<Box<Block>> {
        let Some(fence) = block.fences.as_mut().and_then(|fences| fences.pop()) else {
            block.fences = None;
            return Some(block);
        };
        self.bytes += block.bytes;
        let index = self.queue(fence.stream).unwrap_or_else(|| {
            self.queues.push(Queue::new(fence.stream));
            self.queues.len() - 1
        });
        let queue = &mut self.queues[index];
        if queue.stuck {
            self.poisoned += block.bytes;
        }
        queue.insert(arena, fence.seq, block);
        None
    }

    fn queue(&self, stream: Stream) -> Option<usize> {
        self.queues.iter().position(|queue| queue.stream == stream)
    }

    /// Puts every block whose fences are all signalled back into the arena.
    ///
    /// On a lost device nothing runs any more, so everything is ready: its contents are gone, and its bytes
    /// must not stay charged for ever.
    pub(super) fn poll(
        &mut self,
        arena: &mut Arena,
        mut signalled: impl FnMut(Fence) -> Result<bool, DeviceError>,
    ) {
        let mut look = self.bytes > 0;
        while look {
            look = false;
            let mut again = Vec::new();
            for queue in &mut self.queues {
                while let Some((&(seq, node), _)) = queue.waiting.first_key_value() {
                    match signalled(queue.fence(seq)) {
                        Ok(true) | Err(DeviceError::Lost { .. }) => {}
                        Ok(false) | Err(_) => break,
                    }
                    let Some(block) = queue.remove(arena, seq, node) else { break };
                    if std::mem::take(&mut queue.stuck) {
                        // It moves again.
                        self.poisoned -= block.bytes + queue.bytes();
                    }
                    self.bytes -= block.bytes;
                    again.push(block);
                }
            }
            for block in again {
                match self.push(arena, block) {
                    Some(ready) => {
                        ready.note_settled();
                        arena.release(ready.node);
                    }
                    // It waits for another stream as well.
                    None => look = true,
                }
            }
        }
    }

    /// A block that waits for the request's stream alone, leased again before its fence. What is cut off goes on
    /// waiting.
    pub(super) fn reuse(&mut self, arena: &mut Arena, want: &Reuse) -> Option<Box<Block>> {
        let index = self.queue(want.stream)?;
        let queue = &mut self.queues[index];
        let node = queue.tightest(want)?;
        let (seq, block) = queue.take(arena, node);
        Some(self.lend(arena, index, seq, block, want.bytes))
    }

    /// The same from neighbours, which are merged for it.
    pub(super) fn reuse_merged(&mut self, arena: &mut Arena, want: &Reuse) -> Option<Box<Block>> {
        let index = self.queue(want.stream)?;
        let queue = &mut self.queues[index];
        let (first, count) = queue.run(arena, want)?;
        let (seq, whole) = queue.merge(arena, first, count);
        Some(self.lend(arena, index, seq, whole, want.bytes))
    }

    /// Takes a block that was in a queue out of the books, but for what is over `bytes`.
    #[expect(
        clippy::unnecessary_box_returns,
        reason = "a block lives in its box for as long as it is placed"
    )]
    fn lend(
        &mut self,
        arena: &mut Arena,
        index: usize,
        seq: u64,
        mut block: Box<Block>,
        bytes: u64,
    ) -> Box<Block> {
        let queue = &mut self.queues[index];
        if let Some(rest) = arena.split_block(block.node, bytes) {
            let placed = Position { node: rest, offset: block.offset + bytes, bytes: block.bytes - bytes };
            let rest = Block::new(Arc::clone(&block.core), Arc::clone(&block.region), &placed);
            queue.insert(arena, seq, Box::new(rest));
            block.bytes = bytes;
        }
        self.bytes -= block.bytes;
        if queue.stuck {
            self.poisoned -= block.bytes;
        }
        self.reused += 1;
        let fence = queue.fence(seq);
        block.fences.get_or_insert_default().carry(fence);
        block
    }

    /// Where work has no fence: asks for one now, which says as much and a little later.
    pub(super) fn fence_late(&mut self, mut fence: impl FnMut(Stream) -> Option<Fence>) {
        for queue in &mut self.queues {
            if queue.waiting.last_key_value().is_some_and(|((seq, _), _)| *seq == UNFENCED)
                && let Some(fence) = fence(queue.stream)
            {
                for ((_, node), block) in queue.waiting.split_off(&(UNFENCED, NodeId::FIRST)) {
                    if let Some(known) = queue.fence_of.get_mut(&node) {
                        *known = fence.seq;
                    }
                    queue.waiting.insert((fence.seq, node), block);
                }
            }
        }
    }

    /// The last fence on each stream, of those that are stuck only when `all` is set: when all are signalled
    /// nothing waits.
    pub(super) fn backs(&self, all: bool) -> Vec<Fence> {
        let back = |queue: &Queue| queue.waiting.last_key_value().map(|((seq, _), _)| queue.fence(*seq));
        self.queues.iter().filter(|queue| all || !queue.stuck).filter_map(back).collect()
    }

    /// A wait for this fence's stream ran out.
    pub(super) fn mark_stuck(&mut self, fence: Fence) {
        for queue in self.queues.iter_mut().filter(|queue| queue.stream == fence.stream && !queue.stuck) {
            queue.stuck = true;
            self.poisoned += queue.bytes();
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

    /// How often a block was leased again before its fence.
    pub(super) const fn reused(&self) -> u64 {
        self.reused
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.bytes == 0
    }
}
