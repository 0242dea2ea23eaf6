//! What came of training, as a table and as JSON.

use std::time::Duration;

use plimsoll::Bytes;
use plimsoll_vec::neural::{Contender, Trained};
use serde::Serialize;

use crate::draw::{Align, Pen, Style, Table};

/// What `plimsoll vec train-codec --json` prints.
///
/// ```json
/// { "codec": "codec.safetensors", "dimension": 768, "latent": 128, "normalized": false, "row_bytes": 132,
///   "learned_vectors": 70000, "chosen_vectors": 4000, "searched_vectors": 11800, "queries": 200,
///   "variance": 0.9, "best_epoch": 10, "seconds": 12.0, "predicted_peak_bytes": 1, "peak_bytes": 1,
///   "compared": [{ "name": "neural, trained", "learned": true, "codec": null, "row_bytes": 132, "mse": 0.1,
///                  "cosine": 0.9, "snr_db": 10.0, "recall_at_10": 0.9 }],
///   "winner": "neural, trained", "neural_wins": true, "verdict": "…" }
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct TrainReport {
    /// The file of weights.
    pub codec: String,
    /// Numbers of a vector.
    pub dimension: usize,
    /// Numbers of a latent.
    pub latent: usize,
    /// Whether vectors are brought to length one.
    pub normalized: bool,
    /// Bytes of a latent with its scale.
    pub row_bytes: usize,
    /// Vectors that were learned from.
    pub learned_vectors: usize,
    /// Vectors that the best weights were chosen by.
    pub chosen_vectors: usize,
    /// Vectors that were searched for this report.
    pub searched_vectors: usize,
    /// Vectors that were asked with.
    pub queries: usize,
    /// The share of the variance that principal components of the latent's length have.
    pub variance: f64,
    /// After which epoch the weights were best; 0 for the start.
    pub best_epoch: usize,
    /// How long it took.
    pub seconds: f64,
    /// What was predicted of memory.
    pub predicted_peak_bytes: u64,
    /// The most that was charged.
    pub peak_bytes: u64,
    /// The codecs that were compared.
    pub compared: Vec<ContenderReport>,
    /// Who found most in the bytes of a latent or fewer.
    pub winner: String,
    /// Whether that is the learned codec.
    pub neural_wins: bool,
    /// The same as a sentence.
    pub verdict: String,
}

/// One codec that was compared.
#[derive(Clone, Debug, Serialize)]
pub struct ContenderReport {
    /// What it is.
    pub name: String,
    /// Whether it was learned here.
    pub learned: bool,
    /// What `vec build --codec` calls it.
    pub codec: Option<&'static str>,
    /// Bytes of a vector.
    pub row_bytes: usize,
    /// The mean square of what a number is off by.
    pub mse: f64,
    /// The mean cosine of vectors and what came back.
    pub cosine: f64,
    /// The power of vectors over that of what was lost; none where nothing was.
    pub snr_db: Option<f64>,
    /// Of the ten nearest, how many were found.
    pub recall_at_10: f64,
}

impl ContenderReport {
    fn new(contender: &Contender) -> Self {
        let Contender { name, learned, codec, row_bytes, fidelity, recall } = contender;
        Self {
            name: name.clone(),
            learned: *learned,
            codec: codec.map(plimsoll_vec::Codec::name),
            row_bytes: *row_bytes,
            mse: fidelity.mse(),
            cosine: fidelity.cosine(),
            snr_db: Some(fidelity.snr_db()).filter(|snr| snr.is_finite()),
            recall_at_10: *recall,
        }
    }
}

impl TrainReport {
    /// Of what was trained.
    pub fn new(codec: String, trained: &Trained, took: Duration) -> Self {
        let shape = trained.weights.shape();
        Self {
            codec,
            dimension: shape.dimension,
            latent: shape.latent,
            normalized: shape.normalized,
            row_bytes: shape.row_bytes(),
            learned_vectors: trained.learned,
            chosen_vectors: trained.chosen,
            searched_vectors: trained.judged.0,
            queries: trained.judged.1,
            variance: trained.variance,
            best_epoch: trained.best_epoch,
            seconds: took.as_secs_f64(),
            predicted_peak_bytes: trained.predicted.get(),
            peak_bytes: trained.peak.get(),
            compared: trained.contenders.iter().map(ContenderReport::new).collect(),
            winner: trained.verdict.winner.clone(),
            neural_wins: trained.verdict.learned_wins,
            verdict: trained.verdict.text.clone(),
        }
    }
}

/// Draws the report.
pub(super) fn view(report: &TrainReport, pen: &Pen) -> String {
    let columns = [
        ("codec", Align::Left),
        ("bytes", Align::Right),
        ("mse", Align::Right),
        ("cosine", Align::Right),
        ("snr dB", Align::Right),
        ("recall@10", Align::Right),
    ];
    let mut table = Table::new(columns);
    for one in &report.compared {
        table.row([
            one.name.as_str().into(),
            one.row_bytes.to_string().into(),
            format!("{:.3e}", one.mse).into(),
            format!("{:.4}", one.cosine).into(),
            one.snr_db.map_or_else(|| "∞".to_owned(), |snr| format!("{snr:.2}")).into(),
            format!("{:.3}", one.recall_at_10).into(),
        ]);
    }
    let bytes = |bytes: u64| Bytes::new(bytes).to_string();
    let best =
        if report.best_epoch == 0 { "the start".to_owned() } else { format!("epoch {}", report.best_epoch) };
    let said = format!(
        "learned from {} vectors, chosen by {} ({best}); reported on {} others with {} queries\nmemory: {} at most, {} predicted\n",
        report.learned_vectors,
        report.chosen_vectors,
        report.searched_vectors,
        report.queries,
        bytes(report.peak_bytes),
        bytes(report.predicted_peak_bytes),
    );
    format!(
        "{}  {}→{} in {:.1} s, {:.1}% of the variance\n\n{}\n{}\n{}",
        pen.paint(Style::Bold, &report.codec),
        report.dimension,
        report.latent,
        report.seconds,
        report.variance * 100.0,
        table.draw(pen),
        report.verdict,
        pen.paint(Style::Dim, &said),
    )
}
