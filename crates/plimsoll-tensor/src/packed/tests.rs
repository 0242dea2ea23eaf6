//! Every packing with every set of instructions against doubles, in odd sizes and with hostile bytes.

use super::back::back_with;
use super::multiply::products_with;
use super::*;
use crate::Crew;

/// Numbers between −1 and 1, the same for the same seed.
struct Lots(u64);

impl Lots {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    #[expect(clippy::cast_precision_loss, reason = "31 bits")]
    fn next(&mut self) -> f32 {
        self.bits() as f32 / (1_u32 << 30) as f32 - 1.0
    }
}

/// Bytes of a matrix: any levels, and scales that are small.
fn bytes(packing: Packing, rows: usize, columns: usize, lots: &mut Lots) -> Vec<u8> {
    let len = PackedView::bytes_of(packing, rows, columns).unwrap();
    let mut bytes: Vec<u8> = (0..len).map(|_| lots.bits().to_le_bytes()[0]).collect();
    let small = |lots: &mut Lots| ::half::f16::from_f32(0.01 * lots.next()).to_le_bytes();
    for block in bytes.chunks_exact_mut(packing.block_bytes()) {
        match packing {
            Packing::F32 => block.copy_from_slice(&lots.next().to_le_bytes()),
            Packing::F16 => block.copy_from_slice(&small(lots)),
            Packing::Bf16 => block.copy_from_slice(&::half::bf16::from_f32(lots.next()).to_le_bytes()),
            Packing::Q8_0 | Packing::Q4_0 => block[..2].copy_from_slice(&small(lots)),
            Packing::Q4K | Packing::Q5K => {
                block[..2].copy_from_slice(&small(lots));
                block[2..4].copy_from_slice(&small(lots));
            }
            Packing::Q6K => block[208..].copy_from_slice(&small(lots)),
        }
    }
    bytes
}

/// One number of a block in doubles, written from the description of the format and by its index alone.
fn number(packing: Packing, block: &[u8], at: usize) -> f64 {
    let half = |at: usize| ::half::f16::from_le_bytes([block[at], block[at + 1]]).to_f64();
    let six = |scales: &[u8], part: usize| -> (f64, f64) {
        if part < 4 {
            return (f64::from(scales[part] & 63), f64::from(scales[part + 4] & 63));
        }
        let low = scales[part + 4];
        let scale = u32::from(low & 15) + 16 * u32::from(scales[part - 4] >> 6);
        let least = u32::from(low >> 4) + 16 * u32::from(scales[part] >> 6);
        (f64::from(scale), f64::from(least))
    };
    // The four bits of a number among 64, in 32 bytes.
    let four = |levels: &[u8], at: usize| {
        let byte = levels[at / 64 * 32 + at % 32];
        u32::from(if at % 64 < 32 { byte & 15 } else { byte >> 4 })
    };
    match packing {
        Packing::F32 => f64::from(f32::from_le_bytes(block.try_into().unwrap())),
        Packing::F16 => half(0),
        Packing::Bf16 => ::half::bf16::from_le_bytes(block.try_into().unwrap()).to_f64(),
        Packing::Q8_0 => half(0) * f64::from(block[2 + at].cast_signed()),
        Packing::Q4_0 => {
            let byte = block[2 + at % 16];
            half(0) * (f64::from(if at < 16 { byte & 15 } else { byte >> 4 }) - 8.0)
        }
        Packing::Q4K => {
            let (scale, least) = six(&block[4..16], at / 32);
            half(0) * scale * f64::from(four(&block[16..], at)) - half(2) * least
        }
        Packing::Q5K => {
            let (scale, least) = six(&block[4..16], at / 32);
            let fifth = u32::from(block[16 + at % 32] >> (at / 32) & 1);
            half(0) * scale * f64::from(four(&block[48..], at) + 16 * fifth) - half(2) * least
        }
        Packing::Q6K => {
            let (part, within) = (at / 128, at % 128);
            let byte = block[part * 64 + within % 64];
            let low = u32::from(if within < 64 { byte & 15 } else { byte >> 4 });
            let high = u32::from(block[128 + part * 32 + within % 32] >> (within / 32 * 2) & 3);
            let scale = f64::from(block[192 + at / 16].cast_signed());
            half(208) * scale * (f64::from(low + 16 * high) - 32.0)
        }
    }
}

