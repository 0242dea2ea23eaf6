//! What the suite found.

use std::fmt;

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{step}: {why}")]
pub struct Failure {
    /// What was being done.
    pub step: String,
    /// What was expected and what was found.
    pub why: String,
}

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The promise was kept.
    Passed,
    /// The device does not offer this, or the options leave it out.
    Skipped(&'static str),
    /// It was not.
    Failed(Failure),
}

/// What came of every check. Displays as a line a check and a last line with the sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The device's name.
    pub device: String,
    /// The checks by name, in the order in which they were run.
    pub outcomes: Vec<(&'static str, Outcome)>,
}

impl Report {
    /// Whether no check failed.
    pub fn passed(&self) -> bool {
        self.failures().next().is_none()
    }

    /// The checks that failed.
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, &Failure)> {
        self.outcomes.iter().filter_map(|(name, outcome)| match outcome {
            Outcome::Failed(failure) => Some((*name, failure)),
            Outcome::Passed | Outcome::Skipped(_) => None,
        })
    }

    /// The checks that were left out.
    pub fn skipped(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.outcomes.iter().filter_map(|(name, outcome)| match outcome {
            Outcome::Skipped(why) => Some((*name, *why)),
            Outcome::Passed | Outcome::Failed(_) => None,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, outcome) in &self.outcomes {
            match outcome {
                Outcome::Passed => writeln!(f, "pass  {name}")?,
                Outcome::Skipped(why) => writeln!(f, "skip  {name}: {why}")?,
                Outcome::Failed(failure) => writeln!(f, "FAIL  {name}: {failure}")?,
            }
        }
        let (failed, skipped) = (self.failures().count(), self.skipped().count());
        let passed = self.outcomes.len() - failed - skipped;
        let device = &self.device;
        write!(f, "{device}: {passed} passed, {failed} failed, {skipped} skipped")
    }
}
