//! What happened inside scopes.

use std::collections::{BTreeMap, HashMap};

use super::{Atlas, Oddities};
use crate::Place;
use crate::record::{Event, Kind, Names};

/// What the scopes of one name did at one place. A scope counts what its own thread leased and dropped while it was
/// open, also in scopes within it; of scopes of one name within each other, the outermost counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeUse {
    /// Its name.
    pub name: String,
    /// Where; `None` where nothing was leased or dropped anywhere.
    pub place: Option<Place>,
    /// How often it was entered.
    pub calls: u64,
    /// How long it was open, added up.
    pub total_ns: u64,
    /// Leases.
    pub leases: u64,
    /// Their bytes as asked, added up.
    pub bytes: u64,
    /// The most by which live bytes rose above what they were on entry, in any one call.
    pub peak_above_entry: u64,
    /// Calls that had not ended.
    pub open: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Within {
    leases: u64,
    bytes: u64,
    /// The thread's net bytes on entry, and the most since.
    entry: i128,
    most: i128,
}

#[derive(Debug)]
struct Frame {
    name: u16,
    at_ns: u64,
    within: Vec<Within>,
}

#[derive(Debug, Default)]
struct Thread {
    /// Leased less dropped, by place.
    net: Vec<i128>,
    frames: Vec<Frame>,
    open: HashMap<u16, u64>,
}

#[derive(Clone, Debug, Default)]
struct Sum {
    calls: u64,
    total_ns: u64,
    open: u64,
    places: Vec<Within>,
}

/// Follows the scopes of all threads.
#[derive(Debug)]
pub(super) struct Scopes {
    places: usize,
    threads: BTreeMap<u16, Thread>,
    sums: BTreeMap<u16, Sum>,
}

impl Scopes {
    pub(super) fn new(atlas: &Atlas) -> Self {
        Self { places: atlas.places().len(), threads: BTreeMap::new(), sums: BTreeMap::new() }
    }

    /// `ended` is how many bytes as asked the event ended.
    pub(super) fn see(&mut self, event: &Event, place: Option<usize>, ended: u64, odd: &mut Oddities) {
        let places = self.places;
        match event.kind {
            Kind::Enter => {
                let thread = self.thread(event.thread);
                let within =
                    thread.net.iter().map(|&net| Within { entry: net, most: net, ..Within::default() });
                let frame = Frame { name: event.tag, at_ns: event.at_ns, within: within.collect() };
                thread.frames.push(frame);
                *thread.open.entry(event.tag).or_default() += 1;
            }
            Kind::Leave => self.leave(event, odd),
            Kind::Lease => {
                let Some(place) = place.filter(|place| *place < places) else { return };
                let Some(thread) = self.threads.get_mut(&event.thread) else { return };
                thread.net[place] += i128::from(event.bytes);
                let net = thread.net[place];
                if let Some(frame) = thread.frames.last_mut() {
                    let within = &mut frame.within[place];
                    within.leases += 1;
                    within.bytes = within.bytes.saturating_add(event.bytes);
                    within.most = within.most.max(net);
                }
            }
            Kind::Drop | Kind::Retire => {
                let Some(place) = place.filter(|place| *place < places) else { return };
                if let Some(thread) = self.threads.get_mut(&event.thread) {
                    thread.net[place] -= i128::from(ended);
                }
            }
            _ => {}
        }
    }

    fn thread(&mut self, number: u16) -> &mut Thread {
        let places = self.places;
        self.threads.entry(number).or_insert_with(|| Thread { net: vec![0; places], ..Thread::default() })
    }

    fn leave(&mut self, event: &Event, odd: &mut Oddities) {
        let places = self.places;
        let known = self.threads.get_mut(&event.thread).and_then(|thread| {
            let open = event.tag == 0 || thread.open.contains_key(&event.tag);
            let named = |frame: &Frame| event.tag == 0 || frame.name == event.tag;
            let at = thread.frames.iter().rposition(named).filter(|_| open)?;
            Some((thread, at))
        });
        let Some((thread, at)) = known else {
            odd.unknown_scopes += 1;
            return;
        };
        // Scopes within it whose ends are lost end with it.
        while thread.frames.len() > at {
            close(thread, &mut self.sums, event.at_ns, false, places);
        }
    }

    pub(super) fn finish(mut self, last_ns: u64, atlas: &Atlas, names: &Names) -> Vec<ScopeUse> {
        for thread in self.threads.values_mut() {
            while !thread.frames.is_empty() {
                close(thread, &mut self.sums, last_ns, true, self.places);
            }
        }
        let mut uses = Vec::new();
        for (name, sum) in self.sums {
            let of = |place: Option<Place>, within: &Within| ScopeUse {
                name: names.tag(name).to_owned(),
                place,
                calls: sum.calls,
                total_ns: sum.total_ns,
                leases: within.leases,
                bytes: within.bytes,
                peak_above_entry: u64::try_from(within.most).unwrap_or(0),
                open: sum.open,
            };
            let busy = sum.places.iter().enumerate().filter(|(_, within)| within.leases > 0);
            let before = uses.len();
            uses.extend(busy.map(|(place, within)| of(atlas.places().get(place).copied(), within)));
            if uses.len() == before {
                uses.push(of(None, &Within::default()));
            }
        }
        uses.sort_by_key(|scope| std::cmp::Reverse((scope.peak_above_entry, scope.bytes)));
        uses
    }
}

/// Ends a thread's innermost scope; what it did was also done in the scope around it.
fn close(thread: &mut Thread, sums: &mut BTreeMap<u16, Sum>, at_ns: u64, open: bool, places: usize) {
    let Some(frame) = thread.frames.pop() else { return };
    if let Some(around) = thread.frames.last_mut() {
        for (outer, inner) in around.within.iter_mut().zip(&frame.within) {
            outer.leases += inner.leases;
            outer.bytes = outer.bytes.saturating_add(inner.bytes);
            outer.most = outer.most.max(inner.most);
        }
    }
    let again = thread.open.get_mut(&frame.name).map_or(0, |open| {
        *open = open.saturating_sub(1);
        *open
    });
    if again == 0 {
        thread.open.remove(&frame.name);
    }
    let sum = sums.entry(frame.name).or_default();
    sum.calls += 1;
    sum.open += u64::from(open);
    if again > 0 {
        return;
    }
    sum.total_ns = sum.total_ns.saturating_add(at_ns.saturating_sub(frame.at_ns));
    sum.places.resize(places, Within::default());
    for (all, within) in sum.places.iter_mut().zip(&frame.within) {
        all.leases += within.leases;
        all.bytes = all.bytes.saturating_add(within.bytes);
        all.most = all.most.max(within.most - within.entry);
    }
}
