//! What came of a fine-tuning, as text and as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use plimsoll::Bytes;
use plimsoll_llm::tune::{Corpus, Fit, Keeping, Team, Tuner};
use serde::Serialize;

use super::lines::Lines;
use super::lora::LoraArgs;
use crate::draw::Pen;

/// What `plimsoll train lora --json` prints.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LoraReport {
    /// The model's file.
    pub model: String,
    /// What was learned from.
    pub data: String,
    /// Texts in it.
    pub texts: usize,
    /// Its tokens.
    pub tokens: usize,
    /// Full rows of it that are learned from.
    pub rows: usize,
    /// Numbers that are learned.
    pub learned_numbers: u64,
    /// The line.
    pub line_bytes: u64,
    /// The lowest line that is taken, with all that is charged to it.
    pub lowest_line_bytes: u64,
    /// The line from which on nothing is computed twice and nothing is elsewhere.
    pub full_line_bytes: u64,
    /// What tensors of a step would have at most with nothing computed twice.
    pub full_peak_bytes: u64,
    /// What tensors of a step have when as little as possible is kept, with what is elsewhere there.
    pub floor_bytes: u64,
    /// What tensors were said to have at most.
    pub predicted_peak_bytes: u64,
    /// What they had.
    pub measured_peak_bytes: u64,
    /// The most that was charged, with what the pool had idle and the texts.
    pub charged_peak_bytes: u64,
    /// Whether every step's buffers lay where the plan put them.
    pub as_planned: bool,
    /// Layers that keep everything for the way back.
    pub layers_kept: usize,
    /// Layers whose gates are computed twice.
    pub layers_gates_again: usize,
    /// Layers that are computed twice.
    pub layers_again: usize,
    /// Of those, layers whose inputs are elsewhere meanwhile.
    pub layers_inputs_away: usize,
    /// Layers whose matrices are elsewhere, and come when they are needed.
    pub layers_away: usize,
    /// Layers whose matrices are divided among the places, and gathered when they are needed.
    pub layers_divided: usize,
    /// Whether the table of embeddings is elsewhere.
    pub embedding_away: bool,
    /// Whether the optimizer's states are.
    pub states_away: bool,
    /// What tensors were said to have elsewhere at most.
    pub away_predicted_bytes: u64,
    /// What they had there.
    pub away_measured_bytes: u64,
    /// How often a step was made again because gradients overflowed.
    pub overflows: u32,
    /// The step that was gone on from, if one was.
    pub resumed_from: Option<u32>,
    /// The loss of what is not learned from, before.
    pub before: Option<f32>,
    /// The same, after.
    pub after: Option<f32>,
    /// The steps of this run.
    pub steps: Vec<Loss>,
    /// Tokens that were learned from in a second.
    pub tokens_per_s: f64,
    /// The last step that was kept.
    pub kept_step: u32,
    /// Where.
    pub kept_in: Option<String>,
    /// How long all of it took.
    pub seconds: f64,
}

/// A step's loss.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Loss {
    /// Which step.
    pub step: u32,
    /// The mean loss of its passes.
    pub loss: f32,
    /// How far it went.
    pub rate: f32,
}

impl LoraReport {
    pub(super) fn new(args: &LoraArgs, tuner: &Tuner, corpus: &Corpus, line: Bytes) -> Self {
        Self {
            model: args.model.display().to_string(),
            data: args.data.display().to_string(),
            texts: corpus.texts(),
            tokens: corpus.tokens(),
            rows: corpus.rows(),
            learned_numbers: tuner.changes().leaves.all().map(|(.., value)| value.count()).sum(),
            line_bytes: line.get(),
            as_planned: true,
            ..Self::default()
        }
    }

