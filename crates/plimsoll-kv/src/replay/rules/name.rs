//! The rules by their names.

use std::fmt;
use std::str::FromStr;

use super::Rule;
use super::arc::Arc;
use super::belady::Belady;
use super::lfu::Lfu;
use super::lru::Lru;
use super::plimsoll::Plimsoll;
use super::s3_fifo::S3Fifo;
use crate::replay::Trace;

/// A rule that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RuleName {
    /// Ours, without hints.
    Plimsoll,
    /// Ours, told when subagents are done.
    PlimsollHints,
    /// Least recently used, tail first.
    Lru,
    /// Least frequently used.
    Lfu,
    /// ARC.
    Arc,
    /// S3-FIFO.
    S3Fifo,
    /// Belady's bound.
    Belady,
}

/// There is no such rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no policy `{name}`; there are {}", RuleName::ALL.map(RuleName::name).join(", "))]
pub struct UnknownRule {
    name: String,
}

impl RuleName {
    /// All of them, ours first and the bound last.
    pub const ALL: [Self; 7] =
        [Self::Plimsoll, Self::PlimsollHints, Self::Lru, Self::Lfu, Self::Arc, Self::S3Fifo, Self::Belady];

    /// As it is typed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plimsoll => "plimsoll",
            Self::PlimsollHints => "plimsoll+hints",
            Self::Lru => "lru",
            Self::Lfu => "lfu",
            Self::Arc => "arc",
            Self::S3Fifo => "s3-fifo",
            Self::Belady => "belady",
        }
    }

    /// An empty cache of `capacity` blocks under this rule, for a trace.
    pub(in crate::replay) fn rule<'a>(self, trace: &'a Trace, capacity: usize) -> Box<dyn Rule + 'a> {
        let blocks = trace.blocks();
        match self {
            Self::Plimsoll => Box::new(Plimsoll::new(trace, capacity, false)),
            Self::PlimsollHints => Box::new(Plimsoll::new(trace, capacity, true)),
            Self::Lru => Box::new(Lru::new(blocks, capacity)),
            Self::Lfu => Box::new(Lfu::new(blocks, capacity)),
            Self::Arc => Box::new(Arc::new(blocks, capacity)),
            Self::S3Fifo => Box::new(S3Fifo::new(blocks, capacity)),
            Self::Belady => Box::new(Belady::new(trace, capacity)),
        }
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for RuleName {
    type Err = UnknownRule;

    fn from_str(name: &str) -> Result<Self, UnknownRule> {
        let found = Self::ALL.into_iter().find(|rule| rule.name() == name);
        found.ok_or_else(|| UnknownRule { name: name.to_owned() })
    }
}
