//! The blocks of one tier that may be given up.

use super::facts::Facts;
use super::judge::Judge;

const NOWHERE: u32 = u32::MAX;

/// Blocks by their numbers, in a heap for each class with the least recently used in front.
///
/// Within a class the block that waits longest is taken to be worth least, so that only the fronts are compared: one
/// multiplication a class, and none again while the same front stays the least.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    heaps: Vec<Vec<Entry>>,
    /// For each block its lane and its place in that lane's heap.
    places: Vec<Place>,
    /// Classes with blocks.
    used: Vec<u16>,
    len: usize,
    pick: Option<Pick>,
}

/// What the last comparison of all fronts found: it holds as long as no other class has a new front.
#[derive(Clone, Copy, Debug)]
struct Pick {
    class: u16,
    /// The least value of the other classes' fronts.
    others: f64,
    now_s: f64,
    lessons: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    tick: u32,
    node: u32,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    class: u16,
    at: u32,
}

impl Queue {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many blocks it has.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether it has none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether it has this block.
    pub fn contains(&self, node: u32) -> bool {
        self.places.get(node as usize).is_some_and(|place| place.at != NOWHERE)
    }

    /// Takes a block in, or moves it to where its facts say.
    pub fn insert(&mut self, node: u32, facts: &Facts) {
        self.remove(node);
        let index = node as usize;
        if index >= self.places.len() {
            self.places.resize(index + 1, Place { class: 0, at: NOWHERE });
        }
        let class = usize::from(facts.lane());
        if class >= self.heaps.len() {
            self.heaps.resize(class + 1, Vec::new());
        }
        if self.heaps[class].is_empty() {
            self.used.push(facts.lane());
        }
        let at = self.heaps[class].len();
        self.heaps[class].push(Entry { tick: facts.tick, node });
        self.places[index] = Place { class: facts.lane(), at: NOWHERE - 1 };
        self.len += 1;
        let front = self.rise(class, at) == 0;
        if front && self.pick.is_some_and(|pick| pick.class != facts.lane()) {
            self.pick = None;
        }
    }

    /// Takes a block out; says whether it was there.
    pub fn remove(&mut self, node: u32) -> bool {
        let Some(place) = self.places.get_mut(node as usize).filter(|place| place.at != NOWHERE) else {
            return false;
        };
        let (class, at) = (usize::from(place.class), place.at as usize);
        place.at = NOWHERE;
        self.len -= 1;
        let heap = &mut self.heaps[class];
        heap.swap_remove(at);
        if at < heap.len() {
            let at = self.rise(class, at);
            self.sink(class, at);
        } else if heap.is_empty() {
            self.used.retain(|used| usize::from(*used) != class);
        }
        true
    }

    /// The block that is worth least.
    pub fn least(&mut self, now_s: f64, judge: &Judge, facts: impl Fn(u32) -> Facts) -> Option<u32> {
        let lessons = judge.lessons();
        if let Some(pick) = self.pick.filter(|pick| pick.now_s >= now_s && pick.lessons == lessons) {
            let front = self.heaps[usize::from(pick.class)].first();
            if let Some(front) = front.filter(|front| judge.value(&facts(front.node), now_s) <= pick.others) {
                return Some(front.node);
            }
        }
        let (mut least, mut others) = (None, f64::INFINITY);
        let mut least_value = f64::INFINITY;
        for &class in &self.used {
            let Some(front) = self.heaps[usize::from(class)].first() else {
                continue;
            };
            let value = judge.value(&facts(front.node), now_s);
            if least.is_none() || value < least_value {
                others = least_value;
                (least, least_value) = (Some((class, front.node)), value);
            } else {
                others = others.min(value);
            }
        }
        self.pick = least.map(|(class, _)| Pick { class, others, now_s, lessons });
        least.map(|(_, node)| node)
    }

    fn rise(&mut self, class: usize, mut at: usize) -> usize {
        let heap = &mut self.heaps[class];
        let entry = heap[at];
        while at > 0 {
            let above = (at - 1) / 2;
            if !older(entry, heap[above]) {
                break;
            }
            heap[at] = heap[above];
            self.places[heap[at].node as usize].at = place(at);
            at = above;
        }
        heap[at] = entry;
        self.places[entry.node as usize].at = place(at);
        at
    }

    fn sink(&mut self, class: usize, mut at: usize) {
        let heap = &mut self.heaps[class];
        let entry = heap[at];
        loop {
            let mut below = 2 * at + 1;
            if below >= heap.len() {
                break;
            }
            if below + 1 < heap.len() && older(heap[below + 1], heap[below]) {
                below += 1;
            }
            if !older(heap[below], entry) {
                break;
            }
            heap[at] = heap[below];
            self.places[heap[at].node as usize].at = place(at);
            at = below;
        }
        heap[at] = entry;
        self.places[entry.node as usize].at = place(at);
    }
}

/// Ticks wrap; what is compared is never half a wrap apart.
const fn older(a: Entry, b: Entry) -> bool {
    let apart = b.tick.wrapping_sub(a.tick);
    if apart == 0 { a.node > b.node } else { apart < u32::MAX / 2 }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a heap has no more places than there are numbers of blocks"
)]
const fn place(at: usize) -> u32 {
    at as u32
}
