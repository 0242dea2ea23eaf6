//! The report: plain data, and the schema of `health --json`.

use plimsoll::monitor::health::{Finding, Past, Scoring, assess};
use plimsoll::monitor::{AlertSample, MachineSample, PartSample, Sample};
use serde::Serialize;

/// What is said of one sample.
#[derive(Clone, Debug, Serialize)]
pub struct HealthReport {
    /// 0 to 1.
    pub score: f64,
    /// "excellent", "good", "fair", "poor", "critical".
    pub rating: String,
    /// "worst" or "weighted".
    pub scoring: &'static str,
    /// What the score is made of.
    pub parts: Vec<PartSample>,
    /// What to do, most useful first.
    pub advice: Vec<String>,
    /// Causes of the symptom that was named, those that are found first.
    pub findings: Vec<Finding>,
    /// Alerts of the engine that was looked at.
    pub alerts: Vec<AlertSample>,
    /// What was measured of the machine.
    pub machine: MachineSample,
}

impl HealthReport {
    /// Of a sample. The sample's own advice stands, because who took it knows the past; the score is as asked.
    pub fn new(sample: &Sample, scoring: Scoring, findings: Vec<Finding>) -> Self {
        let scored = assess(sample, &Past::over(std::time::Duration::from_mins(1)), scoring);
        let advice = sample.health.as_ref().map_or(scored.advice, |health| health.advice.clone());
        Self {
            score: scored.score,
            rating: scored.rating,
            scoring: match scoring {
                Scoring::Worst => "worst",
                Scoring::Weighted => "weighted",
            },
            parts: scored.parts,
            advice,
            findings,
            alerts: sample.alerts.clone(),
            machine: sample.machine.clone(),
        }
    }
}
