//! Belady's bound: what a cache could have found that knew all requests to come.

use super::{Request, Rule};
use crate::replay::Trace;

/// Keeps, after each request, what will be asked for soonest.
///
/// # What bound it is
/// Among all caches of this many blocks that hold what has been computed, it has the most hits in blocks, and so the most
/// contiguous hits: the block whose next use is farthest goes first, a block that never comes again is not kept at all,
/// and as a block is never asked for without those before it, what stays is a prefix of itself. Tokens follow blocks
/// but for prompts' last ones, which may be short.
///
/// # How
/// The blocks that are kept for request *r* are those of its path whose next use it is, and they are the leading ones of
/// what is not kept for earlier ones: a count each is enough. Room is made at the latest request that has any.
#[derive(Clone, Debug)]
pub(super) struct Belady {
    /// For each request its blocks' next uses, from the first block on: so many blocks are next used by that request.
    next: Vec<Vec<(u32, u32)>>,
    /// For each request how many blocks are kept for it.
    kept: Vec<usize>,
    held: usize,
    latest: usize,
    served: usize,
    capacity: usize,
}

impl Belady {
    pub fn new(trace: &Trace, capacity: usize) -> Self {
        let requests = trace.requests();
        let mut next = vec![Vec::new(); requests.len()];
        let mut soonest = vec![u32::MAX; trace.blocks()];
        let mut path = Vec::new();
        for (index, request) in requests.iter().enumerate().rev() {
            trace.path(request, &mut path);
            let runs: &mut Vec<(u32, u32)> = &mut next[index];
            for &block in &path {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "requests are fewer than blocks or lines"
                )]
                let use_next = std::mem::replace(&mut soonest[block as usize], index as u32);
                match runs.last_mut() {
                    Some((run, blocks)) if *run == use_next => *blocks += 1,
                    _ => runs.push((use_next, 1)),
                }
            }
            runs.retain(|(request, _)| *request != u32::MAX);
        }
        Self { next, kept: vec![0; requests.len()], held: 0, latest: 0, served: 0, capacity }
    }
}

impl Rule for Belady {
    fn serve(&mut self, _request: &Request, _path: &[u32], _gone: &mut Vec<u32>) -> usize {
        let index = self.served;
        self.served += 1;
        let hits = std::mem::take(&mut self.kept[index]);
        self.held -= hits;
        for &(request, blocks) in &self.next[index] {
            self.kept[request as usize] += blocks as usize;
            self.held += blocks as usize;
            self.latest = self.latest.max(request as usize);
        }
        while self.held > self.capacity {
            let kept = &mut self.kept[self.latest];
            let gone = (*kept).min(self.held - self.capacity);
            *kept -= gone;
            self.held -= gone;
            self.latest -= usize::from(*kept == 0);
        }
        hits
    }

    /// It counts blocks and does not name them.
    fn holds(&self, _block: u32) -> bool {
        false
    }
}
