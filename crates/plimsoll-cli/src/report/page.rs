//! The page around its places: what was recorded, what is missing, the plan, scopes, and what the words mean.

use std::fmt::Write as _;

use plimsoll::record::Kind;
use plimsoll::record::analysis::{ScopeUse, Study};

use super::html::{count, esc, size, time, utc};
use super::place::{Section, class_of, measure};
use super::tables::{Cell, card, table};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// The whole page.
pub fn page(study: &Study) -> String {
    let facts = &study.summary.facts;
    let program = if facts.program.is_empty() { "A recording" } else { &facts.program };
    let mut out = String::from("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
    // Nothing may be loaded from anywhere, whatever a name in the recording says.
    out.push_str(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">",
    );
    let _ = write!(out, "<title>{} – memory report</title><style>{STYLE}</style></head><body>", esc(program));
    out.push_str(&header(study, program));
    out.push_str("<main>");
    out.push_str(&predictions(study));
    let shown = sections(study);
    if shown.is_empty() {
        out.push_str(
            "<section class=\"card\"><p class=\"empty\">Nothing was leased, backed or charged.</p></section>",
        );
    }
    for section in &shown {
        out.push_str(&section.draw());
    }
    out.push_str("<section id=\"whole\"><h2>The whole recording</h2>");
    out.push_str(&scopes(&study.scopes));
    let _ = write!(out, "<div class=\"pair\">{}{}</div></section></main>", marks(study), counts(study));
    out.push_str(FOOTER);
    let _ = write!(out, "<script>{SCRIPT}</script></body></html>");
    out
}

/// Places at which anything happened.
fn sections(study: &Study) -> Vec<Section<'_>> {
    let all = study.summary.places.iter().zip(&study.peaks).zip(&study.timelines);
    let busy = all.filter(|((summary, _), _)| {
        summary.requested.bytes > 0
            || summary.backed.is_some()
            || summary.charged.is_some_and(|at| at.bytes > 0)
    });
    let mut sections: Vec<_> =
        busy.map(|((summary, peak), timeline)| Section { study, summary, peak, timeline }).collect();
    sections.sort_by_key(|section| {
        let charged = section.summary.charged.map_or(0, |charged| charged.bytes);
        std::cmp::Reverse(charged.max(section.summary.placed.bytes))
    });
    sections
}

fn header(study: &Study, program: &str) -> String {
    let summary = &study.summary;
    let facts = &summary.facts;
    let mut out = format!("<header><p class=\"kicker\">Plimsoll memory report</p><h1>{}</h1>", esc(program));
    out.push_str("<dl class=\"facts\">");
    let mut fact = |name: &str, value: &str, key: &str, exact: u64| {
        let _ = write!(
            out,
            "<div><dt>{name}</dt><dd data-fact=\"{key}\" data-v=\"{exact}\">{}</dd></div>",
            esc(value)
        );
    };
    if facts.started_unix_ms > 0 {
        fact("recorded", &utc(facts.started_unix_ms), "started", facts.started_unix_ms);
    }
    fact("for", &time(summary.duration_ns()), "duration", summary.duration_ns());
    fact("events", &count(facts.events), "events", facts.events);
    if facts.dropped == 0 {
        fact("missing", "none", "dropped", 0);
    }
    out.push_str("</dl>");
    let mut alarm = |key: &str, exact: u64, what: &str, so: &str| {
        let _ = write!(
            out,
            "<p class=\"alarm\" role=\"alert\" data-fact=\"{key}\" data-v=\"{exact}\">{} <span>{}</span></p>",
            esc(what),
            esc(so)
        );
    };
    if facts.dropped > 0 {
        let what = format!("{} events are missing.", count(facts.dropped));
        let so = "They happened and had no room in the recorder's rings: sums may be too high or too low, and a peak \
                  may be missing. Record again with larger rings.";
        alarm("dropped", facts.dropped, &what, so);
    }
    if facts.cut {
        let so = "The program ended, or the disk was full, before the recording was finished. What is here is all that \
                  was written.";
        alarm("cut", 1, "The file was cut.", so);
    }
    let odd = summary.odd;
    let others = plimsoll::record::analysis::Oddities { dropped: 0, ..odd };
    if !others.is_clear() {
        alarm("odd", 1, "Not everything adds up:", &format!("{others}."));
    }
    out.push_str("<nav aria-label=\"Parts of this page\">");
    for section in sections(study) {
        let place = section.summary.place.to_string();
        let _ = write!(out, "<a href=\"#{}\">{place}</a>", place.replace(':', "-"));
    }
    out.push_str("<a href=\"#whole\">scopes and events</a></nav></header>");
    out
}

