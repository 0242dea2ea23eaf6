//! The first pass: the peaks, and the fullest moment of each stretch of time.

use super::predictions::Checks;
use super::scopes::Scopes;
use super::troubles::Gathering;
use super::{
    Atlas, Label, Moment, PlaceSummary, PredictionCheck, ScopeUse, Step, Summary, Tracker, Troubles,
};
use crate::record::{Event, Kind, Recording, RecordingError};

/// The fullest moment of a stretch, and the most of other things in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fullest {
    pub(super) live: u64,
    pub(super) at_ns: u64,
    /// After how many events.
    pub(super) after: u64,
    pub(super) backed: u64,
    pub(super) charged: Option<u64>,
    pub(super) evicted: u64,
    pub(super) refused: u64,
}

/// What the first pass found.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) summary: Summary,
    pub(super) troubles: Troubles,
    pub(super) scopes: Vec<ScopeUse>,
    pub(super) predictions: Vec<PredictionCheck>,
    /// By place: stretch by stretch.
    pub(super) stretches: Vec<Vec<Fullest>>,
    /// By place: labels, those that had most at once first.
    pub(super) labels: Vec<Vec<(Label, u64)>>,
}

/// The first pass while it runs.
struct Pass<'r> {
    recording: &'r Recording,
    atlas: &'r Atlas,
    tracker: Tracker<'r>,
    places: Vec<PlaceSummary>,
    counts: [u64; Kind::ALL.len()],
    after: u64,
    last_ns: u64,
    duration_ns: u64,
    stretch: usize,
    stretches: Vec<Vec<Fullest>>,
    scopes: Scopes,
    checks: Checks,
    gathering: Gathering,
    unknown_scopes: super::Oddities,
}

pub(super) fn survey(
    recording: &Recording,
    atlas: &Atlas,
    stretches: usize,
) -> Result<Survey, RecordingError> {
    let duration_ns = duration(recording)?;
    let mut pass = Pass::new(recording, atlas, stretches.max(1), duration_ns);
    for event in recording.events() {
        pass.see(&event?);
    }
    Ok(pass.finish())
}

/// How long it took. A file that was cut, or has no end, is read through to its last event.
fn duration(recording: &Recording) -> Result<u64, RecordingError> {
    let facts = recording.facts();
    let mut duration = facts.duration_ns;
    if facts.cut || duration == 0 {
        for event in recording.events() {
            duration = duration.max(event?.at_ns);
        }
    }
    Ok(duration)
}

impl<'r> Pass<'r> {
    fn new(recording: &'r Recording, atlas: &'r Atlas, stretches: usize, duration_ns: u64) -> Self {
        let facts = recording.facts();
        let places = atlas.places().iter().map(|&place| {
            let line = facts.lines.iter().find(|line| line.place == place);
            let charged = line.map(|line| Moment { bytes: line.charged.get(), at_ns: 0, after: 0 });
            PlaceSummary {
                place,
                line: line.map(|line| line.line.get()),
                requested: Moment::default(),
                placed: Moment::default(),
                backed: None,
                charged,
                blocks: 0,
                before: 0,
                leases: 0,
                leased_bytes: 0,
                end_live: 0,
                end_blocks: 0,
            }
        });
        let places: Vec<PlaceSummary> = places.collect();
        let tracker = Tracker::new(facts, recording.names(), atlas);
        let entry = |number: usize| Fullest { charged: tracker.place(number).charged, ..Fullest::default() };
        let stretches = (0..places.len()).map(|number| vec![entry(number); stretches]).collect();
        Self {
            recording,
            atlas,
            places,
            stretches,
            counts: [0; Kind::ALL.len()],
            after: 0,
            last_ns: 0,
            duration_ns,
            stretch: 0,
            scopes: Scopes::new(atlas),
            checks: Checks::new(facts, recording.names()),
            gathering: Gathering::default(),
            unknown_scopes: super::Oddities::default(),
            tracker,
        }
    }

