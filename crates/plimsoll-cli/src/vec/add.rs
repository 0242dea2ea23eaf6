//! `plimsoll vec add`: more vectors for an index.

use std::path::PathBuf;

use plimsoll::Bytes;
use plimsoll_vec::index::{Index, VecError};
use plimsoll_vec::input::Input;

use super::build::{BuildJson, view};
use super::progress::Progress;
use super::{Columns, budget, numbers};
use crate::{CliError, Printer};

/// What can be typed after `vec add`.
#[derive(Clone, Debug, clap::Args)]
pub struct AddArgs {
    /// The folder of the index
    #[arg(value_name = "INDEX")]
    pub index: PathBuf,
    /// The vectors
    #[arg(value_name = "FILE")]
    pub input: PathBuf,
    /// Ids of the vectors, as text
    #[arg(long, value_name = "FILE")]
    pub ids: Option<PathBuf>,
    /// Columns of a table
    #[command(flatten)]
    pub columns: Columns,
    /// The most memory that adding may take
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Bytes>,
}

/// Adds.
pub fn run(args: &AddArgs, printer: &Printer) -> Result<(), CliError> {
    let index = Index::open_to_write(&args.index, &budget::account(args.memory)?)?;
    let ids = args.ids.as_deref().map(numbers::ids).transpose()?;
    let origin = args.columns.of(&args.input);
    let facts = Input::facts_of(origin).map_err(VecError::from)?;
    let progress = Progress::new(facts.rows);
    let report = index.build(origin, ids, |built| progress.at(built))?;
    drop(progress);
    printer.report(&BuildJson::new(args.index.display().to_string(), &report), view)
}
