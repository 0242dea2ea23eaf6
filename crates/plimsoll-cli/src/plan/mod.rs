//! `plimsoll plan`: what fits, what it will cost, and the split that the engine then enforces.

mod args;
mod check;
mod compare;
mod error;
mod here;
mod make;
mod op;
mod pack;
mod report;
mod svg;
mod tiers;
mod train_tiers;
mod view;

pub use args::{AskArgs, PlanArgs, PlanCommand};
pub use error::PlanError;
pub use report::{
    FormulaReport, KnobReport, LeftOutReport, MachineReport, NeedReport, PartReport, PlaceReport, PlanReport,
    SpeedReport, WayReport, WorkloadReport,
};

use crate::{CliError, Printer};

/// Plans, or does one of the things beside it.
pub fn run(args: &PlanArgs, printer: &Printer) -> Result<(), CliError> {
    match &args.command {
        Some(PlanCommand::Op(op)) => op::run(op, printer),
        Some(PlanCommand::Pack(pack)) => pack::run(pack, printer),
        Some(PlanCommand::Tiers(tiers)) => tiers::run(tiers, printer),
        Some(PlanCommand::Check(check)) => check::run(check, printer),
        None => match &args.ask.compare {
            Some(recording) => compare::run(recording, &args.ask, printer),
            None => make::run(&args.ask, printer),
        },
    }
}
