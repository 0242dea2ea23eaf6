//! The report for people.

use std::fmt::Write as _;

use super::HealthReport;
use crate::draw::{Align, Cell, Pen, Style, Table, bar, wrap};

const BAR: usize = 12;

/// Draws the report.
pub fn view(report: &HealthReport, pen: &Pen) -> String {
    let mut out = String::new();
    let style = style(report.score);
    let _ = writeln!(
        out,
        "{}  {}  {:.2} of 1",
        pen.paint(style, &report.rating),
        bar(pen, BAR, report.score, style),
        report.score
    );
    out.push('\n');
    let mut table = Table::new([("part", Align::Left), ("score", Align::Right), ("why", Align::Left)]);
    for part in &report.parts {
        let score = part.score.map_or_else(
            || Cell::new(Style::Dim, "-"),
            |score| Cell::new(self::style(score), format!("{score:.2}")),
        );
        table.row([part.name.as_str().into(), score, part.why.as_str().into()]);
    }
    out.push_str(&table.draw(pen));
    if !report.alerts.is_empty() {
        let _ = writeln!(out, "\n{}", pen.paint(Style::Dim, "alerts"));
        report.alerts.iter().for_each(|alert| list(&mut out, &alert.text, pen));
    }
    let _ = writeln!(out, "\n{}", pen.paint(Style::Dim, "what to do"));
    if report.advice.is_empty() {
        list(&mut out, "nothing", pen);
    }
    report.advice.iter().for_each(|advice| list(&mut out, advice, pen));
    if !report.findings.is_empty() {
        let _ = writeln!(out, "\n{}", pen.paint(Style::Dim, "causes of the symptom"));
    }
    for finding in &report.findings {
        let (style, word) = match finding.found {
            Some(true) => (Style::Bad, "yes"),
            Some(false) => (Style::Good, "no"),
            None => (Style::Dim, "unknown"),
        };
        let _ = writeln!(out, "  {}: {} ({})", finding.cause, pen.paint(style, word), finding.evidence);
        for line in wrap(&finding.remedy, pen.width.saturating_sub(4)) {
            let _ = writeln!(out, "    {}", pen.paint(Style::Dim, &line));
        }
    }
    out
}

fn list(out: &mut String, text: &str, pen: &Pen) {
    for (number, line) in wrap(text, pen.width.saturating_sub(4)).iter().enumerate() {
        let mark = if number == 0 { pen.either("•", "-") } else { " " };
        let _ = writeln!(out, "  {mark} {line}");
    }
}

fn style(score: f64) -> Style {
    match score {
        well if well >= 0.75 => Style::Good,
        fair if fair >= 0.25 => Style::Warn,
        _ => Style::Bad,
    }
}

#[cfg(test)]
mod tests {
    use plimsoll::monitor::health::{Finding, Scoring};
    use plimsoll::monitor::{MachineSample, Sample};

    use super::*;

    #[test]
    fn score_parts_advice_and_causes_are_shown() {
        let machine = MachineSample {
            total_bytes: Some(100 << 30),
            available_bytes: Some(2 << 30),
            ..MachineSample::default()
        };
        let sample = Sample { machine, ..Sample::default() };
        let finding = Finding {
            cause: "the memory is full".into(),
            found: Some(true),
            evidence: "2.00 GiB of 100.00 GiB are available".into(),
            remedy: "lower the line".into(),
        };
        let report = HealthReport::new(&sample, Scoring::Worst, vec![finding]);
        let text = view(&report, &Pen { color: false, unicode: false, width: 80 });
        for part in [
            "critical  #...........  0.10 of 1",
            "headroom",
            "2.00 GiB of 100.00 GiB are available",
            "- machine: 2.00 GiB of 100.00 GiB are available; free 13.00 GiB",
            "the memory is full: yes",
            "    lower the line",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}