fn predictions(study: &Study) -> String {
    if study.predictions.is_empty() {
        return String::new();
    }
    let row = |check: &plimsoll::record::analysis::PredictionCheck| {
        let predicted = check.prediction.bytes.get();
        let difference = check.difference().map_or(Cell::maybe(None), |difference| {
            let percent = difference * 100.0;
            let class = class_of(percent);
            Cell::html(format!("<span class=\"pill {class}\">{percent:+.1}%</span>"))
        });
        vec![
            Cell::word(&check.prediction.place.to_string()),
            Cell::word(check.prediction.account.as_deref().unwrap_or("all of it")),
            difference,
            Cell::size(predicted),
            Cell::size(check.measured),
            Cell::word(measure(check.measure)),
        ]
    };
    let rows: Vec<_> = study.predictions.iter().map(row).collect();
    let columns = [
        ("place", false),
        ("account", false),
        ("difference", false),
        ("predicted", true),
        ("measured peak", true),
        ("measured what", false),
    ];
    let content = table("predictions beside what was measured", &columns, &rows, 20);
    format!("<div style=\"height:18px\"></div>{}", card("The plan, and what came of it", "", &content))
}

fn scopes(scopes: &[ScopeUse]) -> String {
    let row = |scope: &ScopeUse| {
        let mut name = esc(&scope.name);
        if scope.open > 0 {
            let _ = write!(name, " <span class=\"pill warn\">{} not ended</span>", scope.open);
        }
        vec![
            Cell::html(name),
            Cell::maybe(scope.place.map(|place| place.to_string()).as_deref()),
            Cell::count(scope.calls),
            Cell::right(&time(scope.total_ns), scope.total_ns),
            Cell::count(scope.leases),
            Cell::size(scope.bytes),
            Cell::size(scope.peak_above_entry),
        ]
    };
    let rows: Vec<_> = scopes.iter().map(row).collect();
    if rows.is_empty() {
        return card("Scopes", "", "<p class=\"empty\">No scope was entered.</p>");
    }
    let columns = [
        ("scope", false),
        ("place", false),
        ("calls", true),
        ("time in all", true),
        ("leases", true),
        ("leased in all", true),
        ("peak above entry", true),
    ];
    let note = "What each scope's own thread leased while it was open, scopes within it included.";
    card("Scopes", note, &table("scopes", &columns, &rows, 25))
}

fn marks(study: &Study) -> String {
    let marks = &study.troubles.marks;
    let rows: Vec<_> = marks
        .iter()
        .take(200)
        .map(|mark| vec![Cell::right(&time(mark.at_ns), mark.at_ns), Cell::word(&mark.name)])
        .collect();
    if rows.is_empty() {
        return card("Named moments", "", "<p class=\"empty\">None was named.</p>");
    }
    let beyond = marks.len().saturating_sub(200) as u64 + study.troubles.more_marks;
    let note = if beyond > 0 { format!("{beyond} later ones are not listed.") } else { String::new() };
    card("Named moments", &note, &table("named moments", &[("after", true), ("name", false)], &rows, 12))
}

fn counts(study: &Study) -> String {
    let rows: Vec<_> = Kind::ALL
        .into_iter()
        .filter(|kind| study.summary.count(*kind) > 0)
        .map(|kind| vec![Cell::word(kind.name()), Cell::count(study.summary.count(kind))])
        .collect();
    let before: u64 = study.summary.places.iter().map(|place| place.before).sum();
    let note = if before > 0 {
        format!("{} were leased already when the recording began.", size(before))
    } else {
        String::new()
    };
    card("Events by kind", &note, &table("events by kind", &[("kind", false), ("events", true)], &rows, 20))
}

const FOOTER: &str = concat!(
    "<footer><details><summary>What the words mean</summary><dl>\
     <dt>leased</dt><dd>Bytes as the program asked for them, from lease to drop, and on until the device is done with \
     them. Leases older than the recording count as placed, because how much was asked for is not known.</dd>\
     <dt>placed</dt><dd>The same, rounded up to what the pool gives.</dd>\
     <dt>backed</dt><dd>What pools have from their devices, as far as the recording tells: what they had before it began \
     is not in it.</dd>\
     <dt>charged</dt><dd>What counts against the line: everything backed or reserved, and what is charged without a \
     pool.</dd>\
     <dt>line</dt><dd>The most that a place may carry, as it was when the recording began.</dd>\
     <dt>idle, scattered, rounding</dt><dd>1 − placed ÷ backed; 1 − largest free run ÷ free; 1 − asked ÷ placed. Free \
     bytes are those of segments between live blocks.</dd>\
     <dt>difference</dt><dd>Measured ÷ predicted − 1. Red is more than ten percent above the plan.</dd>\
     </dl></details><p>Made by plimsoll ",
    env!("CARGO_PKG_VERSION"),
    ". This page is one file and loads nothing.</p></footer>"
);
