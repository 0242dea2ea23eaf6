//! Random operations on an arena against a naive list of intervals.

#![expect(clippy::expect_used, reason = "helpers of tests")]

use std::ops::Range;

use plimsoll::pool::arena::{Arena, ArenaSettings, Backing, GrowthMode, NodeId, Placed, SizeClass};
use proptest::prelude::*;

const GRANULE: u64 = 64 << 10;
const SPAN: u64 = 64 << 20;

#[derive(Clone, Debug)]
enum Op {
    /// Places when it fits, else grows first; the growth is refused when the flag says so.
    Place {
        bytes: u64,
        align: u32,
        refuse: bool,
    },
    Release(usize),
    Shrink(usize, u64),
    Trim(u64),
    Compact {
        bytes: u64,
        pinned: u8,
    },
}

fn size() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 1_u64..4_096,
        3 => 4_096_u64..200_000,
        2 => 200_000_u64..3_000_000,
        1 => Just(GRANULE),
        1 => 3_000_000_u64..30_000_000,
        1 => prop_oneof![Just(0), Just(u64::MAX), Just(SPAN), Just(u64::MAX - 63)],
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (size(), prop_oneof![4 => Just(0_u32), 1 => 0_u32..27], prop::bool::weighted(0.05))
            .prop_map(|(bytes, align, refuse)| Op::Place { bytes, align, refuse }),
        5 => any::<usize>().prop_map(Op::Release),
        1 => (any::<usize>(), size()).prop_map(|(at, bytes)| Op::Shrink(at, bytes)),
        1 => (0_u64..8_000_000).prop_map(Op::Trim),
        1 => (size(), any::<u8>()).prop_map(|(bytes, pinned)| Op::Compact { bytes, pinned }),
    ]
}

/// What must be true, kept in the dullest way.
struct Model {
    arena: Arena,
    base: u64,
    unit: u64,
    backed: Vec<Range<u64>>,
    live: Vec<Placed>,
}

impl Model {
    fn new(settings: ArenaSettings) -> Self {
        let base = match settings.backing {
            Backing::Pages { base, .. } => base,
            Backing::Slabs { .. } => 0,
        };
        let (backed, live) = (Vec::new(), Vec::new());
        Self { arena: Arena::new(settings), base, unit: settings.unit, backed, live }
    }

    fn back(&mut self, range: Range<u64>) {
        assert!(self.backed.iter().all(|other| range.end <= other.start || other.end <= range.start));
        self.arena.backed(range.clone());
        self.backed.push(range);
    }

    fn give_back(&mut self, range: &Range<u64>) {
        assert!(range.start < range.end);
        for block in &self.live {
            assert!(block.offset + block.bytes <= range.start || range.end <= block.offset, "in use");
        }
        let mut gone = 0;
        let mut left = Vec::new();
        for backed in self.backed.drain(..) {
            let cut = backed.start.max(range.start)..backed.end.min(range.end);
            if cut.start >= cut.end {
                left.push(backed);
                continue;
            }
            gone += cut.end - cut.start;
            left.extend(
                [backed.start..cut.start, cut.end..backed.end]
                    .into_iter()
                    .filter(|part| part.start < part.end),
            );
        }
        assert_eq!(gone, range.end - range.start, "gave back what was not backed");
        self.backed = left;
        self.arena.given_back(range.clone());
    }

    fn accept(&mut self, placed: Placed, bytes: u64, align: u64) {
        assert!(placed.bytes >= bytes && placed.bytes < bytes + self.unit);
        assert!((self.base + placed.offset).is_multiple_of(align.max(self.unit)));
        let range = placed.offset..placed.offset + placed.bytes;
        let inside: u64 = self
            .backed
            .iter()
            .map(|backed| backed.end.min(range.end).saturating_sub(backed.start.max(range.start)))
            .sum();
        assert_eq!(inside, placed.bytes, "placed where nothing is backed");
        for other in &self.live {
            assert!(other.offset + other.bytes <= range.start || range.end <= other.offset, "overlap");
        }
        self.live.push(placed);
    }

