//! What was raised and cleared from one sample to the next.

use serde::Serialize;

use crate::monitor::{AlertSample, Sample};

/// What became of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Turn {
    /// It is new.
    Raised,
    /// It was a warning and is critical.
    Worse,
    /// It was critical and is a warning.
    Better,
    /// It is over.
    Cleared,
}

impl Turn {
    /// In a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Worse => "worse",
            Self::Better => "better",
            Self::Cleared => "cleared",
        }
    }
}

/// News of one alert: what a log writes and a webhook posts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlertChange {
    /// What became of it.
    pub turn: Turn,
    /// The program that was sampled.
    pub program: String,
    /// Its process.
    pub pid: u32,
    /// The time of day in milliseconds since 1970.
    pub at_unix_ms: u64,
    /// The alert; of one that is over, as it was last.
    pub alert: AlertSample,
}

/// Compares each sample's alerts with those of the sample before.
#[derive(Clone, Debug, Default)]
pub struct AlertChanges {
    before: Vec<AlertSample>,
}

impl AlertChanges {
    /// What is new in this sample: what came and changed, then what is over.
    pub fn read(&mut self, sample: &Sample) -> Vec<AlertChange> {
        let same = |a: &AlertSample, b: &AlertSample| a.name == b.name && a.subject == b.subject;
        let news = |turn, alert: &AlertSample| AlertChange {
            turn,
            program: sample.source.program.clone(),
            pid: sample.source.pid,
            at_unix_ms: sample.at_unix_ms,
            alert: alert.clone(),
        };
        let mut changes = Vec::new();
        for alert in &sample.alerts {
            let turn = match self.before.iter().find(|before| same(before, alert)) {
                None => Turn::Raised,
                Some(before) if before.severity < alert.severity => Turn::Worse,
                Some(before) if before.severity > alert.severity => Turn::Better,
                Some(_) => continue,
            };
            changes.push(news(turn, alert));
        }
        let over = self.before.iter().filter(|before| !sample.alerts.iter().any(|alert| same(before, alert)));
        changes.extend(over.map(|alert| news(Turn::Cleared, alert)));
        self.before.clone_from(&sample.alerts);
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::Severity;

    #[test]
    fn each_change_is_told_once() {
        let alert = |subject: &str, severity| AlertSample {
            name: "pressure".into(),
            subject: subject.into(),
            severity,
            ..AlertSample::default()
        };
        let sample = |alerts| Sample { alerts, ..Sample::default() };
        let mut changes = AlertChanges::default();
        let mut turns = |alerts: Vec<AlertSample>| -> Vec<_> {
            let read = changes.read(&sample(alerts)).into_iter();
            read.map(|change| (change.turn, change.alert.subject)).collect()
        };
        assert_eq!(turns(vec![]), []);
        assert_eq!(turns(vec![alert("host", Severity::Warning)]), [(Turn::Raised, "host".to_owned())]);
        assert_eq!(turns(vec![alert("host", Severity::Warning)]), []);
        assert_eq!(
            turns(vec![alert("machine", Severity::Warning), alert("host", Severity::Critical)]),
            [(Turn::Raised, "machine".to_owned()), (Turn::Worse, "host".to_owned())]
        );
        assert_eq!(
            turns(vec![alert("host", Severity::Warning)]),
            [(Turn::Better, "host".to_owned()), (Turn::Cleared, "machine".to_owned())]
        );
    }
}
