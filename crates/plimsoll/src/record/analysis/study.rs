//! Everything at once, in two passes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::fragmentation::gaps;
use super::survey::{Survey, start_of, survey};
use super::{
    Atlas, Block, Fragmentation, Label, LeaseAtPeak, Peak, Point, PredictionCheck, ScopeUse, Share, Summary,
    Timeline, Tracker, Troubles,
};
use crate::record::{Names, Recording, RecordingError};

/// How much is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StudySettings {
    /// Points of a timeline.
    pub points: usize,
    /// Labels that a timeline shows by themselves.
    pub labels: usize,
    /// Largest leases at a peak.
    pub largest: usize,
}

impl Default for StudySettings {
    fn default() -> Self {
        Self { points: 800, labels: 12, largest: 50 }
    }
}

/// What a recording says, all of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Study {
    /// In numbers.
    pub summary: Summary,
    /// Place by place, what was live at its peak.
    pub peaks: Vec<Peak>,
    /// Place by place, over time.
    pub timelines: Vec<Timeline>,
    /// What happened inside scopes, the highest peak first.
    pub scopes: Vec<ScopeUse>,
    /// What was given up, refused or pressed.
    pub troubles: Troubles,
    /// Predictions beside what was measured.
    pub predictions: Vec<PredictionCheck>,
}

/// Looking for gaps costs a step a live block; all points of a picture together may take so many.
const GAP_STEPS: u64 = 30_000_000;

impl Study {
    /// Reads a recording twice.
    pub fn of(recording: &Recording, settings: &StudySettings) -> Result<Self, RecordingError> {
        let atlas = Atlas::new(recording.facts(), recording.names());
        let first = survey(recording, &atlas, settings.points)?;
        let mut second = Second::new(recording, &atlas, settings, &first);
        second.look(0);
        let mut after = 0;
        let mut last_ns = 0;
        for event in recording.events() {
            let mut event = event?;
            event.at_ns = event.at_ns.max(last_ns);
            last_ns = event.at_ns;
            second.tracker.step(&event);
            after += 1;
            second.look(after);
        }
        let (peaks, timelines) = second.finish();
        Ok(Self {
            summary: first.summary,
            peaks,
            timelines,
            scopes: first.scopes,
            troubles: first.troubles,
            predictions: first.predictions,
        })
    }
}

/// One place in the second pass.
struct Stop {
    /// Points that are done.
    done: usize,
    /// Every how-manyth point is looked at for gaps.
    stride: usize,
    labels: Vec<Label>,
    timeline: Timeline,
    peak: Peak,
    sources: Vec<u16>,
}

struct Second<'r> {
    first: &'r Survey,
    names: &'r Names,
    tracker: Tracker<'r>,
    stops: Vec<Stop>,
    largest: usize,
    /// The next moment that anything is wanted of.
    next: u64,
}

impl<'r> Second<'r> {
    fn new(recording: &'r Recording, atlas: &'r Atlas, settings: &StudySettings, first: &'r Survey) -> Self {
        let names = recording.names();
        let stop = |(number, summary): (usize, &super::PlaceSummary)| {
            let labels: Vec<Label> =
                first.labels[number].iter().take(settings.labels).map(|(label, _)| *label).collect();
            let points = first.stretches[number].len() as u64;
            let stride = (points * summary.blocks).div_ceil(GAP_STEPS).max(1);
            let at =
                |source: &usize| atlas.of_source(u16::try_from(*source).unwrap_or(u16::MAX)) == Some(number);
            let sources = (0..names.sources.len()).filter(at).filter_map(|source| u16::try_from(source).ok());
            Stop {
                done: 0,
                stride: usize::try_from(stride).unwrap_or(usize::MAX),
                timeline: Timeline {
                    place: summary.place,
                    duration_ns: first.summary.duration_ns(),
                    labels: labels.iter().map(|label| label.name(names).to_owned()).collect(),
                    more_labels: first.labels[number].len() - labels.len(),
                    points: Vec::with_capacity(first.stretches[number].len()),
                    fragmentation: Vec::new(),
                },
                peak: Peak {
                    place: summary.place,
                    requested: summary.requested,
                    pending: 0,
                    charged: None,
                    by_label: Vec::new(),
                    by_account: Vec::new(),
                    largest: Vec::new(),
                    fragmentation: Fragmentation::default(),
                },
                labels,
                sources: sources.collect(),
            }
        };
        let stops = first.summary.places.iter().enumerate().map(stop).collect();
        let tracker = Tracker::new(recording.facts(), names, atlas);
        Self { first, names, tracker, stops, largest: settings.largest, next: 0 }
    }

