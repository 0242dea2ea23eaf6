use proptest::prelude::*;

use super::*;

const MILLI: Duration = Duration::from_millis(1);

#[test]
fn what_is_pinned_is_never_evicted() {
    let mut shelf = Shelf::new();
    let (a, _) = shelf.insert("a", 1, Bytes::new(10), MILLI);
    let (b, _) = shelf.insert("b", 2, Bytes::new(10), MILLI);
    assert!(shelf.evict().is_none());
    shelf.unpin(b);
    assert_eq!(shelf.evict().map(|taken| taken.key), Some("b"));
    assert!(shelf.evict().is_none());
    shelf.unpin(a);
    assert_eq!(shelf.offer().0, Bytes::new(10));
}

#[test]
fn a_withdrawn_entry_stays_counted_until_its_last_pin() {
    let mut shelf = Shelf::new();
    let (a, _) = shelf.insert("a", 1, Bytes::new(10), MILLI);
    shelf.pin_again(a);
    assert_eq!(shelf.remove(&"a"), Removal::InUse);
    assert!(shelf.pin(&"a").is_none());
    let (_, displaced) = shelf.insert("a", 2, Bytes::new(5), MILLI);
    assert_eq!(displaced, Removal::Absent);
    assert_eq!(shelf.totals().bytes, Bytes::new(15));
    assert!(shelf.unpin(a).is_none());
    assert_eq!(shelf.unpin(a).map(|taken| taken.stored), Some(1));
    assert_eq!(shelf.totals().bytes, Bytes::new(5));
    assert_eq!(shelf.totals().withdrawn, Bytes::ZERO);
}

#[test]
fn what_was_popular_long_ago_is_overtaken() {
    let mut shelf = Shelf::new();
    let (old, _) = shelf.insert(0, (), Bytes::new(1), MILLI);
    shelf.unpin(old);
    for _ in 0..50 {
        let (id, ()) = shelf.pin(&0).unwrap();
        shelf.unpin(id);
    }
    let mut gone = None;
    for key in 1..200 {
        let (id, _) = shelf.insert(key, (), Bytes::new(1), MILLI);
        shelf.unpin(id);
        if shelf.totals().entries > 2 && shelf.evict().is_some_and(|taken| taken.key == 0) {
            gone = Some(key);
            break;
        }
    }
    let gone = gone.expect("ageing lets go of it");
    assert!(gone > 20, "fifty uses count for something: gone at {gone}");
}

/// A plain LRU of the same capacity, as a yardstick.
struct Lru {
    room: u64,
    used: u64,
    entries: Vec<(u32, u64)>,
}

impl Lru {
    fn get(&mut self, key: u32, bytes: u64) -> bool {
        if let Some(at) = self.entries.iter().position(|entry| entry.0 == key) {
            let entry = self.entries.remove(at);
            self.entries.push(entry);
            return true;
        }
        self.used += bytes;
        while self.used > self.room {
            self.used -= self.entries.remove(0).1;
        }
        self.entries.push((key, bytes));
        false
    }
}

/// Small dear entries that are asked for time and again, among large cheap ones that pass through.
#[test]
fn seconds_saved_per_byte_beat_lru_on_mixed_sizes() {
    const ROOM: u64 = 100_000;
    let facts = |key: u32| {
        if key < 40 { (1_000_u64, Duration::from_millis(500)) } else { (10_000, Duration::from_millis(5)) }
    };
    let mut shelf: Shelf<u32, ()> = Shelf::new();
    let mut lru = Lru { room: ROOM, used: 0, entries: Vec::new() };
    let (mut priced_cost, mut lru_cost) = (Duration::ZERO, Duration::ZERO);
    let mut state = 7_u32;
    for _ in 0..20_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let draw = state >> 8;
        let key = if draw.is_multiple_of(4) { (draw / 4) % 40 } else { 40 + (draw / 4) % 400 };
        let (bytes, cost) = facts(key);
        if !lru.get(key, bytes) {
            lru_cost += cost;
        }
        if let Some((id, ())) = shelf.pin(&key) {
            shelf.unpin(id);
            continue;
        }
        priced_cost += cost;
        while shelf.totals().bytes.get() + bytes > ROOM {
            assert!(shelf.evict().is_some());
        }
        let (id, _) = shelf.insert(key, (), Bytes::new(bytes), cost);
        shelf.unpin(id);
    }
    assert!(
        priced_cost * 3 < lru_cost,
        "recomputing cost {priced_cost:?} under the price, {lru_cost:?} under LRU"
    );
}

#[derive(Clone, Debug)]
enum Op {
    Insert { key: u8, bytes: u8, cost: u8 },
    Get { key: u8 },
    Again { nth: usize },
    Drop { nth: usize },
    Remove { key: u8 },
    Evict,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (0_u8..12, any::<u8>(), any::<u8>()).prop_map(|(key, bytes, cost)| Op::Insert { key, bytes, cost }),
        4 => (0_u8..12).prop_map(|key| Op::Get { key }),
        1 => any::<usize>().prop_map(|nth| Op::Again { nth }),
        6 => any::<usize>().prop_map(|nth| Op::Drop { nth }),
        1 => (0_u8..12).prop_map(|key| Op::Remove { key }),
        2 => Just(Op::Evict),
    ]
}

