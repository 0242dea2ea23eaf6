//! The kinds of numbers that blocks are made of, one at a time.

use half::{bf16, f16};

/// A kind of number, as quantizing needs it.
pub(super) trait Number {
    /// Bytes of one.
    const WIDTH: usize;
    /// The largest that is finite.
    const MOST: f32;

    /// One of a run of them.
    fn read(bytes: &[u8], at: usize) -> f32;

    /// Rounds to nearest even and writes one of a run.
    fn write(bytes: &mut [u8], at: usize, value: f32);

    /// The least of this kind that is not below a positive number.
    fn above(value: f32) -> f32;
}

pub(super) struct Single;
pub(super) struct Half;
pub(super) struct Brain;

impl Number for Single {
    const WIDTH: usize = 4;
    const MOST: f32 = f32::MAX;

    #[inline]
    fn read(bytes: &[u8], at: usize) -> f32 {
        f32::from_le_bytes(bytes.as_chunks::<4>().0[at])
    }

    #[inline]
    fn write(bytes: &mut [u8], at: usize, value: f32) {
        bytes.as_chunks_mut::<4>().0[at] = value.to_le_bytes();
    }

    #[inline]
    fn above(value: f32) -> f32 {
        value
    }
}

impl Number for Half {
    const WIDTH: usize = 2;
    const MOST: f32 = 65504.0;

    #[inline]
    fn read(bytes: &[u8], at: usize) -> f32 {
        f16::from_le_bytes(bytes.as_chunks::<2>().0[at]).to_f32()
    }

    #[inline]
    fn write(bytes: &mut [u8], at: usize, value: f32) {
        bytes.as_chunks_mut::<2>().0[at] = f16::from_f32(value).to_le_bytes();
    }

    #[inline]
    fn above(value: f32) -> f32 {
        let near = f16::from_f32(value);
        if near.to_f32() < value { f16::from_bits(near.to_bits() + 1).to_f32() } else { near.to_f32() }
    }
}

impl Number for Brain {
    const WIDTH: usize = 2;
    const MOST: f32 = f32::from_bits(0x7f7f_0000);

    #[inline]
    fn read(bytes: &[u8], at: usize) -> f32 {
        bf16::from_le_bytes(bytes.as_chunks::<2>().0[at]).to_f32()
    }

    #[inline]
    fn write(bytes: &mut [u8], at: usize, value: f32) {
        bytes.as_chunks_mut::<2>().0[at] = bf16::from_f32(value).to_le_bytes();
    }

    #[inline]
    fn above(value: f32) -> f32 {
        // Positive floats are in the order of their bits.
        f32::from_bits((value.to_bits().saturating_add(0xffff)) & 0xffff_0000)
    }
}

/// What maps a group's numbers to codes and back: `number = least + step × code`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    /// What code zero stands for.
    pub(super) least: f32,
    /// From one code to the next.
    pub(super) step: f32,
    /// One over the step; zero where the group has one number only.
    pub(super) inverse: f32,
}

impl Scale {
    /// The scale of a group between two finite numbers; none if decoding might leave what is finite.
    ///
    /// Both parts are numbers of the block's own kind. The least is one of the group's numbers, thus exact; the step
    /// is rounded up, so that the highest code reaches the highest number.
    #[inline]
    pub(super) fn between<N: Number>(lowest: f32, highest: f32, levels: f32) -> Option<Self> {
        // Minus zero becomes zero, whichever of the two an instruction took for the lower or the higher.
        let least = lowest + 0.0;
        let step = N::above((highest - least + 0.0) / levels);
        let reach = step * levels;
        let finite = reach <= f32::MAX && least + reach <= N::MOST;
        let inverse = if step < f32::MIN_POSITIVE { 0.0 } else { 1.0 / step };
        finite.then_some(Self { least, step, inverse })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reaches<N: Number>(lowest: f32, highest: f32) {
        for levels in [15.0, 255.0] {
            let scale = Scale::between::<N>(lowest, highest, levels).unwrap();
            let top = scale.least + scale.step * levels;
            // What singles round off of numbers as large as these.
            let lost = lowest.abs().max(highest.abs()) * f32::EPSILON * 2.0;
            assert!(top >= highest - lost, "{lowest} {highest}: {top}");
            assert!(N::above(scale.step).to_bits() == scale.step.to_bits(), "a step of its own kind");
        }
    }

    #[test]
    fn the_highest_code_reaches_the_highest_number() {
        let mut state = 1_u32;
        for _ in 0..1000 {
            state = state.wrapping_mul(0x915f_77f5).wrapping_add(12345);
            let [a, b, c, _] = state.to_be_bytes();
            let upper = f32::from(u16::from_be_bytes([a, b]));
            let lowest = f16::from_f32(upper / 256.0 - 128.0).to_f32();
            let highest = f16::from_f32(lowest + f32::from(u16::from_be_bytes([b, c])) / 4096.0).to_f32();
            reaches::<Half>(lowest, highest);
            reaches::<Brain>(bf16::from_f32(lowest).to_f32(), bf16::from_f32(lowest).to_f32().max(highest));
            reaches::<Single>(lowest, highest);
        }
    }

    #[test]
    fn what_might_overflow_has_no_scale() {
        assert_eq!(Scale::between::<Half>(-1.0, 65504.0, 255.0), None);
        assert_eq!(Scale::between::<Single>(f32::MIN, f32::MAX, 255.0), None);
        assert!(Scale::between::<Half>(-60000.0, 60000.0, 255.0).is_some());
    }
}
