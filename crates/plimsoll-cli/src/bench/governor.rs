//! `plimsoll bench governor`: whether the line holds when far more is asked for than it carries.

use std::time::Duration;

use plimsoll::Bytes;
use plimsoll::governor::stress::{self, StressSettings};
use serde::Serialize;

use crate::draw::{Pen, Style};
use crate::{CliError, Printer};

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
    pub seconds: u32,
    /// The line.
    pub line_bytes: u64,
    /// All that the tenants would keep at once, over the line.
    pub asked_over_line: u64,
    /// How often the ledger was looked at.
    pub samples: u64,
    /// How often more was charged than the line carries. Anything but zero is a failure.
    pub samples_over_line: u64,
    /// The most that was ever charged.
    pub peak_charged_bytes: u64,
    /// Reservations that were granted.
    pub granted: u64,
    /// Reservations that were refused, each with its reason.
    pub refused: u64,
    /// Refusals without a reason. Anything but zero is a failure.
    pub refused_unexplained: u64,
    /// Requests that waited in vain for ten seconds. Anything but zero is a failure.
    pub starved: u64,
    /// Waiting for a grant: the median.
    pub wait_us_p50: u64,
    /// Waiting for a grant: all but one in a hundred.
    pub wait_us_p99: u64,
    /// Waiting for a grant: all but one in a thousand.
    pub wait_us_p999: u64,
    /// The longest wait.
    pub wait_us_max: u64,
    /// Grants that a device of exactly the line's size had no room for. Anything but zero is a failure.
    pub device_full: u64,
    /// What was still charged after everyone had left. Anything but zero is a failure.
    pub left_charged_bytes: u64,
}

impl GovernorReport {
    /// Whether everything held that must hold.
    pub const fn holds(&self) -> bool {
        self.samples_over_line == 0
            && self.refused_unexplained == 0
            && self.starved == 0
            && self.device_full == 0
            && self.left_charged_bytes == 0
    }
}

/// Runs and prints. What did not hold is a failure of the program too.
pub fn run(args: &GovernorArgs, printer: &Printer) -> Result<(), CliError> {
    let settings = StressSettings {
        threads: args.threads as usize,
        tenants: args.tenants as usize,
        duration: Duration::from_secs(u64::from(args.seconds)),
        ..StressSettings::default()
    };
    printer.note(&format!("running for {} s", args.seconds));
    let stress = stress::run(&settings).map_err(|error| CliError::Bench(error.to_string()))?;
    let report = GovernorReport {
        threads: args.threads,
        tenants: args.tenants,
        seconds: args.seconds,
        line_bytes: settings.line.get(),
        asked_over_line: settings.asked,
        samples: stress.samples,
        samples_over_line: stress.samples_over_line,
        peak_charged_bytes: stress.peak.get(),
        granted: stress.grants,
        refused: stress.refusals,
        refused_unexplained: stress.refusals_unexplained,
        starved: stress.starved,
        device_full: stress.device_full,
        wait_us_p50: stress.wait_us_p50,
        wait_us_p99: stress.wait_us_p99,
        wait_us_p999: stress.wait_us_p999,
        wait_us_max: stress.wait_us_max,
        left_charged_bytes: stress.left_over.get(),
    };
    printer.report(&report, view)?;
    if report.holds() {
        Ok(())
    } else {
        Err(CliError::Bench("the line or a promise did not hold; see above".to_owned()))
    }
}

/// Draws the report.
pub fn view(report: &GovernorReport, pen: &Pen) -> String {
    let verdict = |held: bool| {
        if held { pen.paint(Style::Good, "yes") } else { pen.paint(Style::Bad, "NO") }
    };
    let line = Bytes::new(report.line_bytes);
    let peak = Bytes::new(report.peak_charged_bytes);
    let heading = format!(
        "{} threads, {} tenants, {} times the line of {line} asked for, {} s",
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
            "the device had room",
            format!("{}  ({} grants did not fit it)", verdict(report.device_full == 0), report.device_full),
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
        ("nobody starves", format!("{}  ({} waited in vain)", verdict(report.starved == 0), report.starved)),
        ("granted", format!("{}", report.granted)),
        (
            "waiting",
            format!(
                "median {} µs, 99.9% {} µs, longest {} µs",
                report.wait_us_p50, report.wait_us_p999, report.wait_us_max
            )
            .replace('µ', pen.either("µ", "u")),
        ),
    ];
    let lines = facts.iter().map(|(label, value)| format!("  {label:<24}{value}\n"));
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
            seconds: 60,
            line_bytes: 1 << 30,
            asked_over_line: 10,
            samples: 6000,
            samples_over_line: 0,
            peak_charged_bytes: 1 << 30,
            granted: 5,
            refused: 2,
            refused_unexplained: 0,
            starved: 0,
            device_full: 0,
            wait_us_p50: 3,
            wait_us_p99: 90,
            wait_us_p999: 900,
            wait_us_max: 1200,
            left_charged_bytes: 0,
        };
        let pen = Pen { color: false, unicode: false, width: 80 };
        assert!(report.holds() && !view(&report, &pen).contains("NO"));
        report.samples_over_line = 1;
        let text = view(&report, &pen);
        assert!(!report.holds() && text.contains("NO  (1 of 6000 samples over"), "{text}");
        assert!(text.is_ascii() && text.lines().all(|line| line.len() <= 80), "{text}");
    }
}
