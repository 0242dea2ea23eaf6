//! Why a ledger cannot be opened, or an account not found.

use std::fmt;

use crate::{Bytes, Place};

/// A ledger that does not add up, or a name that is not in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// One place, two lines.
    #[error("{0} has two lines; give each place one")]
    DuplicatePlace(Place),
    /// Nothing is left of a line once its reserves are taken off.
    #[error(
        "nothing is left of the line of {place}: {line} less the reserve of {reserve} and the emergency reserve \
         of {emergency}; raise the line or lower a reserve"
    )]
    NothingToCarry {
        /// The place.
        place: Place,
        /// Its line.
        line: Bytes,
        /// Left to the system.
        reserve: Bytes,
        /// Kept for those who shrink.
        emergency: Bytes,
    },
    /// A path that is not names joined by slashes.
    #[error("{path:?} is not an account path: {why}; write names joined by slashes, for example models/qwen")]
    BadPath {
        /// What was given.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// One path, two accounts.
    #[error("the account {0} is declared twice; merge the two")]
    DuplicateAccount(String),
    /// One account, one place, two shares.
    #[error("the account {account} has two shares of {place}; merge them")]
    DuplicateShare {
        /// The account.
        account: String,
        /// The place.
        place: Place,
    },
    /// A share of a place that has no line.
    #[error("the account {account} has a share of {place}, which has no line; add one or remove the share")]
    UnknownPlace {
        /// The account.
        account: String,
        /// The place.
        place: Place,
    },
    /// More guaranteed than allowed.
    #[error(
        "the account {account} is guaranteed {guaranteed} of {place} and limited to {limit}, {} less; raise the \
         limit or lower the guarantee", guaranteed.saturating_sub(*limit)
    )]
    GuaranteeOverLimit {
        /// The account.
        account: String,
        /// The place.
        place: Place,
        /// Its guarantee.
        guaranteed: Bytes,
        /// Its limit.
        limit: Bytes,
    },
    /// A limit above the line.
    #[error(
        "the account {account} may take {limit} of {place}, whose line is {line}; lower the limit to {line} or less"
    )]
    LimitOverLine {
        /// The account.
        account: String,
        /// The place.
        place: Place,
        /// Its limit.
        limit: Bytes,
        /// The line.
        line: Bytes,
    },
    /// The guarantees sum to more than there is.
    #[error("{0}")]
    Overcommitted(Box<Overcommitted>),
    /// More accounts or places than can be numbered.
    #[error("{0} accounts and places together are more than this ledger numbers; use fewer")]
    TooMany(usize),
    /// No such account.
    #[error("there is no account {path:?}; there are: {known}")]
    UnknownAccount {
        /// What was asked for.
        path: String,
        /// Some that exist.
        known: String,
    },
}

/// Guarantees that sum to more than their parent or the line can carry, with the arithmetic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overcommitted {
    /// The place.
    pub place: Place,
    /// Whose children they are; none at the top.
    pub parent: Option<String>,
    /// Each guarantee.
    pub summands: Vec<(String, Bytes)>,
    /// Their sum; wide, because it may be more than 2⁶⁴.
    pub sum: u128,
    /// What they may sum to.
    pub available: Bytes,
    /// How `available` comes about, in words.
    pub because: String,
}

impl fmt::Display for Overcommitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = self
            .parent
            .as_deref()
            .map_or(String::new(), |p| format!(" of the children of {p}"));
        write!(f, "the guarantees{whose} on {} do not fit: ", self.place)?;
        for (index, (path, bytes)) in self.summands.iter().enumerate() {
            let plus = if index == 0 { "" } else { " + " };
            write!(f, "{plus}{path} {}", exact(u128::from(bytes.get())))?;
        }
        let excess = self.sum.saturating_sub(u128::from(self.available.get()));
        write!(
            f,
            " = {}, but {} is {}: {} too much; lower a guarantee or raise the line",
            exact(self.sum),
            self.because,
            exact(u128::from(self.available.get())),
            exact(excess)
        )
    }
}

/// A size such that sums can be checked by hand: in the largest unit that shows it exactly, else to two decimals.
fn exact(bytes: u128) -> String {
    const UNITS: [(&str, u128); 7] = [
        ("TiB", 1 << 40),
        ("GiB", 1 << 30),
        ("GB", 1_000_000_000),
        ("MiB", 1 << 20),
        ("MB", 1_000_000),
        ("KiB", 1 << 10),
        ("B", 1),
    ];
    let (unit, scale) = UNITS
        .iter()
        .find(|(_, s)| bytes >= *s && bytes.is_multiple_of(*s))
        .unwrap_or(&UNITS[6]);
    let number = bytes / scale;
    if *scale == 1 && number >= 1 << 20 {
        return u64::try_from(bytes).map_or_else(|_| format!("{bytes} B"), |b| Bytes::new(b).to_string());
    }
    format!("{number} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arithmetic_can_be_checked_by_hand() {
        let text = Overcommitted {
            place: Place::Host,
            parent: None,
            summands: vec![
                ("kv".into(), Bytes::new(60_000_000_000)),
                ("models".into(), Bytes::new(63_000_000_000)),
            ],
            sum: 123_000_000_000,
            available: Bytes::new(120_000_000_000),
            because: "the line".into(),
        }
        .to_string();
        assert_eq!(
            text,
            "the guarantees on host do not fit: kv 60 GB + models 63 GB = 123 GB, but the line is 120 GB: 3 GB too \
             much; lower a guarantee or raise the line"
        );
    }
}
