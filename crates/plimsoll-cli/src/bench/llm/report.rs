//! What was measured, and how it is shown.

use plimsoll::{Bytes, Place};
use serde::{Serialize, Serializer};

use super::PartlyReport;
use crate::draw::{Align, Pen, Style, Table};

/// What was done with tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// A prompt was read.
    Prefill,
    /// Tokens were written, one after the other.
    Decode,
}

/// How the next token is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// The likeliest.
    Likeliest,
    /// By lot, as `generate` does unless it is told otherwise.
    Usual,
    /// The same, from all logits, on the host.
    UsualFromRows,
    /// By lot among all tokens.
    All,
    /// The same, from all logits, on the host.
    AllFromRows,
    /// By lot among the likeliest that have a chance of .95 together, however many these are.
    Nearly,
    /// As usual, and what stood there lately is less likely.
    Penalized,
}

impl Choice {
    /// Whether all logits come to the host.
    pub(super) const fn sees_all(self) -> bool {
        matches!(self, Self::UsualFromRows | Self::AllFromRows)
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Likeliest => "tokens written",
            Self::Usual => "drawn as usual",
            Self::All => "drawn among all",
            Self::UsualFromRows | Self::AllFromRows => "the same, from all logits",
            Self::Nearly => "drawn among .95 of all",
            Self::Penalized => "drawn as usual, with a penalty",
        }
    }
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LlmRow {
    /// What was done.
    pub work: Work,
    /// How tokens that were written were chosen.
    pub choice: Option<Choice>,
    /// Sequences side by side.
    pub batch: usize,
    /// Tokens of a turn, of all sequences together.
    pub tokens: usize,
    /// Tokens a second, of all sequences together.
    pub tokens_per_s: f64,
    /// What a token has to read: its share of the weights, and keys and values. Not for prompts, which share them so far
    /// that something else is the bound.
    pub bytes_per_token: Option<f64>,
    /// How much of the speed at which these bytes can be read was reached.
    pub bandwidth_fraction: Option<f64>,
    /// Rows of logits that came to the host, for each token of the last turn.
    pub whole: Option<f64>,
}

impl LlmRow {
    fn is_greedy(&self) -> bool {
        self.choice == Some(Choice::Likeliest)
    }
}

/// What `plimsoll bench llm --json` prints.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LlmReport {
    /// The file, or what it was made up as.
    pub model: String,
    /// Where it was computed.
    #[serde(serialize_with = "name")]
    pub place: Place,
    /// Threads that computed, if the host did.
    pub threads: usize,
    /// Weights that a step reads.
    pub weights_bytes: usize,
    /// How fast as many threads read as many bytes, in the same run.
    pub read_gb_per_s: f64,
    /// The figures.
    pub rows: Vec<LlmRow>,
    /// Those with less of the device's memory than it takes, if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partly: Option<PartlyReport>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn name<S: Serializer>(place: &Place, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(place)
}

/// What one sequence should reach.
const TARGET: f64 = 0.85;

/// Draws it.
pub fn view(report: &LlmReport, pen: &Pen) -> String {
    let weights = Bytes::new(report.weights_bytes as u64);
    let by = match report.place {
        Place::Host => format!("read at {:.1} GB/s by {} threads", report.read_gb_per_s, report.threads),
        place => format!("copies within {place} read and write {:.1} GB/s", report.read_gb_per_s),
    };
    let heading = format!("{}: {weights} of weights a step, {by}\n\n", report.model);
    let right = Align::Right;
    let mut table = Table::new([
        ("", Align::Left),
        ("batch", right),
        ("tokens/s", right),
        ("MB a token", right),
        ("of reading", right),
        ("of likeliest", right),
        ("rows", right),
        ("target", right),
        ("", Align::Left),
    ]);
    for row in &report.rows {
        let work = row.choice.map_or("prompt read", Choice::words);
        let greedy = report.rows.iter().find(|other| other.is_greedy() && other.batch == row.batch);
        let greedy = greedy.filter(|_| row.choice.is_some() && !row.is_greedy());
        let greedy = greedy
            .map_or_else(String::new, |greedy| format!("{:.3}", row.tokens_per_s / greedy.tokens_per_s));
        let whole = row.whole.filter(|_| !row.is_greedy());
        let whole = whole.map_or_else(String::new, |whole| format!("{whole:.2}"));
        let bytes = row.bytes_per_token.map_or_else(String::new, |bytes| format!("{:.2}", bytes / 1e6));
        let part = row.bandwidth_fraction.map_or_else(String::new, |part| format!("{part:.2}"));
        let (target, verdict) = match row.bandwidth_fraction {
            Some(part) if row.batch == 1 && row.is_greedy() => {
                (format!("{TARGET:.2}"), if part >= TARGET { "reached" } else { "MISSED" })
            }
            _ => (String::new(), ""),
        };
        let rate = format!("{:.1}", row.tokens_per_s);
        let batch = row.batch.to_string();
        let cells = [work, &batch, &rate, &bytes, &part, &greedy, &whole, &target, verdict];
        table.row(cells.map(Into::into));
    }
    let partly = report.partly.as_ref().map_or_else(String::new, |partly| partly.view(pen));
    pen.paint(Style::Bold, &heading) + &table.draw(pen) + &partly
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_is_missed_is_said_and_batches_have_none() {
        let row = |batch, part| LlmRow {
            work: Work::Decode,
            choice: Some(Choice::Likeliest),
            batch,
            tokens: 10,
            tokens_per_s: 20.0,
            bytes_per_token: Some(1e9),
            bandwidth_fraction: Some(part),
            whole: Some(0.0),
        };
        let mut report = LlmReport {
            model: "x".to_owned(),
            place: Place::Host,
            threads: 2,
            weights_bytes: 1 << 30,
            read_gb_per_s: 20.0,
            rows: vec![row(1, 0.9), row(4, 0.2)],
            partly: None,
        };
        let pen = Pen { color: false, unicode: true, width: 100 };
        let shown = view(&report, &pen);
        assert!(shown.contains("reached") && !shown.contains("MISSED"), "{shown}");
        report.rows[0] = row(1, 0.84);
        assert!(view(&report, &pen).contains("MISSED"));
    }
}
