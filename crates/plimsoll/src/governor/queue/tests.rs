//! Random charges, waits, cancellations and releases. After each, the sums are right, no head could go, and nobody
//! who fits waits unless somebody with a better claim does.

#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

use proptest::prelude::*;

use super::*;
use crate::ledger::{AccountSettings, Charter, LedgerSettings, LineSettings};
use crate::{Bytes, Place};

const PATHS: [&str; 6] = ["m", "m/a", "m/a/x", "m/b", "k", "s"];
const SHARES: [(u64, u64); 6] = [(40, 70), (20, 50), (0, 40), (10, 70), (20, 60), (0, 100)];

#[derive(Clone, Debug)]
enum Op {
    Ask(usize, u64),
    Release(usize),
    Leave(usize),
    Carry(u64),
    Gate(u8),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (0..PATHS.len(), 1..=40_u64).prop_map(|(a, b)| Op::Ask(a, b)),
        6 => any::<usize>().prop_map(Op::Release),
        1 => any::<usize>().prop_map(Op::Leave),
        1 => (60..=100_u64).prop_map(Op::Carry),
        1 => (0..6_u8).prop_map(Op::Gate),
    ]
}

struct World {
    books: Books,
    queues: Queues,
    leaves: Vec<NodeId>,
    held: Vec<(NodeId, u64)>,
    waiting: BTreeMap<Ticket, (NodeId, u64)>,
    gate: Gate,
}

impl World {
    fn new() -> Self {
        let account = |(path, (g, l)): (&&str, (u64, u64))| {
            AccountSettings::new(*path).share(Place::Host, Bytes::new(g), Bytes::new(l)).lend(*path != "k")
        };
        let (charter, books) = Charter::draw_up(&LedgerSettings {
            places: vec![LineSettings::new(Place::Host, Bytes::new(100))],
            accounts: PATHS.iter().zip(SHARES).map(account).collect(),
        })
        .unwrap();
        let leaf = |path: &str| charter.node(charter.find(path).unwrap(), Place::Host).unwrap();
        Self {
            queues: Queues::new(books.nodes().len(), 1),
            leaves: PATHS.map(leaf).into(),
            books,
            held: Vec::new(),
            waiting: BTreeMap::new(),
            gate: Gate::Open,
        }
    }

    fn served(&mut self, served: Served) {
        for ticket in served.granted {
            self.held.extend(self.waiting.remove(&ticket));
        }
        assert_eq!(self.queues.waiting(0), self.waiting.len(), "each grant is told once");
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Ask(account, bytes) => {
                let leaf = self.leaves[account];
                if self.queues.admit(&mut self.books, leaf, bytes).is_ok() {
                    let same = self.waiting.values().any(|&waiting| waiting == (leaf, bytes));
                    assert!(!same, "one that came earlier and asks for the same was passed over");
                    self.held.push((leaf, bytes));
                } else {
                    let (ticket, served) = self.queues.enqueue(&mut self.books, leaf, bytes);
                    assert!(served.granted.is_empty(), "what was not admitted was granted at once");
                    self.waiting.insert(ticket, (leaf, bytes));
                }
            }
            Op::Release(index) if !self.held.is_empty() => {
                let (leaf, bytes) = self.held.swap_remove(index % self.held.len());
                self.books.release(leaf, bytes, true);
                let served = self.queues.settle(&mut self.books, leaf);
                self.served(served);
            }
            Op::Leave(index) if !self.waiting.is_empty() => {
                let ticket = *self.waiting.keys().nth(index % self.waiting.len()).unwrap();
                let (leaf, _) = self.waiting.remove(&ticket).unwrap();
                assert_eq!(self.queues.leave(&self.books, ticket), Some(leaf));
                let served = self.queues.settle(&mut self.books, leaf);
                self.served(served);
            }
            Op::Release(_) | Op::Leave(_) => {}
            Op::Carry(carry) => {
                self.books.set_carry(0, carry);
                self.settle_place();
            }
            Op::Gate(gate) => {
                self.gate = [Gate::Open, Gate::Open, Gate::Open, Gate::Open, Gate::Shares, Gate::Guarantees]
                    [usize::from(gate)];
                self.settle_place();
            }
        }
    }

    fn settle_place(&mut self) {
        let served = self.queues.settle_place(&mut self.books, 0, self.gate);
        self.served(served);
    }

    /// Whether every account on the way up guarantees it: then only others with a guarantee may go before it.
    fn is_wholly_guaranteed(&self, ticket: Ticket) -> bool {
        let waiter = &self.queues.waiters[&ticket];
        let accounts = self.books.path(waiter.leaf).filter(|&node| self.books.node(node).parent.is_some());
        waiter.at == self.books.place(0).root
            && accounts.into_iter().all(|node| waiter.cover & bit(&self.books, node) != 0)
    }

    fn check(&self) {
        self.queues.check(&self.books);
        let root = self.books.node(self.books.place(0).root);
        assert!(root.charged <= 100);
        let charged: u64 = self.held.iter().map(|(_, bytes)| bytes).sum();
        assert_eq!(root.charged, charged);
        for (ticket, &(leaf, bytes)) in &self.waiting {
            let fits = self.gate == Gate::Open && self.books.fit(leaf, bytes).is_ok();
            let at = self.queues.waiters[ticket].at;
            let better = |other: &Ticket| {
                let other_waiter = &self.queues.waiters[other];
                let has_passed = self.books.is_under(other_waiter.leaf, at)
                    && other_waiter.claims[depth(&self.books, at)] > 0;
                let older = other < ticket && !self.is_wholly_guaranteed(*ticket);
                older || other_waiter.cover != 0 || has_passed
            };
            let others = self.waiting.keys().filter(|other| *other != ticket);
            assert!(!fits || others.into_iter().any(better), "{ticket} fits, is oldest, and waits");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nobody_waits_who_could_go(ops in prop::collection::vec(op(), 1..120)) {
        let mut world = World::new();
        for op in &ops {
            world.apply(op);
            world.check();
        }
        // With nobody new coming and everything given back, all who wait are served.
        world.apply(&Op::Carry(100));
        world.apply(&Op::Gate(0));
        let mut rounds = 0;
        while !(world.held.is_empty() && world.waiting.is_empty()) {
            world.apply(&Op::Release(0));
            world.check();
            rounds += 1;
            prop_assert!(rounds <= ops.len(), "somebody is never served");
        }
        prop_assert_eq!(world.books.node(world.books.place(0).root).charged, 0);
    }
}
