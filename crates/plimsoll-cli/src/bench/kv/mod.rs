//! `plimsoll bench kv`: what the tiered cache costs, each figure beside what the machine itself can do, in one run.

mod args;
mod delay;
mod error;
mod index;
mod report;
mod restore;
mod stand;

pub use args::KvArgs;
pub use error::KvBenchError;
pub use report::{KvReport, KvRow, view};

use crate::backends::Backends;
use crate::{CliError, Printer};

/// Measures and prints.
pub fn run(args: &KvArgs, printer: &Printer) -> Result<(), CliError> {
    let device = Backends::new(Printer::notice()).device(args.place)?;
    let mut rows = index::rows(args)?;
    rows.extend(restore::warm(args, &device)?);
    rows.extend(restore::cold(args, &device)?);
    rows.extend(delay::rows(args, &device)?);
    let report = KvReport { place: args.place.to_string(), device: device.facts().name.clone(), rows };
    printer.report(&report, view)
}
