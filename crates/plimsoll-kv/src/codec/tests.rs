//! What is encoded comes back, as near as its precision says, and nothing else is believed.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "numbers made up for tests"
)]

use half::{bf16, f16};
use proptest::prelude::*;

use super::shape::GROUP;
use super::{Codec, CodecError, Form, Packing, Precision};
use crate::layout::{Element, Layer, Layout, Reach};

fn layout(element: Element, block_tokens: u32, rows: &[(u32, u32)], snapshot_bytes: u64) -> Layout {
    let layers = rows.iter().map(|&(keys, values)| Layer { reach: Reach::All, keys, values }).collect();
    Layout { block_tokens, element, layers, snapshot_bytes }
}

fn bytes(element: Element, numbers: &[f32]) -> Vec<u8> {
    match element {
        Element::F32 => numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
        Element::F16 => numbers.iter().flat_map(|number| f16::from_f32(*number).to_le_bytes()).collect(),
        _ => numbers.iter().flat_map(|number| bf16::from_f32(*number).to_le_bytes()).collect(),
    }
}

fn numbers(element: Element, bytes: &[u8]) -> Vec<f32> {
    let pairs = || bytes.as_chunks::<2>().0.iter();
    match element {
        Element::F32 => bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect(),
        Element::F16 => pairs().map(|pair| f16::from_le_bytes(*pair).to_f32()).collect(),
        _ => pairs().map(|pair| bf16::from_le_bytes(*pair).to_f32()).collect(),
    }
}

/// Numbers that are like a model's: a level and a spread for each channel, near normal.
fn like_a_model(count: usize, width: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / 16_777_216.0
    };
    let channels: Vec<_> = (0..width).map(|_| (4.0 * uniform() - 2.0, 0.2 + 2.0 * uniform())).collect();
    let mut normal = move || (0..12).map(|_| uniform()).sum::<f32>() - 6.0;
    (0..count)
        .flat_map(|_| channels.iter().map(|(level, spread)| level + spread * normal()).collect::<Vec<_>>())
        .collect()
}

/// Half a step of a group, rounding of the step and of the number to the block's own kind included.
fn allowed(element: Element, group: &[f32], levels: f32) -> f32 {
    let lowest = group.iter().copied().fold(f32::INFINITY, f32::min);
    let highest = group.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (coarse, least) = match element {
        Element::F32 => (1e-6, 1e-40),
        Element::F16 => (1.0 / 1024.0, 1.2e-7),
        _ => (1.0 / 128.0, 1e-38),
    };
    let span = (highest - lowest) * (1.0 + coarse) / levels;
    span * 0.5 + lowest.abs().max(highest.abs()) * coarse * 0.51 + least
}

fn check(
    layout: &Layout,
    layer: usize,
    before: &[f32],
    after: &[f32],
    levels: f32,
) -> Result<(), TestCaseError> {
    let tokens = layout.block_tokens as usize;
    let (keys, values) = (layout.layers[layer].keys as usize, layout.layers[layer].values as usize);
    let near = |group: Vec<usize>| {
        let numbers: Vec<f32> = group.iter().map(|at| before[*at]).collect();
        let allowed = allowed(layout.element, &numbers, levels);
        for at in group {
            let off = (before[at] - after[at]).abs();
            prop_assert!(off <= allowed, "{} became {}, {allowed} are allowed", before[at], after[at]);
        }
        Ok(())
    };
    for channel in 0..keys {
        for first in (0..tokens).step_by(GROUP) {
            near((first..tokens.min(first + GROUP)).map(|token| token * keys + channel).collect())?;
        }
    }
    for token in 0..tokens {
        for first in (0..values).step_by(GROUP) {
            let start = tokens * keys + token * values;
            near((first..values.min(first + GROUP)).map(|channel| start + channel).collect())?;
        }
    }
    Ok(())
}

fn elements() -> impl Strategy<Value = Element> {
    prop_oneof![Just(Element::F32), Just(Element::F16), Just(Element::Bf16)]
}