    /// Takes down what is wanted of the moment after so many events.
    fn look(&mut self, after: u64) {
        if after < self.next {
            return;
        }
        self.next = u64::MAX;
        for number in 0..self.stops.len() {
            self.look_at(number, after);
        }
    }

    fn look_at(&mut self, number: usize, after: u64) {
        let stretches = &self.first.stretches[number];
        let stop = &mut self.stops[number];
        let books = self.tracker.place(number);
        while let Some(fullest) = stretches.get(stop.done).filter(|fullest| fullest.after <= after) {
            stop.timeline.points.push(Point {
                start_ns: start_of(stop.done, stop.timeline.duration_ns, stretches.len()),
                at_ns: fullest.at_ns,
                live: fullest.live,
                labels: stop.labels.iter().map(|label| books.of_label(*label)).collect(),
                backed: fullest.backed,
                charged: fullest.charged,
                evicted: fullest.evicted,
                refused: fullest.refused,
            });
            if stop.done.is_multiple_of(stop.stride) {
                let taken = fragmentation(&self.tracker, number, &stop.sources, fullest.at_ns);
                stop.timeline.fragmentation.push(taken);
            }
            stop.done += 1;
        }
        if let Some(fullest) = stretches.get(stop.done) {
            self.next = self.next.min(fullest.after);
        }
        let wanted = stop.peak.requested.after;
        if wanted > after {
            self.next = self.next.min(wanted);
        } else if wanted == after && wanted > 0 {
            self.compose(number);
        }
    }

    fn compose(&mut self, number: usize) {
        let stop = &mut self.stops[number];
        let at_ns = stop.peak.requested.at_ns;
        let books = self.tracker.place(number);
        let peak = &mut stop.peak;
        (peak.pending, peak.charged) = (books.pending, books.charged);
        let share = |(label, bytes, blocks): (Label, u64, u64)| Share {
            name: label.name(self.names).to_owned(),
            bytes,
            leases: (blocks > 0).then_some(blocks),
        };
        peak.by_label = books.labels().map(share).collect();
        peak.by_label.sort_by_key(|share| Reverse(share.bytes));
        let mut heap = BinaryHeap::new();
        for &source in &stop.sources {
            let mut all = Share { name: account(self.names, source), bytes: 0, leases: Some(0) };
            for (address, block) in self.tracker.blocks(source) {
                all.bytes = all.bytes.saturating_add(block.bytes);
                all.leases = all.leases.map(|leases| leases + 1);
                heap.push(Reverse((block.placed, Reverse(block.number), source, address)));
                if heap.len() > self.largest {
                    heap.pop();
                }
            }
            if all.bytes > 0 {
                peak.by_account.push(all);
            }
        }
        peak.by_account.sort_by_key(|share| Reverse(share.bytes));
        let largest = heap.into_sorted_vec();
        peak.largest = largest
            .into_iter()
            .filter_map(|Reverse((_, _, source, address))| {
                let (_, block) = self.tracker.block(source, address)?;
                Some(lease(self.names, source, address, block, at_ns))
            })
            .collect();
        peak.fragmentation = fragmentation(&self.tracker, number, &stop.sources, at_ns);
    }

    fn finish(self) -> (Vec<Peak>, Vec<Timeline>) {
        self.stops.into_iter().map(|stop| (stop.peak, stop.timeline)).unzip()
    }
}

fn account(names: &Names, source: u16) -> String {
    names.source(source).map_or_else(|| "(other)".to_owned(), |source| source.account.clone())
}

fn fragmentation(tracker: &Tracker<'_>, number: usize, sources: &[u16], at_ns: u64) -> Fragmentation {
    let books = tracker.place(number);
    let (mut free, mut largest_gap) = (0_u64, 0);
    for &source in sources {
        let Some(backed) = tracker.backed(source) else { continue };
        let (more, largest) = gaps(tracker, source, backed);
        free = free.saturating_add(more);
        largest_gap = largest_gap.max(largest);
    }
    Fragmentation {
        at_ns,
        backed: books.backed,
        placed: books.placed,
        requested: books.live,
        free,
        largest_gap,
    }
}

fn lease(names: &Names, source: u16, address: u64, block: &Block, at_ns: u64) -> LeaseAtPeak {
    let word = |number: u16| (number > 0).then(|| names.tag(number).to_owned());
    LeaseAtPeak {
        account: account(names, source),
        address,
        bytes: block.bytes,
        placed: block.placed,
        tag: word(block.tag),
        scope: word(block.scope),
        site: names.site(block.site).cloned(),
        thread: names.thread(block.thread).to_owned(),
        age_ns: (!block.already).then(|| at_ns.saturating_sub(block.at_ns)),
        pending: block.pending,
    }
}
