//! A plan as a picture: each line as a bar of its parts, to scale.

use std::fmt::Write as _;

use plimsoll::Bytes;

use super::report::{PartReport, PlaceReport, PlanReport};
use super::view::SMALL;
use crate::report::esc;

const WIDTH: f64 = 960.0;
const MARGIN: f64 = 24.0;
const BAR: f64 = 44.0;
/// A bar with its heading above and its legend's first line below.
const ROW: f64 = 92.0;
const LEGEND: f64 = 20.0;
/// Colours that people who see colours differently tell apart too (Okabe and Ito).
const COLORS: [&str; 8] =
    ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a8a2e", "#999999"];

/// Draws the report.
#[expect(clippy::cast_precision_loss, reason = "rows of a picture")]
pub(super) fn draw(report: &PlanReport) -> String {
    let places: Vec<&PlaceReport> =
        report.places.iter().filter(|place| place.needed_bytes + place.cache_bytes > 0).collect();
    let legends: usize = places.iter().map(|place| parts_at(report, &place.place).len()).sum();
    let height = 84.0 + places.len() as f64 * ROW + legends as f64 * LEGEND + MARGIN;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" font-family=\"system-ui, sans-serif\" font-size=\"14\" fill=\"#333\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    text(&mut out, MARGIN, 36.0, "font-size=\"21\" font-weight=\"bold\"", &report.machine.title);
    let said = match report.verdict {
        "fits" => "it fits",
        "fits-in-part" => "not all of it fits",
        _ => "it does not fit",
    };
    text(&mut out, MARGIN, 58.0, "fill=\"#666\"", said);
    let mut y = 84.0;
    for place in places {
        y = draw_place(&mut out, report, place, y);
    }
    out.push_str("</svg>\n");
    out
}

fn parts_at<'r>(report: &'r PlanReport, place: &str) -> Vec<(&'r str, &'r PartReport)> {
    let of = |workload: &'r super::report::WorkloadReport| {
        workload.parts.iter().map(move |part| (workload.name.as_str(), part))
    };
    report
        .workloads
        .iter()
        .flat_map(of)
        .filter(|(_, part)| part.place == place && part.bytes >= SMALL.get())
        .collect()
}

fn draw_place(out: &mut String, report: &PlanReport, place: &PlaceReport, top: f64) -> f64 {
    let full = WIDTH - 2.0 * MARGIN;
    let whole = Bytes::new(place.usable_bytes.max(place.line_bytes));
    let scale = |bytes: u64| Bytes::new(bytes).ratio(whole).min(1.0) * full;
    let heading = format!(
        "{}: line {} of {} usable, headroom {}",
        place.place,
        Bytes::new(place.line_bytes),
        Bytes::new(place.usable_bytes),
        Bytes::new(place.headroom_bytes)
    );
    text(out, MARGIN, top + 14.0, "font-weight=\"bold\"", &heading);
    let bar = top + 24.0;
    let _ = writeln!(
        out,
        "<rect x=\"{MARGIN}\" y=\"{bar}\" width=\"{full:.1}\" height=\"{BAR}\" fill=\"#eee\"/>"
    );
    let parts = parts_at(report, &place.place);
    let mut x = MARGIN;
    for (at, (_, part)) in parts.iter().enumerate() {
        let width = scale(part.bytes).min(MARGIN + full - x).max(0.0);
        let faint = if part.turn.is_some() || part.account == "cache" { " fill-opacity=\"0.5\"" } else { "" };
        let _ = writeln!(
            out,
            "<rect x=\"{x:.1}\" y=\"{bar}\" width=\"{width:.1}\" height=\"{BAR}\" fill=\"{}\"{faint}><title>{}: \
             {}</title></rect>",
            COLORS[at % COLORS.len()],
            esc(&part.name),
            Bytes::new(part.bytes)
        );
        x += width;
    }
    let line = MARGIN + scale(place.line_bytes);
    let _ = writeln!(
        out,
        "<line x1=\"{line:.1}\" x2=\"{line:.1}\" y1=\"{:.1}\" y2=\"{:.1}\" stroke=\"#c00\" stroke-width=\"2.5\"/>",
        bar - 5.0,
        bar + BAR + 5.0
    );
    let mut y = bar + BAR + 20.0;
    for (at, (workload, part)) in parts.iter().enumerate() {
        let _ = writeln!(
            out,
            "<rect x=\"{MARGIN}\" y=\"{:.1}\" width=\"12\" height=\"12\" fill=\"{}\"/>",
            y - 10.0,
            COLORS[at % COLORS.len()]
        );
        let turn = part.turn.map(|turn| format!(", {turn}")).unwrap_or_default();
        let said =
            format!("{workload}: {}{turn}, {} ({})", part.name, Bytes::new(part.bytes), part.certainty_text);
        text(out, MARGIN + 20.0, y, "", &said);
        y += LEGEND;
    }
    y + ROW - BAR - 44.0
}

fn text(out: &mut String, x: f64, y: f64, style: &str, text: &str) {
    let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" {style}>{}</text>", esc(text));
}