    pub(super) fn fitted(&mut self, fit: &Fit, lines: Lines) {
        self.lowest_line_bytes = lines.lowest.get();
        self.full_line_bytes = lines.full.get();
        self.full_peak_bytes = fit.full.get();
        self.floor_bytes = fit.floor.get();
        self.predicted_peak_bytes = fit.peak.get();
        self.layers_kept = fit.layers(Keeping::All);
        self.layers_gates_again = fit.layers(Keeping::Products);
        self.layers_inputs_away = fit.layers(Keeping::InputAway);
        self.layers_again = fit.layers(Keeping::Input) + self.layers_inputs_away;
        self.layers_away = fit.homes.layers;
        self.layers_divided = fit.homes.divided;
        self.embedding_away = fit.homes.embedding;
        self.states_away = fit.homes.states;
        self.away_predicted_bytes = fit.away.get();
    }

    /// Tokens a second of the steps that were made.
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    pub(super) fn rate(&mut self, team: &Team, took: Duration) {
        let settings = team.first().settings();
        let tokens = self.steps.len() * team.passes() * settings.batch * settings.sequence;
        self.tokens_per_s = tokens as f64 / took.as_secs_f64().max(1e-9);
    }
}

/// What is elsewhere.
fn elsewhere(report: &LoraReport) -> Vec<String> {
    let parts = [
        report.embedding_away.then(|| "the embeddings".to_owned()),
        report.states_away.then(|| "the optimizer's states".to_owned()),
        (report.layers_inputs_away > 0).then(|| format!("inputs of {} layers", report.layers_inputs_away)),
        (report.layers_away > 0).then(|| format!("matrices of {} layers", report.layers_away)),
    ];
    parts.into_iter().flatten().collect()
}

/// Draws the report.
pub(super) fn view(report: &LoraReport, _: &Pen) -> String {
    let bytes = |bytes: u64| Bytes::new(bytes).to_string();
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:9}  {value}");
    };
    line(
        "data",
        format!("{} texts, {} tokens, {} rows learned from", report.texts, report.tokens, report.rows),
    );
    line("learned", format!("{} numbers", report.learned_numbers));
    let (kept, gates, again) = (report.layers_kept, report.layers_gates_again, report.layers_again);
    line(
        "fits",
        format!(
            "{} of {}: {kept} layers keep all, {gates} compute gates twice, {again} are computed twice",
            bytes(report.predicted_peak_bytes),
            bytes(report.line_bytes)
        ),
    );
    let away = elsewhere(report);
    if !away.is_empty() {
        line("away", format!("{}: {}", bytes(report.away_predicted_bytes), away.join(", ")));
    }
    if report.layers_divided > 0 {
        line(
            "divided",
            format!("matrices of {} layers, gathered when they are needed", report.layers_divided),
        );
    }
    line(
        "lines",
        format!(
            "from {} on; from {} on nothing is computed twice",
            bytes(report.lowest_line_bytes),
            bytes(report.full_line_bytes)
        ),
    );
    if let Some(step) = report.resumed_from {
        line("began", format!("behind step {step}, which was there"));
    }
    if let (Some(first), Some(last)) = (report.steps.first(), report.steps.last()) {
        line(
            "loss",
            format!("{:.3} at step {}, {:.3} at step {}", first.loss, first.step, last.loss, last.step),
        );
        line("speed", format!("{:.0} tokens a second", report.tokens_per_s));
        let planned =
            if report.as_planned { "every buffer where it was planned" } else { "not all as planned" };
        line(
            "memory",
            format!(
                "{} said, {} measured, {planned}; {} charged",
                bytes(report.predicted_peak_bytes),
                bytes(report.measured_peak_bytes),
                bytes(report.charged_peak_bytes)
            ),
        );
    }
    if report.overflows > 0 {
        line("scaled", format!("{} attempts at steps overflowed and were made again", report.overflows));
    }
    if let (Some(before), Some(after)) = (report.before, report.after) {
        line("held out", format!("{before:.3} before, {after:.3} after"));
    }
    if let Some(folder) = &report.kept_in {
        line("kept", folder.clone());
    }
    text
}
