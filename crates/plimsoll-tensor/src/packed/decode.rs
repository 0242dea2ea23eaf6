//! Packed numbers as singles.

use super::Packing;
use super::blocks::{Long, half_at, nibbles, q4k, q5k, q6k};
use crate::half::{from_bf16, from_f16};
use crate::wide::Work;

/// Stored numbers as singles: as many as there is room for, which are whole blocks.
pub struct Decode<'a> {
    /// How they are stored.
    pub packing: Packing,
    /// Where.
    pub bytes: &'a [u8],
    /// Where to.
    pub into: &'a mut [f32],
}

impl Work for Decode<'_> {
    #[inline(always)]
    fn run(self) {
        decode(self.packing, self.bytes, self.into);
    }
}

/// Stored numbers as singles, within a function that is compiled for some instructions.
#[inline(always)]
pub fn decode(packing: Packing, bytes: &[u8], into: &mut [f32]) {
    let pair = |pair: &[u8]| u16::from_le_bytes([pair[0], pair[1]]);
    match packing {
        Packing::F32 => {
            for (number, four) in into.iter_mut().zip(bytes.chunks_exact(4)) {
                *number = f32::from_le_bytes([four[0], four[1], four[2], four[3]]);
            }
        }
        Packing::F16 => {
            for (number, two) in into.iter_mut().zip(bytes.chunks_exact(2)) {
                *number = from_f16(pair(two));
            }
        }
        Packing::Bf16 => {
            for (number, two) in into.iter_mut().zip(bytes.chunks_exact(2)) {
                *number = from_bf16(pair(two));
            }
        }
        Packing::Q8_0 => {
            for (numbers, block) in into.chunks_exact_mut(32).zip(bytes.chunks_exact(34)) {
                let scale = half_at(block, 0);
                for (number, byte) in numbers.iter_mut().zip(&block[2..]) {
                    *number = f32::from(byte.cast_signed()) * scale;
                }
            }
        }
        Packing::Q4_0 => {
            for (numbers, block) in into.chunks_exact_mut(32).zip(bytes.chunks_exact(18)) {
                let scale = half_at(block, 0);
                let mut levels = [0; 32];
                if let Some(bytes) = block[2..].first_chunk() {
                    nibbles(bytes, &mut levels);
                }
                for (number, level) in numbers.iter_mut().zip(levels) {
                    *number = f32::from(level - 8) * scale;
                }
            }
        }
        Packing::Q4K => long(bytes.chunks_exact(144), q4k, 32, 0, into),
        Packing::Q5K => long(bytes.chunks_exact(176), q5k, 32, 0, into),
        Packing::Q6K => long(bytes.chunks_exact(210), q6k, 16, 32, into),
    }
}

#[inline(always)]
fn long<'b>(
    blocks: impl Iterator<Item = &'b [u8]>,
    open: impl Fn(&[u8], &mut Long),
    part: usize,
    zero: i8,
    into: &mut [f32],
) {
    let mut block = Long::EMPTY;
    for (numbers, bytes) in into.chunks_exact_mut(256).zip(blocks) {
        open(bytes, &mut block);
        let levels = block.levels.chunks_exact(part);
        for (number, (numbers, levels)) in numbers.chunks_exact_mut(part).zip(levels).enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "eight bits")]
            let (scale, least) = (
                block.scale * block.scales[number] as f32,
                if part == 32 { block.least * block.leasts[number % 8] as f32 } else { 0.0 },
            );
            for (number, level) in numbers.iter_mut().zip(levels) {
                *number = scale * f32::from(level - zero) - least;
            }
        }
    }
}
