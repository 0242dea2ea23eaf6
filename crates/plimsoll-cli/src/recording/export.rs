//! `plimsoll recording export FILE --as FORMAT`.

use std::io::{self, IsTerminal as _, Write};
use std::path::PathBuf;

use plimsoll::Place;
use plimsoll::record::Recording;
use plimsoll::record::export::{ExportError, Exported, Only, csv, perfetto, pytorch, rmm};

use super::{create, open};
use crate::{CliError, Printer};

const EXAMPLES: &str = "\
Examples:
  plimsoll recording export run.plimsoll --as pytorch -o run.pickle
  plimsoll recording export run.plimsoll --as perfetto | gzip > run.json.gz
  plimsoll recording export run.plimsoll --as csv --place cuda:0 -o run.csv && plimsoll pool replay run.csv

pytorch   a memory snapshot for https://pytorch.org/memory_viz, which reads it without sending it anywhere
perfetto  a trace for https://ui.perfetto.dev or chrome://tracing: counters, a slice a lease, scopes
rmm       the CSV of RMM's logging adaptor
csv       what `plimsoll pool replay` reads; it takes one device, so name a place where there are several";

/// What a recording is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A memory snapshot of PyTorch.
    Pytorch,
    /// A trace for Perfetto and Chrome.
    Perfetto,
    /// The log of RMM.
    Rmm,
    /// A trace for `pool replay`.
    Csv,
}

/// What can be typed after `recording export`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ExportArgs {
    /// The recording
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// The format: pytorch, perfetto, rmm, csv
    #[arg(long = "as", value_name = "FORMAT", value_enum, hide_possible_values = true)]
    pub format: Format,

    /// Where to write [default: stdout]
    #[arg(short, long, value_name = "OUT")]
    pub output: Option<PathBuf>,

    /// Only what is at this place: host, pinned, cuda:N, gpu:N, disk, sim:N
    #[arg(long, value_name = "PLACE")]
    pub place: Option<Place>,

    /// Only what is of this account
    #[arg(long, value_name = "ACCOUNT")]
    pub account: Option<String>,
}

/// Writes a recording in a format.
pub fn export(
    recording: &Recording,
    format: Format,
    only: &Only,
    to: impl Write,
) -> Result<Exported, ExportError> {
    match format {
        Format::Pytorch => pytorch(recording, only, to),
        Format::Perfetto => perfetto(recording, only, to),
        Format::Rmm => rmm(recording, only, to),
        Format::Csv => csv(recording, only, to),
    }
}

/// Reads and writes. What is not text is not written to a terminal.
pub fn run(args: &ExportArgs, printer: &Printer) -> Result<(), CliError> {
    if args.output.is_none() && args.format == Format::Pytorch && io::stdout().is_terminal() {
        return Err(CliError::Terminal);
    }
    let recording = open(&args.file)?;
    let only = Only { place: args.place, account: args.account.clone() };
    let failed = |source: ExportError| match source {
        ExportError::Write(error) if args.output.is_none() => CliError::Output(error),
        ExportError::Write(source) => {
            CliError::Write { path: args.output.clone().unwrap_or_default(), source }
        }
        ExportError::Recording(source) => CliError::Recording(source),
        other => CliError::Export(other),
    };
    let exported = if let Some(path) = &args.output {
        let exported = export(&recording, args.format, &only, create(path, &args.file)?);
        if exported.is_err() {
            // Half of a file would be taken for a whole one; that it cannot be removed is not what went wrong.
            let _ = std::fs::remove_file(path);
        }
        exported.map_err(failed)?
    } else {
        export(&recording, args.format, &only, io::stdout().lock()).map_err(failed)?
    };
    let facts = recording.facts();
    if facts.dropped > 0 {
        Printer::remark(&format!("{} events are missing from the recording", facts.dropped));
    }
    if facts.cut {
        Printer::remark("the recording was cut: what is exported is all that was written");
    }
    printer.note(&format!("{} entries, {}", exported.rows, plimsoll::Bytes::new(exported.bytes)));
    Ok(())
}