fn doubles(packing: Packing, bytes: &[u8]) -> Vec<f64> {
    let blocks = bytes.chunks_exact(packing.block_bytes());
    blocks.flat_map(|block| (0..packing.block_numbers()).map(|at| number(packing, block, at))).collect()
}

/// Rows and columns: whole tiles and not, one chunk and more.
fn sizes(packing: Packing) -> Vec<(usize, usize)> {
    let block = packing.block_numbers();
    [(1, 1), (16, 2), (17, 3), (40, 1024 / block + 1), (5, 2048 / block), (33, 2064 / block)]
        .into_iter()
        .map(|(rows, blocks)| (rows, blocks * block))
        .collect()
}

#[test]
fn rows_are_what_the_formats_say() {
    for packing in Packing::ALL {
        let bytes = bytes(packing, 3, 512, &mut Lots(5));
        let view = PackedView::new(packing, 3, 512, &bytes).unwrap();
        let wanted = doubles(packing, &bytes);
        let mut row = vec![0.0; 512];
        for number in 0..3 {
            view.row(number, &mut row);
            for (ours, wanted) in row.iter().zip(&wanted[number * 512..]) {
                assert!(
                    (f64::from(*ours) - wanted).abs() <= 1e-6 * wanted.abs().max(0.1),
                    "{packing}: {ours} {wanted}"
                );
            }
        }
    }
}

/// What inputs are after rounding.
fn rounded(packing: Packing, inputs: &[f32]) -> Vec<f64> {
    let block = packing.block_numbers();
    if block == 1 {
        return inputs.iter().map(|number| f64::from(*number)).collect();
    }
    let round = |numbers: &[f32]| {
        let most = numbers.iter().fold(0.0_f32, |most, number| most.max(number.abs()));
        let (inverse, scale) = if block == 32 {
            (1.0 / (most / 127.0), ::half::f16::from_f32(most / 127.0).to_f64())
        } else {
            (127.0 / most, 1.0 / f64::from(127.0 / most))
        };
        numbers
            .iter()
            .map(|number| f64::from((number * inverse).round_ties_even()) * scale)
            .collect::<Vec<_>>()
    };
    inputs.chunks_exact(block).flat_map(round).collect()
}

#[test]
fn products_are_those_of_doubles_and_the_same_with_all_instructions_and_beside_others() {
    let crew = Crew::new(2);
    for packing in Packing::ALL {
        for (rows, columns) in sizes(packing) {
            let mut lots = Lots(rows as u64);
            let bytes = bytes(packing, rows, columns, &mut lots);
            let view = PackedView::new(packing, rows, columns, &bytes).unwrap();
            let weights = doubles(packing, &bytes);
            let inputs: Vec<f32> = (0..15 * columns).map(|_| lots.next()).collect();
            let exact = rounded(packing, &inputs);
            let mut first: Option<Vec<f32>> = None;
            for set in Instructions::all() {
                let mut desk = Desk::new(2, columns, 15);
                let mut out = vec![f32::NAN; 15 * rows];
                products_with(set, &crew, &inputs, &mut [Product { view, out: &mut out }], &mut desk);
                for (at, ours) in out.iter().enumerate() {
                    let (input, row) = (&exact[at / rows * columns..], &weights[at % rows * columns..]);
                    let pairs = || input.iter().zip(row).take(columns);
                    let wanted: f64 = pairs().map(|(one, other)| one * other).sum();
                    let size: f64 = pairs().map(|(one, other)| (one * other).abs()).sum();
                    let apart = (f64::from(*ours) - wanted).abs();
                    assert!(
                        apart <= 4e-6 * size + 1e-9,
                        "{packing} {rows}×{columns} {set:?} {at}: {ours} {wanted}"
                    );
                }
                for (number, input) in inputs.chunks_exact(columns).enumerate() {
                    let mut alone = vec![f32::NAN; rows];
                    products_with(set, &crew, input, &mut [Product { view, out: &mut alone }], &mut desk);
                    assert_eq!(
                        alone,
                        out[number * rows..][..rows],
                        "{packing} {rows}×{columns} {set:?} {number}"
                    );
                }
                if packing.block_numbers() > 1 {
                    assert_eq!(*first.get_or_insert_with(|| out.clone()), out, "{packing} {set:?}");
                }
            }
        }
    }
}

