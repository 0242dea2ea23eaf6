//! `plimsoll plan check`: the planner held against sizes that were measured.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use plimsoll_plan::{llama, train};
use serde::Serialize;

use super::PlanError;
use crate::draw::{Align, Cell, Pen, Style, Table};
use crate::{CliError, Printer};

const EXAMPLES: &str = "\
Examples:
  plimsoll plan check measured/
  plimsoll plan check measured/ --json

The folder has some of: llamacpp_logs.csv (what llama.cpp printed), llamacpp_dryrun.csv (its dry runs),
train_peaks_h200.csv (peaks of training).";

/// What can be typed after `plan check`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct CheckArgs {
    /// The folder of the CSV files
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
    /// Show every row that is off, and those that do not say what is needed
    #[arg(long)]
    pub rows: bool,
}

/// What `plimsoll plan check --json` prints: one object; a file that is not there is `null`. Shares are of 1.
#[derive(Clone, Debug, Default, Serialize)]
struct CheckReport {
    /// Caches, recurrent states and output buffers in logs: `within` is the share within 0.2 MiB.
    kv: Option<Kv>,
    /// Compute buffers of dry runs.
    compute: Option<Fit>,
    /// Compute buffers of GPUs in logs of llama.cpp, and in logs of forks of it.
    gpu_compute: Option<Fit>,
    fork_compute: Option<Fit>,
    /// Peaks of training.
    train: Option<Train>,
    /// What others would have said of the same trainings.
    rivals: Vec<Rival>,
    remarks: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
struct Kv {
    rows: usize,
    within: f64,
}

impl Kv {
    fn of(tally: &llama::truth::Tally) -> Self {
        Self { rows: tally.rows, within: tally.share() }
    }
}

#[derive(Clone, Debug, Serialize)]
struct Fit {
    rows: usize,
    within_5_percent: f64,
    max_over: f64,
    max_under: f64,
}

#[derive(Clone, Debug, Serialize)]
struct Train {
    rows: usize,
    max_abs: f64,
    median_abs: f64,
    max_under: f64,
}

#[derive(Clone, Debug, Serialize)]
struct Rival {
    name: String,
    #[serde(flatten)]
    train: Train,
}

/// Reads the folder and prints the comparison.
pub(super) fn run(args: &CheckArgs, printer: &Printer) -> Result<(), CliError> {
    let mut report = CheckReport::default();
    let mut found = 0;
    if let Some(text) = read(&args.folder, "llamacpp_logs.csv")? {
        found += 1;
        let check = llama::truth::check(&llama::truth::logs(&text));
        report.kv = Some(Kv::of(&check.cache));
        report.gpu_compute = fit(&check.gpu);
        report.fork_compute = fit(&check.fork);
        remark(&mut report, "llamacpp_logs.csv", &check);
    }
    if let Some(text) = read(&args.folder, "llamacpp_dryrun.csv")? {
        found += 1;
        let check = llama::truth::check(&llama::truth::dry_runs(&text));
        report.compute = fit(&check.compute);
        // Where no log says anything of caches, dry runs do.
        if check.cache.rows > 0 && report.kv.as_ref().is_none_or(|kv| kv.rows == 0) {
            report.kv = Some(Kv::of(&check.cache));
        }
        remark(&mut report, "llamacpp_dryrun.csv", &check);
    }
    if let Some(text) = read(&args.folder, "train_peaks_h200.csv")? {
        found += 1;
        let comparison = train::truth::compare(&text);
        report.train = Some(summary(&comparison.summary()));
        let rival = |(name, of): (&'static str, train::truth::Summary)| Rival {
            name: name.to_owned(),
            train: summary(&of),
        };
        report.rivals = comparison.rivals().into_iter().map(rival).collect();
        let skipped = comparison.skipped.iter();
        let skipped =
            skipped.map(|row| format!("train_peaks_h200.csv:{}: not compared: {}", row.line, row.reason));
        report.remarks.extend(skipped);
        for row in comparison.rows.iter().filter(|row| row.off.abs() > 0.02) {
            let text = format!(
                "train_peaks_h200.csv:{}: {} is {:+.1}% off",
                row.row.line,
                row.row.training.name,
                row.off * 100.0
            );
            report.remarks.push(text);
        }
    }
    if found == 0 {
        return Err(PlanError::NothingMeasured(args.folder.clone()).into());
    }
    printer.report(&report, |report, pen| view(report, pen, args.rows))
}

fn read(folder: &Path, name: &str) -> Result<Option<String>, PlanError> {
    let path = folder.join(name);
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(PlanError::Unreadable { path, source }),
    }
}

