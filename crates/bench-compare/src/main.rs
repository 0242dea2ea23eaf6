//! Measures the peers and prints one row for each engine and case.

use std::io::{self, Write as _};
use std::process::ExitCode;

use bench_compare::{gpu, kv, peers};
use clap::Parser;
use plimsoll_cli::bench::harness::{self, Plan, Row};

/// Time how long other people's allocators take to hand out a block and take it back.
#[derive(Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch on the command line")]
#[command(name = "bench-compare", version)]
struct Arguments {
    /// Print the rows as one JSON list.
    #[arg(long)]
    json: bool,
    /// Write one byte to each page of each block; engines that keep books only are left out.
    #[arg(long)]
    touch: bool,
    /// Run three short cases: whether everything works, not how fast.
    #[arg(long, conflicts_with = "touch")]
    smoke: bool,
    /// Measure only the engines named so (may be given several times).
    #[arg(long = "engine", value_name = "NAME")]
    engines: Vec<String>,
    /// Measure our CUDA devices beside the bare driver and PyTorch, on the first GPU.
    #[arg(long, conflicts_with_all = ["touch", "smoke", "engines"])]
    gpu: bool,
    /// Measure who keeps blocks of attention state on a disk: write them, and read them back cold.
    #[arg(long, conflicts_with_all = ["touch", "engines", "gpu"])]
    kv: bool,
    /// The folder whose disk that is; what is written there is deleted at the end.
    #[arg(long, value_name = "FOLDER", default_value = ".", requires = "kv")]
    within: std::path::PathBuf,
    /// How many GiB each of them keeps; 0.25 for a quarter.
    #[arg(long, value_name = "GIB", default_value_t = 1.0, requires = "kv")]
    gib: f64,
    /// Open one store in the folder and tell what that took: how this program measures it, in a process of its own.
    #[arg(long, value_name = "WHO", hide = true, requires = "kv")]
    open: Option<kv::Who>,
    /// How many blocks that store has room for.
    #[arg(long, value_name = "COUNT", hide = true, default_value_t = 0, requires = "open")]
    blocks: usize,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(2),
        Err(error) => {
            eprintln!("error: the results could not be written: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<bool> {
    if arguments.gpu {
        return print(arguments.json, gpu::measure);
    }
    if let Some(who) = arguments.open {
        let opened = kv::open(who, &arguments.within, arguments.blocks)?;
        writeln!(io::stdout(), "{}", serde_json::to_string(&opened)?)?;
        return Ok(true);
    }
    if arguments.kv {
        let plan =
            if arguments.smoke { kv::Plan::smoke() } else { kv::Plan::full(kv::Plan::bytes(arguments.gib)) };
        return print(arguments.json, |row| kv::measure(&arguments.within, &plan, row));
    }
    let mut engines = peers::all();
    let known: Vec<_> = engines.iter().map(|engine| engine.name()).collect();
    if let Some(unknown) = arguments.engines.iter().find(|name| !known.contains(&name.as_str())) {
        eprintln!("error: no engine is called {unknown:?}; there are {}", known.join(", "));
        return Ok(false);
    }
    engines.retain(|engine| {
        arguments.engines.is_empty() || arguments.engines.iter().any(|name| name == engine.name())
    });
    let plan = match (arguments.smoke, arguments.touch) {
        (true, _) => Plan::smoke(),
        (false, true) => Plan::touching(),
        (false, false) => Plan::full(),
    };
    let mut out = io::stdout().lock();
    if arguments.json {
        let rows = harness::measure(&engines, &plan, explain);
        write!(out, "{}", json(&rows))?;
    } else {
        writeln!(
            out,
            "{:<18} {:>12} {:>8} {:>9} {:>12}",
            "engine", "size_bytes", "threads", "live", "ns_median"
        )?;
        let mut written = Ok(());
        harness::measure(&engines, &plan, |rows| {
            explain(rows);
            let table = table(rows);
            if written.is_ok() {
                written = out.write_all(table.as_bytes()).and_then(|()| out.flush());
            }
        });
        written?;
    }
    Ok(true)
}

/// Figures, one line each as soon as it is there, in the order in which they are measured.
fn print<E: std::fmt::Display>(
    json: bool,
    measure: impl FnOnce(&mut dyn FnMut(gpu::Row)) -> Result<(), E>,
) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    let mut written = Ok(());
    let measured = measure(&mut |row| {
        let gpu::Row { what, who, value, unit } = row;
        let line = if json {
            format!(
                "{{\"what\": \"{what}\", \"who\": \"{who}\", \"value\": {value:.3}, \"unit\": \"{unit}\"}}\n"
            )
        } else {
            format!("{what:<58} {who:<20} {value:>14.2} {unit}\n")
        };
        if written.is_ok() {
            written = out.write_all(line.as_bytes()).and_then(|()| out.flush());
        }
    });
    written?;
    match measured {
        Ok(()) => Ok(true),
        Err(why) => {
            eprintln!("error: {why}");
            Ok(false)
        }
    }
}

/// Says on standard error which rows are missing and why.
fn explain(rows: &[Row]) {
    for row in rows {
        if let Err(gap) = row.ns_median {
            let Row { engine, size_bytes, threads, live, .. } = row;
            eprintln!("{engine}: no figure for {size_bytes} bytes, {threads} threads, {live} live: {gap}");
        }
    }
}

fn table(rows: &[Row]) -> String {
    let line = |row: &Row| {
        let ns = row.ns_median.ok()?;
        let Row { engine, size_bytes, threads, live, .. } = row;
        Some(format!("{engine:<18} {size_bytes:>12} {threads:>8} {live:>9} {ns:>12.1}\n"))
    };
    rows.iter().filter_map(line).collect()
}

/// The rows as JSON. Engine names are ours and need no escaping; a row without a figure is left out.
fn json(rows: &[Row]) -> String {
    let object = |row: &Row| {
        let ns = row.ns_median.ok()?;
        let Row { engine, size_bytes, threads, live, .. } = row;
        Some(format!(
            "  {{\"engine\": \"{engine}\", \"size_bytes\": {size_bytes}, \"threads\": {threads}, \"live\": {live}, \
             \"ns_median\": {ns:.2}}}"
        ))
    };
    let objects: Vec<_> = rows.iter().filter_map(object).collect();
    format!("[\n{}\n]\n", objects.join(",\n"))
}
