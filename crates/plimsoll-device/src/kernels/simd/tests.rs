//! What the vector instructions give is what the reference gives.

use proptest::prelude::*;

use super::{BLOCK, Conversion, Number, Stored, StoredMut, convert, reference, sum};
use crate::kernels::tolerance;

const NUMBERS: [Number; 5] = [Number::F32, Number::F16, Number::Bf16, Number::Int8, Number::Int4];

/// Bits of singles of every kind: any at all, ties of both halves, small ones, and what is not a number.
fn bits() -> impl Strategy<Value = u32> {
    prop_oneof![
        4 => any::<u32>(),
        4 => (-300.0_f32..300.0).prop_map(f32::to_bits),
        2 => (any::<u16>(), 12_u32..16).prop_map(|(upper, tie)| u32::from(upper) << 16 | 1 << tie),
        1 => (0_u32..0x80_0000).prop_map(|small| small),
        1 => (-127_i16..=127).prop_map(|n| (f32::from(n) + 0.5).to_bits()),
        1 => prop_oneof![
            Just(0), Just(0x8000_0000), Just(0x7f80_0000), Just(0xff80_0000), Just(0x7fc0_0001), Just(0x7f80_0001)
        ],
    ]
}

fn bytes(number: Number, count: usize) -> usize {
    count * usize::try_from(number.bits()).unwrap() / 8
}

/// The same values as a source of this kind: as they are, or cut to as many bytes.
fn stored(number: Number, bits: &[u32]) -> Vec<u8> {
    match number {
        Number::F32 => bits.iter().flat_map(|bits| bits.to_le_bytes()).collect(),
        Number::F16 | Number::Bf16 => {
            bits.iter().flat_map(|bits| [bits.to_le_bytes()[2], bits.to_le_bytes()[3]]).collect()
        }
        _ => bits[..bytes(number, bits.len())].iter().map(|bits| bits.to_le_bytes()[3]).collect(),
    }
}

fn both(conversion: &Conversion, numbers: &[u8], scales: &[u8]) -> [(Vec<u8>, Vec<u8>); 2] {
    let source = Stored { numbers, scales };
    let count = usize::try_from(conversion.count).unwrap();
    let room = bytes(conversion.to, count);
    let groups = if conversion.to.scaled() { count / conversion.group as usize } else { 0 };
    [reference::convert, convert].map(|convert| {
        let (mut numbers, mut scales) = (vec![0xee; room], vec![0xee; groups * 4]);
        convert(conversion, source, StoredMut { numbers: &mut numbers, scales: &mut scales });
        (numbers, scales)
    })
}

/// The same bytes, but for which NaN it is.
fn same(conversion: &Conversion, numbers: &[u8], scales: &[u8]) -> Result<(), TestCaseError> {
    let [wanted, found] = both(conversion, numbers, scales);
    prop_assert_eq!(&wanted.1, &found.1, "scales of {:?}", conversion);
    if conversion.to.scaled() {
        prop_assert_eq!(&wanted.0, &found.0, "integers of {:?}", conversion);
    }
    // A copy is not rounded, and everything else is held to the bit by being held between floats.
    let exact = Conversion { from: Number::F32, group: 0, ..*conversion };
    for at in 0..usize::try_from(conversion.count).unwrap() {
        if !conversion.to.scaled() {
            let [wanted, found] =
                [&wanted, &found].map(|(numbers, _)| reference::float(exact.to, numbers, at));
            let same = wanted.to_bits() == found.to_bits() || wanted.is_nan() && found.is_nan();
            prop_assert!(same, "number {} of {:?}: {} instead of {}", at, conversion, found, wanted);
        }
    }
    let found = Stored { numbers: &found.0, scales: &found.1 };
    let close = tolerance::converted(conversion, Stored { numbers, scales }, found);
    prop_assert_eq!(close, Ok(()));
    Ok(())
}

proptest! {
    #[test]
    fn floats_are_the_reference(
        bits in prop::collection::vec(bits(), 0..200),
        from in 0..3_usize,
        to in 0..3_usize,
    ) {
        let (from, to) = (NUMBERS[from], NUMBERS[to]);
        let conversion = Conversion { count: bits.len() as u64, from, to, group: 0 };
        same(&conversion, &stored(from, &bits), &[])?;
    }

    #[test]
    fn scaled_integers_are_the_reference(
        bits in prop::collection::vec(bits(), 6 * BLOCK),
        blocks in 1..4_usize,
        float in 0..3_usize,
        integer in 3..5_usize,
        magnitude in 0_u32..255,
    ) {
        let (float, integer) = (NUMBERS[float], NUMBERS[integer]);
        let groups = 6 / blocks;
        let count = groups * blocks * BLOCK;
        let group = u32::try_from(blocks * BLOCK).unwrap();
        let conversion = Conversion { count: count as u64, from: float, to: integer, group };
        // Each group within reach of one magnitude, or nothing but its largest would be left.
        let leveled: Vec<u32> = bits[..count].iter().map(|bits| {
            let exponent = bits >> 23 & 0xff;
            if exponent == 0xff { *bits } else { bits & 0x807f_ffff | (magnitude.saturating_sub(exponent % 12)) << 23 }
        }).collect();
        same(&conversion, &stored(float, &leveled), &[])?;
        same(&conversion, &stored(float, &bits[..count]), &[])?;
        let scales = stored(Number::F32, &bits[..groups]);
        let back = Conversion { from: integer, to: float, ..conversion };
        same(&back, &stored(integer, &bits[..count]), &scales)?;
    }

    #[test]
    fn sums_are_the_reference(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(sum(&bytes), reference::sum(&bytes));
    }
}

#[test]
fn every_half_is_the_reference() {
    let all: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
    for from in [Number::F16, Number::Bf16] {
        for to in [Number::F32, Number::F16, Number::Bf16] {
            let conversion = Conversion { count: 1 << 16, from, to, group: 0 };
            same(&conversion, &all, &[]).unwrap();
        }
    }
}
