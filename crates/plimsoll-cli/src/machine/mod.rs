//! `plimsoll machine`: what this machine can carry.

mod report;
mod view;

use std::path::PathBuf;

use plimsoll::machine::Machine;
use plimsoll::pressure::system_source;

pub use report::{
    CacheReport, CpuReport, DiskReport, GpuReport, HugeReport, LimitReport, LinkReport, MachineReport,
    MemoryReport, MissingReport, OsReport, PagesReport, PlaceReport, PressureReport,
};
pub(crate) use view::strain;
pub use view::view;

use crate::backends::Backends;
use crate::{CliError, Printer};

const EXAMPLES: &str = "\
Examples:
  plimsoll machine
  plimsoll machine --data /var/lib/plimsoll
  plimsoll machine --json | jq '.places[] | {place, free_bytes}'";

/// What can be typed after `machine`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct MachineArgs {
    /// The folder that data will be kept in; its file system is the place `disk`
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub data: PathBuf,
}

/// Reads the machine and prints it.
pub fn run(args: &MachineArgs, printer: &Printer) -> Result<(), CliError> {
    let machine = Machine::read_for(&args.data);
    let pressure = system_source().read();
    let backends = Backends::new(Printer::notice());
    let report = MachineReport::new(&machine, &backends.gpus(), backends.missing(), pressure);
    printer.report(&report, view)
}
