//! What was given up, refused or pressed, and moments that somebody named.

use std::collections::BTreeMap;

use super::Atlas;
use crate::Place;
use crate::governor::Why;
use crate::record::{Event, Kind, Names};

/// Lists of single moments are this long at most; the rest is counted.
const MOST: usize = 1000;

/// Why a cached value was given up, by the code of [`Kind::Evict`].
pub const fn evict_reason(code: u64) -> &'static str {
    match code {
        0 => "the governor asked",
        1 => "its own account was full",
        2 => "its owner said so",
        _ => "not known",
    }
}

/// Why a request was refused, by the code of [`Kind::Refuse`].
pub const fn refuse_reason(code: u64) -> &'static str {
    Why::of_code(code)
}

/// The name of a pressure level, by the code of [`Kind::Pressure`].
pub const fn pressure_level(code: u64) -> &'static str {
    match code {
        0 => "normal",
        1 => "warning",
        2 => "critical",
        _ => "not known",
    }
}

/// What one cache gave up for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evictions {
    /// Where.
    pub place: Place,
    /// Whose account.
    pub account: String,
    /// The cache.
    pub cache: String,
    /// Why.
    pub reason: &'static str,
    /// How many values.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The first time.
    pub first_ns: u64,
    /// The last time.
    pub last_ns: u64,
}

/// What one account was refused for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusals {
    /// Where.
    pub place: Place,
    /// Whose account.
    pub account: String,
    /// Why.
    pub reason: &'static str,
    /// How many requests.
    pub count: u64,
    /// The largest of them.
    pub largest: u64,
    /// The first time.
    pub first_ns: u64,
    /// The last time.
    pub last_ns: u64,
}

/// A change of the pressure level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PressureAt {
    /// When.
    pub at_ns: u64,
    /// Where.
    pub place: Place,
    /// From now on.
    pub level: &'static str,
    /// What may be carried from now on.
    pub carry: u64,
}

/// A moment that somebody named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkAt {
    /// When.
    pub at_ns: u64,
    /// What it was called.
    pub name: String,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Troubles {
    /// What was given up, most bytes first.
    pub evictions: Vec<Evictions>,
    /// What was refused, most often first.
    pub refusals: Vec<Refusals>,
    /// Changes of pressure, in order; at most a thousand.
    pub pressure: Vec<PressureAt>,
    /// Changes of pressure beyond those.
    pub more_pressure: u64,
    /// Named moments, in order; at most a thousand.
    pub marks: Vec<MarkAt>,
    /// Named moments beyond those.
    pub more_marks: u64,
}

#[derive(Clone, Copy, Debug)]
struct Sum {
    count: u64,
    bytes: u64,
    largest: u64,
    first_ns: u64,
    last_ns: u64,
}

impl Sum {
    fn add(&mut self, event: &Event) {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(event.bytes);
        self.largest = self.largest.max(event.bytes);
        self.last_ns = event.at_ns;
    }
}

/// Gathers them.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// By source, tag and reason.
    evictions: BTreeMap<(u16, u16, u64), Sum>,
    /// By source and reason.
    refusals: BTreeMap<(u16, u64), Sum>,
    pressure: Vec<PressureAt>,
    more_pressure: u64,
    marks: Vec<(u64, u16)>,
    more_marks: u64,
}

impl Gathering {
    pub(super) fn see(&mut self, event: &Event, atlas: &Atlas) {
        let none = Sum { count: 0, bytes: 0, largest: 0, first_ns: event.at_ns, last_ns: 0 };
        // Codes that are not known are one reason, so that foreign ones cannot fill the memory.
        let code = event.address.min(16);
        match event.kind {
            Kind::Evict => {
                self.evictions.entry((event.source, event.tag, code)).or_insert(none).add(event);
            }
            Kind::Refuse => self.refusals.entry((event.source, code)).or_insert(none).add(event),
            Kind::Pressure => {
                let Some(place) = atlas.of_source(event.source) else { return };
                let place = atlas.places()[place];
                let level = pressure_level(code);
                if self.pressure.len() < MOST {
                    self.pressure.push(PressureAt { at_ns: event.at_ns, place, level, carry: event.bytes });
                } else {
                    self.more_pressure += 1;
                }
            }
            Kind::Mark if self.marks.len() < MOST => self.marks.push((event.at_ns, event.tag)),
            Kind::Mark => self.more_marks += 1,
            _ => {}
        }
    }

    pub(super) fn finish(self, names: &Names) -> Troubles {
        let mut evictions: Vec<Evictions> = self
            .evictions
            .into_iter()
            .filter_map(|((source, tag, code), sum)| {
                let source = names.source(source)?;
                Some(Evictions {
                    place: source.place,
                    account: source.account.clone(),
                    cache: names.tag(tag).to_owned(),
                    reason: evict_reason(code),
                    count: sum.count,
                    bytes: sum.bytes,
                    first_ns: sum.first_ns,
                    last_ns: sum.last_ns,
                })
            })
            .collect();
        evictions.sort_by_key(|evicted| std::cmp::Reverse(evicted.bytes));
        let mut refusals: Vec<Refusals> = self
            .refusals
            .into_iter()
            .filter_map(|((source, code), sum)| {
                let source = names.source(source)?;
                Some(Refusals {
                    place: source.place,
                    account: source.account.clone(),
                    reason: refuse_reason(code),
                    count: sum.count,
                    largest: sum.largest,
                    first_ns: sum.first_ns,
                    last_ns: sum.last_ns,
                })
            })
            .collect();
        refusals.sort_by_key(|refused| std::cmp::Reverse(refused.count));
        let mark = |(at_ns, tag)| MarkAt { at_ns, name: names.tag(tag).to_owned() };
        Troubles {
            evictions,
            refusals,
            pressure: self.pressure,
            more_pressure: self.more_pressure,
            marks: self.marks.into_iter().map(mark).collect(),
            more_marks: self.more_marks,
        }
    }
}
