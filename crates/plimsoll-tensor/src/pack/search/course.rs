//! The course of a search: choices, going on and going back.

use super::super::effort::Effort;
use super::super::instance::Item;
use super::dead::{Dead, mix};
use super::divide::Whole;
use super::part::{Entry, Ground, Part, Ranked, low, rank};
use super::refuted::Refuted;
use super::set::{insert, meet, members, remove, unite};

/// How a search ended.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::pack) enum Outcome {
    /// Each item's offset, by its place in the list.
    Found(Vec<u64>),
    /// There is none.
    Impossible,
    /// The work that was allowed is done.
    Spent,
}

/// How candidates are looked at before one is chosen: what room would it leave?
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::pack) struct Glance {
    /// Which are compared.
    pub among: Among,
    /// How many are compared at once; the next only when these have failed.
    pub most: usize,
    /// How much room makes a section as good as free.
    pub ample: f32,
}

/// Which candidates a glance compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pack) enum Among {
    /// Those of one offset.
    Level,
    /// Any.
    All,
}

/// No part, no item.
pub(super) const NONE: u32 = u32::MAX;

/// A choice that is being made for a part.
#[derive(Clone, Copy, Debug)]
struct Frame {
    part: u32,
    /// The next candidate, and the end of candidates: a run of `entries`.
    candidate: usize,
    end: usize,
    /// The candidates that are not looked at yet: another run.
    unseen: usize,
    unseen_end: usize,
    /// The item that is placed.
    placed: u32,
    /// The item that no candidate may lie above.
    lid: u32,
    /// How long the ground's lists were.
    lengths: (usize, usize, usize),
}

/// What became of a candidate.
enum Placed {
    /// It stands; this part comes next.
    Next(u32),
    /// It cannot stand; the reason is set.
    Dead,
    /// That it cannot was known.
    Refuted,
}

/// A search.
pub(in crate::pack) struct Search<'a> {
    ground: Ground<'a>,
    frames: Vec<Frame>,
    glance: Option<Glance>,
    words: usize,
    /// By frame: the items that its choice pushed up; those that the failures of its choices so far need.
    raised: Vec<u64>,
    blamed: Vec<u64>,
    /// What is not placed.
    open: Vec<u64>,
    refuted: Refuted,
    /// How often each item was needed for a failure.
    blame: Vec<u32>,
    priced: Vec<(f32, Entry)>,
    /// Work of glances that is not counted yet.
    glanced: u64,
}

impl<'a> Search<'a> {
    /// A search that prefers items in `order`. Capacity and sizes are below 2^31.
    pub fn new(
        items: &[Item],
        sections: u32,
        capacity: u32,
        order: &[u32],
        glance: Option<Glance>,
        dead: &'a mut Dead,
    ) -> Self {
        let narrow = |units: u64| u32::try_from(units).unwrap_or(u32::MAX >> 1);
        let ranked = |at: &u32| {
            let item = &items[*at as usize];
            Ranked {
                from: item.from,
                to: item.to,
                size: narrow(item.size),
                align: narrow(item.align),
                mark: mix(u64::from(*at) + 1),
                item: *at,
            }
        };
        let words = items.len().div_ceil(64);
        Self {
            ground: Ground::new(order.iter().map(ranked).collect(), sections as usize, capacity, words, dead),
            frames: Vec::new(),
            glance,
            words,
            raised: Vec::new(),
            blamed: Vec::new(),
            open: vec![u64::MAX; words],
            refuted: Refuted::new(items.len(), words),
            blame: vec![0; items.len()],
            priced: Vec::new(),
            glanced: 0,
        }
    }

    /// How often each item was needed for a failure.
    pub fn blame(&self) -> &[u32] {
        &self.blame
    }

    /// Searches until the end, or until so many choices are made, or the effort is spent.
    pub fn run(&mut self, choices: u64, effort: &mut Effort<'_>) -> Outcome {
        let mut left = choices;
        let Some(mut pending) = self.ground.begin() else { return Outcome::Impossible };
        while pending != NONE {
            self.choose(pending);
            pending = loop {
                let Some(frame) = self.frames.last() else { return Outcome::Impossible };
                if frame.candidate == frame.end {
                    if self.look() {
                        continue;
                    }
                    let maker = self.exhaust();
                    self.back(maker);
                    continue;
                }
                let part = self.ground.parts[frame.part as usize];
                let work = (part.last - part.first) as u64 + 8 + std::mem::take(&mut self.glanced);
                if left == 0 || !effort.spend(work) {
                    return Outcome::Spent;
                }
                left -= 1;
                let at = u32::try_from(self.frames.len()).unwrap_or(NONE) - 1;
                match self.place() {
                    Placed::Next(next) => break next,
                    Placed::Dead => self.back(at),
                    Placed::Refuted => {}
                }
            };
        }
        Outcome::Found(self.ground.offsets.iter().map(|offset| u64::from(*offset)).collect())
    }

    /// The last frame has no candidate left: what fails is all that its candidates' failures need. Gives the frame whose
    /// choice made its part.
    fn exhaust(&mut self) -> u32 {
        let Some(frame) = self.frames.last().copied() else { return NONE };
        let at = (self.frames.len() - 1) * self.words;
        self.ground.reason.copy_from_slice(&self.blamed[at..at + self.words]);
        insert(&mut self.ground.reason, frame.lid);
        self.ground.under(self.ground.parts[frame.part as usize].hat);
        self.ground.bury(frame.part);
        self.forget();
        self.ground.parts[frame.part as usize].maker
    }

