//! `plimsoll config check`: whether a configuration adds up and fits this machine.

mod fits;
mod report;
mod view;

use std::path::{Path, PathBuf};

use plimsoll::machine::Machine;
use plimsoll::settings::{Capacities, load};
use plimsoll::{Bytes, Place};

pub use fits::check_fits;
pub use report::{AccountReport, CheckReport, LineReport, RefusalReport, ShareReport};
pub use view::view;

use crate::{CliError, Printer};

const EXAMPLES: &str = "\
Examples:
  plimsoll config check plan.toml
  plimsoll config check plan.yaml --json
  plimsoll config check plan.toml --assume host=128GiB --assume disk=2TB

Exit codes: 0 it adds up and fits, 1 it is refused, 2 not understood.";

/// What can be typed after `config check`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct CheckArgs {
    /// The configuration, as .toml, .yaml or .yml
    pub file: PathBuf,

    /// Take a place to be of this size instead of asking this machine; may be repeated
    #[arg(long, value_name = "PLACE=SIZE", value_parser = assumption)]
    pub assume: Vec<(Place, Bytes)>,
}

fn assumption(text: &str) -> Result<(Place, Bytes), String> {
    let (place, size) =
        text.split_once('=').ok_or_else(|| "write a place and a size, for example host=128GiB".to_owned())?;
    let place = place.parse().map_err(|error: plimsoll::ParsePlaceError| error.to_string())?;
    let size = size.parse().map_err(|error: plimsoll::ParseBytesError| error.to_string())?;
    Ok((place, size))
}

/// Checks the file and prints what it says.
pub fn run(args: &CheckArgs, printer: &Printer) -> Result<(), CliError> {
    let machine = Machine::read();
    match check(&args.file, &args.assume, &machine) {
        Ok(report) => printer.report(&report, view),
        Err(error) => {
            if printer.json() {
                printer.report(&RefusalReport::new(&args.file, &error), |_, _| String::new())?;
            }
            Err(error)
        }
    }
}

/// The same without printing: the report, or why the file is refused.
pub fn check(file: &Path, assume: &[(Place, Bytes)], machine: &Machine) -> Result<CheckReport, CliError> {
    let capacities =
        assume.iter().fold(Capacities::from(machine), |all, &(place, size)| all.with(place, size));
    let settings = load(file, &capacities)?;
    check_fits(&settings, &capacities, assume, machine)?;
    Ok(CheckReport::new(file, &settings, &capacities))
}
