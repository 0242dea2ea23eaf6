//! The checks refuse what does not fit, the reference does what is written, and the tolerances are not loose.

use half::{bf16, f16};

use super::check::{self, Blocks, Conversion, RowCopy};
use super::reference::{self, Stored, StoredMut};
use super::{Number, Numbers, Rows, Scales, tolerance};
use crate::sim::Contents;
use crate::{Bytes, Device, DeviceError, Region, Request, SimDevice, SimSettings, Span, StorageMode};

const KIB: u64 = 1024;

fn region(kib: u64) -> Region {
    let sim = SimDevice::new(SimSettings { contents: Contents::Hollow, ..SimSettings::default() }).unwrap();
    sim.allocate(Request::new(Bytes::kib(kib), StorageMode::Shared)).unwrap()
}

fn part(region: &Region, start: u64, bytes: u64) -> Span<'_> {
    region.span(start..start + bytes).unwrap()
}

#[track_caller]
fn why<T: std::fmt::Debug>(result: Result<T, DeviceError>) -> String {
    match result {
        Err(DeviceError::BadOperation { why, .. }) => why,
        other => panic!("expected BadOperation, and it is {other:?}"),
    }
}

#[test]
fn blocks_are_counted_or_refused() {
    let (a, b) = (region(64), region(64));
    let (source, target) = (part(&a, 16, 10 * KIB), part(&b, 32, 3 * KIB));
    let blocks = check::gather(&source, &[0, 9, 9], KIB, &target).unwrap();
    assert_eq!(blocks, Blocks { count: 3, block: KIB });
    assert!(check::gather(&source, &[], KIB, &part(&b, 5, 0)).unwrap().is_empty());
    assert!(check::scatter(&part(&b, 7, 0), &[], KIB, &part(&a, 3, KIB)).unwrap().is_empty());

    assert!(why(check::gather(&source, &[0, 9, 10], KIB, &target)).contains("entry 2 names block 10 of 10"));
    assert!(why(check::gather(&source, &[0], KIB, &target)).contains("1 blocks"));
    assert!(why(check::gather(&source, &[0], 0, &target)).contains("multiple of 16"));
    assert!(why(check::gather(&source, &[0], KIB + 8, &target)).contains("multiple of 16"));
    assert!(why(check::gather(&part(&a, 0, 1500), &[0, 0, 0], KIB, &target)).contains("whole number"));
    let off = part(&a, 8, 10 * KIB);
    assert!(why(check::gather(&off, &[0, 9, 9], KIB, &target)).contains("starts at byte 8"));
    let inside = part(&a, 4 * KIB, 3 * KIB);
    assert_eq!(check::gather(&source, &[0, 1, 2], KIB, &inside), Err(DeviceError::Overlap));
    let closed = region(4).read_only();
    assert_eq!(check::gather(&source, &[0], KIB, &part(&closed, 0, KIB)), Err(DeviceError::ReadOnly));
    assert!(check::gather(&part(&closed, 0, KIB), &[0, 0, 0], KIB, &target).is_ok());
}

#[test]
fn a_block_that_is_named_twice_is_found() {
    let (few, many) = (region(64), region(1 << 20));
    let scatter = |index: &[u32]| {
        let source = part(&few, 0, index.len() as u64 * 16);
        check::scatter(&source, index, 16, &many.whole())
    };
    assert!(scatter(&[3, 1, 2]).is_ok());
    assert!(why(scatter(&[3, 1, 3])).contains("block 3"));
    assert!(why(scatter(&[1, 1])).contains("block 1"));
    // So far apart that they are sorted.
    assert!(scatter(&[60_000_000, 5, 40_000_000]).is_ok());
    assert!(why(scatter(&[60_000_000, 5, 60_000_000])).contains("60000000"));
}