    /// Takes the last frame off.
    fn forget(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        if frame.placed != NONE {
            insert(&mut self.open, frame.placed);
        }
        let at = self.frames.len();
        self.refuted.truncate(at);
        self.raised.truncate(at * self.words);
        self.blamed.truncate(at * self.words);
    }

    /// Goes back from the failure of a choice of the frame `maker` to the last choice that pushed up something that the
    /// failure needs.
    ///
    /// Of the frames on the way only those whose choices led to the failure are dead: `maker`, the frame that made its
    /// part, and so on. Those between belong to parts beside it, which are solved, and may be solved the same way again.
    fn back(&mut self, mut maker: u32) {
        for item in members(&self.ground.reason) {
            self.blame[item] += 1;
        }
        while let Some(frame) = self.frames.last().copied() {
            let last = self.frames.len() - 1;
            if last == maker as usize {
                let at = last * self.words;
                if meet(&self.raised[at..at + self.words], &self.ground.reason) {
                    insert(&mut self.ground.reason, frame.placed);
                    unite(&mut self.blamed[at..], &self.ground.reason);
                    insert(&mut self.open, frame.placed);
                    self.refuted.push(last, frame.placed, &self.ground.reason);
                    self.ground.truncate(frame.lengths);
                    return;
                }
                self.ground.bury(frame.part);
                maker = self.ground.parts[frame.part as usize].maker;
            }
            self.forget();
        }
    }

    /// Begins to choose for a part: its candidates are those that begin below the end of any.
    fn choose(&mut self, part: u32) {
        let Part { first, last, .. } = self.ground.parts[part as usize];
        let (mut ceiling, mut lid, mut end) = (u32::MAX, NONE, first);
        while end < last {
            let entry = self.ground.entries[end];
            if low(entry) >= ceiling {
                break;
            }
            let item = &self.ground.items[rank(entry)];
            if low(entry) + item.size < ceiling {
                (ceiling, lid) = (low(entry) + item.size, item.item);
            }
            end += 1;
        }
        let seen = if self.glance.is_some() { first } else { end };
        self.frames.push(Frame {
            part,
            candidate: first,
            end: seen,
            unseen: seen,
            unseen_end: end,
            placed: NONE,
            lid,
            lengths: self.ground.lengths(),
        });
        self.raised.resize(self.frames.len() * self.words, 0);
        self.blamed.resize(self.frames.len() * self.words, 0);
    }

    /// Adds the next candidates of the last frame again, in the order of what each would cost; `false` where none are left.
    fn look(&mut self) -> bool {
        let (Some(glance), Some(frame)) = (self.glance, self.frames.last_mut()) else { return false };
        let part = self.ground.parts[frame.part as usize];
        let unseen = &self.ground.entries[frame.unseen..frame.unseen_end];
        let Some(lowest) = unseen.first().map(|entry| low(*entry)) else { return false };
        let level = match glance.among {
            Among::Level => unseen.partition_point(|entry| low(*entry) == lowest),
            Among::All => unseen.len(),
        };
        let (begin, end) = (frame.unseen, frame.unseen + level.min(glance.most));
        frame.unseen = end;
        self.priced.clear();
        if end - begin == 1 {
            self.priced.push((0.0, self.ground.entries[begin]));
        } else {
            self.ground.appraise(&part, glance.ample);
            for at in begin..end {
                let chosen = self.ground.entries[at];
                // What is dead at once comes last, and tells its reason when it is placed.
                let price = self.ground.price(chosen, &part).unwrap_or(f32::INFINITY);
                self.priced.push((price, chosen));
            }
            self.priced.sort_unstable_by(|one, other| {
                one.0.total_cmp(&other.0).then_with(|| rank(one.1).cmp(&rank(other.1)))
            });
            self.glanced += ((end - begin) * (part.last - part.first)) as u64;
        }
        frame.candidate = self.ground.entries.len();
        self.ground.entries.extend(self.priced.iter().map(|(_, entry)| *entry));
        frame.end = self.ground.entries.len();
        frame.lengths = self.ground.lengths();
        true
    }

    /// Places the next candidate.
    fn place(&mut self) -> Placed {
        let at = self.frames.len() - 1;
        let words = at * self.words;
        let frame = &mut self.frames[at];
        let part = self.ground.parts[frame.part as usize];
        let chosen = self.ground.entries[frame.candidate];
        let item = self.ground.items[rank(chosen)];
        frame.candidate += 1;
        frame.placed = NONE;
        if let Some(reason) = self.refuted.reason(item.item, &self.open) {
            unite(&mut self.blamed[words..], reason);
            return Placed::Refuted;
        }
        frame.placed = item.item;
        remove(&mut self.open, item.item);
        self.ground.offsets[item.item as usize] = low(chosen);
        let raised = &mut self.raised[words..];
        raised.fill(0);
        if let Err(item) = self.ground.place(chosen, &part, |item| insert(raised, item)) {
            self.ground.reason.fill(0);
            insert(&mut self.ground.reason, item);
            self.ground.under(part.hat);
            return Placed::Dead;
        }
        let maker = u32::try_from(at).unwrap_or(NONE);
        let whole = Whole { maker, hat: part.hat, capacity: part.capacity };
        self.ground.divide(part.next, whole).map_or(Placed::Dead, Placed::Next)
    }
}
