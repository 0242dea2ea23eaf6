//! What vectors go through before they are coded: length one for cosine, and a rotation for codes of few bits.
//!
//! A code of one or four bits a number loses least where all numbers are of one size, and real vectors have a few large
//! ones. A rotation keeps distances and spreads sizes. Ours is four rounds of: random signs, a Hadamard transform of as
//! many numbers as a power of two allows (from the front, then from the back), and a turn of each number of the front half
//! with one of the back half. It takes d log d steps, keeps the dimension, and is the same for ever: the signs come from
//! a fixed seed, as vectors on disk depend on them.

use crate::{Codec, Metric};

/// The rounds. With fewer, the middle of a dimension such as 768 is mixed less than its ends.
const ROUNDS: u64 = 4;

/// How vectors are shaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    unit: bool,
    rotate: bool,
}

impl Shape {
    /// For this codec and metric. Signs that are compared as signs stay those of the vector.
    pub(crate) fn new(codec: Codec, metric: Metric) -> Self {
        let few = matches!(codec, Codec::Binary | Codec::Planes) || codec.group().is_some();
        Self { unit: metric == Metric::Cosine, rotate: few && metric != Metric::Hamming }
    }

    /// Whether vectors stay as they are.
    pub(crate) fn is_plain(self) -> bool {
        !self.unit && !self.rotate
    }

    /// Brings a vector to its shape; false if it is all zeros and should have length one.
    pub(crate) fn apply(self, vector: &mut [f32]) -> bool {
        if self.unit && !normalize(vector) {
            return false;
        }
        if self.rotate {
            rotate(vector);
        }
        true
    }

    /// Undoes the rotation. The length is lost.
    pub(crate) fn undo(self, vector: &mut [f32]) {
        if self.rotate {
            unrotate(vector);
        }
    }
}

/// Length one; false if it is all zeros, which stay.
pub(crate) fn normalize(vector: &mut [f32]) -> bool {
    unit(vector) > 0.0
}

/// The same, and tells how long it was.
#[expect(clippy::cast_possible_truncation, reason = "the numbers are singles")]
pub(crate) fn unit(vector: &mut [f32]) -> f64 {
    let square: f64 = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
    if square == 0.0 {
        return 0.0;
    }
    let length = square.sqrt();
    let scale = 1.0 / length;
    for x in vector {
        *x = (f64::from(*x) * scale) as f32;
    }
    length
}

/// 64 signs, by splitmix64 of where they are.
fn signs(round: u64, word: usize) -> u64 {
    let mut x = (round << 32 | word as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn flip(round: u64, vector: &mut [f32]) {
    for (word, part) in vector.chunks_mut(64).enumerate() {
        let bits = signs(round, word);
        for (at, x) in part.iter_mut().enumerate() {
            *x = f32::from_bits(x.to_bits() ^ (((bits >> at) & 1) as u32) << 31);
        }
    }
}

/// Numbers that are near enough to be in registers together.
const NEAR: usize = 16;

/// Of each two numbers that are so far apart the sum and the difference, in their places.
#[inline]
fn add_and_take<const APART: usize>(numbers: &mut [f32; NEAR]) {
    let old = *numbers;
    for at in 0..NEAR {
        let (a, b) = (old[at & !APART], old[at | APART]);
        numbers[at] = if at & APART == 0 { a + b } else { a - b };
    }
}

/// The orthonormal Hadamard transform of the front or the back. It is its own inverse.
#[expect(clippy::cast_precision_loss, reason = "at most 65,536")]
fn hadamard(round: u64, vector: &mut [f32]) {
    let size = 1_usize << vector.len().ilog2();
    let from = if round.is_multiple_of(2) { 0 } else { vector.len() - size };
    let part = &mut vector[from..from + size];
    // Scaled first: what is near the largest single does not overflow on the way.
    let scale = 1.0 / (size as f32).sqrt();
    for x in part.iter_mut() {
        *x *= scale;
    }
    let mut half = 1;
    if size >= NEAR {
        for numbers in part.as_chunks_mut().0 {
            add_and_take::<1>(numbers);
            add_and_take::<2>(numbers);
            add_and_take::<4>(numbers);
            add_and_take::<8>(numbers);
        }
        half = NEAR;
    }
    while half < size {
        for pair in part.chunks_exact_mut(half * 2) {
            let (low, high) = pair.split_at_mut(half);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
}

/// Turns each number of the front half with its fellow of the back half. It is its own inverse.
fn turn(vector: &mut [f32]) {
    if vector.len().is_power_of_two() {
        return;
    }
    let (front, back) = vector.split_at_mut(vector.len() / 2);
    for (a, b) in front.iter_mut().zip(back) {
        (*a, *b) = ((*a + *b) * std::f32::consts::FRAC_1_SQRT_2, (*a - *b) * std::f32::consts::FRAC_1_SQRT_2);
    }
}

fn rotate(vector: &mut [f32]) {
    for round in 0..ROUNDS {
        flip(round, vector);
        hadamard(round, vector);
        turn(vector);
    }
}

fn unrotate(vector: &mut [f32]) {
    for round in (0..ROUNDS).rev() {
        turn(vector);
        hadamard(round, vector);
        flip(round, vector);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_keeps_lengths_and_can_be_undone() {
        for dimension in [1, 2, 3, 17, 100, 128, 769] {
            let start: Vec<f32> = (0..dimension).map(|at| [0.3, -1.0, 7.5, 2.0, -4.0][at * 37 % 5]).collect();
            let mut vector = start.clone();
            rotate(&mut vector);
            let square = |v: &[f32]| v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
            assert!((square(&vector) / square(&start) - 1.0).abs() < 1e-5, "{dimension}");
            unrotate(&mut vector);
            assert!(vector.iter().zip(&start).all(|(a, b)| (a - b).abs() < 1e-4), "{dimension}");
        }
    }

    #[test]
    fn one_large_number_is_spread_over_all() {
        let mut vector = vec![0.0; 768];
        vector[400] = 1.0;
        rotate(&mut vector);
        let largest = vector.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        assert!(largest < 6.0 / 768.0_f32.sqrt(), "{largest}");
    }
}
