//! `plimsoll health`: how well memory stands, and what to do about it.

mod report;
mod view;

use std::time::Duration;

use plimsoll::monitor::MonitorSettings;
use plimsoll::monitor::health::{Scoring, Symptom, findings};

pub use report::HealthReport;
pub use view::view;

use crate::top::Target;
use crate::watch::samples;
use crate::{CliError, Printer};

const EXAMPLES: &str = "\
Examples:
  plimsoll health                        score, its parts, and what to do
  plimsoll health --symptom slow         why generation is slow, and what helps
  plimsoll health --symptom load         what would fit
  plimsoll health --attach 4242          of the engine of process 4242
  plimsoll health --score weighted       by the weighted mean, for comparison
  plimsoll health --json | jq .score

Exit codes: 0 not critical, 1 critical, 2 not understood.";

/// What can be typed after `health`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct HealthArgs {
    /// Look at this engine, by its process's number or the path of its socket, instead of the machine alone
    #[arg(long, value_name = "PID|PATH")]
    pub attach: Option<Target>,

    /// How parts make the score: worst (the worst part counts) or weighted (a mean)
    #[arg(long, value_name = "HOW", default_value = "worst", hide_possible_values = true)]
    pub score: ScoreArg,

    /// What you notice: slow (generation), load (a model does not), unresponsive (the system)
    #[arg(long, value_name = "WHAT", hide_possible_values = true)]
    pub symptom: Option<SymptomArg>,

    /// How long to look: rates need two samples
    #[arg(long = "for", value_name = "TIME", default_value = "1s", value_parser = crate::watch::time)]
    pub look: Duration,
}

/// As it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ScoreArg {
    /// The worst part.
    Worst,
    /// The mean.
    Weighted,
}

/// As it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum SymptomArg {
    /// Slow generation.
    Slow,
    /// A model that does not load.
    Load,
    /// A system that hardly answers.
    Unresponsive,
}

/// Looks twice and prints what is to be said of the second sample.
pub fn run(args: &HealthArgs, printer: &Printer) -> Result<(), CliError> {
    let scoring = match args.score {
        ScoreArg::Worst => Scoring::Worst,
        ScoreArg::Weighted => Scoring::Weighted,
    };
    let settings = MonitorSettings { scoring, ..MonitorSettings::default() };
    // A running engine has its past already; the machine alone is looked at twice.
    let looks = if args.attach.is_some() { 1 } else { 2 };
    let mut last = None;
    for sample in samples(args.attach.as_ref(), args.look, settings, true)?.take(looks) {
        last = Some(sample?);
    }
    let Some(sample) = last else {
        return Err(CliError::Attach(plimsoll::monitor::attach::AttachError::Unsupported));
    };
    let symptom = args.symptom.map(|symptom| match symptom {
        SymptomArg::Slow => Symptom::Slow,
        SymptomArg::Load => Symptom::Load,
        SymptomArg::Unresponsive => Symptom::Unresponsive,
    });
    let found = symptom.map_or_else(Vec::new, |symptom| findings(symptom, &sample));
    let report = HealthReport::new(&sample, scoring, found);
    printer.report(&report, view)?;
    if report.rating == "critical" { Err(CliError::Unhealthy { score: report.score }) } else { Ok(()) }
}
