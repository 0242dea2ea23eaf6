//! Alerts posted to a URL.

use std::sync::Arc;

use serde::Serialize;

use super::post::{PostCounts, PostError, PostSettings, Poster};
use crate::monitor::{AlertChange, AlertChanges, Sample, Severity, Sink};

/// Posts a JSON object for each alert that is raised, changes or is cleared. Sampling never waits for it:
/// [`Poster`] says how.
///
/// The object has the fields of [`AlertChange`] and `text`, a sentence, which is what chat programs show of an
/// incoming webhook.
#[derive(Debug)]
pub struct Webhook {
    poster: Arc<Poster>,
    changes: AlertChanges,
}

#[derive(Serialize)]
struct Body<'c> {
    text: String,
    #[serde(flatten)]
    change: &'c AlertChange,
}

impl Webhook {
    /// To this URL.
    pub fn start(url: &str, settings: PostSettings) -> Result<Self, PostError> {
        Ok(Self { poster: Arc::new(Poster::start(url, settings)?), changes: AlertChanges::default() })
    }

    /// What became of the news so far.
    pub fn counts(&self) -> PostCounts {
        self.poster.counts()
    }

    /// The poster, to ask while the webhook is a monitor's sink.
    pub fn poster(&self) -> Arc<Poster> {
        Arc::clone(&self.poster)
    }
}

impl Sink for Webhook {
    fn sample(&mut self, sample: &Arc<Sample>) {
        for change in self.changes.read(sample) {
            let severity = match change.alert.severity {
                Severity::Warning => "warning",
                Severity::Critical => "critical",
            };
            let (name, turn) = (&change.alert.name, change.turn.name());
            let text = format!("{}: {severity} {name} {turn}: {}", change.program, change.alert.text);
            if let Ok(body) = serde_json::to_string(&Body { text, change: &change }) {
                self.poster.post(body);
            }
        }
    }
}
