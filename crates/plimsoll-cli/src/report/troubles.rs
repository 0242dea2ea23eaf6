//! What was given up and refused, and how pressure changed.

use plimsoll::Place;
use plimsoll::record::analysis::{Evictions, PressureAt, Refusals, Study};

use super::html::time;
use super::tables::{Cell, card, table};

/// The troubles of one place.
pub(super) fn of_place(study: &Study, place: Place) -> String {
    let troubles = &study.troubles;
    let evictions: Vec<&Evictions> =
        troubles.evictions.iter().filter(|evicted| evicted.place == place).collect();
    let refusals: Vec<&Refusals> =
        troubles.refusals.iter().filter(|refused| refused.place == place).collect();
    let pressure: Vec<&PressureAt> =
        troubles.pressure.iter().filter(|change| change.place == place).collect();
    if evictions.is_empty() && refusals.is_empty() && pressure.is_empty() {
        let none = "<p class=\"empty\">Nothing was evicted or refused here, and pressure did not change.</p>";
        return card("Evictions, refusals and pressure", "", none);
    }
    let mut out = String::from("<div class=\"pair\">");
    out.push_str(&evicted(&evictions));
    out.push_str(&refused(&refusals));
    if !pressure.is_empty() {
        out.push_str(&pressed(&pressure, troubles.more_pressure));
    }
    out.push_str("</div>");
    out
}

fn evicted(evictions: &[&Evictions]) -> String {
    let row = |evicted: &&Evictions| {
        vec![
            Cell::word(&evicted.cache),
            Cell::word(&evicted.account),
            Cell::word(evicted.reason),
            Cell::count(evicted.count),
            Cell::size(evicted.bytes),
            Cell::right(&time(evicted.first_ns), evicted.first_ns),
            Cell::right(&time(evicted.last_ns), evicted.last_ns),
        ]
    };
    let rows: Vec<_> = evictions.iter().map(row).collect();
    if rows.is_empty() {
        return card("What was evicted, and why", "", "<p class=\"empty\">Nothing was evicted here.</p>");
    }
    let columns = [
        ("cache", false),
        ("account", false),
        ("why", false),
        ("values", true),
        ("bytes", true),
        ("first", true),
        ("last", true),
    ];
    card("What was evicted, and why", "", &table("evictions", &columns, &rows, 12))
}

fn refused(refusals: &[&Refusals]) -> String {
    let row = |refused: &&Refusals| {
        vec![
            Cell::word(&refused.account),
            Cell::word(refused.reason),
            Cell::count(refused.count),
            Cell::size(refused.largest),
            Cell::right(&time(refused.first_ns), refused.first_ns),
            Cell::right(&time(refused.last_ns), refused.last_ns),
        ]
    };
    let rows: Vec<_> = refusals.iter().map(row).collect();
    if rows.is_empty() {
        return card("What was refused, and why", "", "<p class=\"empty\">Nothing was refused here.</p>");
    }
    let columns = [
        ("account", false),
        ("why", false),
        ("times", true),
        ("largest", true),
        ("first", true),
        ("last", true),
    ];
    card("What was refused, and why", "", &table("refusals", &columns, &rows, 12))
}

fn pressed(pressure: &[&PressureAt], more: u64) -> String {
    let row = |change: &&PressureAt| {
        let class = match change.level {
            "critical" => "bad",
            "warning" => "warn",
            _ => "good",
        };
        vec![
            Cell::right(&time(change.at_ns), change.at_ns),
            Cell::html(format!("<span class=\"pill {class}\">{}</span>", change.level)),
            Cell::size(change.carry),
        ]
    };
    let rows: Vec<_> = pressure.iter().take(200).map(row).collect();
    let beyond = pressure.len().saturating_sub(200) as u64 + more;
    let note = if beyond > 0 { format!("{beyond} later changes are not listed.") } else { String::new() };
    let columns = [("after", true), ("level", false), ("may carry from then on", true)];
    card("Changes of pressure", &note, &table("changes of pressure", &columns, &rows, 12))
}
