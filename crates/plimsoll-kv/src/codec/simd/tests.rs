//! What the vector instructions give is what plain Rust gives, to the bit.

use proptest::prelude::*;

use crate::codec::number::{Brain, Half, Number, Single};
use crate::codec::quantized::{self, NotFinite};
use crate::codec::shape::{Bits, GROUP, Rows};
use crate::layout::Element;

type EncodeKeys = fn(&Rows, &[u8], &mut [u8], &mut [u8]) -> Result<usize, NotFinite>;
type EncodeValues = fn(&Rows, &[u8], &mut [u8]) -> Result<usize, NotFinite>;

/// One set of instructions.
struct Kernels {
    name: &'static str,
    decode_keys: fn(&Rows, &[u8], &[u8], &mut [u8]) -> usize,
    decode_values: fn(&Rows, &[u8], &mut [u8]) -> usize,
    encode_keys: EncodeKeys,
    encode_values: EncodeValues,
}

macro_rules! kernels {
    ($module:ident) => {
        Kernels {
            name: stringify!($module),
            // SAFETY: `sets` lists it only where the processor has its instructions.
            decode_keys: |a, b, c, d| unsafe { super::$module::decode_keys(a, b, c, d) },
            // SAFETY: as above.
            decode_values: |a, b, c| unsafe { super::$module::decode_values(a, b, c) },
            // SAFETY: as above.
            encode_keys: |a, b, c, d| unsafe { super::$module::encode_keys(a, b, c, d) },
            // SAFETY: as above.
            encode_values: |a, b, c| unsafe { super::$module::encode_values(a, b, c) },
        }
    };
}

/// What this processor has.
fn sets() -> Vec<Kernels> {
    let mut sets = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        if has!("avx2") && has!("f16c") {
            sets.push(kernels!(avx2));
            if has!("avx512f") && has!("avx512bw") && has!("avx512vl") {
                sets.push(kernels!(avx512));
            }
        }
    }
    sets
}

macro_rules! by_element {
    ($rows:expr, $function:ident($($argument:expr),*)) => {
        match $rows.element {
            Element::F32 => quantized::$function::<Single>($($argument),*),
            Element::F16 => quantized::$function::<Half>($($argument),*),
            _ => quantized::$function::<Brain>($($argument),*),
        }
    };
}

fn write(element: Element, bytes: &mut [u8], at: usize, value: f32) {
    match element {
        Element::F32 => Single::write(bytes, at, value),
        Element::F16 => Half::write(bytes, at, value),
        _ => Brain::write(bytes, at, value),
    }
}

/// Rows of numbers: a level and a spread for each channel, and here and there one that stands out.
fn rows() -> impl Strategy<Value = (Rows, Vec<f32>)> {
    let element = prop_oneof![Just(Element::F32), Just(Element::F16), Just(Element::Bf16)];
    let bits = prop_oneof![Just(Bits::Eight), Just(Bits::Four)];
    (element, bits, 1_usize..200, 1_usize..=GROUP).prop_flat_map(|(element, bits, width, count)| {
        let number = prop_oneof![
            8 => -4.0_f32..4.0,
            2 => (-3_i16..3).prop_map(f32::from),
            1 => -60000.0_f32..60000.0,
            1 => Just(-0.0),
            1 => -1e-7_f32..1e-7,
        ];
        let numbers = prop::collection::vec(number, width * count);
        (Just(Rows { element, bits, width, count }), numbers)
    })
}

fn native(rows: &Rows, numbers: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0; rows.native()];
    for (at, number) in numbers.iter().enumerate() {
        write(rows.element, &mut bytes, at, *number);
    }
    bytes
}

/// Encodes and decodes by plain Rust, and by these instructions with plain Rust for the rest.
fn keys(rows: &Rows, native: &[u8], set: Option<&Kernels>) -> [Vec<u8>; 3] {
    let (mut scales, mut codes) = (vec![0xee; rows.scales_of_channels()], vec![0xee; rows.codes()]);
    let done = set.map_or(0, |set| (set.encode_keys)(rows, native, &mut scales, &mut codes).unwrap());
    by_element!(rows, encode_keys(rows, done, native, &mut scales, &mut codes)).unwrap();
    let mut again = vec![0xee; native.len()];
    let done = set.map_or(0, |set| (set.decode_keys)(rows, &scales, &codes, &mut again));
    by_element!(rows, decode_keys(rows, done, &scales, &codes, &mut again));
    [scales, codes, again]
}

fn values(rows: &Rows, native: &[u8], set: Option<&Kernels>) -> [Vec<u8>; 2] {
    let mut encoded = vec![0xee; rows.count * rows.row()];
    let done = set.map_or(0, |set| (set.encode_values)(rows, native, &mut encoded).unwrap());
    by_element!(rows, encode_values(rows, done, native, &mut encoded)).unwrap();
    let mut again = vec![0xee; native.len()];
    let done = set.map_or(0, |set| (set.decode_values)(rows, &encoded, &mut again));
    by_element!(rows, decode_values(rows, done, &encoded, &mut again));
    [encoded, again]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn every_set_of_instructions_gives_the_same_bytes((rows, numbers) in rows()) {
        let native = native(&rows, &numbers);
        let (plain_keys, plain_values) = (keys(&rows, &native, None), values(&rows, &native, None));
        for set in sets() {
            prop_assert_eq!(&keys(&rows, &native, Some(&set)), &plain_keys, "keys, {}, {:?}", set.name, rows);
            prop_assert_eq!(&values(&rows, &native, Some(&set)), &plain_values, "values, {}, {:?}", set.name, rows);
        }
    }

    #[test]
    fn every_set_refuses_what_is_not_finite(
        (rows, numbers) in rows(), at: prop::sample::Index,
        bad in prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY)],
    ) {
        let mut native = native(&rows, &numbers);
        let at = at.index(numbers.len());
        write(rows.element, &mut native, at, bad);
        // Beyond whole runs it is plain Rust's to refuse.
        prop_assume!(at % rows.width < rows.width / GROUP * GROUP);
        for set in sets() {
            let (mut scales, mut codes) = (vec![0; rows.scales_of_channels()], vec![0; rows.codes()]);
            prop_assert_eq!((set.encode_keys)(&rows, &native, &mut scales, &mut codes), Err(NotFinite));
            let mut encoded = vec![0; rows.count * rows.row()];
            prop_assert_eq!((set.encode_values)(&rows, &native, &mut encoded), Err(NotFinite));
        }
    }
}
