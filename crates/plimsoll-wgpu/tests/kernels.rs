//! Kernels in WGSL against the reference: every half there is, the numbers at which rounding turns, and operands
//! at odd places among others' bytes.

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use std::sync::Arc;

use plimsoll_device::kernels::check::{self, Conversion};
use plimsoll_device::kernels::reference::{self, Stored};
use plimsoll_device::kernels::{Number, Numbers, Rows, Scales, tolerance};
use plimsoll_device::{Bytes, Device, DeviceError, Kernels, Region, Request, StorageMode, Stream};
use plimsoll_wgpu::{GpuDevice, GpuSettings};

const S: Stream = Stream(0);

fn gpu() -> Option<Arc<GpuDevice>> {
    common::gpu(GpuSettings::default())
}

fn random(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..bytes).map(|_| next()).collect()
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap()
}

/// A private region with these bytes.
fn filled(gpu: &GpuDevice, bytes: &[u8]) -> Region {
    let region = gpu.allocate(Request::new(Bytes::new(bytes.len() as u64), StorageMode::Private)).unwrap();
    gpu.upload(S, bytes, region.whole()).unwrap();
    region
}

fn bytes_of(gpu: &GpuDevice, region: &Region) -> Vec<u8> {
    let mut bytes = vec![0; region.bytes().as_usize()];
    gpu.download(S, region.whole(), &mut bytes).unwrap();
    bytes
}

fn width(number: Number, count: usize) -> usize {
    count * usize::try_from(number.bits()).unwrap() / 8
}

/// Converts `source` in the middle of other bytes, and compares.
fn converts(
    gpu: &GpuDevice,
    from: Number,
    to: Number,
    source: &[u8],
    scales: &[u8],
    count: usize,
    group: u32,
) {
    let (lead, tail) = (48_usize, 37_usize);
    let around = |bytes: usize, seed| random(lead + bytes + tail, seed);
    let mut source_all = around(source.len(), 1);
    source_all[lead..lead + source.len()].copy_from_slice(source);
    let target_before = around(width(to, count), 2);
    let (source_region, target_region) = (filled(gpu, &source_all), filled(gpu, &target_before));
    let scale_bytes = if group == 0 { 0 } else { count / group as usize * 4 };
    let mut scales_all = around(scale_bytes, 3);
    if from.scaled() {
        scales_all[lead..lead + scale_bytes].copy_from_slice(scales);
    }
    let scales_region = filled(gpu, &scales_all);
    let part = |region, bytes: usize| Region::span(region, lead as u64..(lead + bytes) as u64).unwrap();
    let with =
        |number: Number| number.scaled().then(|| Scales { span: part(&scales_region, scale_bytes), group });
    let numbers = |region, number, bytes| Numbers { span: part(region, bytes), number, scales: with(number) };
    gpu.convert(
        S,
        numbers(&source_region, from, source.len()),
        numbers(&target_region, to, width(to, count)),
    )
    .unwrap();

    let found = bytes_of(gpu, &target_region);
    let found_scales = bytes_of(gpu, &scales_region);
    let inner = lead..lead + width(to, count);
    let conversion = Conversion { count: count as u64, from, to, group };
    let stored = Stored { numbers: source, scales: if from.scaled() { scales } else { &[] } };
    let scales = if to.scaled() { &found_scales[lead..lead + scale_bytes] } else { &[] };
    tolerance::converted(&conversion, stored, Stored { numbers: &found[inner.clone()], scales })
        .unwrap_or_else(|why| panic!("{from:?} to {to:?}, {count} numbers in groups of {group}: {why}"));
    let end = inner.end;
    assert_eq!(found[..lead], target_before[..lead], "before the target");
    assert_eq!(found[end..], target_before[end..], "behind the target");
    assert_eq!(bytes_of(gpu, &source_region), source_all, "the source");
    assert_eq!(found_scales[..lead], scales_all[..lead], "before the scales");
    assert_eq!(found_scales[lead + scale_bytes..], scales_all[lead + scale_bytes..], "behind the scales");
}

