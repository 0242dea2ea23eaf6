//! Classes of blocks that may come back alike, and when each class's blocks do.
//!
//! A class is found by several features, one after the other: `of what kind and how often used → how much of its prompt was
//! new → how long it had waited`. Each step refines the one before, and what is known of a class leans on the class that it
//! refines as long as it has seen little itself: of *n* blocks at risk, `hazard = (hits + K · hazard of the coarser) ÷ (n + K)`.
//! The coarsest of all leans on "as likely in each doubling of age", which orders blocks as LRU does.

use std::collections::HashMap;

use super::ages::{AGES, age_class, share_of_class};
use super::rate::{Hazards, rates};

/// The most classes; features that would make more find the coarser class.
pub(super) const CLASSES: usize = 1024;

/// How many blocks' worth of observations the coarser class counts for. Blocks of one prompt come back together, so that a
/// few hundred of them are no more than a dozen events; a sample of them needs fewer.
const LEAN: f32 = 300.0;

/// And at least so many.
const LEAST_LEAN: f32 = 20.0;

/// The chance to come back in each doubling of age, before anything was seen.
const UNKNOWN: f32 = 0.05;

/// Index of the class of everything.
pub(super) const ROOT: u16 = 0;

#[derive(Clone, Debug)]
struct Class {
    parent: u16,
    /// Blocks that came back, by age.
    hits: [f32; AGES],
    /// Blocks that were lost sight of, by age.
    ends: [f32; AGES],
    rates: [f32; AGES],
}

/// All classes.
#[derive(Clone, Debug)]
pub(super) struct Classes {
    classes: Vec<Class>,
    known: HashMap<(u16, u16), u16>,
}

impl Classes {
    pub fn new() -> Self {
        let root =
            Class { parent: ROOT, hits: [0.0; AGES], ends: [0.0; AGES], rates: rates(&[UNKNOWN; AGES]) };
        Self { classes: vec![root], known: HashMap::new() }
    }

    /// The class that refines another by a feature.
    pub fn refine(&mut self, parent: u16, feature: u16) -> u16 {
        if let Some(class) = self.known.get(&(parent, feature)) {
            return *class;
        }
        let Some(class) =
            u16::try_from(self.classes.len()).ok().filter(|class| usize::from(*class) < CLASSES)
        else {
            return parent;
        };
        let rates = self.classes[usize::from(parent)].rates;
        self.classes.push(Class { parent, hits: [0.0; AGES], ends: [0.0; AGES], rates });
        self.known.insert((parent, feature), class);
        class
    }

    /// A block of this class came back at this age.
    pub fn hit(&mut self, class: u16, age: usize) {
        self.classes[usize::from(class)].hits[age] += 1.0;
    }

    /// A block of this class was lost sight of at this age.
    pub fn end(&mut self, class: u16, age: usize) {
        self.classes[usize::from(class)].ends[age] += 1.0;
    }

    /// Makes what was seen so far count less.
    pub fn fade(&mut self, factor: f32) {
        for class in &mut self.classes {
            for count in class.hits.iter_mut().chain(&mut class.ends) {
                *count *= factor;
            }
        }
    }

    /// What a block of this class is worth for each second at an age in ticks: between the rates at the two ends of
    /// its class of age.
    pub fn rate(&self, class: u16, age: u32) -> f32 {
        let rates = &self.classes[usize::from(class)].rates;
        let at = age_class(age);
        let next = rates[(at + 1).min(AGES - 1)];
        rates[at] + (next - rates[at]) * share_of_class(age)
    }

    /// Works out the rates anew; `waiting` are the blocks in sight that did not come back yet,
    /// `share` is how many of all are in sight.
    pub fn learn(&mut self, waiting: impl Iterator<Item = (u16, usize)>, share: f32) {
        let lean = (LEAN * share).max(LEAST_LEAN);
        let count = self.classes.len();
        let mut hits: Vec<[f32; AGES]> = self.classes.iter().map(|class| class.hits).collect();
        let mut gone: Vec<[f32; AGES]> = self.classes.iter().map(|class| class.ends).collect();
        for (class, age) in waiting {
            gone[usize::from(class)][age] += 1.0;
        }
        // Those who refine come after what they refine.
        for class in (1..count).rev() {
            let parent = usize::from(self.classes[class].parent);
            for age in 0..AGES {
                hits[parent][age] += hits[class][age];
                gone[parent][age] += gone[class][age];
            }
        }
        let mut hazards: Vec<Hazards> = vec![[UNKNOWN; AGES]; count];
        for class in 0..count {
            let coarser = hazards[usize::from(self.classes[class].parent)];
            let mut older = 0.0;
            for age in (0..AGES).rev() {
                let (hits, gone) = (hits[class][age], gone[class][age]);
                older += hits + gone;
                // Who is lost sight of within a class of age was at risk for half of it.
                let at_risk = older - gone / 2.0;
                hazards[class][age] = (hits + lean * coarser[age]) / (at_risk + lean);
            }
            self.classes[class].rates = rates(&hazards[class]);
        }
    }
}