fn packings() -> impl Strategy<Value = Packing> {
    prop_oneof![Just(Packing::None), Just(Packing::Planes)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn quantized_blocks_are_as_near_as_their_steps(
        element in elements(), packing in packings(), four: bool,
        tokens in 1_u32..150, keys in 0_u32..150, values in 0_u32..150, seed: u64, size in -6_i32..12,
    ) {
        let layout = layout(element, tokens, &[(keys, values)], 0);
        let (precision, levels) = if four { (Precision::Four, 15.0) } else { (Precision::Eight, 255.0) };
        let codec = Codec::new(&layout, precision, packing).unwrap();
        let mut raw = like_a_model(tokens as usize, (keys + values) as usize, seed);
        for number in &mut raw {
            *number *= 2.0_f32.powi(size);
        }
        let native = bytes(element, &raw);
        let mut encoded = vec![0xee; codec.section_bytes(0) + 3];
        let length = codec.encode(0, &native, &mut encoded).unwrap();
        prop_assert!(length <= codec.section_bytes(0));
        prop_assert!(packing == Packing::Planes || length == codec.section_bytes(0));
        let mut again = vec![0xee; native.len()];
        codec.decode(0, &encoded[..length], &mut again).unwrap();
        check(&layout, 0, &numbers(element, &native), &numbers(element, &again), levels)?;
    }

    #[test]
    fn native_blocks_come_back_to_the_bit(
        element in prop_oneof![elements(), Just(Element::Opaque)], packing in packings(),
        tokens in 0_u32..40, keys in 0_u32..150, values in 0_u32..150, snapshot in 0_u64..2000, noise: bool, seed: u64,
    ) {
        let layout = layout(element, tokens, &[(keys, values), (values, 0)], snapshot);
        let codec = Codec::new(&layout, Precision::Native, packing).unwrap();
        prop_assert_eq!(codec.sections(), 2 + usize::from(snapshot > 0));
        for section in 0..codec.sections() {
            let bytes_native = codec.native_bytes(section);
            let mut native = bytes(Element::Bf16, &like_a_model(1, bytes_native.div_ceil(2), seed));
            native.truncate(bytes_native);
            if noise {
                native.iter_mut().enumerate().for_each(|(at, byte)| *byte = (seed >> (at % 57)) as u8 ^ at as u8);
            }
            let mut encoded = vec![0xee; codec.section_bytes(section)];
            let length = codec.encode(section, &native, &mut encoded).unwrap();
            let mut again = vec![0xee; native.len()];
            codec.decode(section, &encoded[..length], &mut again).unwrap();
            prop_assert_eq!(again, native);
        }
    }

    #[test]
    fn hostile_bytes_give_errors_or_numbers(
        element in elements(), packing in packings(), four: bool, native: bool,
        tokens in 0_u32..70, keys in 0_u32..70, values in 0_u32..70, mut hostile in prop::collection::vec(any::<u8>(), 0..400),
        exact: bool,
    ) {
        let layout = layout(element, tokens, &[(keys, values)], 0);
        let precision = if native { Precision::Native } else if four { Precision::Four } else { Precision::Eight };
        let codec = Codec::new(&layout, precision, packing).unwrap();
        if exact {
            hostile.resize(codec.section_bytes(0), 0xff);
        }
        let mut into = vec![0; codec.native_bytes(0)];
        let decoded = codec.decode(0, &hostile, &mut into);
        if packing == Packing::None {
            prop_assert_eq!(decoded.is_ok(), hostile.len() == codec.section_bytes(0));
        }
    }
}

#[test]
fn damaged_planes_are_errors() {
    let layout = layout(Element::Bf16, 64, &[(256, 256)], 0);
    let codec = Codec::new(&layout, Precision::Native, Packing::Planes).unwrap();
    let native = bytes(Element::Bf16, &like_a_model(64, 512, 7));
    let mut encoded = vec![0; codec.section_bytes(0)];
    let length = codec.encode(0, &native, &mut encoded).unwrap();
    assert!(length < native.len() * 8 / 10, "{length} of {}", native.len());
    encoded.truncate(length);
    let mut again = vec![0; native.len()];
    for cut in (0..length).step_by(97).chain([length - 1]) {
        assert!(codec.decode(0, &encoded[..cut], &mut again).is_err(), "cut at {cut}");
    }
    for (at, to) in [(0, 2), (1, 1), (4, encoded[4] ^ 1), (7, 0xff)] {
        let mut damaged = encoded.clone();
        damaged[at] = to;
        let found = codec.decode(0, &damaged, &mut again);
        assert!(matches!(found, Err(CodecError::Damaged { section: 0, .. })), "{at}: {found:?}");
    }
    codec.decode(0, &encoded, &mut again).unwrap();
    assert_eq!(again, native);
}

#[test]
fn what_does_not_pay_stays_in_one_piece() {
    let layout = layout(Element::F16, 64, &[(512, 512)], 0);
    let codec = Codec::new(&layout, Precision::Native, Packing::Planes).unwrap();
    let mut state = 1_u64;
    let noise: Vec<u8> = (0..codec.native_bytes(0))
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .collect();
    let mut encoded = vec![0; codec.section_bytes(0)];
    assert_eq!(codec.encode(0, &noise, &mut encoded), Ok(codec.section_bytes(0)));
    assert_eq!(encoded[8..], noise);
}

#[test]
fn what_is_not_finite_is_refused_wherever_it_is() {
    for element in [Element::F32, Element::F16, Element::Bf16] {
        for precision in [Precision::Eight, Precision::Four] {
            let layout = layout(element, 3, &[(70, 70)], 0);
            let codec = Codec::new(&layout, precision, Packing::None).unwrap();
            let mut encoded = vec![0; codec.section_bytes(0)];
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                for at in 0..3 * 140 {
                    let mut raw = like_a_model(3, 140, 1);
                    raw[at] = bad;
                    let found = codec.encode(0, &bytes(element, &raw), &mut encoded);
                    assert_eq!(
                        found,
                        Err(CodecError::Unquantizable { section: 0 }),
                        "{element:?} {bad} at {at}"
                    );
                }
            }
        }
    }
}

