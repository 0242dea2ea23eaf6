//! The pool beside a naive model: what `pool_model` runs with operations from a strategy, and the fuzz target
//! `pool_ops` with operations from arbitrary bytes. Every live lease keeps its bytes, no two overlap, what is charged
//! is what is backed and never over the line, and bytes that a stream still uses are had on that stream alone.

use plimsoll::Bytes;
use plimsoll::pool::{Lease, LeaseError, LeaseRequest, Movable, Pool, PoolSettings};
use plimsoll_device::{Device as _, Fence, SimDevice, Stream};

use crate::common::{Bench, PLACE};

#[derive(Clone, Debug)]
pub enum Op {
    Lease {
        bytes: u64,
        align: u32,
    },
    /// On a stream, whose work writes it.
    LeaseOn {
        bytes: u64,
        stream: usize,
    },
    Movable {
        bytes: u64,
    },
    Drop {
        which: usize,
    },
    /// Under work on one stream, or on both.
    DropFenced {
        which: usize,
        on: usize,
    },
    Signal {
        which: usize,
    },
    Trim {
        keep: u64,
    },
    OnAnotherThread {
        bytes: u64,
    },
}

enum Held {
    Fixed(Lease),
    Moves(Movable),
}

/// A live lease and the byte it was filled with, by work up to these fences.
struct Known {
    held: Held,
    mark: u8,
    until: Vec<Fence>,
}

impl Known {
    fn check(&self, device: &SimDevice) {
        // A page at a time: comparing single bytes would take most of the run.
        let page = [self.mark; 4096];
        let busy = self.until.iter().any(|fence| !device.signalled(*fence).unwrap());
        let intact = |lease: &Lease| match lease.as_slice() {
            Ok(bytes) => !busy && bytes.chunks(page.len()).all(|part| part == &page[..part.len()]),
            Err(LeaseError::InUse(_)) => busy,
            Err(other) => panic!("{other}"),
        };
        match &self.held {
            Held::Fixed(lease) => assert!(intact(lease), "a lease lost its bytes, or showed them early"),
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
    streams: [Stream; 2],
    live: Vec<Known>,
    fences: Vec<Fence>,
    /// What was dropped under work, and that work's fences.
    dropped: Vec<((u64, u64), Vec<Fence>)>,
    next: u8,
}

impl Run {
    fn new(bench: Bench, settings: PoolSettings) -> Self {
        // The streams of the work that leases are dropped under; compaction uses another, which runs freely.
        let streams = [0, 1].map(|_| bench.device.stream().unwrap());
        for stream in streams {
            bench.device.hold_stream(stream).unwrap();
        }
        let pool = bench.pool_with(settings);
        let snapshot = bench.governor.snapshot();
        let line = snapshot.places.iter().find(|place| place.place == PLACE).unwrap().line;
        Self {
            bench,
            line,
            pool,
            streams,
            live: Vec::new(),
            fences: Vec::new(),
            dropped: Vec::new(),
            next: 1,
        }
    }

    /// Bytes that a stream may still use go to that stream alone, and say so.
    fn check_fresh(&mut self, span: (u64, u64), carried: Option<Fence>) {
        let device = &self.bench.device;
        for (_, fences) in &mut self.dropped {
            fences.retain(|fence| !device.signalled(*fence).unwrap());
        }
        self.dropped.retain(|(_, fences)| !fences.is_empty());
        for (other, fences) in self.dropped.iter().filter(|(other, _)| other.0 < span.1 && span.0 < other.1) {
            let covered = carried.is_some_and(|carried| fences.iter().all(|fence| carried.implies(*fence)));
            assert!(
                covered,
                "{span:?} overlaps {other:?}, which waits for {fences:?}, and carries {carried:?}"
            );
        }
    }

    fn lease_on(&mut self, bytes: u64, stream: Stream) {
        self.next = self.next.wrapping_add(1);
        let mut lease = match self.pool.lease_on(stream, Bytes::new(bytes)) {
            Ok(lease) => lease,
            Err(LeaseError::Refused { .. }) => return,
            Err(LeaseError::TooLarge { asked, .. }) if asked > self.line => return,
            Err(other) => panic!("{other}"),
        };
        let carried = lease.carried();
        self.check_fresh((lease.address(), lease.address() + bytes), carried);
        if carried.is_some_and(|fence| !self.bench.device.signalled(fence).unwrap()) {
            assert!(matches!(lease.as_slice(), Err(LeaseError::InUse(_))), "shown to the host");
            assert!(matches!(lease.write(0, &[1]), Err(LeaseError::InUse(_))), "written by the host");
            let other = self.streams[usize::from(stream == self.streams[0])];
            assert!(matches!(lease.fill(other, 9), Err(LeaseError::InUse(_))), "written by another stream");
        }
        let fence = lease.fill(stream, self.next).unwrap().unwrap();
        self.fences.push(fence);
        self.live.push(Known { held: Held::Fixed(lease), mark: self.next, until: vec![fence] });
    }

    fn drop_one(&mut self, which: usize) {
        let known = self.live.swap_remove(which % self.live.len());
        known.check(&self.bench.device);
        self.dropped.push((known.span(), known.until));
    }

    fn drop_fenced(&mut self, which: usize, on: usize) {
        let mut known = self.live.swap_remove(which % self.live.len());
        let span = known.span();
        if let Held::Fixed(mut lease) = known.held {
            for (number, stream) in self.streams.into_iter().enumerate() {
                if on % 3 == number || on % 3 == 2 {
                    match lease.fill(stream, 0) {
                        Ok(fence) => {
                            self.fences.extend(fence);
                            known.until.extend(fence);
                        }
                        Err(LeaseError::InUse(carried)) => assert_ne!(carried.stream, stream),
                        Err(other) => panic!("{other}"),
                    }
                }
            }
        }
        self.dropped.push((span, known.until));
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
        let known = Known { held, mark, until: Vec::new() };
        self.check_fresh(known.span(), None);
        self.live.push(known);
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
            Op::LeaseOn { bytes, stream } => self.lease_on(bytes, self.streams[stream % 2]),
            Op::Drop { which } if !self.live.is_empty() => self.drop_one(which),
            Op::DropFenced { which, on } if !self.live.is_empty() => self.drop_fenced(which, on),
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
        assert_eq!(self.bench.device.used(), stats.backed, "what is backed is there");
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
    run.live.iter().for_each(|known| known.check(&run.bench.device));
    run.bench.device.signal_all();
    let Run { bench, pool, live, .. } = run;
    drop((live, pool));
    bench.assert_balanced();
}
