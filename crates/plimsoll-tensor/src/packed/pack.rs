//! Singles packed: how frozen weights are kept while others are trained.

use super::{PackedError, Packing};
use crate::half::{from_f16, to_f16};

/// Packs whole blocks of numbers as `q8_0` or `q4_0`, with the scales that llama.cpp gives them.
pub fn pack(packing: Packing, numbers: &[f32], into: &mut [u8]) -> Result<(), PackedError> {
    let (columns, found) = (numbers.len(), into.len());
    let Some(wanted) = packing.bytes(columns) else { return Err(PackedError::Columns { packing, columns }) };
    if wanted != found {
        return Err(PackedError::Bytes { packing, rows: 1, columns, found, wanted });
    }
    let one: fn(&[f32], &mut [u8]) -> bool = match packing {
        Packing::Q8_0 => q8,
        Packing::Q4_0 => q4,
        _ => return Err(PackedError::ReadOnly { packing }),
    };
    let blocks = numbers.chunks_exact(32).zip(into.chunks_exact_mut(packing.block_bytes()));
    for (number, (numbers, block)) in blocks.enumerate() {
        if !one(numbers, block) {
            // The one that is not finite, or else the greatest.
            let odd = numbers.iter().position(|number| !number.is_finite());
            let most = || (0..32).max_by(|a, b| numbers[*a].abs().total_cmp(&numbers[*b].abs()));
            let at = number * 32 + odd.or_else(most).unwrap_or(0);
            return Err(PackedError::Number { packing, at });
        }
    }
    Ok(())
}

/// The scale as it will be read, if numbers and scale are finite.
fn scale(numbers: &[f32], scale: f32, block: &mut [u8]) -> bool {
    let half = to_f16(scale);
    block[..2].copy_from_slice(&half.to_le_bytes());
    numbers.iter().all(|number| number.is_finite()) && from_f16(half).is_finite()
}

#[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
fn q8(numbers: &[f32], block: &mut [u8]) -> bool {
    let most = numbers.iter().fold(0.0_f32, |most, number| most.max(number.abs()));
    let step = most / 127.0;
    let inverse = if step > 0.0 { 1.0 / step } else { 0.0 };
    for (byte, number) in block[2..].iter_mut().zip(numbers) {
        *byte = ((number * inverse).round() as i8).cast_unsigned();
    }
    scale(numbers, step, block)
}

/// The number of the greatest size becomes −8, whatever its sign.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn q4(numbers: &[f32], block: &mut [u8]) -> bool {
    let most =
        numbers.iter().fold(0.0_f32, |most, number| if number.abs() > most.abs() { *number } else { most });
    let step = most / -8.0;
    let inverse = if step == 0.0 { 0.0 } else { 1.0 / step };
    let level = |number: f32| ((number * inverse + 8.5) as u8).min(15);
    let (first, second) = numbers.split_at(16);
    for ((byte, one), two) in block[2..].iter_mut().zip(first).zip(second) {
        *byte = level(*one) | level(*two) << 4;
    }
    scale(numbers, step, block)
}
