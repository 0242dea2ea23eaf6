//! How much a replayed cache may hold.

use std::fmt;
use std::str::FromStr;

use plimsoll::Bytes;

/// A capacity, as it is typed: a share of a trace's different blocks (`5%`), a number of blocks (`2000`), or bytes
/// (`8GiB`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Capacity {
    /// Of the trace's different blocks, above 0 and at most 1.
    Share(f64),
    /// A number of blocks.
    Blocks(u64),
    /// Bytes.
    Bytes(Bytes),
}

/// It is not a capacity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a capacity: give a share above 0% and up to 100% (5%), blocks (2000), or bytes (8GiB)"
)]
pub struct ParseCapacityError {
    text: String,
}

impl Capacity {
    /// In blocks, for a trace of so many different ones; at least one.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a count that fits 32 bits"
    )]
    pub fn blocks(&self, different: usize, block_bytes: Bytes) -> usize {
        let blocks = match *self {
            Self::Share(share) => (share * different as f64).round() as u64,
            Self::Blocks(blocks) => blocks,
            Self::Bytes(bytes) => bytes.get() / block_bytes.get().max(1),
        };
        usize::try_from(blocks).unwrap_or(usize::MAX).max(1)
    }

    /// As a share of a trace's different blocks.
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    pub fn share(&self, different: usize, block_bytes: Bytes) -> f64 {
        match *self {
            Self::Share(share) => share,
            _ => self.blocks(different, block_bytes) as f64 / different.max(1) as f64,
        }
    }
}

impl FromStr for Capacity {
    type Err = ParseCapacityError;

    fn from_str(text: &str) -> Result<Self, ParseCapacityError> {
        let wrong = || ParseCapacityError { text: text.to_owned() };
        let trimmed = text.trim();
        if let Some(percent) = trimmed.strip_suffix('%') {
            let share = percent.trim().parse::<f64>().map_err(|_| wrong())? / 100.0;
            return if share > 0.0 && share <= 1.0 { Ok(Self::Share(share)) } else { Err(wrong()) };
        }
        if trimmed.bytes().all(|byte| byte.is_ascii_digit()) {
            return trimmed.parse().ok().filter(|blocks| *blocks > 0).map(Self::Blocks).ok_or_else(wrong);
        }
        trimmed.parse().ok().filter(|bytes: &Bytes| !bytes.is_zero()).map(Self::Bytes).ok_or_else(wrong)
    }
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(share) => write!(f, "{}%", (share * 1e6).round() / 1e4),
            Self::Blocks(blocks) => write!(f, "{blocks}"),
            Self::Bytes(bytes) => write!(f, "{bytes}"),
        }
    }
}
