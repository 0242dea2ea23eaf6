//! How well things stand: one score, its parts, and what to do.
//!
//! The usual score is that of its **worst** part. A mean lets four parts that are fine hide one that has failed: with
//! [`weighted`](Scoring::Weighted), a machine that does nothing but swap still scores 0.775. And a machine at rest is
//! healthy, which a formula that asks for 70 to 90 % use does not see. What cannot be known is absent and does not
//! count.
//!
//! Everything here is a pure function of samples; [`Past`] keeps what advice needs of the samples before.

mod advice;
mod past;
mod rating;
mod symptoms;
mod weighted;
mod worst;

pub use past::Past;
pub use rating::{Rating, Scoring};
pub use symptoms::{Finding, Symptom, findings};

use super::{HealthSample, PartSample, Sample};

/// How healthy a sample is, and what to do about it.
pub fn assess(sample: &Sample, past: &Past, scoring: Scoring) -> HealthSample {
    let (score, parts) = match scoring {
        Scoring::Worst => worst::score(sample),
        Scoring::Weighted => weighted::score(sample),
    };
    HealthSample {
        score,
        rating: Rating::of(score).name().to_owned(),
        parts,
        advice: advice::advice(sample, past),
    }
}

fn part(name: &str, score: Option<f64>, why: String) -> PartSample {
    PartSample { name: name.to_owned(), score: score.map(|score| score.clamp(0.0, 1.0)), why }
}

#[expect(clippy::cast_precision_loss, reason = "a share for people")]
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn percent(share: f64) -> String {
    format!("{:.0}%", share * 100.0)
}

fn size(bytes: u64) -> String {
    crate::Bytes::new(bytes).to_string()
}

fn rate(bytes_per_s: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
    let bytes = bytes_per_s.max(0.0) as u64;
    format!("{}/s", size(bytes))
}
