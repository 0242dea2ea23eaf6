//! The section `[monitor]`: from where on something is an alert, and how health is scored.

use std::time::Duration;

use super::error::{Problem, Wrong};
use super::node::{Entry, Node, Value, join};
use super::read::unknown;
use crate::monitor::MonitorSettings;
use crate::monitor::health::Scoring;

const KEY: &str = "monitor";
const KEYS: [&str; 8] = ["pressure", "fragmentation", "swap", "drops", "after", "calm", "score", "history"];
const ALLOWED: &str = "`pressure`, `fragmentation`, `swap`, `drops`, `after`, `calm`, `score` and `history`";
const SHARES: &str = "a warning share, or a warning and a critical one, such as \"0.85,0.95\", or \"off\"";
const TIME: &str = "a text of a whole number and ms, s, m or h, such as \"10s\"";

/// The section, or the usual settings where there is none.
pub(super) fn settings(entries: &[Entry]) -> Result<MonitorSettings, Wrong> {
    let mut settings = MonitorSettings::default();
    let Some(section) = entries.iter().find(|entry| entry.key == KEY) else {
        return Ok(settings);
    };
    for field in section.node.table(KEY, "a table such as { pressure = \"0.85,0.95\" }")? {
        let (key, node) = (join(KEY, &field.key), &field.node);
        let alerts = &mut settings.alerts;
        match field.key.as_str() {
            "pressure" => alerts.pressure = parsed(node, &key, SHARES)?,
            "fragmentation" => alerts.fragmentation = parsed(node, &key, SHARES)?,
            "swap" => alerts.swap = parsed(node, &key, SHARES)?,
            "drops" => match node.value {
                Value::Truth(drops) => alerts.drops = drops,
                _ => return Err(node.wrong_kind(&key, "true or false")),
            },
            "after" => alerts.after = time(node, &key)?,
            "calm" => alerts.calm = time(node, &key)?,
            "score" => {
                settings.scoring = match &node.value {
                    Value::Text(text) if text == "worst" => Scoring::Worst,
                    Value::Text(text) if text == "weighted" => Scoring::Weighted,
                    _ => return Err(node.wrong_kind(&key, "\"worst\" or \"weighted\"")),
                }
            }
            "history" => {
                let expected = "a whole number from 1 to 100000";
                let history: usize = parsed(node, &key, expected)?;
                if !(1..=100_000).contains(&history) {
                    return Err(node.wrong_kind(&key, expected));
                }
                settings.history = history;
            }
            _ => return Err(unknown(field, KEY, &KEYS, ALLOWED)),
        }
    }
    Ok(settings)
}

/// What a text or a number says.
fn parsed<T: std::str::FromStr>(node: &Node, key: &str, expected: &'static str) -> Result<T, Wrong> {
    let (Value::Text(text) | Value::Number(text)) = &node.value else {
        return Err(node.wrong_kind(key, expected));
    };
    text.parse().map_err(|_| Wrong::new(node.at, key, Problem::WrongKind { expected, found: node.found() }))
}

/// "500ms", "10s", "2m", "1h".
fn time(node: &Node, key: &str) -> Result<Duration, Wrong> {
    let Value::Text(text) = &node.value else {
        return Err(node.wrong_kind(key, TIME));
    };
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = match unit.trim() {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(node.wrong_kind(key, TIME)),
    };
    let ms = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    ms.map(Duration::from_millis).ok_or_else(|| node.wrong_kind(key, TIME))
}
