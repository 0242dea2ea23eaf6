//! `plimsoll recording show FILE`.

use std::path::PathBuf;

use plimsoll::record::analysis::StudySettings;

use super::{RecordingReport, open, view};
use crate::{CliError, Printer};

const EXAMPLES: &str = "\
Examples:
  plimsoll recording show run.plimsoll
  plimsoll recording show run.plimsoll --json | jq '.places[] | {place, peak_requested}'";

/// What can be typed after `recording show`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ShowArgs {
    /// The recording
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// How many of the largest leases at each peak to show
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub largest: usize,
}

/// Reads and prints.
pub fn run(args: &ShowArgs, printer: &Printer) -> Result<(), CliError> {
    let recording = open(&args.file)?;
    let settings = StudySettings { points: 1, largest: args.largest, ..StudySettings::default() };
    let study = recording.study(&settings);
    let study = study?;
    printer.report(&RecordingReport::new(&study), view)
}
