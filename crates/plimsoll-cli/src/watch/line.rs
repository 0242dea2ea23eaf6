//! A sample as one line for people.

use std::fmt::Write as _;

use plimsoll::Bytes;
use plimsoll::monitor::Sample;

use crate::draw::{Pen, Style, bar};

/// The heading comes again after so many lines.
const PAGE: usize = 20;
const BAR: usize = 10;

/// One line, with the heading before the first and then once a page.
pub fn line(sample: &Sample, number: usize, pen: &Pen) -> String {
    let mut out = String::new();
    if number.is_multiple_of(PAGE) {
        let heading = format!(
            "{:>8}  {:<29}  {:>9}  {:>9}  {:>6}  {}",
            "up", "in use", "swap in/s", "out/s", "stalls", "health"
        );
        let _ = writeln!(out, "{}", pen.paint(Style::Dim, heading.trim_end()));
    }
    let machine = &sample.machine;
    let share = machine.used_bytes.zip(machine.total_bytes).filter(|(_, total)| *total > 0);
    let share = share.map(|(used, total)| Bytes::new(used).ratio(Bytes::new(total)));
    let used = machine.used_bytes.map_or_else(|| "unknown".to_owned(), |used| Bytes::new(used).to_string());
    let drawn = share.map_or_else(|| " ".repeat(BAR), |share| bar(pen, BAR, share, Style::of_fill(share)));
    let percent = share.map_or_else(|| "   ?".to_owned(), |share| format!("{:>3.0}%", share * 100.0));
    let stalls = machine.stalled_some.map_or_else(|| "?".to_owned(), |some| format!("{:.1}%", some * 100.0));
    let _ = writeln!(
        out,
        "{:>8}  {used:>11} {percent}  {drawn}  {:>9}  {:>9}  {stalls:>6}  {}",
        up(sample.up_ms),
        rate(machine.swap_in_bytes_per_s),
        rate(machine.swap_out_bytes_per_s),
        health(sample, pen),
    );
    for place in &sample.places {
        let used = Bytes::new(place.charged_bytes).ratio(Bytes::new(place.line_bytes));
        let waiting = if place.waiting > 0 { format!(", {} waiting", place.waiting) } else { String::new() };
        let _ = writeln!(
            out,
            "{:>8}  {:>11} {:>3.0}%  {}  of {}{waiting}",
            place.place,
            Bytes::new(place.charged_bytes).to_string(),
            used * 100.0,
            bar(pen, BAR, used, Style::of_fill(used)),
            Bytes::new(place.line_bytes),
        );
    }
    out
}

fn health(sample: &Sample, pen: &Pen) -> String {
    let Some(health) = &sample.health else { return "unknown".to_owned() };
    let style = match health.rating.as_str() {
        "excellent" | "good" => Style::Good,
        "critical" => Style::Bad,
        _ => Style::Warn,
    };
    let mut text = pen.paint(style, &health.rating);
    if !sample.alerts.is_empty() {
        let plural = if sample.alerts.len() == 1 { "" } else { "s" };
        let _ = write!(text, ", {} alert{plural}", sample.alerts.len());
    }
    text
}

/// A rate without its "/s", which the heading says; nothing yet is not nothing.
fn rate(bytes_per_s: Option<f64>) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
    let text = |rate: f64| Bytes::new(rate as u64).to_string();
    bytes_per_s.map_or_else(|| "?".to_owned(), text)
}

fn up(ms: u64) -> String {
    let seconds = ms / 1000;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{:02}", seconds % 60)
    } else {
        format!("{minutes}:{:02}", seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use plimsoll::monitor::{HealthSample, MachineSample, PlaceSample};

    use super::*;

    const PEN: Pen = Pen { color: false, unicode: false, width: 80 };

    #[test]
    fn a_line_fits_eighty_columns_and_says_what_is_not_known() {
        let unknown = line(&Sample::default(), 1, &PEN);
        assert!(unknown.contains("unknown") && unknown.contains('?'), "{unknown}");
        let gib = |count: u64| Bytes::gib(count).get();
        let sample = Sample {
            up_ms: 3_723_000,
            machine: MachineSample {
                total_bytes: Some(gib(2000)),
                used_bytes: Some(gib(1800)),
                swap_in_bytes_per_s: Some(1.5e9),
                swap_out_bytes_per_s: Some(0.0),
                stalled_some: Some(0.123),
                ..MachineSample::default()
            },
            places: vec![PlaceSample {
                place: "cuda:0".into(),
                line_bytes: gib(100),
                charged_bytes: gib(50),
                waiting: 3,
                ..PlaceSample::default()
            }],
            health: Some(HealthSample { rating: "critical".into(), ..HealthSample::default() }),
            ..Sample::default()
        };
        let text = line(&sample, 0, &PEN);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert_eq!(text.lines().count(), 3);
        for part in ["1:02:03", "90%", "1.40 GiB", "12.3%", "critical", "cuda:0", "of 100.00 GiB, 3 waiting"]
        {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}
