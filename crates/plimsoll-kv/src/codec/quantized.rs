//! A layer in eight or four bits: which parts go through which instructions, and the plain Rust that they are held to.
//!
//! What a processor's instructions do is whole runs of 64 channels; the rest, and everything on other processors, is
//! done here. Both give the same bytes.

use super::number::{Brain, Half, Number, Scale, Single};
use super::shape::{Bits, GROUP, Rows, Shape};
use super::simd;
use crate::layout::Element;

/// There is a number that is not finite, or nearly so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotFinite;

/// Encodes a layer. Both slices are as long as the shape says.
pub(super) fn encode(shape: &Shape, native: &[u8], into: &mut [u8]) -> Result<(), NotFinite> {
    let (mut native, mut into) = (native, into);
    for rows in shape.key_groups() {
        let group = cut(&mut native, rows.native());
        let scales = cut_mut(&mut into, rows.scales_of_channels());
        let codes = cut_mut(&mut into, rows.codes());
        let done = simd::encode_keys(&rows, group, scales, codes)?;
        by_element!(rows.element, encode_keys(&rows, done, group, scales, codes))?;
    }
    let rows = shape.value_rows();
    let done = simd::encode_values(&rows, native, into)?;
    by_element!(rows.element, encode_values(&rows, done, native, into))
}

/// Decodes a layer. Both slices are as long as the shape says.
pub(super) fn decode(shape: &Shape, encoded: &[u8], into: &mut [u8]) {
    let (mut encoded, mut into) = (encoded, into);
    for rows in shape.key_groups() {
        let scales = cut(&mut encoded, rows.scales_of_channels());
        let codes = cut(&mut encoded, rows.codes());
        let group = cut_mut(&mut into, rows.native());
        let done = simd::decode_keys(&rows, scales, codes, group);
        by_element!(rows.element, decode_keys(&rows, done, scales, codes, group));
    }
    let rows = shape.value_rows();
    let done = simd::decode_values(&rows, encoded, into);
    by_element!(rows.element, decode_values(&rows, done, encoded, into));
}

/// Calls a function for the kind of numbers that there are; opaque bytes have none, and no codec quantizes them.
macro_rules! by_element {
    ($element:expr, $function:ident($($argument:expr),*)) => {
        match $element {
            Element::F32 => $function::<Single>($($argument),*),
            Element::F16 => $function::<Half>($($argument),*),
            Element::Bf16 | Element::Opaque => $function::<Brain>($($argument),*),
        }
    };
}
use by_element;

fn cut<'a>(from: &mut &'a [u8], bytes: usize) -> &'a [u8] {
    let (first, rest) = from.split_at(bytes);
    *from = rest;
    first
}

#[expect(clippy::mut_mut, reason = "the slice itself moves on")]
fn cut_mut<'a>(from: &mut &'a mut [u8], bytes: usize) -> &'a mut [u8] {
    let (first, rest) = std::mem::take(from).split_at_mut(bytes);
    *from = rest;
    first
}

/// Quantizes the channels of keys from one on.
pub(super) fn encode_keys<N: Number>(
    rows: &Rows,
    from: usize,
    native: &[u8],
    scales: &mut [u8],
    codes: &mut [u8],
) -> Result<(), NotFinite> {
    let (width, row) = (rows.width, rows.bits.row(rows.width));
    for channel in from..width {
        let column = (0..rows.count).map(|token| N::read(native, token * width + channel));
        let scale = scale::<N>(rows.bits, column.clone())?;
        N::write(scales, channel, scale.least);
        N::write(scales, width + channel, scale.step);
        for (codes, number) in codes.chunks_exact_mut(row).zip(column) {
            set(rows.bits, codes, width, channel, code(rows.bits, &scale, number));
        }
    }
    Ok(())
}

/// Restores the channels of keys from one on.
pub(super) fn decode_keys<N: Number>(
    rows: &Rows,
    from: usize,
    scales: &[u8],
    codes: &[u8],
    native: &mut [u8],
) {
    let (width, row) = (rows.width, rows.bits.row(rows.width));
    let mut leasts = [0.0; GROUP];
    let mut steps = [0.0; GROUP];
    for first in (from..width).step_by(GROUP) {
        let many = GROUP.min(width - first);
        for (at, (least, step)) in leasts.iter_mut().zip(&mut steps).take(many).enumerate() {
            (*least, *step) = (N::read(scales, first + at), N::read(scales, width + first + at));
        }
        let rows_of_codes = codes.chunks_exact(row);
        for (codes, native) in rows_of_codes.zip(native.chunks_exact_mut(width * N::WIDTH)) {
            let native = &mut native[first * N::WIDTH..];
            for (at, (least, step)) in leasts.iter().zip(&steps).take(many).enumerate() {
                N::write(native, at, get(rows.bits, codes, width, first + at) * step + least);
            }
        }
    }
}

