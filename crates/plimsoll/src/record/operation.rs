//! What one operation leased.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use super::scope::{Scope, scope};
use super::session::ActiveRecording;
use super::{Event, Kind};
use crate::pool::Tag;
use crate::{Bytes, Place};

/// Watches what this thread leases until it is finished or dropped, and then says what that was.
///
/// It is a [scope](super::scope()) and a recording in one, so it costs what recording does; meant for looking at an
/// operation, not to be left around all of them. What other threads lease for the operation is not in it.
///
/// ```
/// # use plimsoll::{Bytes, Engine, Place};
/// # let engine = Engine::in_memory(Bytes::mib(64), "work")?;
/// # let pool = engine.account("work")?.scratch(Place::Host)?;
/// let operation = engine.operation("attention");
/// let kept = pool.lease(Bytes::mib(1))?;
/// drop(pool.lease(Bytes::mib(4))?);
/// let spent = operation.finish();
/// let host = spent.at(Place::Host);
/// assert_eq!((host.leases, host.peak, host.kept), (2, Bytes::mib(5), Bytes::mib(1)));
/// println!("{spent}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "an operation that is not kept ends at once"]
pub struct Operation {
    name: String,
    began: Instant,
    /// Taken when it ends.
    running: Option<(ActiveRecording, Scope)>,
    tell: Option<Tell>,
}

/// Who is told when an operation ends.
type Tell = Box<dyn FnOnce(&Spent) + Send>;

/// What an operation leased, place by place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Its name.
    pub name: String,
    /// How long it took.
    pub took: Duration,
    /// Where it leased something.
    pub places: Vec<(Place, SpentAt)>,
    /// Events that had no room: what is here is too little by as much.
    pub dropped: u64,
}

/// What it leased at one place, as asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpentAt {
    /// Leases that it took.
    pub leases: u64,
    /// All their bytes.
    pub leased: Bytes,
    /// The most of them that it had at once.
    pub peak: Bytes,
    /// What of them was still leased at the end.
    pub kept: Bytes,
    /// What it gave back that it had not leased itself.
    pub released: Bytes,
}

impl Operation {
    pub(crate) fn begin(name: &str, recording: ActiveRecording) -> Self {
        let scope = scope(Tag::new(name));
        Self { name: name.to_owned(), began: Instant::now(), running: Some((recording, scope)), tell: None }
    }

    /// Tells somebody when it ends, also when it is dropped or a panic ends it.
    pub fn on_end(mut self, tell: impl FnOnce(&Spent) + Send + 'static) -> Self {
        self.tell = Some(Box::new(tell));
        self
    }

    /// Ends it.
    pub fn finish(mut self) -> Spent {
        self.end()
    }

    fn end(&mut self) -> Spent {
        let mut spent = Spent { name: self.name.clone(), took: self.began.elapsed(), ..Spent::default() };
        if let Some((recording, scope)) = self.running.take() {
            drop(scope);
            let (recording, thread) = recording.finish_here();
            spent.dropped = recording.facts().dropped;
            let events = recording.events().map_while(Result::ok);
            let own = events.filter(|event| Some(event.thread) == thread && event.kind != Kind::Already);
            let place = |source| recording.names().source(source).map(|source| source.place);
            spent.places = sum(own, place);
        }
        if let Some(tell) = self.tell.take() {
            tell(&spent);
        }
        spent
    }
}

fn sum(events: impl Iterator<Item = Event>, place: impl Fn(u16) -> Option<Place>) -> Vec<(Place, SpentAt)> {
    let mut all: BTreeMap<Place, (SpentAt, u64)> = BTreeMap::new();
    let mut live: BTreeMap<(u16, u64), u64> = BTreeMap::new();
    for event in events {
        let Some(place) = place(event.source) else { continue };
        let block = (event.source, event.address);
        match event.kind {
            Kind::Lease => {
                let (at, now) = all.entry(place).or_default();
                at.leases += 1;
                at.leased += Bytes::new(event.bytes);
                *now += event.bytes;
                at.peak = at.peak.max(Bytes::new(*now));
                live.insert(block, event.bytes);
            }
            Kind::Drop | Kind::Retire => {
                let (at, now) = all.entry(place).or_default();
                match live.remove(&block) {
                    Some(bytes) => *now -= bytes,
                    None => at.released += Bytes::new(event.bytes),
                }
            }
            _ => {}
        }
    }
    all.into_iter().map(|(place, (at, now))| (place, SpentAt { kept: Bytes::new(now), ..at })).collect()
}

impl Spent {
    /// What it leased at a place: nothing, if it is not named.
    pub fn at(&self, place: Place) -> SpentAt {
        self.places.iter().find(|(known, _)| *known == place).map_or_else(SpentAt::default, |(_, at)| *at)
    }
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} took {:.3?}", self.name, self.took)?;
        if self.places.is_empty() {
            f.write_str(" and leased nothing")?;
        }
        for (place, at) in &self.places {
            write!(f, "; {place}: {} leases of {} in all, {} at most, ", at.leases, at.leased, at.peak)?;
            write!(f, "{} kept", at.kept)?;
            if !at.released.is_zero() {
                write!(f, ", {} of others given back", at.released)?;
            }
        }
        if self.dropped > 0 {
            write!(f, "; {} events had no room and are missing", self.dropped)?;
        }
        Ok(())
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if self.running.is_some() {
            self.end();
        }
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation").field("name", &self.name).finish_non_exhaustive()
    }
}
