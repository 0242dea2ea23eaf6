//! How numbers stand in a file.

use half::f16;

/// A kind of number, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// IEEE half.
    F16,
    /// IEEE single.
    F32,
    /// IEEE double; rounded to the nearest single.
    F64,
    /// A byte with a sign.
    I8,
    /// A byte without.
    U8,
}

impl Element {
    /// Bytes of one.
    pub const fn bytes(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::F16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// Reads as many numbers as there is room for.
    pub fn read(self, bytes: &[u8], into: &mut [f32]) {
        let numbers = bytes.chunks_exact(self.bytes());
        match self {
            Self::I8 => fill(into, numbers, |byte: [u8; 1]| f32::from(i8::from_le_bytes(byte))),
            Self::U8 => fill(into, numbers, |byte: [u8; 1]| f32::from(byte[0])),
            Self::F16 => fill(into, numbers, |two| f16::from_le_bytes(two).to_f32()),
            Self::F32 => fill(into, numbers, f32::from_le_bytes),
            Self::F64 => fill(into, numbers, |eight| {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "singles are what vectors are made of here"
                )]
                let single = f64::from_le_bytes(eight) as f32;
                single
            }),
        }
    }
}

fn fill<'b, const N: usize>(
    into: &mut [f32],
    numbers: impl Iterator<Item = &'b [u8]>,
    number: impl Fn([u8; N]) -> f32,
) {
    for (into, bytes) in into.iter_mut().zip(numbers) {
        // Chunks are exactly so long.
        *into = bytes.try_into().map_or(f32::NAN, &number);
    }
}
