//! Vectors as numbers: singles, halves and upper halves.

use half::{bf16, f16};

use crate::Codec;

/// Writes the numbers; the place of the first that is too large for the code is the error.
pub(crate) fn write(codec: Codec, vector: &[f32], code: &mut [u8]) -> Result<(), usize> {
    match codec {
        Codec::F16 => halves(vector, code, |x| f16::from_f32(x).to_bits(), 0x7c00),
        Codec::Bf16 => halves(vector, code, |x| bf16::from_f32(x).to_bits(), 0x7f80),
        _ => {
            for (x, bytes) in vector.iter().zip(code.chunks_exact_mut(4)) {
                bytes.copy_from_slice(&x.to_le_bytes());
            }
            Ok(())
        }
    }
}

fn halves(vector: &[f32], code: &mut [u8], half: impl Fn(f32) -> u16, infinity: u16) -> Result<(), usize> {
    for (at, (x, bytes)) in vector.iter().zip(code.chunks_exact_mut(2)).enumerate() {
        let bits = half(*x);
        if bits & 0x7fff >= infinity {
            return Err(at);
        }
        bytes.copy_from_slice(&bits.to_le_bytes());
    }
    Ok(())
}

/// Reads the numbers.
pub(crate) fn read(codec: Codec, code: &[u8], vector: &mut [f32]) {
    match codec {
        Codec::F16 | Codec::Bf16 => {
            for (x, bytes) in vector.iter_mut().zip(code.chunks_exact(2)) {
                let bits = u16::from_le_bytes([bytes[0], bytes[1]]);
                *x = if codec == Codec::F16 {
                    f16::from_bits(bits).to_f32()
                } else {
                    bf16::from_bits(bits).to_f32()
                };
            }
        }
        _ => {
            for (x, bytes) in vector.iter_mut().zip(code.chunks_exact(4)) {
                *x = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            }
        }
    }
}
