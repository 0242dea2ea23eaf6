//! What each operation means, in plain Rust on slices of bytes.
//!
//! Written to be read, not to be fast: one number, one block, one word at a time, and no instruction that one
//! machine has and another has not. Slices are whole operands, and fit together as [`check`](super::check) says;
//! a slice that is too short panics.

use half::{bf16, f16};

use super::Number;
use super::check::{Conversion, Pattern, RowCopy};

/// Numbers and their scales as bytes.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'b> {
    /// The numbers.
    pub numbers: &'b [u8],
    /// The scales; empty for floats.
    pub scales: &'b [u8],
}

/// The same, to be written.
#[derive(Debug)]
pub struct StoredMut<'b> {
    /// The numbers.
    pub numbers: &'b mut [u8],
    /// The scales; empty for floats.
    pub scales: &'b mut [u8],
}

/// The copy of [`Kernels::copy_rows`](super::Kernels::copy_rows).
pub fn copy_rows(rows: &RowCopy, source: &[u8], target: &mut [u8]) {
    for row in 0..rows.rows {
        let (from, to) = (index(row * rows.source_pitch), index(row * rows.target_pitch));
        target[to..to + index(rows.row)].copy_from_slice(&source[from..from + index(rows.row)]);
    }
}

/// The fill of [`Kernels::fill_pattern`](super::Kernels::fill_pattern).
pub fn fill_pattern(pattern: &Pattern, target: &mut [u8]) {
    for (byte, value) in target.iter_mut().zip(pattern.unit.iter().cycle()) {
        *byte = *value;
    }
}

/// The collection of [`Kernels::gather`](super::Kernels::gather).
pub fn gather(source: &[u8], named: &[u32], block: u64, target: &mut [u8]) {
    for (&from, part) in named.iter().zip(target.chunks_mut(index(block))) {
        let start = index(u64::from(from) * block);
        part.copy_from_slice(&source[start..start + part.len()]);
    }
}

/// The spreading of [`Kernels::scatter`](super::Kernels::scatter).
pub fn scatter(source: &[u8], named: &[u32], block: u64, target: &mut [u8]) {
    for (&to, part) in named.iter().zip(source.chunks(index(block))) {
        let start = index(u64::from(to) * block);
        target[start..start + part.len()].copy_from_slice(part);
    }
}

/// The conversion of [`Kernels::convert`](super::Kernels::convert).
pub fn convert(conversion: &Conversion, source: Stored<'_>, target: StoredMut<'_>) {
    let Conversion { count, from, to, group } = *conversion;
    let StoredMut { numbers, scales } = target;
    if to.scaled() {
        for n in 0..index(conversion.groups()) {
            let part = n * group as usize..(n + 1) * group as usize;
            let largest = part.clone().map(|at| float(from, source.numbers, at).abs());
            let scale = largest.filter(|value| value.is_finite()).fold(0.0, f32::max) / limit(to);
            scales[n * 4..n * 4 + 4].copy_from_slice(&scale.to_le_bytes());
            for at in part {
                let quotient = quotient(float(from, source.numbers, at), scale);
                put_integer(to, numbers, at, quotient.round_ties_even().clamp(-limit(to), limit(to)));
            }
        }
        return;
    }
    for at in 0..index(count) {
        let value = if from.scaled() {
            integer(from, source.numbers, at) * scale(source.scales, at / group as usize)
        } else {
            float(from, source.numbers, at)
        };
        put_float(to, numbers, at, value);
    }
}

/// The sum of [`Kernels::sum`](super::Kernels::sum).
pub fn sum(bytes: &[u8]) -> u64 {
    let (mut plain, mut weighted, mut weight) = (0_u32, 0_u32, 1_u32);
    for chunk in bytes.chunks(4) {
        let mut word = [0; 4];
        word[..chunk.len()].copy_from_slice(chunk);
        let word = u32::from_le_bytes(word);
        plain = plain.wrapping_add(word);
        weighted = weighted.wrapping_add(word.wrapping_mul(weight));
        weight = weight.wrapping_add(2);
    }
    u64::from(weighted) << 32 | u64::from(plain)
}

/// The largest magnitude of a scaled kind.
pub(super) fn limit(number: Number) -> f32 {
    if number == Number::Int4 { 7.0 } else { 127.0 }
}

/// What is rounded to an integer. Nothing by nothing is nothing, which is also what NaN becomes.
pub(super) fn quotient(value: f32, scale: f32) -> f32 {
    let quotient = value / scale;
    if quotient.is_nan() { 0.0 } else { quotient }
}

/// Number `at` of those stored as floats. Every one of them is a single exactly.
pub(super) fn float(number: Number, bytes: &[u8], at: usize) -> f32 {
    let two = || u16::from_le_bytes([bytes[at * 2], bytes[at * 2 + 1]]);
    match number {
        Number::F16 => f16::from_bits(two()).to_f32_const(),
        Number::Bf16 => bf16::from_bits(two()).to_f32_const(),
        _ => scale(bytes, at),
    }
}

/// Number `at` of those stored as small integers.
pub(super) fn integer(number: Number, bytes: &[u8], at: usize) -> f32 {
    let byte = if number == Number::Int4 { bytes[at / 2] << (4 - 4 * (at % 2)) } else { bytes[at] };
    // The arithmetic shift brings the sign of four bits down.
    f32::from(byte.cast_signed() >> if number == Number::Int4 { 4 } else { 0 })
}

/// Scale `at`.
pub(super) fn scale(bytes: &[u8], at: usize) -> f32 {
    f32::from_le_bytes([bytes[at * 4], bytes[at * 4 + 1], bytes[at * 4 + 2], bytes[at * 4 + 3]])
}

fn put_float(number: Number, bytes: &mut [u8], at: usize, value: f32) {
    match number {
        Number::F16 => {
            bytes[at * 2..at * 2 + 2].copy_from_slice(&f16::from_f32_const(value).to_le_bytes());
        }
        Number::Bf16 => {
            bytes[at * 2..at * 2 + 2].copy_from_slice(&bf16::from_f32_const(value).to_le_bytes());
        }
        _ => bytes[at * 4..at * 4 + 4].copy_from_slice(&value.to_le_bytes()),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "rounded and clamped to −127..=127 by the caller")]
fn put_integer(number: Number, bytes: &mut [u8], at: usize, value: f32) {
    let byte = (value as i8).cast_unsigned();
    if number == Number::Int4 {
        let shift = 4 * (at % 2);
        let other = 0xf0 >> shift;
        bytes[at / 2] = bytes[at / 2] & other | (byte & 0x0f) << shift;
    } else {
        bytes[at] = byte;
    }
}

fn index(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
