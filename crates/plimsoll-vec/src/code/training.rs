//! Learning codebooks: k-means with sixteen centres for each group of numbers, one group after the other.
//!
//! Groups know nothing of each other, so threads share them, and the outcome is the same with any number of threads. The
//! start is k-means++ from a fixed seed.

use super::codebooks::WORDS;
use super::groups::direction;
use super::{CodeError, Codebooks, Shape, check, finite, whole};
use crate::scan::{LOT, best_kernels};
use crate::{Codec, Metric};

/// Rounds, unless nothing moves before.
const ROUNDS: usize = 20;
/// Rows that the first centres are chosen from.
const START_ROWS: usize = 4096;

impl Codebooks {
    /// Vectors beyond which more teach nothing: a thousand for each word.
    pub const SAMPLE_MOST: usize = 16_384;

    /// Learns them from vectors, which are used up. They should be like those that will be coded, and a few hundred at
    /// least; with fewer than sixteen that differ, some words are said twice.
    pub fn train(
        codec: Codec,
        metric: Metric,
        dimension: usize,
        mut sample: Vec<f32>,
    ) -> Result<Self, CodeError> {
        check(codec, metric, dimension)?;
        let numbers = codec.group().ok_or(CodeError::NothingToLearn { codec })?;
        let rows = whole(&sample, dimension)?;
        if rows == 0 {
            return Err(CodeError::NoSample { codec });
        }
        let form = Shape::new(codec, metric);
        for (vector, row) in sample.chunks_exact_mut(dimension).enumerate() {
            finite(vector, row)?;
            if !form.apply(row) {
                return Err(CodeError::NoDirection { vector });
            }
            direction(row);
        }
        let mut words = vec![0.0; dimension * WORDS];
        let groups = codec.groups(dimension);
        let share = groups.div_ceil(threads(groups));
        std::thread::scope(|scope| {
            let parts = words.chunks_mut(share * numbers * WORDS);
            for (part, words) in parts.enumerate() {
                let sample = &sample;
                scope.spawn(move || {
                    let mut group = Group::new(rows, numbers);
                    for (at, words) in words.chunks_mut(numbers * WORDS).enumerate() {
                        let from = (part * share + at) * numbers;
                        group.take(sample, dimension, from, words.len() / WORDS);
                        group.learn(words.as_chunks_mut().0, from as u64);
                    }
                });
            }
        });
        Self::new(codec, metric, dimension, words)
    }

    /// What training takes from the heap with so many vectors, theirs too.
    pub fn training_bytes(codec: Codec, dimension: usize, rows: usize) -> u64 {
        let groups = codec.groups(dimension);
        let numbers = codec.group().unwrap_or(1);
        let lots = rows.div_ceil(LOT);
        let group = lots.saturating_mul(LOT * 4 * numbers + LOT).saturating_add(START_ROWS.min(rows) * 4);
        let vectors = (rows as u64).saturating_mul(dimension as u64 * 4);
        let groups_at_once = (group as u64).saturating_mul(threads(groups) as u64);
        vectors.saturating_add(groups_at_once).saturating_add(Self::bytes_for(dimension))
    }
}

/// Threads that share so many groups.
fn threads(groups: usize) -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).clamp(1, groups.max(1))
}

/// The numbers of one group in all rows, and where each row belongs.
struct Group {
    rows: usize,
    numbers: usize,
    /// Lot after lot of rows: number after number, side by side.
    columns: Vec<[f32; LOT]>,
    codes: Vec<[u8; LOT]>,
    far: Vec<f32>,
}

impl Group {
    fn new(rows: usize, numbers: usize) -> Self {
        let lots = rows.div_ceil(LOT);
        Self {
            rows,
            numbers,
            columns: vec![[0.0; LOT]; lots * numbers],
            codes: vec![[0; LOT]; lots],
            far: vec![0.0; rows.min(START_ROWS)],
        }
    }

    /// Takes the numbers from `from` on.
    fn take(&mut self, sample: &[f32], dimension: usize, from: usize, numbers: usize) {
        self.numbers = numbers;
        for (row, vector) in sample.chunks_exact(dimension).enumerate() {
            let lot = row / LOT * numbers;
            for (at, x) in vector[from..from + numbers].iter().enumerate() {
                self.columns[lot + at][row % LOT] = *x;
            }
        }
    }

