//! `plimsoll doctor`: what would keep a service from running well here, each thing with the next step.
//!
//! It looks and changes nothing: no folder is made, no model loaded, and the address is given back at once. What passes by
//! itself (other programs that take memory now) is worth watching and is never bad.

mod gpus;
mod report;
mod service;
mod system;
mod view;

pub use report::{Check, DoctorReport, Verdict};
pub use view::view;

use crate::backends::Backends;
use crate::serve::{ServeArgs, planned};
use crate::{CliError, Printer};

/// What stands below the help: it is not what stands below that of `serve`.
pub(crate) const EXAMPLES: &str = "\
Examples:
  plimsoll doctor                            this machine, for the service that `plimsoll serve` would be
  plimsoll doctor --config serve.toml        the same for what a file says
  plimsoll doctor --model m.gguf --line 8GiB  it takes what `plimsoll serve` takes
  plimsoll doctor --json | jq '.checks[] | select(.verdict != \"good\")'

Exit codes: 0 nothing is bad, 1 something is, 2 not understood.";

/// What can be typed after `doctor`: what can be typed after `serve`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct DoctorArgs {
    /// The service that is to run.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// Looks at everything and prints it.
pub fn run(args: &DoctorArgs, printer: &Printer) -> Result<(), CliError> {
    let mut checks = Vec::new();
    match planned(&args.serve) {
        Ok((args, settings)) => {
            checks.extend(service::checks(&args, &settings));
            checks.extend(system::checks(Some(&settings)));
        }
        Err(failure) => {
            checks.push(Check::bad("settings", failure.to_string(), failure.next_step()));
            checks.extend(system::checks(None));
        }
    }
    checks.extend(gpus::checks(&Backends::new(Printer::notice())));
    let report = DoctorReport::new(checks);
    printer.report(&report, view)?;
    match report.count(Verdict::Bad) {
        0 => Ok(()),
        bad => Err(CliError::Unfit { bad }),
    }
}
