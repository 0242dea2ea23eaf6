//! The report: plain data, and the schema of `doctor --json`.

use serde::Serialize;

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It works, and may not always, or not as well as it could.
    Watch,
    /// It keeps the service from starting, or from doing what was asked.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What.
    pub what: String,
    /// How it stands.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do; `null` where nothing is to be done.
    pub next: Option<String>,
}

impl Check {
    /// As it should be.
    pub fn good(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self { what: what.into(), verdict: Verdict::Good, found: found.into(), next: None }
    }

    /// Worth watching.
    pub fn watch(what: impl Into<String>, found: impl Into<String>, next: impl Into<String>) -> Self {
        Self { verdict: Verdict::Watch, next: Some(next.into()), ..Self::good(what, found) }
    }

    /// In the way.
    pub fn bad(what: impl Into<String>, found: impl Into<String>, next: impl Into<String>) -> Self {
        Self { verdict: Verdict::Bad, next: Some(next.into()), ..Self::good(what, found) }
    }
}

/// What `plimsoll doctor --json` prints.
///
/// ```json
/// { "version": "0.1.0", "verdict": "watch",
///   "checks": [{ "what": "line", "verdict": "good", "found": "…", "next": null }] }
/// ```
///
/// `verdict` is the worst of all checks: "good", "watch" or "bad".
#[derive(Clone, Debug, Serialize)]
pub struct DoctorReport {
    /// The program's version.
    pub version: &'static str,
    /// The worst of all.
    pub verdict: Verdict,
    /// Everything that was looked at.
    pub checks: Vec<Check>,
}

impl DoctorReport {
    /// Of what was found.
    pub fn new(checks: Vec<Check>) -> Self {
        let verdict = checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Good);
        Self { version: env!("CARGO_PKG_VERSION"), verdict, checks }
    }

    /// How many stand so.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.checks.iter().filter(|check| check.verdict == verdict).count()
    }
}