/// The naive model: a list searched from end to end.
#[derive(Debug)]
struct Known {
    stamp: u64,
    key: u8,
    bytes: u64,
    worth: f64,
    uses: u32,
    price: f64,
    idle_since: u64,
    pins: u32,
    withdrawn: bool,
}

#[derive(Default)]
struct Model {
    entries: Vec<Known>,
    floor: f64,
    turn: u64,
}

impl Model {
    fn listed(&mut self, key: u8) -> Option<usize> {
        self.entries.iter().position(|entry| entry.key == key && !entry.withdrawn)
    }

    fn remove(&mut self, key: u8) {
        if let Some(at) = self.listed(key) {
            if self.entries[at].pins == 0 {
                self.entries.remove(at);
            } else {
                self.entries[at].withdrawn = true;
            }
        }
    }

    fn unpin(&mut self, stamp: u64) {
        let at = self.entries.iter().position(|entry| entry.stamp == stamp).unwrap();
        let entry = &mut self.entries[at];
        entry.pins -= 1;
        if entry.pins == 0 {
            if entry.withdrawn {
                self.entries.remove(at);
            } else {
                self.turn += 1;
                entry.idle_since = self.turn;
                entry.price = self.floor + f64::from(entry.uses) * entry.worth;
            }
        }
    }

    fn evict(&mut self) -> Option<u64> {
        let at = (0..self.entries.len()).filter(|&at| self.entries[at].pins == 0).min_by(|&a, &b| {
            let (a, b) = (&self.entries[a], &self.entries[b]);
            a.price.total_cmp(&b.price).then(a.idle_since.cmp(&b.idle_since))
        })?;
        let gone = self.entries.remove(at);
        self.floor = self.floor.max(gone.price);
        Some(gone.stamp)
    }

    fn sum(&self, which: impl Fn(&Known) -> bool) -> Bytes {
        Bytes::new(self.entries.iter().filter(|e| which(e)).map(|e| e.bytes).sum())
    }
}

proptest! {
    #[test]
    fn agrees_with_the_naive_model(ops in proptest::collection::vec(op(), 1..300)) {
        let mut shelf: Shelf<u8, u64> = Shelf::new();
        let mut model = Model::default();
        let mut held: Vec<(Id, u64)> = Vec::new();
        for (stamp, op) in (0_u64..).zip(ops) {
            match op {
                Op::Insert { key, bytes, cost } => {
                    let cost = Duration::from_micros(cost.into());
                    let (id, _) = shelf.insert(key, stamp, Bytes::new(bytes.into()), cost);
                    model.remove(key);
                    model.entries.push(Known {
                        stamp, key, bytes: bytes.into(), worth: worth(cost, Bytes::new(bytes.into())),
                        uses: 1, price: 0.0, idle_since: 0, pins: 1, withdrawn: false,
                    });
                    held.push((id, stamp));
                }
                Op::Get { key } => {
                    let found = shelf.pin(&key).map(|(id, &stamp)| (id, stamp));
                    let known = model.listed(key);
                    prop_assert_eq!(found.map(|f| f.1), known.map(|at| model.entries[at].stamp));
                    if let (Some(found), Some(at)) = (found, known) {
                        model.entries[at].uses += 1;
                        model.entries[at].pins += 1;
                        held.push(found);
                    }
                }
                Op::Again { nth } if !held.is_empty() => {
                    let (id, stamp) = held[nth % held.len()];
                    shelf.pin_again(id);
                    model.entries.iter_mut().find(|e| e.stamp == stamp).unwrap().pins += 1;
                    held.push((id, stamp));
                }
                Op::Drop { nth } if !held.is_empty() => {
                    let (id, stamp) = held.swap_remove(nth % held.len());
                    let left = shelf.unpin(id).map(|taken| taken.stored);
                    model.unpin(stamp);
                    let still = model.entries.iter().any(|e| e.stamp == stamp);
                    prop_assert_eq!(left, (!still).then_some(stamp));
                }
                Op::Again { .. } | Op::Drop { .. } => {}
                Op::Remove { key } => {
                    shelf.remove(&key);
                    model.remove(key);
                }
                Op::Evict => prop_assert_eq!(shelf.evict().map(|t| t.stored), model.evict()),
            }
            let totals = shelf.totals();
            prop_assert_eq!(totals.bytes, model.sum(|_| true));
            prop_assert_eq!(totals.pinned, model.sum(|e| e.pins > 0));
            prop_assert_eq!(totals.withdrawn, model.sum(|e| e.withdrawn));
            prop_assert_eq!(shelf.offer().0, model.sum(|e| e.pins == 0));
        }
    }
}
