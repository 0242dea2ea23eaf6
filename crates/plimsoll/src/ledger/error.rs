//! Why a ledger cannot be opened, or an account not found.

use super::sums::Overcommit;
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
    Overcommitted(Box<Overcommit>),
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