/// Singles around every place where rounding to a half or a bf16 turns, and the odd ones.
fn singles() -> Vec<u8> {
    let halves = (0..0x7c00_u16).step_by(97).chain([0, 1, 2, 0x3ff, 0x400, 0x401, 0x7bff]);
    let middles = halves.flat_map(|bits| {
        let (low, high) = (half::f16::from_bits(bits).to_f32(), half::f16::from_bits(bits + 1).to_f32());
        let middle = if high.is_finite() { f32::midpoint(low, high).to_bits() } else { 65520_f32.to_bits() };
        [middle - 1, middle, middle + 1, low.to_bits(), low.to_bits() + 1]
    });
    let odd = [
        0x7f80_0000,
        0x7f80_0001,
        0x7fc0_0000,
        0x7fff_ffff,
        0x7f7f_ffff,
        0x0000_0001,
        0x007f_ffff,
        0x0080_0000,
        0x3300_0000,
        0x3300_0001,
        0x32ff_ffff,
        0x7f7f_8000,
        0x7f7f_7fff,
        0x0000_8000,
        0x0001_8000,
        0x477f_efff,
        0x477f_f000,
    ];
    let all = middles.chain(odd).chain((0..50_000_u32).map(|n| n.wrapping_mul(0x9e37_79b9)));
    all.flat_map(|bits| [bits, bits | 0x8000_0000]).flat_map(u32::to_le_bytes).collect()
}

fn every_half() -> Vec<u8> {
    (0..=u16::MAX).flat_map(u16::to_le_bytes).collect()
}

#[test]
fn floats_to_floats_are_exact() {
    let Some(gpu) = gpu() else { return };
    for to in [Number::F32, Number::F16, Number::Bf16] {
        let singles = singles();
        converts(&gpu, Number::F32, to, &singles, &[], singles.len() / 4, 0);
        for from in [Number::F16, Number::Bf16] {
            converts(&gpu, from, to, &every_half(), &[], 1 << 16, 0);
        }
        for count in [1, 2, 3, 7, 8, 9, 1001] {
            converts(&gpu, Number::F32, to, &random(count * 4, 9), &[], count, 0);
            converts(&gpu, Number::F16, to, &random(count * 2, 9), &[], count, 0);
        }
    }
}

#[test]
fn floats_to_integers_with_scales() {
    let Some(gpu) = gpu() else { return };
    for to in [Number::Int8, Number::Int4] {
        for (group, groups) in [(32, 1), (32, 77), (96, 5), (1024, 3), (4096, 2), (32, 3000)] {
            let count = group as usize * groups;
            // Ordinary numbers, and in the first groups what is not.
            let mut values: Vec<f32> = random(count * 4, 5)
                .as_chunks::<4>()
                .0
                .iter()
                .map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) * f32::from(b[2]) / 1e3)
                .collect();
            values[..4].copy_from_slice(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0]);
            if groups > 2 {
                values[group as usize..2 * group as usize].fill(0.0);
                values[2 * group as usize] = f32::MAX;
            }
            let singles: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            converts(&gpu, Number::F32, to, &singles, &[], count, group);
            converts(&gpu, Number::F16, to, &random(count * 2, 6), &[], count, group);
            converts(&gpu, Number::Bf16, to, &random(count * 2, 7), &[], count, group);
        }
    }
}

#[test]
fn integers_with_scales_to_floats() {
    let Some(gpu) = gpu() else { return };
    for from in [Number::Int8, Number::Int4] {
        for to in [Number::F32, Number::F16, Number::Bf16] {
            for (group, groups) in [(32, 1), (32, 8), (64, 100)] {
                let count = group as usize * groups;
                let scales: Vec<u8> = (1..=groups)
                    .flat_map(|n| (0.001 * f32::from(u16::try_from(n).unwrap())).to_le_bytes())
                    .collect();
                converts(&gpu, from, to, &random(width(from, count), 8), &scales, count, group);
            }
        }
    }
}

#[test]
fn rows_between_pitches() {
    let Some(gpu) = gpu() else { return };
    let cases = [
        // offset, row, pitch of the source; offset and pitch of the target; rows
        (0, 64, 64, 0, 64, 10),
        (16, 64, 96, 32, 80, 33),
        (4, 12, 20, 8, 16, 100),
        (1, 7, 9, 3, 7, 50),
        (3, 1, 2, 0, 3, 70),
        (5, 100, 1000, 2, 101, 9),
        (0, 4096, 5000, 1, 4097, 6),
        (2, 11, 99_999, 1, 11, 1),
    ];
    for (from, row, pitch, to, target_pitch, rows) in cases {
        let length = |pitch: u64| if rows == 1 { row } else { pitch * (rows - 1) + row };
        let source = random(size(from + length(pitch)) + 21, row);
        let before = random(size(to + length(target_pitch)) + 13, row + 1);
        let (source_region, target_region) = (filled(&gpu, &source), filled(&gpu, &before));
        let source_span = source_region.span(from..from + length(pitch)).unwrap();
        let target_span = target_region.span(to..to + length(target_pitch)).unwrap();
        let source_rows = Rows { span: source_span, row, pitch };
        let target_rows = Rows { span: target_span, row, pitch: target_pitch };
        gpu.copy_rows(S, source_rows, target_rows).unwrap();
        let mut wanted = before.clone();
        let copy = check::copy_rows(&source_rows, &target_rows).unwrap();
        reference::copy_rows(&copy, &source[size(from)..], &mut wanted[size(to)..]);
        assert_eq!(
            bytes_of(&gpu, &target_region),
            wanted,
            "{rows} rows of {row} at {pitch} to {target_pitch}"
        );
    }
}

