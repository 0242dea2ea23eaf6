//! The four passes over memory that are timed.
//!
//! Each is written as plain loops, which the compiler makes as wide as every processor of its kind is, and for
//! x86-64 with the wider loads and stores that a processor may have; which one runs is asked of the processor. The
//! repetition stands inside, so that a pass over a kilobyte is not mostly a call. What the compiler must not see
//! through (that a pass is repeated, that nobody reads what is written) goes through [`black_box`]: the array that is
//! read alone, or the one that is written.

use std::hint::black_box;

use serde::Serialize;

/// Arrays are whole numbers of so many numbers, and start at a multiple of their size: 64 bytes, a cache line on
/// most machines and the widest load on all.
pub(super) const LINE: usize = 8;

/// What is done with every number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Looked at.
    Read,
    /// Overwritten.
    Write,
    /// `a[i] = b[i]`.
    Copy,
    /// `a[i] = b[i] + s·c[i]`.
    Triad,
}

impl Operation {
    /// All, in the order in which they are measured and shown.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Copy, Self::Triad];

    /// Arrays that it works on.
    pub const fn arrays(self) -> usize {
        match self {
            Self::Read | Self::Write => 1,
            Self::Copy => 2,
            Self::Triad => 3,
        }
    }

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Copy => "copy",
            Self::Triad => "triad",
        }
    }
}

/// Goes over `numbers` so many times, split into as many arrays as the operation has, each a whole number of lines;
/// what is left over is not touched. What it returns depends on everything that was read.
pub(super) fn run(operation: Operation, numbers: &mut [f64], passes: u64) -> u64 {
    let arrays = Arrays::new(operation, numbers);
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor was just asked for AVX-512.
            return unsafe { avx512::run(arrays, passes) };
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor was just asked for AVX2.
            return unsafe { avx2::run(arrays, passes) };
        }
    }
    plain(arrays, passes)
}

/// How wide the loads and stores are.
pub(super) fn instructions() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            return "AVX-512";
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            return "AVX2";
        }
        "SSE2"
    }
    #[cfg(target_arch = "aarch64")]
    {
        "NEON"
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        std::env::consts::ARCH
    }
}

