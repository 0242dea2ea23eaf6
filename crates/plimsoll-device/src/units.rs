//! Sizes in bytes: one type, one way to write them, one way to read them.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::str::FromStr;

/// A number of bytes.
///
/// Arithmetic with `+` and `-` panics on overflow in every profile: a wrapped size is a broken invariant, not a
/// number. Where a size comes from outside, use the `checked_` forms.
///
/// ```
/// use plimsoll_device::Bytes;
/// assert_eq!("1.5GiB".parse::<Bytes>().unwrap(), Bytes::mib(1536));
/// assert_eq!(Bytes::mib(1536).to_string(), "1.50 GiB");
/// assert!("12".parse::<Bytes>().is_err(), "a size without a unit is refused");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(u64);

const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

impl Bytes {
    /// No bytes.
    pub const ZERO: Self = Self(0);
    /// The largest size that can be written.
    pub const MAX: Self = Self(u64::MAX);

    /// So many bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// So many KiB (1,024 bytes).
    pub const fn kib(n: u64) -> Self {
        Self(n << 10)
    }

    /// So many MiB.
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    /// So many GiB.
    pub const fn gib(n: u64) -> Self {
        Self(n << 30)
    }

    /// The plain number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The plain number as an index; saturates on machines whose `usize` is narrower.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// Whether this is no bytes at all.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, or `None` when it cannot be written.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The difference, or `None` when it would be negative.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(rest) => Some(Self(rest)),
            None => None,
        }
    }

    /// The product, or `None` when it cannot be written.
    pub const fn checked_mul(self, factor: u64) -> Option<Self> {
        match self.0.checked_mul(factor) {
            Some(product) => Some(Self(product)),
            None => None,
        }
    }

    /// The difference, or zero.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The sum, or the largest size.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The next multiple of `step` (a power of two is not needed), or `None` on overflow or a zero step.
    pub const fn checked_round_up(self, step: u64) -> Option<Self> {
        match self.0.checked_next_multiple_of(step) {
            Some(up) => Some(Self(up)),
            None => None,
        }
    }

    /// A fraction of this size, rounded down; `fraction` is held to `0.0..=1.0`.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a size is approximate by nature, and the result is held within it"
    )]
    pub fn fraction(self, fraction: f64) -> Self {
        Self(((self.0 as f64 * fraction.clamp(0.0, 1.0)) as u64).min(self.0))
    }

    /// This size over another, as a ratio; zero over zero is zero.
    #[expect(
        clippy::cast_precision_loss,
        reason = "ratios are for people and policies, not for book-keeping"
    )]
    pub fn ratio(self, whole: Self) -> f64 {
        if whole.0 == 0 { 0.0 } else { self.0 as f64 / whole.0 as f64 }
    }
}

impl Add for Bytes {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        match self.checked_add(other) {
            Some(sum) => sum,
            None => panic!("size overflow: {} + {}", self.0, other.0),
        }
    }
}

impl Sub for Bytes {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        match self.checked_sub(other) {
            Some(rest) => rest,
            None => panic!("size underflow: {} - {}", self.0, other.0),
        }
    }
}

impl AddAssign for Bytes {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Bytes {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Sum for Bytes {
    fn sum<I: Iterator<Item = Self>>(sizes: I) -> Self {
        sizes.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Bytes {
    #[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) = match self.0 {
            n if n >= 1 << 40 => ("TiB", 1_u64 << 40),
            n if n >= 1 << 30 => ("GiB", 1 << 30),
            n if n >= 1 << 20 => ("MiB", 1 << 20),
            n if n >= 1 << 10 => ("KiB", 1 << 10),
            n => return f.pad(&format!("{n} B")),
        };
        f.pad(&format!("{:.2} {unit}", self.0 as f64 / size as f64))
    }
}

/// Why a text is not a size. The text that was given is part of each message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseBytesError {
    /// Nothing was written.
    #[error("a size is missing; write a number and a unit, for example 8GiB")]
    Empty,
    /// A number without a unit: GiB and GB differ by 7%, so neither is guessed.
    #[error("{0:?} has no unit; write {0}B, {0}MiB, {0}GiB or {0}GB")]
    NoUnit(String),
    /// A unit that is not known.
    #[error("{text:?} has the unit {unit:?}, which is not one of B, KiB, MiB, GiB, TiB, kB, MB, GB, TB")]
    UnknownUnit {
        /// What was given.
        text: String,
        /// The part that was read as the unit.
        unit: String,
    },
    /// Sizes are never below zero.
    #[error("{0:?} is negative; a size is zero or more")]
    Negative(String),
    /// Not a number.
    #[error("{0:?} does not start with a number; write a number and a unit, for example 8GiB")]
    NotANumber(String),
    /// A part of a byte.
    #[error("{0:?} is not a whole number of bytes")]
    Fraction(String),
    /// More than 2⁶⁴ − 1 bytes.
    #[error("{0:?} is more than 16 EiB, the largest size there is")]
    Overflow(String),
}

impl FromStr for Bytes {
    type Err = ParseBytesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let trimmed = text.trim();
        let given = || trimmed.to_owned();
        if trimmed.is_empty() {
            return Err(ParseBytesError::Empty);
        }
        if trimmed.starts_with('-') {
            return Err(ParseBytesError::Negative(given()));
        }
        let digits_end =
            trimmed.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(digits_end);
        let unit = unit.trim();
        let number = number.replace('_', "");
        if !number.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(ParseBytesError::NotANumber(given()));
        }
        if unit.is_empty() && number == "0" {
            // Nothing is nothing in every unit.
            return Ok(Self::ZERO);
        }
        if unit.is_empty() {
            return Err(ParseBytesError::NoUnit(given()));
        }
        let scale = UNITS
            .iter()
            .find(|(name, _)| unit.eq_ignore_ascii_case(name))
            .map(|&(_, scale)| scale)
            .ok_or_else(|| ParseBytesError::UnknownUnit { text: given(), unit: unit.to_owned() })?;
        scaled(&number, scale, trimmed)
    }
}

