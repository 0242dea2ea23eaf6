//! A recording on a terminal.

use plimsoll::Bytes;

use super::report::{LeaseReport, PlaceReport, RecordingReport};
use crate::draw::{Align, Cell, Pen, Style, Table, bar, wrap};
use crate::report::{time, utc};

/// Labels that are listed.
const LABELS: usize = 12;
/// Rows of other tables.
const ROWS: usize = 10;

/// Draws it.
pub fn view(report: &RecordingReport, pen: &Pen) -> String {
    let program = if report.program.is_empty() { "a recording" } else { &report.program };
    let mut out = pen.paint(Style::Bold, &plain(program, pen.width)) + "\n";
    let mut facts = format!("{} events over {}", report.events, time(report.duration_ns));
    if report.started_unix_ms > 0 {
        facts = format!("{}, {facts}", utc(report.started_unix_ms));
    }
    out.push_str(&pen.paint(Style::Dim, &facts.replace('µ', pen.either("µ", "u"))));
    out.push('\n');
    let mut alarm = |text: &str| {
        for line in wrap(text, pen.width) {
            out.push_str(&pen.paint(Style::Bad, &line));
            out.push('\n');
        }
    };
    if report.dropped > 0 {
        let text = "events are missing: they had no room, and what follows may be wrong by them";
        alarm(&format!("{} {text}", report.dropped));
    }
    if report.cut {
        alarm("the file was cut: what follows is all that was written");
    }
    if let Some(odd) = &report.odd {
        alarm(&format!("not everything adds up: {odd}"));
    }
    for place in &report.places {
        out.push('\n');
        out.push_str(&one_place(place, pen));
    }
    for part in [predictions(report, pen), evictions(report, pen), refusals(report, pen), scopes(report, pen)]
    {
        if !part.is_empty() {
            out.push('\n');
            out.push_str(&part);
        }
    }
    out
}

/// A text from outside: no escape codes, and not longer than fits.
fn plain(text: &str, most: usize) -> String {
    let mut short: String =
        text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect();
    if short.chars().count() > most {
        short = short.chars().take(most.saturating_sub(2)).chain("..".chars()).collect();
    }
    short
}

fn size(bytes: u64) -> String {
    Bytes::new(bytes).to_string()
}

fn one_place(place: &PlaceReport, pen: &Pen) -> String {
    let line = place.line.map_or(String::new(), |line| format!("  line {}", size(line)));
    let mut out = pen.paint(Style::Bold, &place.place) + &pen.paint(Style::Dim, &line) + "\n";
    let mut table =
        Table::new([("", Align::Left), ("peak", Align::Right), ("after", Align::Right), ("", Align::Left)]);
    let micro = |ns| time(ns).replace('µ', pen.either("µ", "u"));
    let peaks = [
        ("leased", Some(place.peak_requested)),
        ("placed", Some(place.peak_placed)),
        ("backed", place.peak_backed),
        ("charged", place.peak_charged),
    ];
    for (name, peak) in peaks {
        let Some(peak) = peak else { continue };
        let share = place.line.map(|line| Bytes::new(peak.bytes).ratio(Bytes::new(line)));
        let drawn = share.filter(|_| name == "charged").map_or(Cell::default(), |share| {
            let percent = format!(" {:.0}% of the line", share * 100.0);
            Cell::drawn(bar(pen, 16, share, Style::of_fill(share)) + &percent, 16 + percent.len())
        });
        table.row([name.into(), size(peak.bytes).into(), micro(peak.at_ns).into(), drawn]);
    }
    out.push_str(&table.draw(pen));
    out.push_str(&labels(place, pen));
    out.push_str(&largest(&place.largest, pen));
    if place.end_leases > 0 {
        let text =
            format!("still leased at the end: {} in {} leases", size(place.end_leased), place.end_leases);
        out.push_str(&pen.paint(Style::Dim, &text));
        out.push('\n');
    }
    out
}

