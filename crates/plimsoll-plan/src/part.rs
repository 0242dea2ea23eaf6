//! One figure of a plan: so many bytes, at a place, for a reason, and how sure that is.

use std::fmt;

use plimsoll::{Bytes, Place};

/// A part of what a workload needs: one line of a plan's table.
///
/// A part says nothing of time: parts that are never there together are the business of whoever sums them. It is not
/// an account either; `account` names the account of the plan that will be charged for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What it is: "weights", "KV cache", "compute buffer".
    pub name: String,
    /// Where it lives.
    pub place: Place,
    /// The account that carries it, below the workload's own: "weights", "kv", "scratch".
    pub account: &'static str,
    /// How much.
    pub bytes: Bytes,
    /// How sure that is.
    pub certainty: Certainty,
    /// How it came about.
    pub formula: Formula,
}

/// How sure a figure is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Certainty {
    /// To the byte, for the program and version that the formula names.
    Exact,
    /// Not below the one and not above the other.
    Bounded(Bytes, Bytes),
    /// Off by at most this share in nine of ten measured cases.
    Estimated(f64),
}

impl Certainty {
    /// The most that a figure of so many bytes may turn out to be.
    #[must_use]
    pub fn high(self, bytes: Bytes) -> Bytes {
        match self {
            Self::Exact => bytes,
            Self::Bounded(_, high) => high.max(bytes),
            Self::Estimated(share) => bytes.saturating_add(scaled(bytes, share)),
        }
    }

    /// The least that it may turn out to be.
    #[must_use]
    pub fn low(self, bytes: Bytes) -> Bytes {
        match self {
            Self::Exact => bytes,
            Self::Bounded(low, _) => low.min(bytes),
            Self::Estimated(share) => bytes.saturating_sub(scaled(bytes, share)),
        }
    }
}

/// A share of a size, which may be more than the whole.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an error margin is approximate by nature, and the cast saturates"
)]
fn scaled(bytes: Bytes, share: f64) -> Bytes {
    Bytes::new((bytes.get() as f64 * share.max(0.0)).round() as u64)
}

impl fmt::Display for Certainty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact => f.pad("exact"),
            Self::Bounded(low, high) => f.pad(&format!("{low} to {high}")),
            Self::Estimated(share) => f.pad(&format!("±{:.0}%", share * 100.0)),
        }
    }
}

/// How a figure came about: the rule in words, and each number that went into it.
///
/// ```
/// use plimsoll_plan::Formula;
/// let kv = Formula::new("layers × cells × row").term("layers", 32).term("cells", 8192).term("row", "4096 B");
/// assert_eq!(kv.to_string(), "layers × cells × row; layers = 32, cells = 8192, row = 4096 B");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Formula {
    /// The rule: "layers × cells × (row of K + row of V)".
    pub rule: String,
    /// Its numbers, in the order of the rule.
    pub terms: Vec<Term>,
}

/// A name in a formula and its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// As in the rule.
    pub name: String,
    /// The number, with its unit.
    pub value: String,
}

impl Formula {
    /// A rule, its numbers still to come.
    pub fn new(rule: impl Into<String>) -> Self {
        Self { rule: rule.into(), terms: Vec::new() }
    }

    /// With one more number.
    #[must_use]
    pub fn term(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        self.terms.push(Term { name: name.into(), value: value.to_string() });
        self
    }
}

impl fmt::Display for Formula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rule)?;
        for (index, Term { name, value }) in self.terms.iter().enumerate() {
            write!(f, "{} {name} = {value}", if index == 0 { ";" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sure_has_no_margin_and_what_is_not_has_one_on_both_sides() {
        let bytes = Bytes::mib(100);
        assert_eq!((Certainty::Exact.low(bytes), Certainty::Exact.high(bytes)), (bytes, bytes));
        let bounded = Certainty::Bounded(Bytes::mib(90), Bytes::mib(120));
        assert_eq!((bounded.low(bytes), bounded.high(bytes)), (Bytes::mib(90), Bytes::mib(120)));
        let estimated = Certainty::Estimated(0.5);
        assert_eq!((estimated.low(bytes), estimated.high(bytes)), (Bytes::mib(50), Bytes::mib(150)));
        assert_eq!(Certainty::Estimated(9.0).low(bytes), Bytes::ZERO);
        assert_eq!(Certainty::Estimated(f64::NAN).high(bytes), bytes);
    }
}