#[test]
fn rows_are_counted_or_refused() {
    let (a, b) = (region(64), region(64));
    let rows = |span, row, pitch| Rows { span, row, pitch };
    let source = rows(part(&a, 3, 2 * 100 + 7), 7, 100);
    let target = rows(part(&b, 1, 2 * 7 + 7), 7, 7);
    assert_eq!(
        check::copy_rows(&source, &target),
        Ok(RowCopy { rows: 3, row: 7, source_pitch: 100, target_pitch: 7 })
    );
    let none = rows(part(&b, 1, 0), 9, 0);
    assert!(check::copy_rows(&rows(part(&a, 1, 0), 0, 0), &none).unwrap().is_empty());

    assert!(why(check::copy_rows(&source, &none)).contains("3 rows and the target 0"));
    assert!(why(check::copy_rows(&source, &rows(part(&b, 0, 24), 8, 8))).contains("7 bytes"));
    assert!(why(check::copy_rows(&source, &rows(part(&b, 0, 21), 7, 6))).contains("pitch of 6"));
    assert!(why(check::copy_rows(&source, &rows(part(&b, 0, 21), 0, 0))).contains("rows of 0"));
    assert!(why(check::copy_rows(&source, &rows(part(&b, 0, 22), 7, 7))).contains("22 bytes"));
    assert!(why(check::copy_rows(&source, &rows(part(&b, 0, 5), 7, 7))).contains("5 bytes"));
    assert!(why(check::copy_rows(&rows(part(&a, 0, 8), 7, u64::MAX), &target)).contains("8 bytes"));
    let woven = rows(part(&a, 50, 2 * 100 + 7), 7, 100);
    assert_eq!(check::copy_rows(&source, &woven), Err(DeviceError::Overlap));
}

#[test]
fn patterns_are_repeated_or_refused() {
    let a = region(64);
    let pattern = check::fill_pattern(&part(&a, 16, 36), &[1, 2, 3, 4]).unwrap();
    assert_eq!((pattern.unit, pattern.bytes), ([1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4], 36));
    for length in [0, 3, 5, 17, 32] {
        assert!(why(check::fill_pattern(&a.whole(), &vec![0; length])).contains("1, 2, 4, 8 or 16"));
    }
    assert!(why(check::fill_pattern(&part(&a, 0, 36), &[0; 8])).contains("whole number"));
    assert!(why(check::fill_pattern(&part(&a, 4, 4), &[0; 4])).contains("starts at byte 4"));
    assert!(check::fill_pattern(&part(&a, 5, 0), &[0; 4]).unwrap().is_empty());
    assert!(why(check::sum(&part(&a, 4, 4))).contains("starts at byte 4"));
    assert_eq!(check::sum(&part(&a, 4, 0)), Ok(0));
}

