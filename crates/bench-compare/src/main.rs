//! Measures the peers and prints one row for each engine and case.

use std::io::{self, Write as _};
use std::process::ExitCode;

use bench_compare::peers;
use clap::Parser;
use plimsoll_cli::bench::harness::{self, Plan, Row};

/// Time how long other people's allocators take to hand out a block and take it back.
#[derive(Parser)]
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
