//! Which engines run.

use std::time::{SystemTime, UNIX_EPOCH};

use plimsoll::monitor::attach::{self, Running};
use serde::Serialize;

use super::look::Look;
use super::words::{left, time_of_day};
use crate::draw::{Align, Pen, Style, Table};
use crate::{CliError, Printer};

/// What `plimsoll top --list --json` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EnginesReport {
    /// Those that run, the newest first.
    pub engines: Vec<EngineReport>,
}

/// A running engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct EngineReport {
    pub pid: u32,
    pub program: String,
    /// Its version of Plimsoll.
    pub version: String,
    /// Where it listens.
    pub path: String,
    /// Since when, in milliseconds since 1970.
    pub since_unix_ms: Option<u64>,
}

impl From<Running> for EngineReport {
    fn from(engine: Running) -> Self {
        let ms = |since: SystemTime| u64::try_from(since.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok();
        Self {
            pid: engine.pid,
            program: engine.program,
            version: engine.version,
            path: engine.path.display().to_string(),
            since_unix_ms: engine.since.and_then(ms),
        }
    }
}

/// Lists and ends.
pub fn run(printer: &Printer) -> Result<(), CliError> {
    let engines = attach::running().into_iter().map(EngineReport::from).collect();
    printer.report(&EnginesReport { engines }, view)
}

/// Draws the report.
pub fn view(report: &EnginesReport, pen: &Pen) -> String {
    if report.engines.is_empty() {
        let hint = "an engine is seen once its program calls engine.publish(NAME, EVERY)";
        return format!("no engine of this user is running\n{}\n", pen.paint(Style::Dim, hint));
    }
    let look = Look::new(pen, None);
    let mut table = Table::new([
        ("pid", Align::Right),
        ("program", Align::Left),
        ("version", Align::Left),
        ("since", Align::Left),
        ("socket", Align::Left),
    ]);
    // Names come from other programs: what a terminal would obey is not passed on.
    let harmless = |text: &str, width| left(look, text, width).trim_end().to_owned();
    for engine in &report.engines {
        let since = engine.since_unix_ms.map_or_else(|| pen.either("–", "-").to_owned(), time_of_day);
        table.row([
            engine.pid.to_string().into(),
            harmless(&engine.program, 40).into(),
            harmless(&engine.version, 16).into(),
            since.into(),
            harmless(&engine.path, 200).into(),
        ]);
    }
    table.draw(pen)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEN: Pen = Pen { color: false, unicode: true, width: 80 };

    #[test]
    fn engines_are_listed_and_their_names_are_harmless() {
        let engine = EngineReport {
            pid: 4242,
            program: "in\u{1b}[2Jdexer".to_owned(),
            version: "0.1.0".to_owned(),
            path: "/run/user/1000/plimsoll/4242.sock".to_owned(),
            since_unix_ms: Some(1_763_740_445_000),
        };
        let text = view(&EnginesReport { engines: vec![engine] }, &PEN);
        assert!(text.contains("4242  in?[2Jdexer  0.1.0    15:54:05 UTC  /run/user/1000"), "{text}");
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn none_is_said_with_what_to_do() {
        let text = view(&EnginesReport { engines: Vec::new() }, &PEN);
        assert!(text.contains("no engine") && text.contains("publish"), "{text}");
    }
}