#[test]
fn patterns_of_every_length_and_end() {
    let Some(gpu) = gpu() else { return };
    for length in [1, 2, 4, 8, 16] {
        for bytes in [length, 3 * length, 7 * length, 16 * 100 + length] {
            let pattern = random(length, 11);
            let before = random(32 + bytes + 19, 12);
            let region = filled(&gpu, &before);
            let target = region.span(32..32 + bytes as u64).unwrap();
            gpu.fill_pattern(S, target, &pattern).unwrap();
            let mut wanted = before;
            reference::fill_pattern(
                &check::fill_pattern(&target, &pattern).unwrap(),
                &mut wanted[32..32 + bytes],
            );
            assert_eq!(bytes_of(&gpu, &region), wanted, "a pattern of {length} through {bytes}");
        }
    }
}

/// An index that needs several pieces of staging memory, too.
#[test]
fn blocks_are_gathered_and_scattered() {
    let settings = GpuSettings { staging: Some(Bytes::kib(64)), ..GpuSettings::default() };
    let Some(gpu) = common::gpu(settings) else { return };
    for (block, blocks, count) in [(16, 100, 37), (48, 9, 9), (4096, 20, 11), (16, 9000, 7001), (65536, 4, 3)]
    {
        // Steps that are prime to the number of blocks name each at most once.
        let step = [7919, 7907].into_iter().find(|step| blocks % step != 0 && step % blocks != 0).unwrap();
        let index: Vec<u32> = (0..count).map(|n| u32::try_from(n * step % blocks).unwrap()).collect();
        let (many, few) = (random(size(blocks * block), 13), random(size(count * block), 14));
        let (many_region, few_region) = (filled(&gpu, &many), filled(&gpu, &few));
        gpu.gather(S, many_region.whole(), &index, block, few_region.whole()).unwrap();
        let mut wanted = few.clone();
        reference::gather(&many, &index, block, &mut wanted);
        assert_eq!(bytes_of(&gpu, &few_region), wanted, "a gather of {count} blocks of {block}");

        let few_region = filled(&gpu, &few);
        gpu.scatter(S, few_region.whole(), &index, block, many_region.whole()).unwrap();
        let mut wanted = many.clone();
        reference::scatter(&few, &index, block, &mut wanted);
        assert_eq!(bytes_of(&gpu, &many_region), wanted, "a scatter of {count} blocks of {block}");
    }
}

#[test]
fn sums_of_every_end() {
    let Some(gpu) = gpu() else { return };
    for bytes in [1, 2, 3, 4, 5, 255, 1023, 1024, 1025, 100_003, 3_000_001] {
        let all = random(16 + bytes + 9, 15);
        let region = filled(&gpu, &all);
        let span = region.span(16..16 + bytes as u64).unwrap();
        assert_eq!(gpu.sum(S, span).unwrap(), reference::sum(&all[16..16 + bytes]), "{bytes} bytes");
    }
}

/// Streams share the place where sums are made.
#[test]
fn sums_on_many_streams_at_once() {
    let Some(gpu) = gpu() else { return };
    std::thread::scope(|scope| {
        for seed in 0..6 {
            let gpu = &gpu;
            scope.spawn(move || {
                let stream = gpu.stream().unwrap();
                let all = random(50_000, seed);
                let region = filled(gpu, &all);
                let fence = gpu.fence(S).unwrap();
                gpu.wait(fence, std::time::Duration::from_secs(30)).unwrap();
                for _ in 0..20 {
                    assert_eq!(gpu.sum(stream, region.whole()).unwrap(), reference::sum(&all));
                }
            });
        }
    });
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let Some(gpu) = gpu() else { return };
    let region = filled(&gpu, &random(4096, 1));
    let (a, b) = (region.span(0..1024).unwrap(), region.span(2048..3072).unwrap());
    assert!(matches!(gpu.gather(S, a, &[64], 16, b), Err(DeviceError::BadOperation { .. })));
    assert!(matches!(gpu.scatter(S, a, &[0; 64], 16, b), Err(DeviceError::BadOperation { .. })));
    assert_eq!(gpu.sum(Stream(77), a), Err(DeviceError::UnknownStream(Stream(77))));
    // Source and target of one buffer are no contradiction.
    let index: Vec<u32> = (0..64).rev().collect();
    gpu.gather(S, a, &index, 16, b).unwrap();
    let found = bytes_of(&gpu, &region);
    assert_eq!(found[2048..2064], found[1008..1024]);
}