fn labels(place: &PlaceReport, pen: &Pen) -> String {
    if place.peak_by_label.is_empty() {
        return String::new();
    }
    let columns =
        [("at the peak", Align::Left), ("leased", Align::Right), ("leases", Align::Right), ("", Align::Left)];
    let mut table = Table::new(columns);
    let whole = Bytes::new(place.peak_requested.bytes);
    let width = pen.width.saturating_sub(60).clamp(8, 30);
    for share in place.peak_by_label.iter().take(LABELS) {
        let part = Bytes::new(share.bytes).ratio(whole);
        let leases = share.leases.map_or(String::new(), |leases| leases.to_string());
        let drawn = bar(pen, width, part, Style::Accent) + &format!(" {:>5.1}%", part * 100.0);
        let name = plain(&share.name, 28);
        table.row([name.into(), size(share.bytes).into(), leases.into(), Cell::drawn(drawn, width + 7)]);
    }
    let rest = place.peak_by_label.len().saturating_sub(LABELS);
    if rest > 0 {
        table.note(format!("and {rest} more"));
    }
    table.draw(pen)
}

fn largest(leases: &[LeaseReport], pen: &Pen) -> String {
    if leases.is_empty() {
        return String::new();
    }
    let columns =
        [("largest then", Align::Right), ("tag", Align::Left), ("age", Align::Right), ("from", Align::Left)];
    let mut table = Table::new(columns);
    for lease in leases {
        let age = lease.age_ns.map_or("older".to_owned(), time).replace('µ', pen.either("µ", "u"));
        let tag = plain(lease.tag.as_deref().or(lease.scope.as_deref()).unwrap_or("-"), 20);
        let site = lease.site.as_ref();
        let from = site.map_or_else(|| lease.account.clone(), |site| format!("{}:{}", site.file, site.line));
        let from = plain(&from, pen.width.saturating_sub(52).max(12));
        table.row([size(lease.bytes).into(), tag.into(), age.into(), from.into()]);
    }
    table.draw(pen)
}

fn predictions(report: &RecordingReport, pen: &Pen) -> String {
    if report.predictions.is_empty() {
        return String::new();
    }
    let mut table = Table::new([
        ("plan", Align::Left),
        ("account", Align::Left),
        ("predicted", Align::Right),
        ("measured", Align::Right),
        ("difference", Align::Right),
    ]);
    for check in &report.predictions {
        let difference = check.difference.map_or(Cell::default(), |difference| {
            let style = if difference > 0.1 { Style::Bad } else { Style::Good };
            Cell::new(style, format!("{:+.1}%", difference * 100.0))
        });
        table.row([
            check.place.as_str().into(),
            plain(check.account.as_deref().unwrap_or("all of it"), 24).into(),
            size(check.predicted).into(),
            size(check.measured).into(),
            difference,
        ]);
    }
    table.draw(pen)
}

fn evictions(report: &RecordingReport, pen: &Pen) -> String {
    if report.evictions.is_empty() {
        return String::new();
    }
    let columns =
        [("evicted", Align::Left), ("values", Align::Right), ("bytes", Align::Right), ("why", Align::Left)];
    let mut table = Table::new(columns);
    for evicted in report.evictions.iter().take(ROWS) {
        let what = plain(&format!("{} ({})", evicted.cache, evicted.account), 32);
        table.row([
            what.into(),
            evicted.count.to_string().into(),
            size(evicted.bytes).into(),
            evicted.reason.into(),
        ]);
    }
    table.draw(pen)
}

fn refusals(report: &RecordingReport, pen: &Pen) -> String {
    if report.refusals.is_empty() {
        return String::new();
    }
    let columns =
        [("refused", Align::Left), ("times", Align::Right), ("largest", Align::Right), ("why", Align::Left)];
    let mut table = Table::new(columns);
    for refused in report.refusals.iter().take(ROWS) {
        let whom = plain(&format!("{} at {}", refused.account, refused.place), 32);
        table.row([
            whom.into(),
            refused.count.to_string().into(),
            size(refused.largest).into(),
            refused.reason.into(),
        ]);
    }
    table.draw(pen)
}

fn scopes(report: &RecordingReport, pen: &Pen) -> String {
    if report.scopes.is_empty() {
        return String::new();
    }
    let mut table = Table::new([
        ("scope", Align::Left),
        ("place", Align::Left),
        ("calls", Align::Right),
        ("leased in all", Align::Right),
        ("peak above entry", Align::Right),
    ]);
    for scope in report.scopes.iter().take(ROWS) {
        table.row([
            plain(&scope.name, 28).into(),
            scope.place.clone().unwrap_or_else(|| "-".into()).into(),
            scope.calls.to_string().into(),
            size(scope.bytes).into(),
            size(scope.peak_above_entry).into(),
        ]);
    }
    table.draw(pen)
}
