//! What can be wrong with a configuration: where, what was found, and what to write.

use std::fmt;
use std::sync::Arc;

use super::Format;
use crate::ledger::{Bound, Overcommit};
use crate::{Bytes, ParseBytesError, ParsePlaceError, Place};

/// A place in a text, counted from one; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Position {
    /// The beginning.
    pub const START: Self = Self { line: 1, column: 1 };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A configuration that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError {
    /// The file, as it was named.
    pub file: String,
    /// Where in it; `None` when it could not be read at all.
    pub at: Option<Position>,
    /// The key in question, with its parents: `places.host.line`. Empty when the text is not even well formed.
    pub key: String,
    /// What is wrong.
    pub problem: Box<Problem>,
    /// The file's text, to show the line in question.
    pub text: Option<Arc<str>>,
}

impl SettingsError {
    pub(super) fn of_file(file: String, problem: Problem) -> Self {
        Self { file, at: None, key: String::new(), problem: Box::new(problem), text: None }
    }

    /// What to do about it.
    pub fn help(&self) -> String {
        self.problem.help()
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(at) = self.at {
            write!(f, ":{at}")?;
        }
        write!(f, ": ")?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}", self.problem)
    }
}

impl std::error::Error for SettingsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The message above already holds the problem's; a chain would say it twice.
        None
    }
}

/// An error before the file's name is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    at: Position,
    key: String,
    problem: Box<Problem>,
}

impl Wrong {
    pub(super) fn new(at: Position, key: impl Into<String>, problem: Problem) -> Self {
        Self { at, key: key.into(), problem: Box::new(problem) }
    }

    pub(super) fn in_file(self, file: &str, text: &str) -> SettingsError {
        SettingsError {
            file: file.to_owned(),
            at: Some(self.at),
            key: self.key,
            problem: self.problem,
            text: Some(text.into()),
        }
    }
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The file could not be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// Neither `.toml` nor `.yaml`.
    #[error("the name does not tell the format")]
    UnknownFormat,
    /// Not well formed.
    #[error("not valid {format}: {reason}")]
    Syntax {
        /// As what it was read.
        format: Format,
        /// The parser's words.
        reason: String,
    },
    /// A key that means nothing here.
    #[error("unknown key")]
    UnknownKey {
        /// What may stand here.
        allowed: &'static str,
        /// The known key that it is closest to.
        meant: Option<&'static str>,
    },
    /// A value of another kind than the key takes.
    #[error("{found} stands where {expected} belongs")]
    WrongKind {
        /// What belongs here.
        expected: &'static str,
        /// What stands here.
        found: String,
    },
    /// A key that must be there is not.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// Not a size.
    #[error(transparent)]
    Size(ParseBytesError),
    /// Not a percentage.
    #[error("{0:?} is not a percentage")]
    Percent(String),
    /// More than everything.
    #[error("{0:?} is more than 100%")]
    PercentOver(String),
    /// A percentage of a place whose size is not known.
    #[error("{found:?} of what? This machine does not tell the size of {place}")]
    PercentOfUnknown {
        /// What was written.
        found: String,
        /// Which place.
        place: Place,
    },
    /// No such place.
    #[error(transparent)]
    UnknownPlace(ParsePlaceError),
    /// An account has a share of a place that has no line.
    #[error("a share of {place}, which has no line")]
    NoLine {
        /// Which place.
        place: Place,
    },
    /// The same thing again under another spelling.
    #[error("{0} is given twice")]
    Twice(String),
    /// A name that no account can have.
    #[error("{found:?} cannot be an account's name: {why}")]
    AccountName {
        /// What was written.
        found: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Not a whole number from 0 to 255.
    #[error("{0} is not a priority")]
    Priority(String),
    /// A line that can carry nothing.
    #[error("a line of zero bytes carries nothing")]
    EmptyLine,
    /// Nothing is left for accounts.
    #[error("reserve ({reserve}) and emergency ({emergency}) leave nothing of the line ({line})")]
    ReservedAll {
        /// The line.
        line: Bytes,
        /// Set aside for the system.
        reserve: Bytes,
        /// Set aside for shrinking.
        emergency: Bytes,
    },
    /// A guarantee that its own limit forbids.
    #[error("{guaranteed} is guaranteed and the limit is {limit}")]
    GuaranteedOverLimit {
        /// The guarantee.
        guaranteed: Bytes,
        /// The limit.
        limit: Bytes,
    },
    /// A limit that the line makes meaningless.
    #[error("the limit is {limit} and the line of {place} is {line}")]
    LimitOverLine {
        /// Which place.
        place: Place,
        /// The limit.
        limit: Bytes,
        /// The line.
        line: Bytes,
    },
    /// More is promised than there is.
    #[error(transparent)]
    Overcommitted(Overcommit),
}

impl Problem {
    /// What to write instead, or to do next.
    pub fn help(&self) -> String {
        match self {
            Self::Unreadable(_) => "check the path and its permissions".to_owned(),
            Self::UnknownFormat => "name the file .toml, .yaml or .yml".to_owned(),
            Self::Syntax { .. } => "see examples/production-128g.toml for a file that is well formed".to_owned(),
            Self::UnknownKey { allowed, meant } => match meant {
                Some(meant) => format!("did you mean `{meant}`? Here may stand {allowed}"),
                None => format!("here may stand {allowed}"),
            },
            Self::WrongKind { expected, .. } => format!("write {expected}"),
            Self::Missing(key) => format!("add `{key} = \"…\"`, for example `{key} = \"8GiB\"`"),
            Self::Size(_) => "write a number and a unit: \"8GiB\", \"512MiB\", \"20GB\"".to_owned(),
            Self::Percent(_) | Self::PercentOver(_) => {
                "write \"0%\" to \"100%\", for example \"75%\" or \"12.5%\"".to_owned()
            }
            Self::PercentOfUnknown { .. } => "write a size, for example \"20GiB\"".to_owned(),
            Self::UnknownPlace(_) => {
                "places are host, pinned, cuda:N, gpu:N, disk, remote and sim:N; a name with a colon needs quotes"
                    .to_owned()
            }
            Self::NoLine { place } => {
                format!("add [{}] with a `line`, or remove the share", super::node::join("places", &place.to_string()))
            }
            Self::Twice(_) => "remove one of the two".to_owned(),
            Self::AccountName { .. } => {
                "use letters, digits and - _ . between slashes: \"models/qwen3-14b\"".to_owned()
            }
            Self::Priority(_) => "write a whole number from 0 (shrinks first) to 255".to_owned(),
            Self::EmptyLine => "give the place a size, or remove it".to_owned(),
            Self::ReservedAll { .. } => "raise `line`, or lower `reserve` and `emergency`".to_owned(),
            Self::GuaranteedOverLimit { guaranteed, limit } => {
                format!("raise `limit` to {guaranteed} or lower `guaranteed` to {limit}")
            }
            Self::LimitOverLine { line, .. } => format!("lower `limit` to {line} or less, or leave it out"),
            Self::Overcommitted(over) => {
                let excess = over.size(over.excess());
                match &over.bound {
                    Bound::Guarantee(account) => {
                        format!("raise the guarantee of {account} by {excess}, or lower guarantees below it")
                    }
                    Bound::Limit(account) => format!("raise {account}'s limit by {excess}, or lower guarantees below it"),
                    Bound::Line => format!("lower guarantees by {excess} in all, or raise the line"),
                }
            }
        }
    }
}
