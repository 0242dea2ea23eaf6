//! `plimsoll device check PLACE`: whether a device keeps its promises on this machine.

use std::fmt::Write as _;

use plimsoll::Place;
use plimsoll_device::conformance::{self, Options, Outcome, Report};
use serde::Serialize;

use crate::backends::Backends;
use crate::draw::{Pen, Style, wrap};
use crate::{CliError, Printer};

const EXAMPLES: &str = "\
Examples:
  plimsoll device check cuda:0
  plimsoll device check gpu:0 --json
  plimsoll device check cuda:0 --alone

Runs the suite that every back end of Plimsoll passes: allocating, copying, fences, growable ranges, kernels against
their reference, books that balance, many threads. Takes some seconds and little memory; with --alone all of it.";

/// What can be typed after `device check`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct DeviceCheckArgs {
    /// Which device: host, pinned, cuda:N, gpu:N, sim:N
    #[arg(value_name = "PLACE")]
    pub place: Place,

    /// Nobody else uses the device: fill it too, and watch how much is free
    #[arg(long)]
    pub alone: bool,
}

/// What `plimsoll device check --json` prints: one object of these names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceReport {
    /// The place.
    pub place: String,
    /// The device's name.
    pub device: String,
    /// How many checks passed.
    pub passed: usize,
    /// How many failed.
    pub failed: usize,
    /// How many were left out.
    pub skipped: usize,
    /// Each check, in the order in which they ran.
    pub checks: Vec<CheckReport>,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// The promise.
    pub name: &'static str,
    /// "passed", "failed" or "skipped".
    pub outcome: &'static str,
    /// What was being done when it failed.
    pub step: Option<String>,
    /// Why it failed or was left out.
    pub why: Option<String>,
}

/// Checks and prints. A promise that is not kept is a failure of the program.
pub fn run(args: &DeviceCheckArgs, printer: &Printer) -> Result<(), CliError> {
    let device = Backends::new(Printer::notice()).device(args.place)?;
    let mut options = Options::suited(device.facts());
    // Filling a device that others use too takes their memory, and theirs shows in what is free.
    options.exhaust &= args.alone;
    options.tells_memory &= args.alone;
    printer.note(&format!("checking {}, {}", args.place, device.facts().name));
    let report = DeviceReport::new(args.place, &conformance::run(&device, &options));
    printer.report(&report, view)?;
    match report.failed {
        0 => Ok(()),
        failed => Err(CliError::Promises { device: report.device.clone(), failed, all: report.checks.len() }),
    }
}

impl DeviceReport {
    /// The report of a run of the suite.
    pub fn new(place: Place, report: &Report) -> Self {
        let check = |(name, outcome): &(&'static str, Outcome)| {
            let (outcome, step, why) = match outcome {
                Outcome::Passed => ("passed", None, None),
                Outcome::Skipped(why) => ("skipped", None, Some((*why).to_owned())),
                Outcome::Failed(failure) => ("failed", Some(failure.step.clone()), Some(failure.why.clone())),
            };
            CheckReport { name, outcome, step, why }
        };
        let (failed, skipped) = (report.failures().count(), report.skipped().count());
        Self {
            place: place.to_string(),
            device: report.device.clone(),
            passed: report.outcomes.len() - failed - skipped,
            failed,
            skipped,
            checks: report.outcomes.iter().map(check).collect(),
        }
    }
}

/// Draws the report: what failed last, where it is read first.
pub fn view(report: &DeviceReport, pen: &Pen) -> String {
    let (good, bad) = (pen.either("✓", "+"), pen.either("✗", "x"));
    let mut checks: Vec<_> = report.checks.iter().collect();
    checks.sort_by_key(|check| check.outcome == "failed");
    let mut out = pen.paint(Style::Bold, &format!("{}  ", report.place)) + &report.device + "\n";
    for check in checks {
        let (mark, style) = match check.outcome {
            "passed" => (good, Style::Good),
            "failed" => (bad, Style::Bad),
            _ => ("-", Style::Dim),
        };
        let _ = writeln!(out, "  {} {}", pen.paint(style, mark), check.name);
        let why = [&check.step, &check.why].into_iter().flatten().map(String::as_str).collect::<Vec<_>>();
        for line in wrap(&why.join(": "), pen.width.saturating_sub(6)) {
            let _ = writeln!(out, "      {}", pen.paint(Style::Dim, &line));
        }
    }
    let sum = format!("{} passed, {} failed, {} left out", report.passed, report.failed, report.skipped);
    out + &pen.paint(if report.failed == 0 { Style::Good } else { Style::Bad }, &sum) + "\n"
}

#[cfg(test)]
mod tests {
    use plimsoll_device::conformance::Failure;

    use super::*;

    #[test]
    fn what_failed_stands_last_with_its_reason() {
        let failure = Failure { step: "reading back".into(), why: "byte 7 is 0 and should be 9".into() };
        let report = Report {
            device: "a GPU".into(),
            outcomes: vec![
                ("copies arrive", Outcome::Failed(failure)),
                ("sizes are kept", Outcome::Passed),
                ("ranges grow", Outcome::Skipped("the device has no growable ranges")),
            ],
        };
        let report = DeviceReport::new(Place::Gpu(0), &report);
        let pen = Pen { color: false, unicode: true, width: 80 };
        assert_eq!(
            view(&report, &pen),
            "gpu:0  a GPU\n  ✓ sizes are kept\n  - ranges grow\n      the device has no growable ranges\n  \
             ✗ copies arrive\n      reading back: byte 7 is 0 and should be 9\n1 passed, 1 failed, 1 left out\n"
        );
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["checks"][0]["outcome"], "failed");
        assert_eq!(json["checks"][0]["step"], "reading back");
        assert_eq!(json["checks"][1]["why"], serde_json::Value::Null);
    }
}
