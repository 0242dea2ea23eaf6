//! `plimsoll plan pack`: offsets for buffers whose lifetimes are known.

mod picture;
mod report;
mod table;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use plimsoll::Bytes;
use plimsoll_tensor::pack::{Effort, PackError, pack, pack_least, verify};

pub use self::table::TableError;

use self::report::{report, view};
use self::table::Table;
use super::PlanError;
use crate::{CliError, Printer};

const EXAMPLES: &str = "\
Examples:
  plimsoll plan pack step.csv                        as low as ten seconds find it
  plimsoll plan pack step.csv --capacity 1048576     within a capacity, or not at all
  plimsoll plan pack step.csv -o offsets.csv --svg step.svg

The file has a heading and a row for each buffer: id,lower,upper,size, with sizes in bytes, and lives from step lower until
just before step upper. A fifth column, offset, is an arrangement that is checked and compared.

Exit codes: 0 packed, 1 it does not fit, nothing was found or the file is wrong, 2 not understood.";

/// What can be typed after `plan pack`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct PackArgs {
    /// Buffers: a CSV file with the columns id, lower, upper, size and perhaps offset
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What they have to fit into: `1048576` or `24GiB`; without it they are packed as low as is found
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub capacity: Option<Bytes>,
    /// Offsets are multiples of this power of two
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "1")]
    pub align: Bytes,
    /// The most seconds to search
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86400))]
    pub seconds: u64,
    /// Where the numbers that a search draws begin: if nothing was found, another beginning may find it sooner
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub beginning: u64,
    /// Write the offsets: the same rows with a column more
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write a picture: steps to the right, offsets upwards
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// A size in bytes, with or without a unit.
fn size(text: &str) -> Result<Bytes, String> {
    match text.parse::<u64>() {
        Ok(bytes) => Ok(Bytes::new(bytes)),
        Err(_) => text.parse::<Bytes>().map_err(|error| error.to_string()),
    }
}

/// Reads the buffers, packs them and prints how high they stand.
pub(super) fn run(args: &PackArgs, printer: &Printer) -> Result<(), CliError> {
    let table = Table::read(&args.file, args.align)?;
    let begun = Instant::now();
    let most = Duration::from_secs(args.seconds);
    let mut stop = || begun.elapsed() >= most;
    let mut effort = Effort::steps(u64::MAX).or_when(&mut stop).drawn_from(args.beginning);
    let packed = match args.capacity {
        Some(capacity) => pack(&table.buffers, capacity, &mut effort),
        None => pack_least(&table.buffers, &mut effort),
    };
    let seconds = begun.elapsed().as_secs_f64();
    let layout = packed.map_err(|source| table.named(source))?;
    let given = table.given.as_ref().map(|given| verify(&table.buffers, given));
    let report = report(args, &table, &layout, given, seconds);
    if let Some(path) = &args.output {
        write(path, &table.with_offsets(&layout.offsets))?;
    }
    if let Some(path) = &args.svg {
        write(path, &picture::draw(&report.file, &table, &layout, args.capacity))?;
    }
    printer.report(&report, view)
}

fn write(path: &PathBuf, text: &str) -> Result<(), PlanError> {
    std::fs::write(path, text).map_err(|source| PlanError::Unwritable { path: path.clone(), source })
}

/// Whether buffers were understood, and only do not fit.
pub(super) const fn is_about_room(error: &PackError) -> bool {
    matches!(error, PackError::BelowBound { .. } | PackError::Impossible { .. } | PackError::NotFound { .. })
}
