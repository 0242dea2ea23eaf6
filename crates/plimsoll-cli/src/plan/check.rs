//! `plimsoll plan check DIR`.

use std::path::PathBuf;

use crate::{CliError, Printer};

/// What can be typed after `plan check`.
#[derive(Clone, Debug, clap::Args)]
pub struct CheckArgs {
    /// The folder
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
}

pub(super) fn run(_args: &CheckArgs, _printer: &Printer) -> Result<(), CliError> {
    Err(CliError::NothingToPlan)
}