#[test]
fn what_is_near_the_end_of_its_kind_decodes_to_finite_numbers_or_not_at_all() {
    for (element, most) in [(Element::F16, 65504.0), (Element::Bf16, 3.38e38), (Element::F32, f32::MAX)] {
        let layout = layout(element, 2, &[(64, 64)], 0);
        let codec = Codec::new(&layout, Precision::Eight, Packing::None).unwrap();
        let mut encoded = vec![0; codec.section_bytes(0)];
        for part in [0.2_f32, 0.49, 0.5, 0.97, 0.99, 0.999, 1.0] {
            let raw: Vec<f32> =
                (0..256).map(|at| if at % 3 == 0 { -most * part } else { most * part }).collect();
            let native = bytes(element, &raw);
            let mut again = native.clone();
            if codec.encode(0, &native, &mut encoded).is_ok() {
                codec.decode(0, &encoded, &mut again).unwrap();
            }
            assert!(numbers(element, &again).iter().all(|number| number.is_finite()), "{element:?} {part}");
        }
    }
}

#[test]
fn constants_and_zeros_are_exact() {
    for element in [Element::F32, Element::F16, Element::Bf16] {
        for value in [0.0, 1.5, -3.0, 6e-8] {
            let layout = layout(element, 5, &[(65, 1)], 0);
            let codec = Codec::new(&layout, Precision::Four, Packing::None).unwrap();
            let native = bytes(element, &vec![value; 5 * 66]);
            let (mut encoded, mut again) = (vec![0; codec.section_bytes(0)], vec![1; native.len()]);
            codec.encode(0, &native, &mut encoded).unwrap();
            codec.decode(0, &encoded, &mut again).unwrap();
            assert_eq!(again, native, "{element:?} {value}");
        }
    }
}

#[test]
fn sizes_are_what_the_document_says() {
    let layout = Layout::uniform(1, 8, 128, Element::F16, 64);
    let size = |precision| Codec::new(&layout, precision, Packing::None).unwrap().section_bytes(0);
    let numbers = 64 * 2048;
    assert_eq!(size(Precision::Native), numbers * 2);
    assert_eq!(size(Precision::Eight) * 8, numbers * 17 / 2);
    assert_eq!(size(Precision::Four) * 8, numbers * 9 / 2);
}

#[test]
fn wrong_lengths_sections_forms_and_sizes_are_told() {
    let small = layout(Element::F16, 4, &[(8, 8)], 0);
    let codec = Codec::new(&small, Precision::Eight, Packing::None).unwrap();
    let mut into = vec![0; codec.section_bytes(0)];
    let native = vec![0; codec.native_bytes(0)];
    assert!(matches!(codec.encode(0, &native[1..], &mut into), Err(CodecError::Length { section: 0, .. })));
    assert!(matches!(codec.encode(0, &native, &mut into[1..]), Err(CodecError::Length { section: 0, .. })));
    assert_eq!(codec.encode(1, &native, &mut into), Err(CodecError::NoSection { section: 1, sections: 1 }));
    assert_eq!(Codec::of(&small, 0x0200_0000), Err(CodecError::Foreign(0x0200_0000)));
    assert_eq!(Codec::of(&small, codec.form().tag()), Ok(codec));
    let opaque = layout(Element::Opaque, 4, &[(8, 8)], 0);
    assert_eq!(Codec::new(&opaque, Precision::Four, Packing::None), Err(CodecError::Opaque));
    assert!(Codec::of(&opaque, Form::NATIVE.tag()).is_ok());
    for precision in [Precision::Native, Precision::Four] {
        let huge = layout(Element::F32, u32::MAX, &[(u32::MAX, u32::MAX)], 0);
        assert_eq!(Codec::new(&huge, precision, Packing::None), Err(CodecError::TooLarge { section: 0 }));
    }
}
