//! Traces that no program recorded: shapes that models have, with sizes, lengths and orders drawn from a seed. What was
//! tuned on recordings is checked on these.

#![allow(dead_code, reason = "each user takes its part")]

use plimsoll::replay::{Action, Event, Trace};

/// What kind of program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Passes through layers; each keeps something (keys and values) until the request ends.
    Inference,
    /// Steps: activations are kept forwards and freed backwards, gradients the other way round.
    Training,
    /// Requests of all lengths come and go; each grows piece by piece.
    Serving,
    /// Sizes and lifetimes over four orders of magnitude.
    Mixed,
}

pub const SHAPES: [Shape; 4] = [Shape::Inference, Shape::Training, Shape::Serving, Shape::Mixed];

/// A trace of a shape whose peak is about so many bytes.
pub fn synthetic(shape: Shape, seed: u64, about: u64) -> Trace {
    let mut rows = Rows::new(seed);
    match shape {
        Shape::Inference => inference(&mut rows, about),
        Shape::Training => training(&mut rows, about),
        Shape::Serving => serving(&mut rows, about),
        Shape::Mixed => mixed(&mut rows, about),
    }
    rows.finish()
}

/// A trace in the making.
struct Rows {
    trace: Trace,
    random: u64,
    sizes: Vec<u64>,
    vacant: Vec<u32>,
    live: u64,
}

impl Rows {
    fn new(seed: u64) -> Self {
        Self { trace: Trace::default(), random: seed, sizes: Vec::new(), vacant: Vec::new(), live: 0 }
    }

    /// The next of a Weyl sequence with a mixed output.
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of `from..to`.
    fn draw(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from)
    }

    fn alloc(&mut self, bytes: u64) -> u32 {
        let bytes = bytes.max(1);
        let block = self.vacant.pop().unwrap_or_else(|| {
            self.sizes.push(0);
            u32::try_from(self.sizes.len() - 1).unwrap_or(u32::MAX)
        });
        self.sizes[block as usize] = bytes;
        self.live += bytes;
        self.trace.facts.peak_live_bytes = self.trace.facts.peak_live_bytes.max(self.live);
        self.push(Action::Alloc, block);
        block
    }

    fn free(&mut self, block: u32) {
        self.push(Action::FreeRequested, block);
        self.push(Action::FreeCompleted, block);
        self.live -= self.sizes[block as usize];
        self.vacant.push(block);
    }

    fn free_all(&mut self, blocks: impl IntoIterator<Item = u32>) {
        for block in blocks {
            self.free(block);
        }
    }

    fn push(&mut self, action: Action, block: u32) {
        self.trace.events.push(Event { bytes: self.sizes[block as usize], block, stream: 0, action });
    }

    fn finish(mut self) -> Trace {
        self.trace.facts.streams = 1;
        self.trace.facts.events = self.trace.events.len() as u64;
        self.trace
    }
}

fn inference(rows: &mut Rows, about: u64) {
    let layers = rows.draw(6, 33);
    let width = rows.draw(3, 9);
    for _ in 0..rows.draw(3, 9) {
        // Of the peak, about a half is kept by the layers.
        let hidden = about * rows.draw(5, 11) / 10 / (4 * layers + 2 * width + 4);
        let mut kept = Vec::new();
        let mut state = rows.alloc(hidden);
        for _ in 0..layers {
            let small = rows.alloc(2048);
            let heads = [hidden, hidden, hidden].map(|bytes| rows.alloc(bytes));
            kept.extend([1, 1].map(|part| rows.alloc(part * hidden)));
            let scores = rows.alloc(hidden * width / 3);
            rows.free(small);
            rows.free_all(heads);
            let up = rows.alloc(hidden * width / 2);
            let act = rows.alloc(hidden * width / 2);
            rows.free(scores);
            rows.free(up);
            let next = rows.alloc(hidden);
            rows.free(state);
            rows.free(act);
            state = next;
        }
        let logits = rows.alloc(hidden * (rows.random % 7) + hidden * width);
        rows.free(state);
        rows.free_all(kept);
        rows.free(logits);
    }
}

fn training(rows: &mut Rows, about: u64) {
    let layers = rows.draw(6, 25);
    let share = about / (7 * layers);
    let weights: Vec<u32> = (0..layers).map(|_| rows.alloc(share)).collect();
    let mut states = Vec::new();
    for step in 0..rows.draw(3, 7) {
        let length = share * rows.draw(5, 11) / 10;
        let mut kept = Vec::new();
        for _ in 0..layers {
            let wide = rows.alloc(length);
            let mask = rows.alloc(length / 8);
            let narrow = rows.alloc(length / 2);
            let scratch = rows.alloc(length * 2 / 3);
            rows.free(scratch);
            kept.push([wide, mask, narrow]);
        }
        let mut gradients = Vec::new();
        while let Some(layer) = kept.pop() {
            let flow = rows.alloc(length);
            gradients.push(rows.alloc(share));
            rows.free_all(layer);
            rows.free(flow);
        }
        if step == 0 {
            states.extend((0..2 * layers).map(|_| rows.alloc(share)));
        }
        rows.free_all(gradients);
    }
    rows.free_all(weights.into_iter().chain(states));
}

fn serving(rows: &mut Rows, about: u64) {
    let token = (about / 6000).max(64);
    let mut requests: Vec<Vec<u32>> = Vec::new();
    for _ in 0..600 {
        let full = rows.live > about * 8 / 10;
        if requests.len() < 2 || (!full && rows.draw(0, 4) == 0) {
            let prompt = token * (16 << rows.draw(0, 6));
            let work = rows.alloc(prompt * 2);
            let cache = rows.alloc(prompt);
            let scratch = rows.alloc(prompt / 3 + 1000);
            rows.free(work);
            rows.free(scratch);
            requests.push(vec![cache]);
        } else if full || rows.draw(0, 6) == 0 {
            let at = usize::try_from(rows.next() % requests.len() as u64).unwrap_or(0);
            rows.free_all(requests.swap_remove(at));
        } else {
            let at = usize::try_from(rows.next() % requests.len() as u64).unwrap_or(0);
            let scratch = rows.alloc(token * (rows.random % 97) + 512);
            let grown = rows.alloc(token * 32);
            rows.free(scratch);
            requests[at].push(grown);
        }
    }
    rows.free_all(requests.into_iter().flatten());
}

fn mixed(rows: &mut Rows, about: u64) {
    let mut live: Vec<u32> = Vec::new();
    for _ in 0..2500 {
        let log = rows.draw(0, 10);
        let bytes = ((about / 8) >> log) * rows.draw(64, 128) / 128;
        if rows.live + bytes < about && (live.is_empty() || rows.draw(0, 100) < 55) {
            live.push(rows.alloc(bytes));
        } else if !live.is_empty() {
            let at = usize::try_from(rows.next() % live.len() as u64).unwrap_or(0);
            let block = live.swap_remove(at);
            rows.free(block);
        }
    }
    rows.free_all(live);
}