    fn number(&self, row: usize, at: usize) -> f32 {
        self.columns[row / LOT * self.numbers + at][row % LOT]
    }

    fn learn(&mut self, words: &mut [[f32; WORDS]], seed: u64) {
        self.start(words, seed);
        let kernels = best_kernels();
        let mut last = u64::MAX;
        for _ in 0..ROUNDS {
            for (columns, codes) in self.columns.chunks_exact(self.numbers).zip(&mut self.codes) {
                kernels.nearest(columns, words, codes);
            }
            let moved = self.centre(words);
            // The same words as before give the same codes.
            if moved == last || moved == 0 {
                break;
            }
            last = moved;
        }
    }

    /// k-means++: each next word is a row, the likelier the farther it is from the words before it.
    fn start(&mut self, words: &mut [[f32; WORDS]], seed: u64) {
        let rows = self.far.len();
        let stride = self.rows / rows;
        let mut random = Random(seed ^ 0x5eed_c0de);
        let mut next = random.below(rows);
        self.far.fill(f32::INFINITY);
        for word in 0..WORDS {
            for (at, numbers) in words.iter_mut().enumerate() {
                numbers[word] = self.number(next * stride, at);
            }
            let mut total = 0.0;
            for row in 0..rows {
                let square = |(at, numbers): (usize, &[f32; WORDS])| {
                    let off = self.number(row * stride, at) - numbers[word];
                    off * off
                };
                let square: f32 = words.iter().enumerate().map(square).sum();
                self.far[row] = self.far[row].min(square);
                total += f64::from(self.far[row]);
            }
            next = random.below(rows);
            if total > 0.0 && total.is_finite() {
                let mut left = random.unit() * total;
                let chosen = self.far.iter().position(|far| {
                    left -= f64::from(*far);
                    left < 0.0
                });
                next = chosen.unwrap_or(next);
            }
        }
    }

    /// Puts each word in the middle of its rows. Gives back a number that tells this set of codes from another.
    #[expect(clippy::cast_possible_truncation, reason = "a mean of singles is one")]
    fn centre(&self, words: &mut [[f32; WORDS]]) -> u64 {
        let mut counts = [0_u32; WORDS];
        let codes = self.codes.as_flattened();
        let mut moved = 0_u64;
        for code in &codes[..self.rows] {
            counts[usize::from(*code)] += 1;
            moved = moved.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(u64::from(*code) + 1);
        }
        for (at, numbers) in words.iter_mut().enumerate() {
            let mut sums = [0.0_f64; WORDS];
            for row in 0..self.rows {
                sums[usize::from(codes[row])] += f64::from(self.number(row, at));
            }
            for word in 0..WORDS {
                if counts[word] > 0 {
                    numbers[word] = (sums[word] / f64::from(counts[word])) as f32;
                }
            }
        }
        split(words, &mut counts);
        moved
    }
}

/// A word that no row is nearest to takes half of the rows of the word that has most.
fn split(words: &mut [[f32; WORDS]], counts: &mut [u32; WORDS]) {
    for word in 0..WORDS {
        if counts[word] > 0 {
            continue;
        }
        let most = (0..WORDS).max_by_key(|word| (counts[*word], WORDS - word)).unwrap_or_default();
        if counts[most] < 2 {
            return;
        }
        for (at, numbers) in words.iter_mut().enumerate() {
            let turn = if at % 2 == 0 { 1.0 / 1024.0 } else { -1.0 / 1024.0 };
            numbers[word] = numbers[most] * (1.0 - turn);
            numbers[most] *= 1.0 + turn;
        }
        counts[word] = counts[most] / 2;
        counts[most] -= counts[word];
    }
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    #[expect(clippy::cast_possible_truncation, reason = "below a length")]
    fn below(&mut self, most: usize) -> usize {
        (self.next() % most as u64) as usize
    }

    #[expect(clippy::cast_precision_loss, reason = "53 bits")]
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