/// Quantizes every token's values from a channel on, which begins a group.
pub(super) fn encode_values<N: Number>(
    rows: &Rows,
    from: usize,
    native: &[u8],
    encoded: &mut [u8],
) -> Result<(), NotFinite> {
    let (width, groups) = (rows.width, rows.width.div_ceil(GROUP));
    if from == width {
        return Ok(());
    }
    for (native, encoded) in native.chunks_exact(width * N::WIDTH).zip(encoded.chunks_exact_mut(rows.row())) {
        let (scales, codes) = encoded.split_at_mut(rows.scales_of_row());
        for group in from / GROUP..groups {
            let channels = group * GROUP..width.min((group + 1) * GROUP);
            let scale = scale::<N>(rows.bits, channels.clone().map(|channel| N::read(native, channel)))?;
            N::write(scales, group, scale.least);
            N::write(scales, groups + group, scale.step);
            for channel in channels {
                set(rows.bits, codes, width, channel, code(rows.bits, &scale, N::read(native, channel)));
            }
        }
    }
    Ok(())
}

/// Restores every token's values from a channel on, which begins a group.
pub(super) fn decode_values<N: Number>(rows: &Rows, from: usize, encoded: &[u8], native: &mut [u8]) {
    let (width, groups) = (rows.width, rows.width.div_ceil(GROUP));
    if from == width {
        return;
    }
    for (encoded, native) in encoded.chunks_exact(rows.row()).zip(native.chunks_exact_mut(width * N::WIDTH)) {
        let (scales, codes) = encoded.split_at(rows.scales_of_row());
        for group in from / GROUP..groups {
            let (least, step) = (N::read(scales, group), N::read(scales, groups + group));
            for channel in group * GROUP..width.min((group + 1) * GROUP) {
                N::write(native, channel, get(rows.bits, codes, width, channel) * step + least);
            }
        }
    }
}

fn scale<N: Number>(bits: Bits, numbers: impl Iterator<Item = f32>) -> Result<Scale, NotFinite> {
    let (mut lowest, mut highest) = (f32::INFINITY, f32::NEG_INFINITY);
    for number in numbers {
        if !number.is_finite() {
            return Err(NotFinite);
        }
        lowest = lowest.min(number);
        highest = highest.max(number);
    }
    Scale::between::<N>(lowest, highest, bits.levels()).ok_or(NotFinite)
}

/// The code nearest to a number; ties go to the even one.
#[expect(clippy::cast_possible_truncation, reason = "a byte's worth of bits is taken")]
fn code(bits: Bits, scale: &Scale, number: f32) -> u8 {
    /// Adding it leaves no bits for a fraction.
    const WHOLE: f32 = 8_388_608.0;
    let exact = ((number - scale.least) * scale.inverse).min(bits.levels());
    (exact + WHOLE).to_bits() as u8
}

/// Where a channel's code is in a row: its byte, and how far up.
fn place(bits: Bits, width: usize, channel: usize) -> (usize, u32) {
    match bits {
        Bits::Eight => (channel, 0),
        Bits::Four => {
            let (run, at) = (channel / GROUP, channel % GROUP);
            let half = GROUP.min(width - run * GROUP).div_ceil(2);
            let start = run * (GROUP / 2);
            if at < half { (start + at, 0) } else { (start + at - half, 4) }
        }
    }
}

/// Writes a code. Those in lower halves come first and clear the upper.
fn set(bits: Bits, codes: &mut [u8], width: usize, channel: usize, code: u8) {
    let (byte, up) = place(bits, width, channel);
    if up == 0 {
        codes[byte] = code;
    } else {
        codes[byte] |= code << up;
    }
}

fn get(bits: Bits, codes: &[u8], width: usize, channel: usize) -> f32 {
    let (byte, up) = place(bits, width, channel);
    let code = codes[byte] >> up;
    f32::from(if bits == Bits::Four { code & 0x0f } else { code })
}
