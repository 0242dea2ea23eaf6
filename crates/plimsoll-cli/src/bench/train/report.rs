//! The rows, as a table and as JSON.

use plimsoll::Bytes;
use serde::Serialize;

use crate::draw::{Align, Pen, Table};

/// A way to make a step, as it was measured.
#[derive(Clone, Debug, Serialize)]
pub struct TrainBenchRow {
    /// Which way.
    pub work: String,
    /// Who.
    pub engine: &'static str,
    /// The line that it had to fit below, if one was given.
    pub line_bytes: Option<u64>,
    /// What tensors were said to have at most.
    pub predicted_peak_bytes: u64,
    /// What they had.
    pub measured_peak_bytes: u64,
    /// What they were said to have elsewhere at most.
    pub away_predicted_bytes: u64,
    /// What they had there.
    pub away_measured_bytes: u64,
    /// The most that was charged, with what the pool had idle.
    pub charged_peak_bytes: u64,
    /// The plan's one lease.
    pub arena_bytes: u64,
    /// The most of it that lives at once: no packing is below.
    pub bound_bytes: u64,
    /// Layers that are computed twice.
    pub layers_again: usize,
    /// Layers whose gates are.
    pub layers_gates_again: usize,
    /// The median of its steps.
    pub ms: f64,
    /// That, over the fastest way's.
    pub slower: f64,
    /// Tokens a second.
    pub tokens_per_s: f64,
    /// Buffers that a step makes.
    pub buffers: usize,
    /// The share of a step that making and dropping so many tensors under a plan takes.
    pub making_share: f64,
    /// The share that the step takes without any arithmetic: all of its book-keeping.
    pub book_share: f64,
    /// What was backed anew by the device after the second step.
    pub device_allocations: u64,
}

/// Draws the rows.
pub(super) fn view(rows: &[TrainBenchRow], pen: &Pen) -> String {
    let columns = [
        ("way", Align::Left),
        ("said", Align::Right),
        ("measured", Align::Right),
        ("charged", Align::Right),
        ("away", Align::Right),
        ("over bound", Align::Right),
        ("ms", Align::Right),
        ("slower", Align::Right),
        ("tokens/s", Align::Right),
        ("making", Align::Right),
        ("books", Align::Right),
    ];
    let mut table = Table::new(columns);
    let bytes = |bytes: u64| Bytes::new(bytes).to_string();
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    let over = |row: &TrainBenchRow| row.arena_bytes as f64 / row.bound_bytes.max(1) as f64 - 1.0;
    for row in rows {
        table.row([
            row.work.as_str().into(),
            bytes(row.predicted_peak_bytes).into(),
            bytes(row.measured_peak_bytes).into(),
            bytes(row.charged_peak_bytes).into(),
            bytes(row.away_measured_bytes).into(),
            format!("{:.2}%", over(row) * 100.0).into(),
            format!("{:.1}", row.ms).into(),
            format!("{:.2}×", row.slower).into(),
            format!("{:.0}", row.tokens_per_s).into(),
            format!("{:.2}%", row.making_share * 100.0).into(),
            format!("{:.2}%", row.book_share * 100.0).into(),
        ]);
    }
    let anew: u64 = rows.iter().map(|row| row.device_allocations).sum();
    table.note(format!("memory that the device backed anew after a way's second step: {anew} times"));
    table.draw(pen)
}