    fn see(&mut self, event: &Event) {
        // A clock that goes back is no reason to lose anything: time stands still until it has caught up.
        let event = Event { at_ns: event.at_ns.max(self.last_ns), ..*event };
        self.last_ns = event.at_ns;
        self.advance(stretch_of(event.at_ns, self.duration_ns, self.stretches.first().map_or(1, Vec::len)));
        if let Some(count) = self.counts.get_mut(event.kind as usize - 1) {
            *count += 1;
        }
        let step = self.tracker.step(&event);
        self.after += 1;
        let place = self.atlas.of_source(event.source);
        let ended = match step {
            Step::Ended(block) | Step::Retired(block) => block.bytes,
            _ => 0,
        };
        self.scopes.see(&event, place, ended, &mut self.unknown_scopes);
        self.checks.see(&event, &step, &self.tracker);
        self.gathering.see(&event, self.atlas);
        let Some(place) = place.filter(|_| !matches!(event.kind, Kind::Enter | Kind::Leave | Kind::Mark))
        else {
            return;
        };
        self.measure(place, &event);
        if matches!(event.kind, Kind::Demote | Kind::Promote) {
            let to = u16::try_from(event.address).ok().and_then(|to| self.atlas.of_source(to));
            if let Some(to) = to.filter(|to| *to != place) {
                self.measure(to, &event);
            }
        }
    }

    fn measure(&mut self, number: usize, event: &Event) {
        let books = self.tracker.place(number);
        let (at_ns, after) = (event.at_ns, self.after);
        let place = &mut self.places[number];
        place.requested.see(books.live, at_ns, after);
        place.placed.see(books.placed, at_ns, after);
        place.blocks = place.blocks.max(books.blocks);
        if matches!(event.kind, Kind::Back | Kind::GiveBack) {
            place.backed.get_or_insert_default().see(books.backed, at_ns, after);
        }
        if let Some(charged) = books.charged {
            place.charged.get_or_insert_default().see(charged, at_ns, after);
        }
        let stretch = &mut self.stretches[number][self.stretch];
        if books.live > stretch.live {
            (stretch.live, stretch.at_ns, stretch.after) = (books.live, at_ns, after);
        }
        stretch.backed = stretch.backed.max(books.backed);
        stretch.charged = stretch.charged.max(books.charged);
        match event.kind {
            Kind::Already => place.before = place.before.saturating_add(event.bytes),
            Kind::Lease => {
                place.leases += 1;
                place.leased_bytes = place.leased_bytes.saturating_add(event.bytes);
            }
            Kind::Evict => stretch.evicted = stretch.evicted.saturating_add(event.bytes),
            Kind::Refuse => stretch.refused += 1,
            _ => {}
        }
    }

    /// Time goes on to a later stretch: what is live then is where each on the way begins.
    fn advance(&mut self, to: usize) {
        if to <= self.stretch {
            return;
        }
        for (number, stretches) in self.stretches.iter_mut().enumerate() {
            let books = self.tracker.place(number);
            let all = stretches.len();
            for (at, stretch) in stretches.iter_mut().enumerate().take(to + 1).skip(self.stretch + 1) {
                *stretch = Fullest {
                    live: books.live,
                    at_ns: start_of(at, self.duration_ns, all),
                    after: self.after,
                    backed: books.backed,
                    charged: books.charged,
                    ..Fullest::default()
                };
            }
        }
        self.stretch = to;
    }

    fn finish(mut self) -> Survey {
        self.advance(self.stretches.first().map_or(1, Vec::len) - 1);
        for (number, place) in self.places.iter_mut().enumerate() {
            let books = self.tracker.place(number);
            (place.end_live, place.end_blocks) = (books.live, books.blocks);
        }
        let (facts, names) = (self.recording.facts(), self.recording.names());
        let mut odd = self.tracker.oddities();
        odd.unknown_scopes = self.unknown_scopes.unknown_scopes;
        let labels = (0..self.places.len()).map(|number| self.tracker.place(number).label_peaks()).collect();
        Survey {
            troubles: self.gathering.finish(names),
            scopes: self.scopes.finish(self.last_ns, self.atlas, names),
            predictions: self.checks.finish(facts, self.atlas, &self.places),
            stretches: self.stretches,
            labels,
            summary: Summary {
                facts: facts.clone(),
                last_ns: self.last_ns,
                counts: self.counts,
                places: self.places,
                odd,
            },
        }
    }
}

/// In which of so many stretches a moment is.
fn stretch_of(at_ns: u64, duration_ns: u64, all: usize) -> usize {
    let share = u128::from(at_ns) * all as u128 / (u128::from(duration_ns) + 1);
    usize::try_from(share).unwrap_or(usize::MAX).min(all - 1)
}

/// When a stretch begins.
pub(super) fn start_of(stretch: usize, duration_ns: u64, all: usize) -> u64 {
    let start = (u128::from(duration_ns) + 1) * stretch as u128 / all as u128;
    u64::try_from(start).unwrap_or(u64::MAX)
}