#[expect(clippy::cast_precision_loss, reason = "numbers of rows are small")]
fn fit(fit: &llama::truth::Fit) -> Option<Fit> {
    let within_5_percent = if fit.rows == 0 { return None } else { fit.within as f64 / fit.rows as f64 };
    Some(Fit { rows: fit.rows, within_5_percent, max_over: fit.max_over, max_under: fit.max_under })
}

fn summary(summary: &train::truth::Summary) -> Train {
    Train {
        rows: summary.rows,
        max_abs: summary.max_abs,
        median_abs: summary.median_abs,
        max_under: summary.max_under,
    }
}

fn remark(report: &mut CheckReport, file: &str, check: &llama::truth::Check) {
    let remarks = check.remarks.iter();
    report
        .remarks
        .extend(remarks.map(|remark| format!("{file}:{}: {}: {}", remark.line, remark.name, remark.text)));
}

fn view(report: &CheckReport, pen: &Pen, all_rows: bool) -> String {
    let mut out = table(report, pen);
    if all_rows {
        out.push('\n');
        for remark in &report.remarks {
            let _ = writeln!(out, "{remark}");
        }
    } else if !report.remarks.is_empty() {
        let note = format!(
            "{} rows are off or do not say what is needed; --rows shows them\n",
            report.remarks.len()
        );
        out.push_str(&pen.paint(Style::Dim, &note));
    }
    out
}

fn table(report: &CheckReport, pen: &Pen) -> String {
    let mut table = Table::new([
        ("planner", Align::Left),
        ("rows", Align::Right),
        ("reached", Align::Left),
        ("wanted", Align::Left),
        ("", Align::Left),
    ]);
    let percent = |share: f64| format!("{:.2}%", share * 100.0);
    let mut row = |name: &str, rows: usize, reached: String, wanted: &str, good: Option<bool>| {
        let verdict = match good {
            Some(true) => Cell::new(Style::Good, "reached"),
            Some(false) => Cell::new(Style::Bad, "missed"),
            None => Cell::default(),
        };
        table.row([
            name.into(),
            rows.to_string().into(),
            reached.into(),
            Cell::new(Style::Dim, wanted),
            verdict,
        ]);
    };
    if let Some(kv) = &report.kv {
        let wanted = "98% within 0.2 MiB";
        row(
            "caches, states, outputs",
            kv.rows,
            format!("{} within", percent(kv.within)),
            wanted,
            Some(kv.within >= 0.98),
        );
    }
    let spread =
        |fit: &Fit| format!("{} over, {} under at most", percent(fit.max_over), percent(fit.max_under));
    if let Some(fit) = &report.compute {
        let good = fit.max_over <= 0.03 && fit.max_under <= 0.005;
        row("compute, dry runs", fit.rows, spread(fit), "3% over, 0.5% under", Some(good));
    }
    for (name, fit, wanted) in [
        ("compute, GPUs", &report.gpu_compute, "within 5%"),
        ("compute, forks", &report.fork_compute, "no target: other graphs"),
    ] {
        if let Some(fit) = fit {
            let reached = format!("{} within 5%; {}", percent(fit.within_5_percent), spread(fit));
            let good = name.ends_with("GPUs").then_some(fit.within_5_percent >= 1.0);
            row(name, fit.rows, reached, wanted, good);
        }
    }
    let off = |train: &Train| {
        let (most, median, under) =
            (percent(train.max_abs), percent(train.median_abs), percent(train.max_under));
        format!("{most} at most, {median} in the middle, {under} under")
    };
    if let Some(train) = &report.train {
        let good = train.max_abs <= 0.05 && train.median_abs <= 0.02 && train.max_under <= 0.02;
        row("training", train.rows, off(train), "5%, 2%, 2% under", Some(good));
    }
    for rival in &report.rivals {
        row(&format!("  {}", rival.name), rival.train.rows, off(&rival.train), "", None);
    }
    table.draw(pen)
}