    fn place(&mut self, bytes: u64, align: u64, refuse: bool) {
        if let Some(placed) = self.arena.place(bytes, align) {
            return self.accept(placed, bytes, align);
        }
        let before = self.arena.backed_bytes();
        let Some(growth) = self.arena.growth(bytes, align, GrowthMode::Spare) else {
            return;
        };
        assert_eq!(self.arena.backed_bytes(), before, "asking changed something");
        assert!(growth.back_bytes() > 0);
        if refuse {
            return;
        }
        for range in &growth.give_back {
            self.give_back(range);
        }
        for range in &growth.back {
            self.back(range.clone());
        }
        let placed = self.arena.place(bytes, align).expect("the growth was made for this");
        self.accept(placed, bytes, align);
    }

    /// Carries a compaction out: claims, checks every copy, releases the old blocks; then the request fits.
    fn compact(&mut self, bytes: u64, pinned: u8) {
        let movable = |node: NodeId| pinned == 0 || !node.index().is_multiple_of(usize::from(pinned));
        let Some(moves) = self.arena.plan_compaction(bytes, 64, movable) else {
            return;
        };
        let claimed = self.arena.claim(&moves).expect("nothing changed since the plan");
        let mut old = Vec::new();
        for (step, placed) in moves.iter().zip(claimed) {
            assert!(movable(step.node), "moved what must stay");
            assert_eq!((placed.offset, placed.bytes), (step.to, step.bytes));
            let at = self.live.iter().position(|block| block.node == step.node).expect("a live block");
            assert_eq!((self.live[at].offset, self.live[at].bytes), (step.from, step.bytes));
            self.accept(placed, step.bytes, 1);
            old.push(step.node);
        }
        for node in old {
            let at = self.live.iter().position(|block| block.node == node).expect("a live block");
            self.live.swap_remove(at);
            self.arena.release(node);
        }
        self.arena.check();
        let placed = self.arena.place_anywhere(bytes, 64).expect("compaction was made for this");
        self.accept(placed, bytes, 64);
    }

    fn step(&mut self, op: &Op) {
        match *op {
            Op::Place { bytes, align, refuse } => self.place(bytes, 1 << align, refuse),
            Op::Release(at) if !self.live.is_empty() => {
                let placed = self.live.swap_remove(at % self.live.len());
                self.arena.release(placed.node);
            }
            Op::Shrink(at, bytes) if !self.live.is_empty() => {
                let at = at % self.live.len();
                let freed = self.arena.shrink_in_place(self.live[at].node, bytes);
                self.live[at].bytes -= freed;
                assert!(self.live[at].bytes >= bytes.min(self.live[at].bytes + freed));
            }
            Op::Trim(at_least) => {
                for range in self.arena.give_back(at_least) {
                    self.give_back(&range);
                }
            }
            Op::Compact { bytes, pinned } => self.compact(bytes, pinned),
            Op::Release(_) | Op::Shrink(..) => {}
        }
        self.arena.check();
        let backed: u64 = self.backed.iter().map(|range| range.end - range.start).sum();
        let taken: u64 = self.live.iter().map(|block| block.bytes).sum();
        assert_eq!(self.arena.backed_bytes(), backed);
        assert_eq!(self.arena.taken_bytes(), taken);
        assert_eq!(self.arena.free_bytes(), backed - taken);
        assert_eq!(self.arena.taken_blocks(), self.live.len() as u64);
        assert!(self.arena.largest_free() <= backed - taken);
    }

    /// After everything is released, everything can be given back.
    fn finish(mut self) {
        for placed in std::mem::take(&mut self.live) {
            self.arena.release(placed.node);
        }
        self.arena.check();
        for range in self.arena.give_back(u64::MAX) {
            self.give_back(&range);
        }
        self.arena.check();
        assert_eq!(self.arena.backed_bytes(), 0, "something stayed behind");
        assert!(self.backed.is_empty());
    }
}

