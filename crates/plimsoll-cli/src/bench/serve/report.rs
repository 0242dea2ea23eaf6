//! What was measured, and how it is shown.

use plimsoll::Bytes;
use serde::Serialize;

use crate::draw::{Align, Pen, Style, Table};

/// In what a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Milliseconds.
    Ms,
    /// Bytes.
    Bytes,
    /// A ratio.
    Times,
    /// Tokens a second.
    TokensPerS,
    /// How many.
    Count,
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServeRow {
    /// What was done.
    pub work: String,
    /// Who.
    pub engine: &'static str,
    /// The figure.
    pub value: f64,
    /// In what.
    pub unit: Unit,
    /// What it is to be at most, or at least.
    pub target: Option<f64>,
    /// Whether it is.
    pub met: Option<bool>,
}

impl ServeRow {
    pub(super) fn new(work: impl Into<String>, value: f64, unit: Unit) -> Self {
        Self { work: work.into(), engine: "plimsoll", value, unit, target: None, met: None }
    }

    pub(super) fn by(mut self, engine: &'static str) -> Self {
        self.engine = engine;
        self
    }

    pub(super) fn at_most(mut self, target: f64) -> Self {
        (self.target, self.met) = (Some(target), Some(self.value <= target));
        self
    }

    pub(super) fn at_least(mut self, target: f64) -> Self {
        (self.target, self.met) = (Some(target), Some(self.value >= target));
        self
    }
}

/// What `plimsoll bench serve --json` prints.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServeReport {
    /// The model.
    pub model: String,
    /// The line.
    pub line_bytes: u64,
    /// Tokens of the prompt that was timed.
    pub prompt_tokens: usize,
    /// The figures.
    pub rows: Vec<ServeRow>,
}

fn shown(value: f64, unit: Unit) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes of this machine")]
    let bytes = value.max(0.0) as u64;
    match unit {
        Unit::Ms => format!("{value:.3} ms"),
        Unit::Bytes => Bytes::new(bytes).to_string(),
        Unit::Times => format!("{value:.2}×"),
        Unit::TokensPerS => format!("{value:.0} tokens/s"),
        Unit::Count => format!("{value:.0}"),
    }
}

/// Draws it.
pub(super) fn view(report: &ServeReport, pen: &Pen) -> String {
    let heading = format!(
        "{} below a line of {}, a prompt of {} tokens\n\n",
        report.model,
        Bytes::new(report.line_bytes),
        report.prompt_tokens
    );
    let mut table =
        Table::new([("", Align::Left), ("", Align::Right), ("target", Align::Right), ("", Align::Left)]);
    for row in &report.rows {
        let target = row.target.map_or_else(String::new, |target| shown(target, row.unit));
        let verdict = row.met.map_or("", |met| if met { "reached" } else { "MISSED" });
        let work =
            if row.engine == "plimsoll" { row.work.clone() } else { format!("{}: {}", row.engine, row.work) };
        table.row([work.as_str(), &shown(row.value, row.unit), &target, verdict].map(Into::into));
    }
    pen.paint(Style::Bold, &heading) + &table.draw(pen)
}