#[test]
fn the_transpose_gives_what_doubles_give() {
    let crew = Crew::new(2);
    for packing in Packing::ALL {
        for (rows, columns) in sizes(packing).into_iter().chain([(70, 256)]) {
            let mut lots = Lots(rows as u64 + 9);
            let bytes = bytes(packing, rows, columns, &mut lots);
            let view = PackedView::new(packing, rows, columns, &bytes).unwrap();
            let weights = doubles(packing, &bytes);
            let gradients: Vec<f32> = (0..11 * rows).map(|_| lots.next()).collect();
            for set in Instructions::all() {
                let mut out = vec![f32::NAN; 11 * columns];
                back_with(set, &crew, view, &gradients, &mut out, &mut Desk::new(2, columns, 11));
                for (at, ours) in out.iter().enumerate() {
                    let (number, column) = (at / columns, at % columns);
                    let terms = || {
                        (0..rows).map(|row| {
                            f64::from(gradients[number * rows + row]) * weights[row * columns + column]
                        })
                    };
                    let (wanted, size) = (terms().sum::<f64>(), terms().map(f64::abs).sum::<f64>());
                    assert!(
                        (f64::from(*ours) - wanted).abs() <= 4e-6 * size + 1e-9,
                        "{packing} {set:?} {at}: {ours} {wanted}"
                    );
                }
            }
        }
    }
}

#[test]
fn several_matrices_and_more_inputs_than_go_side_by_side() {
    let (crew, mut lots) = (Crew::new(3), Lots(4));
    let packed: Vec<_> = [(Packing::Q8_0, 33), (Packing::F16, 20), (Packing::Q6K, 16), (Packing::Q8_0, 1)]
        .into_iter()
        .map(|(packing, rows)| (packing, rows, bytes(packing, rows, 256, &mut lots)))
        .collect();
    let inputs: Vec<f32> = (0..300 * 256).map(|_| lots.next()).collect();
    let mut outs: Vec<Vec<f32>> = packed.iter().map(|(_, rows, _)| vec![0.0; 300 * rows]).collect();
    let view = |at: usize| PackedView::new(packed[at].0, packed[at].1, 256, &packed[at].2).unwrap();
    let mut list: Vec<_> =
        outs.iter_mut().enumerate().map(|(at, out)| Product { view: view(at), out }).collect();
    // A desk that is too small grows.
    products(&crew, &inputs, &mut list, &mut Desk::new(1, 32, 1));
    for (at, out) in outs.iter().enumerate() {
        let mut alone = vec![0.0; out.len()];
        for (input, out) in inputs.chunks_exact(256).zip(alone.chunks_exact_mut(packed[at].1)) {
            multiply(&Crew::new(1), view(at), input, out, &mut Desk::new(1, 256, 1));
        }
        assert_eq!(*out, alone);
    }
}

#[test]
fn any_bytes_and_any_inputs_give_something_and_the_same_with_all_instructions() {
    let crew = Crew::new(1);
    for packing in Packing::ALL {
        let mut lots = Lots(77);
        let len = PackedView::bytes_of(packing, 18, 512).unwrap();
        let bytes: Vec<u8> = (0..len).map(|_| lots.bits().to_le_bytes()[0]).collect();
        let view = PackedView::new(packing, 18, 512, &bytes).unwrap();
        let mut inputs: Vec<f32> = (0..5 * 512).map(|_| 1e3 * lots.next()).collect();
        (inputs[3], inputs[600], inputs[1100]) = (f32::NAN, f32::INFINITY, -1e38);
        let mut first: Option<Vec<u32>> = None;
        for set in Instructions::all() {
            let mut out = vec![0.0; 5 * 18];
            let mut desk = Desk::new(1, 512, 5);
            products_with(set, &crew, &inputs, &mut [Product { view, out: &mut out }], &mut desk);
            // Which NaN it is may differ.
            let bits: Vec<u32> = out.iter().map(|n| if n.is_nan() { 0 } else { n.to_bits() }).collect();
            if packing.block_numbers() > 1 {
                assert_eq!(*first.get_or_insert_with(|| bits.clone()), bits, "{packing} {set:?}");
            }
        }
    }
}