fn run(settings: ArenaSettings, ops: &[Op]) {
    let mut model = Model::new(settings);
    for op in ops {
        model.step(op);
    }
    model.finish();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn pages(ops in prop::collection::vec(op(), 1..120), base in 0_u64..1_000, slab in 0_u32..8) {
        let settings = ArenaSettings::pages(64, GRANULE, SPAN).based_at(base * GRANULE / 16);
        run(ArenaSettings { small_slab: (8 << 10) << slab, small_below: 32 << 10, ..settings }, &ops);
    }

    #[test]
    fn slabs(ops in prop::collection::vec(op(), 1..120)) {
        run(ArenaSettings::slabs(256, 4096, 1 << 40), &ops);
    }
}

#[test]
fn what_can_never_fit_is_refused() {
    let mut arena = Arena::new(ArenaSettings::pages(64, GRANULE, SPAN));
    for (bytes, align) in
        [(0, 64), (u64::MAX, 64), (SPAN + 1, 64), (64, 3), (64, 0), (64, SPAN * 2), (u64::MAX - 1, 1 << 63)]
    {
        assert_eq!(arena.place(bytes, align), None);
        assert_eq!(arena.growth(bytes, align, GrowthMode::Spare), None);
    }
    let whole = arena.growth(SPAN, 64, GrowthMode::Spare).unwrap();
    assert!(whole.back.iter().eq(std::iter::once(&(0..SPAN))));
    arena.backed(0..SPAN);
    let all = arena.place(SPAN, SPAN).unwrap();
    assert_eq!(arena.free_bytes(), 0);
    assert_eq!(arena.growth(64, 64, GrowthMode::Spare), None);
    arena.release(all.node);
    assert_eq!(arena.largest_free(), SPAN);
}

#[test]
#[should_panic(expected = "released twice")]
fn releasing_twice_is_caught() {
    let mut arena = Arena::new(ArenaSettings::pages(64, GRANULE, SPAN));
    arena.backed(0..GRANULE);
    let placed = arena.place(100, 64).unwrap();
    arena.release(placed.node);
    arena.release(placed.node);
}

#[test]
fn slab_sizes_are_the_classes() {
    for (bytes, slab) in [(1, 2 << 20), (3 << 20, 20 << 20), (11 << 20, 12 << 20), (101 << 20, 102 << 20)] {
        let mut arena = Arena::new(ArenaSettings::slabs(256, 4096, 1 << 40));
        assert_eq!(
            arena.growth(bytes, 256, GrowthMode::Spare).unwrap().slab,
            Some(slab),
            "{:?}",
            SizeClass::of(bytes)
        );
    }
}

#[test]
fn compaction_moves_what_is_in_the_way_and_no_more() {
    let settings = ArenaSettings::pages(64, GRANULE, SPAN);
    let mut model = Model::new(ArenaSettings { small_below: 0, ..settings });
    model.back(0..8 * GRANULE);
    for _ in 0..16 {
        model.place(GRANULE / 2, 64, false);
    }
    model.live.sort_by_key(|block| block.offset);
    let every_second: Vec<Placed> = model.live.iter().copied().step_by(2).collect();
    for placed in every_second {
        model.live.retain(|block| block.node != placed.node);
        model.arena.release(placed.node);
    }
    assert_eq!(model.arena.largest_free(), GRANULE / 2);
    let moves = model.arena.plan_compaction(GRANULE, GRANULE, |_| true).unwrap();
    assert_eq!(moves.iter().map(|step| step.bytes).sum::<u64>(), GRANULE / 2);
    assert_eq!(model.arena.plan_compaction(GRANULE, GRANULE, |_| false), None);
    assert_eq!(model.arena.plan_compaction(5 * GRANULE, 64, |_| true), None);
    model.compact(2 * GRANULE, 0);
    assert_eq!(model.arena.backed_bytes(), 8 * GRANULE);
    model.finish();
}
