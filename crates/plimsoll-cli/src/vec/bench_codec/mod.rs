//! `plimsoll vec bench-codec`: how fast a neural codec runs here, beside the product of matrices that it cannot do without.

mod device;
mod product;
mod trial;

use plimsoll::Place;
use serde::Serialize;

use crate::draw::{Align, Pen, Style, Table};
use crate::{CliError, Printer};

const EXAMPLES: &str = "\
Examples:
  plimsoll vec bench-codec --quick                        a few seconds
  plimsoll vec bench-codec --dimension 384 --latent 64    another shape
  plimsoll vec bench-codec --device cuda:0                decoding on a GPU, to its memory and to the host's

Weights and vectors are random, from a fixed seed: what comes back does not matter to how long it takes.";

/// What can be typed after `vec bench-codec`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct BenchCodecArgs {
    /// Fewer vectors and turns
    #[arg(long)]
    pub quick: bool,
    /// How many vectors
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(64..=10_000_000))]
    pub rows: Option<u64>,
    /// Numbers of each
    #[arg(long, value_name = "N", default_value_t = 768)]
    pub dimension: usize,
    /// Numbers of a latent
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub latent: usize,
    /// Threads; all that the machine has, unless said
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,
    /// Decode on this device instead (`cuda:0`): a million vectors, unless said
    #[arg(long, value_name = "PLACE")]
    pub device: Option<Place>,
}

/// One row of what `plimsoll vec bench-codec --json` prints, which is a list of them.
///
/// ```json
/// [{ "work": "decode 768<-128", "engine": "plimsoll", "vectors_per_second": 1.0, "ms": 1.0, "gflops": 1.0,
///    "limit_fraction": 0.9 }]
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct CodecRow {
    /// What was done.
    pub work: String,
    /// Who did it: `plimsoll`, or `gemm` for the product alone.
    pub engine: &'static str,
    /// The rate.
    pub vectors_per_second: f64,
    /// Milliseconds for all of them.
    pub ms: f64,
    /// Multiplications and additions a second, in thousand millions.
    pub gflops: f64,
    /// The rate, of that of the product alone in the same run; on a device, of filling as many bytes there, and of copying
    /// them where rows go to the host.
    pub limit_fraction: f64,
}

/// Measures.
pub fn run(args: &BenchCodecArgs, printer: &Printer) -> Result<(), CliError> {
    let settings = trial::Settings::new(args);
    let note = |what: &str| printer.note(what);
    let rows = match args.device {
        Some(place) => device::all(&settings, place, &note)?,
        None => trial::all(&settings, &note)?,
    };
    printer.report(&rows, |rows, pen| view(&settings, rows, pen))
}

fn view(settings: &trial::Settings, rows: &[CodecRow], pen: &Pen) -> String {
    let columns = [
        ("work", Align::Left),
        ("engine", Align::Left),
        ("ms", Align::Right),
        ("vectors/s", Align::Right),
        ("GFLOP/s", Align::Right),
        ("of the limit", Align::Right),
    ];
    let mut table = Table::new(columns);
    for row in rows {
        table.row([
            row.work.as_str().into(),
            row.engine.into(),
            format!("{:.2}", row.ms).into(),
            format!("{:.0}", row.vectors_per_second).into(),
            format!("{:.1}", row.gflops).into(),
            format!("{:.0}%", row.limit_fraction * 100.0).into(),
        ]);
    }
    let limit = match rows.iter().find(|row| row.engine == "driver") {
        Some(_) => "the driver alone fills and copies as many bytes".to_owned(),
        None => format!("{} threads; the product alone is that of the gemm crate", settings.threads),
    };
    let said = format!(
        "{} vectors; medians of {} turns, all works in each turn; {limit}",
        settings.rows, settings.turns
    );
    format!("{}\n{}", table.draw(pen), pen.paint(Style::Dim, &format!("{said}\n")))
}