#[test]
fn what_was_packed_is_near_what_it_was() {
    let mut lots = Lots(3);
    let numbers: Vec<f32> = (0..320).map(|at| if at < 32 { 0.0 } else { 5.0 * lots.next() }).collect();
    for (packing, steps) in [(Packing::Q8_0, 127.0), (Packing::Q4_0, 8.0)] {
        let mut bytes = vec![0; packing.bytes(320).unwrap()];
        pack(packing, &numbers, &mut bytes).unwrap();
        let mut back = vec![0.0; 320];
        PackedView::new(packing, 1, 320, &bytes).unwrap().row(0, &mut back);
        for (numbers, back) in numbers.chunks_exact(32).zip(back.chunks_exact(32)) {
            let most = numbers.iter().fold(0.0_f32, |most, number| most.max(number.abs()));
            for (number, back) in numbers.iter().zip(back) {
                // A level is half a step away at most; the greatest of the other sign has one less in four bits.
                let limit = if packing == Packing::Q4_0 { 1.01 } else { 0.51 };
                assert!(
                    (number - back).abs() <= limit * most / steps + 1e-3 * most,
                    "{packing}: {number} {back}"
                );
            }
        }
        assert!(back[..32].iter().all(|number| *number == 0.0));
        let mut odd = numbers.clone();
        odd[40] = f32::NAN;
        assert_eq!(pack(packing, &odd, &mut bytes), Err(PackedError::Number { packing, at: 40 }));
        odd[40] = 1e30;
        assert_eq!(pack(packing, &odd, &mut bytes), Err(PackedError::Number { packing, at: 40 }));
        let error = pack(packing, &odd[..33], &mut bytes).unwrap_err();
        assert_eq!(error, PackedError::Columns { packing, columns: 33 });
    }
    let error = pack(Packing::Q4K, &[0.0; 256], &mut [0; 144]).unwrap_err();
    assert_eq!(error.to_string(), "numbers cannot be packed as q4_K here; pack them as q8_0 or q4_0");
}

#[test]
fn bytes_that_are_no_matrix_are_refused() {
    let error = PackedView::new(Packing::Q8_0, 2, 64, &[0; 135]).unwrap_err();
    assert_eq!(error.to_string(), "2 rows of 64 numbers as q8_0 are 136 bytes, and 135 were given");
    let error = PackedView::new(Packing::Q4K, 2, 128, &[]).unwrap_err();
    assert!(error.to_string().contains("packs 256 together"), "{error}");
    assert!(matches!(
        PackedView::new(Packing::F32, usize::MAX, 16, &[]).unwrap_err(),
        PackedError::Large { .. }
    ));
    for packing in Packing::ALL {
        assert_eq!(packing.bytes(packing.block_numbers() * 3), Some(packing.block_bytes() * 3));
        assert!(PackedView::new(packing, 0, 256, &[]).is_ok());
    }
}

#[test]
fn a_desk_takes_what_it_says_and_nothing_later() {
    let desk = Desk::new(2, 4096, 64);
    let slot = desk.slot(0, 64);
    let floats = slot.totals.capacity() * 4;
    drop(slot);
    let rounded = desk.rounded.bytes.capacity()
        + 4 * (desk.rounded.scales.capacity()
            + desk.rounded.sums.capacity()
            + desk.rounded.halves.capacity());
    let whole = rounded + 2 * (floats + super::panel::Panel::BYTES);
    let said = Desk::bytes(2, 4096, 64);
    assert!(whole <= said && said < whole + 1024, "{whole} {said}");
}