/// What an operation works on.
enum Arrays<'n> {
    Read(&'n [f64]),
    Write(&'n mut [f64]),
    Copy { into: &'n mut [f64], from: &'n [f64] },
    Triad { into: &'n mut [f64], one: &'n [f64], other: &'n [f64] },
}

impl<'n> Arrays<'n> {
    fn new(operation: Operation, numbers: &'n mut [f64]) -> Self {
        let each = numbers.len() / operation.arrays() / LINE * LINE;
        let (first, rest) = numbers.split_at_mut(each);
        match operation {
            Operation::Read => Self::Read(first),
            Operation::Write => Self::Write(first),
            Operation::Copy => Self::Copy { into: &mut rest[..each], from: first },
            Operation::Triad => {
                let (second, rest) = rest.split_at_mut(each);
                Self::Triad { into: &mut rest[..each], one: first, other: second }
            }
        }
    }
}

/// What is written.
const VALUE: f64 = 1.5;
/// What the triad multiplies by.
const SCALE: f64 = 3.0;

fn plain(arrays: Arrays<'_>, passes: u64) -> u64 {
    let mut sum = 0;
    match arrays {
        Arrays::Read(from) => {
            for _ in 0..passes {
                sum ^= black_box(from).iter().fold(0, |sum, number| sum ^ number.to_bits());
            }
        }
        Arrays::Write(into) => {
            let value = black_box(VALUE);
            for _ in 0..passes {
                black_box(&mut *into).fill(value);
            }
        }
        Arrays::Copy { into, from } => {
            // A copy that the compiler knows to be one becomes a call of the C library, whose stores pass by the
            // caches above some size. The bits that are never flipped keep it a loop like the others.
            let flip = black_box(0);
            for _ in 0..passes {
                for (into, from) in black_box(&mut *into).iter_mut().zip(from) {
                    *into = f64::from_bits(from.to_bits() ^ flip);
                }
            }
        }
        Arrays::Triad { into, one, other } => {
            let scale = black_box(SCALE);
            for _ in 0..passes {
                let sources = one.iter().zip(other);
                for (into, (one, other)) in black_box(&mut *into).iter_mut().zip(sources) {
                    *into = one + scale * other;
                }
            }
        }
    }
    sum
}

/// The passes in loads and stores of one width.
#[cfg(target_arch = "x86_64")]
macro_rules! wide {
    (
        $name:ident, $feature:literal, $numbers:literal,
        $vector:ident: $load:ident $store:ident $splat:ident $add:ident $mul:ident,
        $bits:ident: $load_bits:ident $xor:ident $zero:ident
    ) => {
        mod $name {
            use std::arch::x86_64::{
                $add, $bits, $load, $load_bits, $mul, $splat, $store, $vector, $xor, $zero,
            };
            use std::hint::black_box;

            use super::{Arrays, SCALE, VALUE};

            type Chunk = [f64; $numbers];

            #[inline]
            #[target_feature(enable = $feature)]
            fn load(from: &Chunk) -> $vector {
                // SAFETY: a chunk is as long as the vector, and the load asks for no alignment.
                unsafe { $load(from.as_ptr()) }
            }

            #[inline]
            #[target_feature(enable = $feature)]
            fn load_bits(from: &Chunk) -> $bits {
                // SAFETY: as above; numbers are bits too.
                unsafe { $load_bits(from.as_ptr().cast()) }
            }

            #[inline]
            #[target_feature(enable = $feature)]
            fn store(into: &mut Chunk, vector: $vector) {
                // SAFETY: as above, and the chunk is borrowed mutably.
                unsafe { $store(into.as_mut_ptr(), vector) }
            }

            #[target_feature(enable = $feature)]
            pub(super) fn run(arrays: Arrays<'_>, passes: u64) -> u64 {
                match arrays {
                    Arrays::Read(from) => return read(from, passes),
                    Arrays::Write(into) => {
                        let value = $splat(black_box(VALUE));
                        for _ in 0..passes {
                            for into in black_box(&mut *into).as_chunks_mut().0 {
                                store(into, value);
                            }
                        }
                    }
                    Arrays::Copy { into, from } => {
                        for _ in 0..passes {
                            let into = black_box(&mut *into).as_chunks_mut().0;
                            for (into, from) in into.iter_mut().zip(from.as_chunks().0) {
                                store(into, load(from));
                            }
                        }
                    }
                    Arrays::Triad { into, one, other } => {
                        let scale = $splat(black_box(SCALE));
                        for _ in 0..passes {
                            let sources = one.as_chunks().0.iter().zip(other.as_chunks().0);
                            let into = black_box(&mut *into).as_chunks_mut().0;
                            for (into, (one, other)) in into.iter_mut().zip(sources) {
                                store(into, $add(load(one), $mul(scale, load(other))));
                            }
                        }
                    }
                }
                0
            }

            /// An exclusive or takes one cycle: with four sums the loads are what is waited for. The sums live
            /// from pass to pass, because adding them up takes as long as a pass over a kilobyte.
            #[target_feature(enable = $feature)]
            fn read(from: &[f64], passes: u64) -> u64 {
                let (mut a, mut b, mut c, mut d) = ($zero(), $zero(), $zero(), $zero());
                for _ in 0..passes {
                    let (fours, rest) = black_box(from).as_chunks::<$numbers>().0.as_chunks();
                    for [one, two, three, four] in fours {
                        a = $xor(a, load_bits(one));
                        b = $xor(b, load_bits(two));
                        c = $xor(c, load_bits(three));
                        d = $xor(d, load_bits(four));
                    }
                    for chunk in rest {
                        a = $xor(a, load_bits(chunk));
                    }
                }
                let sum = $xor($xor(a, b), $xor(c, d));
                // SAFETY: both are the same number of plain bits.
                let words: [u64; $numbers] = unsafe { std::mem::transmute(sum) };
                words.iter().fold(0, |sum, word| sum ^ word)
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
wide!(
    avx512, "avx512f", 8,
    __m512d: _mm512_loadu_pd _mm512_storeu_pd _mm512_set1_pd _mm512_add_pd _mm512_mul_pd,
    __m512i: _mm512_loadu_si512 _mm512_xor_si512 _mm512_setzero_si512
);

#[cfg(target_arch = "x86_64")]
wide!(
    avx2, "avx2", 4,
    __m256d: _mm256_loadu_pd _mm256_storeu_pd _mm256_set1_pd _mm256_add_pd _mm256_mul_pd,
    __m256i: _mm256_loadu_si256 _mm256_xor_si256 _mm256_setzero_si256
);

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines that each hold one value.
    fn lines(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
        values.into_iter().flat_map(|value| [value; LINE]).collect()
    }

    fn firsts(numbers: &[f64]) -> Vec<f64> {
        numbers.chunks(LINE).map(|line| line[3]).collect()
    }

    #[test]
    fn each_pass_does_what_its_name_says() {
        let mut two = lines([1.0, 2.0, 0.0, 0.0]);
        run(Operation::Copy, &mut two, 2);
        assert_eq!(firsts(&two), [1.0, 2.0, 1.0, 2.0]);
        let mut three = lines([1.0, 2.0, 10.0, 20.0, 0.0, 0.0, 7.0]);
        run(Operation::Triad, &mut three, 2);
        assert_eq!(firsts(&three), [1.0, 2.0, 10.0, 20.0, 31.0, 62.0, 7.0]);
        run(Operation::Write, &mut three, 1);
        assert_eq!(firsts(&three), [1.5; 7]);
    }

    #[test]
    fn reading_sees_every_number() {
        for count in 1..=9 {
            let mut numbers = lines(std::iter::repeat_n(1.0, count));
            let before = run(Operation::Read, &mut numbers, 1);
            for at in 0..numbers.len() {
                numbers[at] = 2.0;
                assert_ne!(run(Operation::Read, &mut numbers, 1), before, "number {at} of {count} lines");
                numbers[at] = 1.0;
            }
        }
    }

    #[test]
    fn every_width_gives_the_same() {
        for operation in Operation::ALL {
            let start = lines((0..37).map(f64::from));
            let (mut one, mut other) = (start.clone(), start.clone());
            let expected = plain(Arrays::new(operation, &mut one), 3);
            assert_eq!(run(operation, &mut other, 3), expected, "{}", operation.name());
            assert_eq!(one, other, "{}", operation.name());
            #[cfg(target_arch = "x86_64")]
            if std::arch::is_x86_feature_detected!("avx2") {
                let mut third = start;
                // SAFETY: the processor was just asked for AVX2.
                assert_eq!(unsafe { avx2::run(Arrays::new(operation, &mut third), 3) }, expected);
                assert_eq!(third, one, "{}", operation.name());
            }
        }
    }
}
