//! `plimsoll bench governor`: whether the line holds when far more is asked for than it carries.

use plimsoll::Bytes;
use serde::Serialize;

use crate::draw::{Pen, Style};

const EXAMPLES: &str = "\
Examples:
  plimsoll bench governor
  plimsoll bench governor --threads 64 --tenants 1000 --seconds 60 --json

Runs on the simulated device; needs little memory of its own.";

/// What can be typed after `bench governor`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct GovernorArgs {
    /// Threads that ask
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub threads: u32,
    /// Accounts that they ask for
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub tenants: u32,
    /// How long
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub seconds: u32,
}

/// What `plimsoll bench governor --json` prints: one object of these names.
#[derive(Clone, Debug, Serialize)]
pub struct GovernorReport {
    /// Threads that asked.
    pub threads: u32,
    /// Accounts.
    pub tenants: u32,
    /// How long it ran.
    pub seconds: f64,
    /// The line.
    pub line_bytes: u64,
    /// All that the tenants wanted at once, over the line.
    pub asked_over_line: f64,
    /// How often the ledger was looked at.
    pub samples: u64,
    /// How often more was charged than the line carries. Anything but zero is a failure.
    pub samples_over_line: u64,
    /// The most that was charged at any sample.
    pub peak_charged_bytes: u64,
    /// Reservations that were granted.
    pub granted: u64,
    /// Reservations that were refused, each with its reason.
    pub refused: u64,
    /// Refusals without a reason. Anything but zero is a failure.
    pub refused_unexplained: u64,
    /// Waiting for a grant: the median.
    pub wait_us_p50: f64,
    /// Waiting for a grant: all but one in a thousand.
    pub wait_us_p999: f64,
    /// The longest wait.
    pub wait_us_max: f64,
    /// What was still charged after everyone had left. Anything but zero is a failure.
    pub left_charged_bytes: u64,
}

impl GovernorReport {
    /// Whether everything held that must hold.
    pub const fn holds(&self) -> bool {
        self.samples_over_line == 0 && self.refused_unexplained == 0 && self.left_charged_bytes == 0
    }
}

/// Draws the report.
pub fn view(report: &GovernorReport, pen: &Pen) -> String {
    let verdict = |held: bool| {
        if held {
            pen.paint(Style::Good, "yes")
        } else {
            pen.paint(Style::Bad, "NO")
        }
    };
    let line = Bytes::new(report.line_bytes);
    let peak = Bytes::new(report.peak_charged_bytes);
    let heading = format!(
        "{} threads, {} tenants, {:.1} times the line of {line} asked for, {:.0} s",
        report.threads, report.tenants, report.asked_over_line, report.seconds
    );
    let facts = [
        (
            "never over the line",
            format!(
                "{}  ({} of {} samples over; at most {peak} charged)",
                verdict(report.samples_over_line == 0),
                report.samples_over_line,
                report.samples
            ),
        ),
        (
            "every refusal explained",
            format!(
                "{}  ({} of {} refusals without a reason)",
                verdict(report.refused_unexplained == 0),
                report.refused_unexplained,
                report.refused
            ),
        ),
        (
            "balances to zero",
            format!(
                "{}  ({} left charged)",
                verdict(report.left_charged_bytes == 0),
                Bytes::new(report.left_charged_bytes)
            ),
        ),
        ("granted", format!("{}", report.granted)),
        (
            "waiting",
            format!(
                "median {:.0} µs, 99.9% {:.0} µs, longest {:.0} µs",
                report.wait_us_p50, report.wait_us_p999, report.wait_us_max
            )
            .replace('µ', pen.either("µ", "u")),
        ),
    ];
    let lines = facts
        .iter()
        .map(|(label, value)| format!("  {label:<24}{value}\n"));
    pen.paint(Style::Bold, &heading) + "\n" + &lines.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_crossed_is_said_loudly() {
        let mut report = GovernorReport {
            threads: 64,
            tenants: 1000,
            seconds: 60.0,
            line_bytes: 1 << 30,
            asked_over_line: 10.0,
            samples: 6000,
            samples_over_line: 0,
            peak_charged_bytes: 1 << 30,
            granted: 5,
            refused: 2,
            refused_unexplained: 0,
            wait_us_p50: 3.0,
            wait_us_p999: 900.0,
            wait_us_max: 1200.0,
            left_charged_bytes: 0,
        };
        let pen = Pen {
            color: false,
            unicode: false,
            width: 80,
        };
        assert!(report.holds() && !view(&report, &pen).contains("NO"));
        report.samples_over_line = 1;
        let text = view(&report, &pen);
        assert!(
            !report.holds() && text.contains("NO  (1 of 6000 samples over"),
            "{text}"
        );
        assert!(
            text.is_ascii() && text.lines().all(|line| line.len() <= 80),
            "{text}"
        );
    }
}