#[test]
fn attention_is_that_of_doubles_and_the_same_beside_others() {
    for (packing, key, value, page_tokens, kv_heads, group) in [
        (Packing::F16, 64, 64, 32, 2, 2),
        (Packing::F32, 20, 8, 7, 1, 3),
        (Packing::Bf16, 16, 16, 1, 2, 1),
        (Packing::F16, 8, 40, 16, 1, 8),
        (Packing::F16, 32, 48, 16, 2, 7),
    ] {
        let mut lots = Lots(8);
        let (tokens, position, head) = (21_usize, 13_usize, kv_heads - 1);
        let count = (tokens + position).div_ceil(page_tokens);
        let side = |width: usize, lots: &mut Lots| bytes(packing, page_tokens, kv_heads * width, lots);
        let stored: Vec<_> = (0..count).map(|_| (side(key, &mut lots), side(value, &mut lots))).collect();
        let pages: Vec<_> = stored.iter().map(|(keys, values)| (&keys[..], &values[..])).collect();
        let numbers: Vec<_> =
            stored.iter().map(|(keys, values)| (doubles(packing, keys), doubles(packing, values))).collect();
        let stride = group * key + 5;
        let queries: Vec<f32> = (0..tokens * stride).map(|_| 9.0 * lots.next()).collect();
        let row = |at: usize, width: usize| (at % page_tokens * kv_heads + head) * width;
        let attend = |set, first: usize, some: usize| {
            let mut out = vec![f32::NAN; some * group * value];
            let it = Attend {
                packing,
                pages: &pages,
                page_tokens,
                head: (head, kv_heads),
                widths: (key, value),
                position: position + first,
                queries: &queries[first * stride..],
                stride,
                group,
                out: &mut out,
            };
            it.run_with(set, &mut AttendDesk::default());
            out
        };
        for set in Instructions::all() {
            let all = attend(set, 0, tokens);
            for (number, ours) in all.chunks_exact(value).enumerate() {
                let (token, query) =
                    (number / group, &queries[number / group * stride + number % group * key..][..key]);
                let weight = |at: usize| {
                    let keys = &numbers[at / page_tokens].0[row(at, key)..][..key];
                    let score: f64 = keys.iter().zip(query).map(|(one, other)| one * f64::from(*other)).sum();
                    (score / f64::from(u16::try_from(key).unwrap()).sqrt()).exp()
                };
                let weights: Vec<f64> = (0..=position + token).map(weight).collect();
                let whole: f64 = weights.iter().sum();
                for (column, ours) in ours.iter().enumerate() {
                    let term = |(at, weight): (usize, &f64)| {
                        weight * numbers[at / page_tokens].1[row(at, value) + column]
                    };
                    let wanted = weights.iter().enumerate().map(term).sum::<f64>() / whole;
                    assert!(
                        (f64::from(*ours) - wanted).abs() < 2e-5,
                        "{packing} {set:?} {number}: {ours} {wanted}"
                    );
                }
            }
            for token in 0..tokens {
                let alone = attend(set, token, 1);
                assert_eq!(alone, all[token * group * value..][..group * value], "{packing} {set:?} {token}");
            }
        }
    }
}

#[test]
fn attention_over_pages_of_another_size_is_the_same() {
    let mut lots = Lots(21);
    let width = 64;
    let (keys, values) =
        (bytes(Packing::F16, 96, width, &mut lots), bytes(Packing::F16, 96, width, &mut lots));
    let queries: Vec<f32> = (0..3 * width).map(|_| 30.0 * lots.next()).collect();
    let attend = |page_tokens: usize| {
        let len = page_tokens * width * 2;
        let pages: Vec<_> = keys.chunks(len).zip(values.chunks(len)).collect();
        let mut out = vec![0.0; 3 * width];
        let (packing, widths, head) = (Packing::F16, (width, width), (0, 1));
        let (position, stride, group) = (70, width, 1);
        let (pages, queries, out_here) = (&pages[..], &queries[..], &mut out[..]);
        let it = Attend {
            packing,
            pages,
            page_tokens,
            head,
            widths,
            position,
            queries,
            stride,
            group,
            out: out_here,
        };
        it.run(&mut AttendDesk::default());
        out
    };
    let wanted = attend(96);
    assert_eq!(attend(16), wanted);
    assert_eq!(attend(32), wanted);
    assert_eq!(attend(48), wanted);
}
