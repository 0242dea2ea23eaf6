//! Learns when blocks come back, and says what each is worth.

use super::ages::{TICKS_PER_S, age_class};
use super::classes::Classes;
use super::facts::{Facts, hinted};
use super::ghosts::Ghosts;
use super::sample::{Sample, Watched};
use super::visit::Visit;

/// The fewest blocks that are remembered after they are gone: 48 KiB that make a small cache as wise as a large one.
const GHOSTS: usize = 4096;

/// Judges blocks by what became of others like them.
///
/// It holds no blocks and no bytes. The cache tells it of every request ([`visit`](Self::visit)), of each block that the
/// request used ([`used`](Self::used)), and of each block that it gave up for good ([`forgotten`](Self::forgotten)); it
/// answers with a [`value`](Self::value) in seconds saved for each byte and second.
///
/// # Formula
/// `value = rate(class, age) × seconds to get it back ÷ bytes × what its session said`
#[derive(Clone, Debug)]
pub struct Judge {
    classes: Classes,
    sample: Sample,
    ghosts: Ghosts,
    tick: u32,
    visits: u64,
    lessons: u64,
    next_lesson: u64,
    /// Typical age of what is given up, in ticks.
    give_up_age: f32,
}

impl Judge {
    /// One that has seen nothing, and remembers about so many blocks after they are gone (12 bytes each, and each
    /// stands for four; never fewer than 4096).
    pub fn new(ghosts: usize) -> Self {
        Self {
            classes: Classes::new(),
            sample: Sample::default(),
            ghosts: Ghosts::new(ghosts.max(GHOSTS)),
            tick: 0,
            visits: 0,
            lessons: 0,
            next_lesson: 16,
            give_up_age: 0.0,
        }
    }

    /// What is remembered of blocks that are not in the cache: the keys of those that a request misses, in the order of
    /// its prompt. `tell` hears of each, *from the last to the first*; a new block starts with these facts (and its own
    /// price), or with [`Facts::new`] where there are none. Says how many of the leading ones are known. Who asks,
    /// forgets: the memory moves into the blocks' facts.
    pub fn recall(
        &mut self,
        missed: impl DoubleEndedIterator<Item = u64>,
        mut tell: impl FnMut(Option<Facts>),
    ) -> usize {
        let mut known = 0;
        let mut deeper = None;
        for key in missed.rev() {
            deeper = self.ghosts.take(mix(key)).or(deeper);
            known += usize::from(deeper.is_some());
            tell(deeper);
        }
        known
    }

    /// A request for a prompt of `blocks` blocks, the first `known` of which are in the cache or recalled.
    pub fn visit(&mut self, now_s: f64, blocks: usize, known: usize) -> Visit {
        self.visits += 1;
        self.tick = self.clock(now_s);
        if self.visits >= self.next_lesson {
            self.next_lesson = self.visits + (self.visits / 8).clamp(16, 256);
            self.lessons += 1;
            let now = self.tick;
            let waiting =
                self.sample.iter().map(|block| (block.class, age_class(now.wrapping_sub(block.tick))));
            self.classes.learn(waiting, self.sample.share());
        }
        Visit::new(self.tick, blocks, known)
    }

    /// The request used a block, or made it. `key` is its identity; `whole` says that it is full of tokens.
    pub fn used(&mut self, visit: &mut Visit, key: u64, whole: bool, facts: &mut Facts) {
        let class = visit.class(&mut self.classes, facts, whole);
        let hash = mix(key);
        if self.sample.watches(hash) {
            let before = self.sample.used(hash, Watched { class, tick: visit.tick });
            if let Some(before) = before {
                self.classes.hit(before.class, age_class(visit.tick.wrapping_sub(before.tick)));
            }
            if self.sample.is_full() {
                self.thin();
            }
        }
        facts.tick = visit.tick;
        facts.class = class;
        facts.uses = facts.uses.saturating_add(1);
        facts.hint = 0;
    }

    /// The cache gave a block up for good.
    pub fn forgotten(&mut self, key: u64, facts: &Facts) {
        let age = self.tick.wrapping_sub(facts.tick);
        #[expect(clippy::cast_precision_loss, reason = "an average")]
        let age = age as f32;
        self.give_up_age += (age - self.give_up_age) / 1024.0;
        self.ghosts.put(mix(key), self.tick, facts);
    }

    /// What a block is worth: seconds saved for each byte and second that it is kept.
    pub fn value(&self, facts: &Facts, now_s: f64) -> f64 {
        let age = self.clock(now_s).wrapping_sub(facts.tick);
        let rate = f64::from(self.classes.rate(facts.class, age)) * f64::from(facts.price);
        if facts.hint == 0 {
            rate
        } else {
            rate * hinted(facts.hint, f64::from(age) / f64::from(TICKS_PER_S))
        }
    }

    /// How often it has changed its mind; what was compared before may compare otherwise.
    pub(super) const fn lessons(&self) -> u64 {
        self.lessons
    }

    /// Its clock: the seconds that it is told, and a little for each request, so that order counts even where the clock
    /// stands still.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "it wraps"
    )]
    fn clock(&self, now_s: f64) -> u32 {
        ((now_s + self.visits as f64 / 1024.0) * f64::from(TICKS_PER_S)) as u64 as u32
    }

    /// Makes room in the sample: it should see blocks for much longer than the cache keeps them.
    fn thin(&mut self) {
        let age = self.sample.old_age(self.tick);
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let long = age as f32;
        if long > 8.0 * self.give_up_age && self.give_up_age > 0.0 {
            let (tick, classes) = (self.tick, &mut self.classes);
            self.sample.drop_old(tick, age.max(1), |block| {
                classes.end(block.class, age_class(tick.wrapping_sub(block.tick)));
            });
        }
        while self.sample.is_full() {
            self.sample.halve();
            self.classes.fade(0.5);
        }
    }
}

/// Spreads a number's bits; two rounds of a multiplication and a shift.
const fn mix(key: u64) -> u64 {
    let key = (key ^ (key >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let key = (key ^ (key >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    key ^ (key >> 32)
}
