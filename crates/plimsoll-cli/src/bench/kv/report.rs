//! The figures, each beside its limit.

use serde::Serialize;

use crate::draw::{Align, Pen, Style, Table};

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KvRow {
    /// What was measured.
    pub what: String,
    /// The figure.
    pub value: f64,
    /// In what.
    pub unit: &'static str,
    /// What it is held against.
    pub beside: String,
    /// That figure, in the same unit; nothing if it is only a target.
    pub peer: Option<f64>,
    /// What is aimed at: a ratio to the peer for speeds, or a value.
    pub target: Option<Target>,
}

/// What is aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// At most so much.
    AtMost(f64),
    /// At least such a part of the peer.
    PartOfPeer(f64),
}

/// What `plimsoll bench kv --json` prints.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KvReport {
    /// Where the engine's pages are.
    pub place: String,
    /// On which device.
    pub device: String,
    /// The figures.
    pub rows: Vec<KvRow>,
}

impl KvRow {
    /// Whether the target is reached; nothing if there is none.
    pub fn reached(&self) -> Option<bool> {
        match self.target? {
            Target::AtMost(most) => Some(self.value <= most),
            Target::PartOfPeer(part) => self.peer.map(|peer| self.value >= part * peer),
        }
    }
}

/// Draws it.
pub fn view(report: &KvReport, pen: &Pen) -> String {
    let heading = format!("pages on {} ({})\n\n", report.place, report.device);
    let right = Align::Right;
    let mut table = Table::new([
        ("", Align::Left),
        ("measured", right),
        ("beside", right),
        ("ratio", right),
        ("target", right),
        ("", Align::Left),
    ]);
    for row in &report.rows {
        let of_peer = row.peer.map_or_else(String::new, |peer| format!("{:.2}", row.value / peer));
        let peer = row.peer.map_or_else(String::new, |peer| number(peer, row.unit));
        let target = match row.target {
            None => String::new(),
            Some(Target::AtMost(most)) => format!("at most {}", number(most, row.unit)),
            Some(Target::PartOfPeer(part)) => format!("at least {part:.2}"),
        };
        let verdict = match row.reached() {
            None => "",
            Some(true) => "reached",
            Some(false) => "MISSED",
        };
        table.row(
            [row.what.as_str(), &number(row.value, row.unit), &peer, &of_peer, &target, verdict]
                .map(Into::into),
        );
        if !row.beside.is_empty() {
            table.note(format!("beside: {}", row.beside));
        }
    }
    pen.paint(Style::Bold, &heading) + &table.draw(pen)
}

fn number(value: f64, unit: &str) -> String {
    let places = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.places$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_is_missed_is_said() {
        let mut row = KvRow {
            what: "restore".to_owned(),
            value: 5.0,
            unit: "GB/s",
            beside: "memcpy".to_owned(),
            peer: Some(10.0),
            target: Some(Target::PartOfPeer(0.8)),
        };
        let report =
            |row: &KvRow| KvReport { place: "host".into(), device: "x".into(), rows: vec![row.clone()] };
        let pen = Pen { color: false, unicode: true, width: 80 };
        assert!(view(&report(&row), &pen).contains("MISSED"));
        row.value = 8.0;
        assert!(view(&report(&row), &pen).contains("reached"));
        row.target = Some(Target::AtMost(7.9));
        assert_eq!(row.reached(), Some(false));
    }
}
