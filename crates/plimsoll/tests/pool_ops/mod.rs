//! The pool beside a naive model: what `pool_model` runs with operations from a strategy, and the fuzz target
//! `pool_ops` with operations from arbitrary bytes. Every live lease keeps its bytes, no two overlap, and what
//! is charged is what is backed and never over the line.

use plimsoll::Bytes;
use plimsoll::pool::{Lease, LeaseError, LeaseRequest, Movable, Pool, PoolSettings};
use plimsoll_device::{Device as _, Fence, Stream};

use crate::common::{Bench, PLACE};

#[derive(Clone, Debug)]
pub enum Op {
    Lease { bytes: u64, align: u32 },
    Movable { bytes: u64 },
    Drop { which: usize },
    DropFenced { which: usize },
    Signal { which: usize },
    Trim { keep: u64 },
    OnAnotherThread { bytes: u64 },
}

enum Held {
    Fixed(Lease),
    Moves(Movable),
}

/// A live lease and the byte it was filled with.
struct Known {
    held: Held,
    mark: u8,
}

impl Known {
    fn check(&self) {
        // A page at a time: comparing single bytes would take most of the run.
        let page = [self.mark; 4096];
        let intact = |lease: &Lease| {
            lease.as_slice().unwrap().chunks(page.len()).all(|part| part == &page[..part.len()])
        };
        match &self.held {
            Held::Fixed(lease) => assert!(intact(lease), "a lease lost its bytes"),
            Held::Moves(movable) => assert!(intact(&movable.pin()), "a moved lease lost its bytes"),
        }
    }

    fn span(&self) -> (u64, u64) {
        let of = |lease: &Lease| (lease.address(), lease.address() + lease.bytes().get());
        match &self.held {
            Held::Fixed(lease) => of(lease),
            Held::Moves(movable) => of(&movable.pin()),
        }
    }
}

struct Run {
    bench: Bench,
    line: Bytes,
    pool: Pool,
    stream: Stream,
    live: Vec<Known>,
    fences: Vec<Fence>,
    next: u8,
}

impl Run {
    fn new(bench: Bench, settings: PoolSettings) -> Self {
        // The stream of the work that leases are dropped under; compaction uses another, which runs freely.
        let stream = bench.device.stream().unwrap();
        bench.device.hold_stream(stream).unwrap();
        let pool = bench.pool_with(settings);
        let snapshot = bench.governor.snapshot();
        let line = snapshot.places.iter().find(|place| place.place == PLACE).unwrap().line;
        Self { bench, line, pool, stream, live: Vec::new(), fences: Vec::new(), next: 1 }
    }

    fn keep(&mut self, held: Result<Held, LeaseError>) {
        self.next = self.next.wrapping_add(1);
        let mark = self.next;
        let mut held = match held {
            Ok(held) => held,
            Err(LeaseError::Refused { .. } | LeaseError::BadAlignment { .. }) => return,
            Err(LeaseError::TooLarge { asked, .. }) if asked > self.line => return,
            Err(other) => panic!("{other}"),
        };
        match &mut held {
            Held::Fixed(lease) => lease.as_mut_slice().unwrap().fill(mark),
            Held::Moves(movable) => movable.pin_mut().as_mut_slice().unwrap().fill(mark),
        }
        self.live.push(Known { held, mark });
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Lease { bytes, align } => {
                let request = LeaseRequest::new(Bytes::new(bytes)).align(1 << align);
                let lease = self.pool.lease_with(request);
                if let Ok(lease) = &lease {
                    assert_eq!(lease.address() % (1 << align), 0);
                }
                self.keep(lease.map(Held::Fixed));
            }
            Op::Movable { bytes } => {
                let movable = self.pool.movable(Bytes::new(bytes));
                self.keep(movable.map(Held::Moves));
            }
            Op::Drop { which } if !self.live.is_empty() => {
                let known = self.live.swap_remove(which % self.live.len());
                known.check();
            }
            Op::DropFenced { which } if !self.live.is_empty() => {
                let Known { held, .. } = self.live.swap_remove(which % self.live.len());
                if let Held::Fixed(mut lease) = held {
                    self.fences.extend(lease.fill(self.stream, 0).unwrap());
                }
            }
            Op::Signal { which } if !self.fences.is_empty() => {
                let fence = self.fences.swap_remove(which % self.fences.len());
                self.bench.device.signal(fence).unwrap();
            }
            Op::Trim { keep } => assert!(self.pool.trim(Bytes::new(keep)).is_ok()),
            Op::OnAnotherThread { bytes } => {
                let pool = self.pool.clone();
                let lease = std::thread::spawn(move || pool.lease(Bytes::new(bytes)).map(Held::Fixed));
                let lease = lease.join().unwrap();
                self.keep(lease);
            }
            Op::Drop { .. } | Op::DropFenced { .. } | Op::Signal { .. } => {}
        }
    }

    fn check(&self) {
        let stats = self.pool.stats();
        assert_eq!(self.bench.charged(), stats.backed, "what is backed is charged once");
        assert!(stats.backed <= self.line, "over the line");
        assert_eq!(stats.live + stats.cached + stats.pending, stats.backed);
        let asked: u64 = self.live.iter().map(|known| known.span().1 - known.span().0).sum();
        assert_eq!(stats.requested, Bytes::new(asked));
        let mut spans: Vec<_> = self.live.iter().map(Known::span).collect();
        spans.sort_unstable();
        assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0), "two leases share bytes");
    }
}

/// Carries the operations out on a new pool, looking at everything after each.
pub fn run(bench: Bench, settings: PoolSettings, ops: &[Op]) {
    let mut run = Run::new(bench, settings);
    for op in ops {
        run.apply(op);
        run.check();
    }
    run.live.iter().for_each(Known::check);
    run.bench.device.signal_all();
    let Run { bench, pool, live, .. } = run;
    drop((live, pool));
    bench.assert_balanced();
}
