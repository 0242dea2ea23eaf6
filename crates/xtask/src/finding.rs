//! What a check found, in a form that an editor can jump to.

use std::fmt;

/// One place that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file, relative to the root.
    pub path: String,
    /// The line, counted from one, where there is one.
    pub line: Option<usize>,
    /// What is wrong and what to do.
    pub what: String,
}

impl Finding {
    /// About a file as a whole.
    pub fn file(path: impl Into<String>, what: impl Into<String>) -> Self {
        Self { path: path.into(), line: None, what: what.into() }
    }

    /// About a line; `index` counts from zero.
    pub fn line(path: impl Into<String>, index: usize, what: impl Into<String>) -> Self {
        Self { path: path.into(), line: Some(index + 1), what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path, self.what),
            None => write!(f, "{}: {}", self.path, self.what),
        }
    }
}
