//! What a monitor is told.

use std::time::Duration;

use super::AlertSettings;
use super::health::Scoring;

/// Thresholds, the length of the history, and how health is scored.
#[derive(Clone, Debug, PartialEq)]
pub struct MonitorSettings {
    /// From where on something is worth an alert.
    pub alerts: AlertSettings,
    /// How health is scored.
    pub scoring: Scoring,
    /// How many samples a [`Monitor`](super::Monitor) keeps.
    pub history: usize,
    /// How far back trends look.
    pub trend: Duration,
    /// How far back advice looks: a guarantee must have been too large for all of it.
    pub past: Duration,
    /// How many tags of an account a sample names; the rest is in the account's sums.
    pub tags: usize,
}

impl Default for MonitorSettings {
    fn default() -> Self {
        Self {
            alerts: AlertSettings::default(),
            scoring: Scoring::default(),
            history: 600,
            trend: Duration::from_mins(1),
            past: Duration::from_mins(10),
            tags: 8,
        }
    }
}