#[test]
fn conversions_are_counted_or_refused() {
    let (a, b) = (region(64), region(64));
    let plain = |span, number| Numbers { span, number, scales: None };
    let with_scales =
        |span, number, scales, group| Numbers { span, number, scales: Some(Scales { span: scales, group }) };
    let source = plain(part(&a, 0, 256), Number::F32);
    let half = plain(part(&b, 0, 128), Number::F16);
    let wanted = Conversion { count: 64, from: Number::F32, to: Number::F16, group: 0 };
    assert_eq!(check::convert(&source, &half), Ok(wanted));
    let scales = part(&b, 1024, 8);
    let int4 = with_scales(part(&b, 0, 32), Number::Int4, scales, 32);
    let wanted = Conversion { count: 64, from: Number::F32, to: Number::Int4, group: 32 };
    assert_eq!(check::convert(&source, &int4), Ok(wanted));
    assert_eq!(wanted.groups(), 2);

    let refusals = [
        (plain(part(&b, 0, 126), Number::F16), "target of 63"),
        (plain(part(&b, 0, 127), Number::F16), "whole number of F16"),
        (plain(part(&b, 0, 32), Number::Int4), "need scales"),
        (with_scales(part(&b, 0, 128), Number::F16, scales, 32), "no scales"),
        (with_scales(part(&b, 0, 32), Number::Int4, scales, 0), "multiple of 32"),
        (with_scales(part(&b, 0, 32), Number::Int4, scales, 48), "multiple of 32"),
        (with_scales(part(&b, 0, 32), Number::Int4, scales, 96), "groups of 96"),
        (with_scales(part(&b, 0, 32), Number::Int4, scales, 64), "4 bytes of scales, and 8"),
        (with_scales(part(&b, 0, 32), Number::Int4, part(&b, 1028, 8), 32), "starts at byte 1028"),
        (plain(part(&b, 8, 128), Number::F16), "starts at byte 8"),
    ];
    for (target, says) in refusals {
        let why = why(check::convert(&source, &target));
        assert!(why.contains(says), "{why:?} for {says:?}");
    }
    let int8 = with_scales(part(&a, 0, 64), Number::Int8, part(&a, 512, 8), 32);
    assert!(why(check::convert(&int8, &int4)).contains("go through"));
    // Each pair of spans is held apart.
    for target in [
        with_scales(part(&a, 0, 64), Number::Int8, scales, 32),
        with_scales(part(&b, 0, 64), Number::Int8, part(&a, 16, 8), 32),
        with_scales(part(&b, 0, 64), Number::Int8, part(&b, 48, 8), 32),
    ] {
        assert_eq!(check::convert(&source, &target), Err(DeviceError::Overlap));
    }
    let onto_scales = plain(part(&a, 496, 256), Number::F32);
    assert_eq!(check::convert(&int8, &onto_scales), Err(DeviceError::Overlap));
    let nothing = with_scales(part(&b, 3, 0), Number::Int8, part(&b, 5, 0), 32);
    assert!(check::convert(&plain(part(&a, 1, 0), Number::Bf16), &nothing).unwrap().is_empty());
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn converted(conversion: &Conversion, source: Stored<'_>) -> (Vec<u8>, Vec<u8>) {
    let bytes = usize::try_from(conversion.count * conversion.to.bits() / 8).unwrap();
    let groups = if conversion.to.scaled() { usize::try_from(conversion.groups()).unwrap() } else { 0 };
    let (mut numbers, mut scales) = (vec![0xaa; bytes], vec![0xaa; groups * 4]);
    reference::convert(conversion, source, StoredMut { numbers: &mut numbers, scales: &mut scales });
    (numbers, scales)
}

#[test]
fn floats_round_to_the_nearest_even() {
    // Ties, a carry into the exponent, overflow, the smallest subnormals, and what is not a number.
    let values =
        [1.0, 1.000_488_3, 2049.0, 2051.0, 65_519.9, 65_520.0, 2.98e-8, 2.99e-8, -0.0, f32::INFINITY];
    let source = floats(&values);
    let source = Stored { numbers: &source, scales: &[] };
    let to = |to| Conversion { count: values.len() as u64, from: Number::F32, to, group: 0 };
    let (halves, _) = converted(&to(Number::F16), source);
    let (brains, _) = converted(&to(Number::Bf16), source);
    for (at, value) in values.iter().enumerate() {
        let two = |bytes: &[u8]| u16::from_le_bytes([bytes[at * 2], bytes[at * 2 + 1]]);
        assert_eq!(two(&halves), f16::from_f32(*value).to_bits(), "{value} as a half");
        assert_eq!(two(&brains), bf16::from_f32(*value).to_bits(), "{value} as a bfloat");
    }
    let two = |at: usize| u16::from_le_bytes([halves[at * 2], halves[at * 2 + 1]]);
    assert_eq!([two(2), two(3), two(5), two(7), two(8)], [0x6800, 0x6802, 0x7c00, 1, 0x8000]);
}

#[test]
fn integers_have_scales() {
    let mut values = [0.0_f32; 96];
    values[..8].copy_from_slice(&[7.0, -7.0, 2.5, 3.5, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.4]);
    values[32] = f32::INFINITY;
    values[64..67].copy_from_slice(&[127.0, 63.5, -1.5]);
    let source = floats(&values);
    let source = Stored { numbers: &source, scales: &[] };
    let to = |to| Conversion { count: 96, from: Number::F32, to, group: 32 };
    let (fours, scales) = converted(&to(Number::Int4), source);
    assert_eq!(scales, floats(&[1.0, 0.0, 127.0 / 7.0]));
    assert_eq!(fours[..4], [0x97, 0x42, 0x70, 0x09]);
    assert_eq!(fours[16..18], [0x07, 0x00], "infinity among zeros is the extreme");
    let (eights, scales) = converted(&to(Number::Int8), source);
    assert_eq!(scales, floats(&[7.0 / 127.0, 0.0, 1.0]));
    assert_eq!(eights[..7], [127, 0x81, 45, 64, 0, 127, 0x81]);
    assert_eq!(eights[64..67], [127, 64, 0xfe], "ties to even");

    let back = Conversion { count: 96, from: Number::Int4, to: Number::F16, group: 32 };
    let (halves, _) = converted(&back, Stored { numbers: &fours, scales: &floats(&[1.0, 0.0, 0.5]) });
    let half = |at: usize| f16::from_le_bytes([halves[at * 2], halves[at * 2 + 1]]);
    let wanted = [7.0, -7.0, 3.5, 2.0].map(f16::from_f32);
    assert_eq!([half(0), half(1), half(64), half(65)], wanted);
}

#[test]
fn tolerances_have_ends() {
    let mut values = [0.25_f32; 32];
    values[..4].copy_from_slice(&[127.0, 2.5, -9.0, f32::NAN]);
    let source = floats(&values);
    let source = Stored { numbers: &source, scales: &[] };
    let to = Conversion { count: 32, from: Number::F32, to: Number::Int8, group: 32 };
    let (numbers, scales) = converted(&to, source);
    let says = |change: &dyn Fn(&mut Vec<u8>, &mut Vec<u8>)| {
        let (mut numbers, mut scales) = (numbers.clone(), scales.clone());
        change(&mut numbers, &mut scales);
        tolerance::converted(&to, source, Stored { numbers: &numbers, scales: &scales })
    };
    assert_eq!(says(&|_, _| {}), Ok(()));
    assert_eq!(says(&|numbers, _| numbers[1] = 3), Ok(()), "the other side of a tie");
    assert!(says(&|numbers, _| numbers[1] = 1).is_err());
    assert!(says(&|numbers, _| numbers[2] = 0xf8).is_err());
    assert!(says(&|numbers, _| numbers[3] = 1).is_err(), "NaN is zero");
    assert_eq!(says(&|_, scales| scales[0] += 2), Ok(()));
    assert!(says(&|_, scales| scales[0] += 3).is_err());

    let half = Conversion { count: 32, from: Number::F32, to: Number::F16, group: 0 };
    let (mut numbers, _) = converted(&half, source);
    numbers[6] ^= 1;
    let found = |numbers: &[u8]| tolerance::converted(&half, source, Stored { numbers, scales: &[] });
    assert_eq!(found(&numbers), Ok(()), "any NaN");
    numbers[0] ^= 1;
    assert!(found(&numbers).is_err(), "floats are exact");
}

#[test]
fn small_scales_may_be_flushed() {
    let values = [1e-38_f32; 32];
    let source = floats(&values);
    let source = Stored { numbers: &source, scales: &[] };
    let to = Conversion { count: 32, from: Number::F32, to: Number::Int8, group: 32 };
    let found = Stored { numbers: &[0; 32], scales: &[0; 4] };
    assert_eq!(tolerance::converted(&to, source, found), Ok(()));
    let found = Stored { numbers: &[0; 32], scales: &floats(&[1.0]) };
    assert!(tolerance::converted(&to, source, found).is_err());
    let back = Conversion { from: Number::Int8, to: Number::F32, ..to };
    let source = Stored { numbers: &[3; 32], scales: &floats(&[1e-40]) };
    let found = Stored { numbers: &[0; 128], scales: &[] };
    assert_eq!(tolerance::converted(&back, source, found), Ok(()));
    let source = Stored { numbers: &[3; 32], scales: &floats(&[1e-30]) };
    assert!(tolerance::converted(&back, source, found).is_err());
}

#[test]
fn rows_patterns_and_blocks() {
    let source: Vec<u8> = (0..64).collect();
    let mut target = [0xff; 16];
    let rows = RowCopy { rows: 3, row: 2, source_pitch: 10, target_pitch: 5 };
    reference::copy_rows(&rows, &source, &mut target[1..]);
    assert_eq!(target, [255, 0, 1, 255, 255, 255, 10, 11, 255, 255, 255, 20, 21, 255, 255, 255]);
    let a = region(4);
    let pattern = check::fill_pattern(&part(&a, 0, 6), &[1, 2]).unwrap();
    reference::fill_pattern(&pattern, &mut target[..6]);
    assert_eq!(target[..7], [1, 2, 1, 2, 1, 2, 10]);
    let mut blocks = [0; 32];
    reference::gather(&source, &[3, 1], 16, &mut blocks);
    assert_eq!((blocks[0], blocks[16], blocks[31]), (48, 16, 31));
    let mut spread = [0; 64];
    reference::scatter(&blocks, &[3, 1], 16, &mut spread);
    assert_eq!((spread[0], spread[16], spread[48], spread[63]), (0, 16, 48, 63));
}

#[test]
fn sums_see_words_that_change_places() {
    assert_eq!(reference::sum(&[]), 0);
    assert_eq!(reference::sum(&[1, 0, 0, 0, 2, 0, 0, 0, 3]), (1 + 3 * 2 + 5 * 3) << 32 | 6);
    assert_ne!(reference::sum(&[1, 0, 0, 0, 2, 0, 0, 0]), reference::sum(&[2, 0, 0, 0, 1, 0, 0, 0]));
}
