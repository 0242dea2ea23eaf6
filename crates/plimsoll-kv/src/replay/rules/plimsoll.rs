//! Ours: the same judge and queue that the cache uses.

use super::{Request, Rule};
use crate::policy::{Facts, Hint, Judge, Queue};
use crate::replay::Trace;

/// Gives up the leaf that the judge values least.
#[derive(Debug)]
pub(super) struct Plimsoll<'a> {
    trace: &'a Trace,
    judge: Judge,
    queue: Queue,
    blocks: Vec<Block>,
    held: usize,
    capacity: usize,
    /// For each session its latest request, if a subagent made it.
    subagents: Option<Vec<Option<Request>>>,
}

#[derive(Clone, Copy, Debug)]
struct Block {
    facts: Facts,
    /// How many blocks that are here follow it.
    children: u32,
    here: bool,
}

/// Every block costs the same to make again.
const PRICE: f32 = 1.0;

impl<'a> Plimsoll<'a> {
    pub fn new(trace: &'a Trace, capacity: usize, hints: bool) -> Self {
        let blocks = vec![Block { facts: Facts::new(PRICE), children: 0, here: false }; trace.blocks()];
        Self {
            trace,
            judge: Judge::new(capacity),
            queue: Queue::new(),
            blocks,
            held: 0,
            capacity,
            subagents: hints.then(Vec::new),
        }
    }

    /// Brings back what is remembered of blocks that are not here; says how many of the leading ones are known.
    fn recall(&mut self, path: &[u32], hits: usize) -> usize {
        let (blocks, missed) = (&mut self.blocks, &path[hits..]);
        let mut from_last = missed.iter().rev();
        let known = self.judge.recall(missed.iter().map(|block| key(*block)), |recalled| {
            if let Some(&block) = from_last.next() {
                blocks[block as usize].facts = recalled.unwrap_or(Facts::new(PRICE)).priced(PRICE);
            }
        });
        hits + known
    }

    fn take_in(&mut self, path: &[u32], hits: usize) {
        let (Some(&end), true) = (path.last(), hits < path.len()) else {
            return;
        };
        if let Some(&last_hit) = hits.checked_sub(1).and_then(|last| path.get(last)) {
            self.queue.remove(last_hit);
            self.blocks[last_hit as usize].children += 1;
        }
        for &block in &path[hits..] {
            let state = &mut self.blocks[block as usize];
            state.here = true;
            state.children = u32::from(block != end);
        }
        self.held += path.len() - hits;
        self.queue.insert(end, &self.blocks[end as usize].facts);
    }

    /// When a session's main thread goes on, its subagent is done: what only that one used is worth less.
    fn hint(&mut self, request: &Request, path: &[u32]) {
        let Some(subagents) = &mut self.subagents else {
            return;
        };
        let session = request.session as usize;
        if session >= subagents.len() {
            subagents.resize(session + 1, None);
        }
        let now = request.subagent.then_some(*request);
        let last = std::mem::replace(&mut subagents[session], now);
        let Some(last) = last.filter(|last| !request.subagent && last.blocks > 0) else {
            return;
        };
        let mut block = Some(last.end);
        for index in (0..last.blocks as usize).rev() {
            let Some(done) = block.filter(|done| path.get(index) != Some(done)) else {
                return;
            };
            let state = &mut self.blocks[done as usize];
            state.facts = state.facts.hinted(Hint::SubagentFinished);
            if self.queue.contains(done) {
                self.queue.insert(done, &state.facts);
            }
            block = self.trace.parent(done);
        }
    }

    fn give_up(&mut self, now_s: f64, gone: &mut Vec<u32>) {
        while self.held > self.capacity {
            let blocks = &self.blocks;
            let Some(least) = self.queue.least(now_s, &self.judge, |block| blocks[block as usize].facts)
            else {
                break;
            };
            self.queue.remove(least);
            self.held -= 1;
            gone.push(least);
            let block = &mut self.blocks[least as usize];
            block.here = false;
            self.judge.forgotten(key(least), &block.facts);
            if let Some(parent) = self.trace.parent(least) {
                let above = &mut self.blocks[parent as usize];
                above.children -= 1;
                if above.children == 0 {
                    self.queue.insert(parent, &above.facts);
                }
            }
        }
    }
}

impl Rule for Plimsoll<'_> {
    fn serve(&mut self, request: &Request, path: &[u32], gone: &mut Vec<u32>) -> usize {
        let hits = path.iter().take_while(|block| self.blocks[**block as usize].here).count();
        let known = self.recall(path, hits);
        let mut visit = self.judge.visit(request.at_s, path.len(), known);
        let block_tokens = u64::from(self.trace.block_tokens());
        let whole = usize::try_from(request.tokens / block_tokens).unwrap_or(usize::MAX);
        for (index, &block) in path.iter().enumerate() {
            let facts = &mut self.blocks[block as usize].facts;
            self.judge.used(&mut visit, key(block), index < whole, facts);
            if self.queue.contains(block) {
                self.queue.insert(block, facts);
            }
        }
        self.hint(request, path);
        self.take_in(path, hits);
        self.give_up(request.at_s, gone);
        hits
    }

    fn holds(&self, block: u32) -> bool {
        self.blocks[block as usize].here
    }
}

fn key(block: u32) -> u64 {
    u64::from(block) + 1
}