/// `number` × `scale` without going through a float, so that "0.1GB" is exactly 100,000,000 bytes.
fn scaled(number: &str, scale: u64, text: &str) -> Result<Bytes, ParseBytesError> {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let not_a_number = || ParseBytesError::NotANumber(text.to_owned());
    let overflow = || ParseBytesError::Overflow(text.to_owned());
    if decimals.contains('.') {
        return Err(not_a_number());
    }
    let decimals = decimals.trim_end_matches('0');
    let whole: u128 = whole.parse().map_err(|_| overflow())?;
    let mut total = whole.checked_mul(u128::from(scale)).ok_or_else(overflow)?;
    if !decimals.is_empty() {
        let digits = u32::try_from(decimals.len()).unwrap_or(u32::MAX);
        let divisor =
            10_u128.checked_pow(digits).ok_or_else(|| ParseBytesError::Fraction(text.to_owned()))?;
        let parts = decimals.parse::<u128>().map_err(|_| not_a_number())?;
        let scaled = parts.checked_mul(u128::from(scale)).ok_or_else(overflow)?;
        // A fraction of a large unit need not be whole ("0.33GiB"); it is rounded down to a byte. A fraction
        // of a single byte is a mistake.
        if scale == 1 {
            return Err(ParseBytesError::Fraction(text.to_owned()));
        }
        total = total.checked_add(scaled / divisor).ok_or_else(overflow)?;
    }
    u64::try_from(total).map(Bytes).map_err(|_| overflow())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, bytes) in [
            ("0B", 0),
            ("0", 0),
            ("8GiB", 8 << 30),
            ("8 gib", 8 << 30),
            ("8GB", 8_000_000_000),
            ("0.1GB", 100_000_000),
            ("1_024 KiB", 1 << 20),
            ("2.5MiB", 2_621_440),
            ("16777215TiB", 16_777_215 << 40),
        ] {
            assert_eq!(text.parse(), Ok(Bytes::new(bytes)), "{text}");
        }
    }

    #[test]
    fn refuses_what_could_be_misread() {
        use ParseBytesError as E;
        let parse = |text: &str| text.parse::<Bytes>().unwrap_err();
        assert_eq!(parse(""), E::Empty);
        assert_eq!(parse("12"), E::NoUnit("12".into()));
        assert_eq!(parse("0.0"), E::NoUnit("0.0".into()));
        assert_eq!(parse("-1GiB"), E::Negative("-1GiB".into()));
        assert_eq!(parse("GiB"), E::NotANumber("GiB".into()));
        assert_eq!(parse("1.2.3GiB"), E::NotANumber("1.2.3GiB".into()));
        assert_eq!(parse("0.5B"), E::Fraction("0.5B".into()));
        assert_eq!(parse("16777216TiB"), E::Overflow("16777216TiB".into()));
        assert!(matches!(parse("99999999999999999999999999999999999999999GiB"), E::Overflow(_)));
        assert!(matches!(parse("3GiBs"), E::UnknownUnit { unit, .. } if unit == "GiBs"));
    }

    #[test]
    #[should_panic(expected = "size underflow")]
    fn a_negative_size_is_a_broken_invariant() {
        let _ = Bytes::new(1) - Bytes::new(2);
    }
}
