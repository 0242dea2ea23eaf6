//! What is measured.

/// The sizes that are measured: powers of four from 1 KiB to 16 MiB, and some that are no power of anything.
pub const SIZES: [u64; 12] = [
    1 << 10,
    3_000,
    1 << 12,
    1 << 14,
    1 << 16,
    100_000,
    1 << 18,
    1 << 20,
    1_500_000,
    1 << 22,
    10_000_001,
    1 << 24,
];

/// How many other blocks live while a pair is timed, in the series that varies it.
pub const LIVES: [usize; 6] = [10, 100, 1_000, 10_000, 100_000, 1_000_000];

/// One thing to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// The size of the block that is taken and returned.
    pub size_bytes: u64,
    /// How many threads do so at once.
    pub threads: usize,
    /// How many other blocks live meanwhile, over all threads.
    pub live: usize,
}

/// What to measure, and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What is measured, in this order.
    pub cases: Vec<Case>,
    /// Batches whose median is the figure.
    pub batches: usize,
    /// The fewest pairs in a batch, unless they would last longer than 50 ms.
    pub pairs: u32,
    /// Write one byte to each page of each block.
    pub touch: bool,
}

impl Plan {
    /// Every size with ten other live blocks, on one thread and on two; then a growing number of live blocks.
    pub fn full() -> Self {
        let sizes = |threads| SIZES.map(|size_bytes| Case { size_bytes, threads, live: 10 });
        let lives = LIVES.map(|live| Case { size_bytes: 1 << 12, threads: 1, live });
        Self {
            cases: [&sizes(1)[..], &sizes(2), &lives[1..]].concat(),
            batches: 31,
            pairs: 2_000,
            touch: false,
        }
    }

    /// The same with each block touched, over fewer pairs: writing to the memory is most of the work.
    pub fn touching() -> Self {
        Self { touch: true, pairs: 50, ..Self::full() }
    }

    /// A few short cases: whether everything runs, not how fast.
    pub fn smoke() -> Self {
        let case = |size_bytes, threads, live| Case { size_bytes, threads, live };
        Self {
            cases: vec![case(1 << 10, 1, 10), case(100_000, 2, 10), case(1 << 12, 1, 1_000)],
            batches: 3,
            pairs: 20,
            touch: false,
        }
    }
}
