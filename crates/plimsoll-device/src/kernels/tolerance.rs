//! How close to the reference a back end must come, and the comparison that says so.
//!
//! Everything but conversions is exact, and so are conversions between floats, subnormal numbers included: a
//! device that flushes them in arithmetic moves bits with integers instead. Only NaN is free: any NaN will do.
//!
//! Devices divide and multiply a little differently, so conversions with scales have room:
//!
//! * To integers: a scale is within [`SCALE_ULPS`] of the reference. An integer may be one beside the
//!   reference where the quotient is within [`NEAR_TIE`] of halfway between the two.
//! * From integers: a float is within [`PRODUCT_ULPS`] of the reference.
//! * Where a scale of the reference is below the smallest normal number, a device may take it for zero, and the
//!   integers of finite numbers in its group may be any. A product that is that small may be zero.
//! * Scales that are infinite or NaN give no defined numbers.

use super::Number;
use super::check::Conversion;
use super::reference::{Stored, StoredMut, convert, float, integer, limit, quotient, scale};

/// How far a computed scale may be from the reference, in units of its last place.
pub const SCALE_ULPS: u32 = 2;

/// How far from halfway between two integers a quotient may be for either of them to do: more than the errors
/// of a scale, a reciprocal and a product can move a quotient of 127.
pub const NEAR_TIE: f32 = 1.0 / 4096.0;

/// How far a product of integer and scale may be from the reference, in units of its last place.
pub const PRODUCT_ULPS: u32 = 1;

/// Whether `found` is what converting `source` may give; if not, where it is not and what is there.
#[expect(clippy::float_cmp, reason = "the comparison is exact, the room is beside it")]
pub fn converted(conversion: &Conversion, source: Stored<'_>, found: Stored<'_>) -> Result<(), String> {
    let (mut numbers, mut scales) = (vec![0; found.numbers.len()], vec![0; found.scales.len()]);
    convert(conversion, source, StoredMut { numbers: &mut numbers, scales: &mut scales });
    let wanted = Stored { numbers: &numbers, scales: &scales };
    if conversion.to.scaled() {
        return quantized(conversion, source, found, wanted);
    }
    let group = conversion.group as usize;
    let ulps = if conversion.from.scaled() { PRODUCT_ULPS } else { 0 };
    for at in 0..count(conversion) {
        let (is, should) =
            (float(conversion.to, found.numbers, at), float(conversion.to, wanted.numbers, at));
        let loose = conversion.from.scaled() && {
            let scale = scale(source.scales, at / group);
            !scale.is_finite() || is == 0.0 && (small(scale) || small(should))
        };
        let apart =
            places_apart(place(conversion.to, found.numbers, at), place(conversion.to, wanted.numbers, at));
        let close = apart <= ulps || ulps > 0 && is == should;
        if !(loose || close || is.is_nan() && should.is_nan()) {
            return Err(format!("number {at} is {is:e} instead of {should:e}"));
        }
    }
    Ok(())
}

#[expect(clippy::float_cmp, reason = "the comparison is exact, the room is beside it")]
fn quantized(
    conversion: &Conversion,
    source: Stored<'_>,
    found: Stored<'_>,
    wanted: Stored<'_>,
) -> Result<(), String> {
    let (to, group) = (conversion.to, conversion.group as usize);
    for n in 0..count(conversion) / group {
        let (is, should) = (scale(found.scales, n), scale(wanted.scales, n));
        let apart = places_apart(place(Number::F32, found.scales, n), place(Number::F32, wanted.scales, n));
        if apart > SCALE_ULPS && !(is == 0.0 && small(should)) {
            return Err(format!("scale {n} is {is:e} instead of {should:e}"));
        }
    }
    for at in 0..count(conversion) {
        let should = scale(wanted.scales, at / group);
        let value = float(conversion.from, source.numbers, at);
        let loose = value.is_finite() && value != 0.0 && small(should);
        let (is, integer) = (integer(to, found.numbers, at), integer(to, wanted.numbers, at));
        let quotient = quotient(value, should);
        let close = (is - integer).abs() == 1.0 && (quotient - f32::midpoint(is, integer)).abs() <= NEAR_TIE;
        if is.abs() > limit(to) || !(is == integer || loose || close) {
            return Err(format!(
                "number {at} is {is} instead of {integer} (it was {value:e}, {quotient} scales)"
            ));
        }
    }
    Ok(())
}

/// Whether a device may take it for zero.
fn small(value: f32) -> bool {
    value.abs() < f32::MIN_POSITIVE
}

/// Where a stored float stands among all of its kind; the zeros of both signs are two.
fn place(number: Number, bytes: &[u8], at: usize) -> i64 {
    let two = || u16::from_le_bytes([bytes[at * 2], bytes[at * 2 + 1]]);
    let (magnitude, negative) = match number {
        Number::F16 | Number::Bf16 => (i64::from(two() & 0x7fff), two() >> 15 == 1),
        _ => {
            let bits = scale(bytes, at).to_bits();
            (i64::from(bits & 0x7fff_ffff), bits >> 31 == 1)
        }
    };
    if negative { -1 - magnitude } else { magnitude }
}

fn places_apart(a: i64, b: i64) -> u32 {
    u32::try_from(a.abs_diff(b)).unwrap_or(u32::MAX)
}

fn count(conversion: &Conversion) -> usize {
    usize::try_from(conversion.count).unwrap_or(usize::MAX)
}
