//! Which entry is the cheapest: a binary heap whose entries can be taken out from the middle.
//!
//! An entry leaves the order when it is pinned and comes back when the last pin is dropped, so the order holds
//! exactly what may be evicted, and finding a victim never has to step over what is in use. The heap's room grows
//! when an entry is admitted, not when it becomes evictable: giving memory up must not need memory.

/// An entry's number within its shelf.
pub type Id = u32;

const ABSENT: u32 = u32::MAX;

/// The evictable entries, cheapest first; among equal prices the one that was put in first.
#[derive(Debug, Default)]
pub struct Order {
    heap: Vec<Rank>,
    /// Where each entry stands in the heap, or `ABSENT`.
    stands: Vec<u32>,
    next_turn: u64,
}

#[derive(Clone, Copy, Debug)]
struct Rank {
    price: f64,
    turn: u64,
    id: Id,
}

impl Rank {
    fn before(&self, other: &Self) -> bool {
        match self.price.total_cmp(&other.price) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Equal => self.turn < other.turn,
            std::cmp::Ordering::Greater => false,
        }
    }
}

impl Order {
    /// Makes room for entries numbered below `ids`, so that nothing later allocates.
    pub fn make_room(&mut self, ids: usize) {
        if self.stands.len() < ids {
            self.stands.resize(ids, ABSENT);
            self.heap.reserve(ids - self.heap.len());
        }
    }

    /// Puts an entry in. It must not be in already.
    pub fn insert(&mut self, id: Id, price: f64) {
        assert_eq!(self.stands[id as usize], ABSENT, "entry {id} is ordered twice");
        let turn = self.next_turn;
        self.next_turn += 1;
        self.heap.push(Rank { price, turn, id });
        self.rise(self.heap.len() - 1);
    }

    /// Takes an entry out, wherever it stands; false when it was not in.
    pub fn remove(&mut self, id: Id) -> bool {
        let at = self.stands[id as usize];
        if at == ABSENT {
            return false;
        }
        let at = at as usize;
        self.heap.swap_remove(at);
        self.stands[id as usize] = ABSENT;
        if at < self.heap.len() {
            let settled = self.rise(at);
            self.sink(settled);
        }
        true
    }

    /// The cheapest entry and its price.
    pub fn cheapest(&self) -> Option<(Id, f64)> {
        self.heap.first().map(|rank| (rank.id, rank.price))
    }

    /// Some of the cheapest entries, the cheapest first and the rest roughly in order.
    pub fn cheap(&self) -> impl Iterator<Item = Id> + '_ {
        self.heap.iter().map(|rank| rank.id)
    }

    fn rise(&mut self, mut at: usize) -> usize {
        while at > 0 {
            let parent = (at - 1) / 2;
            if !self.heap[at].before(&self.heap[parent]) {
                break;
            }
            self.heap.swap(at, parent);
            self.note(at);
            at = parent;
        }
        self.note(at);
        at
    }

    fn sink(&mut self, mut at: usize) {
        loop {
            let left = 2 * at + 1;
            let Some(mut least) = (left < self.heap.len()).then_some(left) else {
                break;
            };
            let right = left + 1;
            if right < self.heap.len() && self.heap[right].before(&self.heap[left]) {
                least = right;
            }
            if !self.heap[least].before(&self.heap[at]) {
                break;
            }
            self.heap.swap(at, least);
            self.note(at);
            at = least;
        }
        self.note(at);
    }

    #[expect(clippy::cast_possible_truncation, reason = "there are at most as many entries as ids")]
    fn note(&mut self, at: usize) {
        self.stands[self.heap[at].id as usize] = at as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_a_sorted_list(ops in proptest::collection::vec((0_u32..24, 0_u8..6, any::<bool>()), 1..200)) {
            let mut order = Order::default();
            order.make_room(24);
            let mut model: Vec<(u8, u64, Id)> = Vec::new();
            for (turn, (id, price, put)) in (0_u64..).zip(ops) {
                let known = model.iter().position(|entry| entry.2 == id);
                match (put, known) {
                    (true, None) => {
                        order.insert(id, f64::from(price));
                        model.push((price, turn, id));
                    }
                    (true, Some(_)) => {}
                    (false, known) => {
                        prop_assert_eq!(order.remove(id), known.is_some());
                        if let Some(at) = known {
                            model.remove(at);
                        }
                    }
                }
                let least = model.iter().min().map(|entry| entry.2);
                prop_assert_eq!(order.cheapest().map(|(id, _)| id), least);
                prop_assert_eq!(order.cheap().count(), model.len());
            }
        }
    }
}
