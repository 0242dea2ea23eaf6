//! `plimsoll bench pool`: what one lease and its drop cost.

use std::collections::BTreeMap;

use plimsoll::{Bytes, Place};
use serde::Serialize;

use super::engines;
use super::harness::{self, Plan, Row};
use crate::backends::{BackendError, Backends};
use crate::draw::{Align, Cell, Pen, Style, Table};
use crate::{CliError, Printer};

const EXAMPLES: &str = "\
Examples:
  plimsoll bench pool
  plimsoll bench pool --json
  plimsoll bench pool --touch
  plimsoll bench pool --place cuda:0

Measures a lease and its drop beside malloc and free, in turns: one thread and two, small sizes and large, ten
to a million live leases. With --place, a lease of that device's memory beside an allocation of the device itself.
Takes about a minute; build with --release, close what else is running.";

/// What can be typed after `bench pool`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct PoolArgs {
    /// Write one byte to each page of each block, so that the memory is really there
    #[arg(long, conflicts_with = "place")]
    pub touch: bool,

    /// Measure a pool of this place's device: host, pinned, cuda:N, gpu:N
    #[arg(long, value_name = "PLACE")]
    pub place: Option<Place>,

    /// Three short cases: whether everything runs, not how fast
    #[arg(long, conflicts_with = "touch")]
    pub smoke: bool,
}

/// One measurement. `plimsoll bench pool --json` prints a list of these.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PoolRow {
    /// "plimsoll", or a peer's name: "malloc"; on a device, "device alone".
    pub engine: String,
    /// The size of each lease.
    pub size_bytes: u64,
    /// Threads at once.
    pub threads: u32,
    /// Leases that live while one more is taken and dropped.
    pub live: u64,
    /// The median time of one lease and its drop.
    pub ns_median: f64,
}

/// Measures and prints.
pub fn run(args: &PoolArgs, printer: &Printer) -> Result<(), CliError> {
    let plan = match (args.smoke, args.touch) {
        (true, _) => Plan::smoke(),
        (false, true) => Plan::touching(),
        (false, false) => Plan::full(),
    };
    let engines = match args.place {
        None => engines::own(),
        Some(place @ Place::Sim(_)) => return Err(CliError::Place { place, why: BackendError::Simulated }),
        Some(place) => engines::on(&Backends::new(Printer::notice()).device(place)?),
    };
    let all = plan.cases.len();
    let mut done = 0;
    let measured = harness::measure(&engines, &plan, |_| {
        done += 1;
        printer.progress("measuring", done, all);
    });
    for gap in gaps(&measured) {
        Printer::remark(&gap);
    }
    let rows = rows(&measured);
    printer.report(&rows, |rows, pen| view(rows, pen))
}

/// What has no figure, each reason once.
fn gaps(measured: &[Row]) -> Vec<String> {
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for row in measured {
        if let Err(gap) = row.ns_median {
            *counted.entry(format!("{} has no figure: {gap}", row.engine)).or_default() += 1;
        }
    }
    counted.into_iter().map(|(what, cases)| format!("{what} ({cases} cases)")).collect()
}

/// The rows that have a figure.
pub fn rows(measured: &[Row]) -> Vec<PoolRow> {
    let row = |row: &Row| {
        Some(PoolRow {
            engine: row.engine.to_owned(),
            size_bytes: row.size_bytes,
            threads: u32::try_from(row.threads).ok()?,
            live: row.live as u64,
            ns_median: row.ns_median.ok()?,
        })
    };
    measured.iter().filter_map(row).collect()
}

/// Draws rows: a table for each number of threads and live leases, engines side by side, the fastest marked.
pub fn view(rows: &[PoolRow], pen: &Pen) -> String {
    let mut groups: BTreeMap<(u32, u64), Vec<&PoolRow>> = BTreeMap::new();
    for row in rows {
        groups.entry((row.threads, row.live)).or_default().push(row);
    }
    let tables = groups.iter().map(|((threads, live), rows)| {
        let threads = if *threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") };
        let heading = format!("{threads}, {live} live; ns for a lease and its drop");
        pen.paint(Style::Bold, &heading) + "\n" + &group(rows, pen)
    });
    tables.collect::<Vec<_>>().join("\n")
}

fn group(rows: &[&PoolRow], pen: &Pen) -> String {
    let mut engines: Vec<&str> = Vec::new();
    let mut sizes: Vec<u64> = Vec::new();
    for row in rows {
        if !engines.contains(&row.engine.as_str()) {
            engines.push(&row.engine);
        }
        if !sizes.contains(&row.size_bytes) {
            sizes.push(row.size_bytes);
        }
    }
    sizes.sort_unstable();
    let columns = engines.iter().map(|engine| (*engine, Align::Right));
    let mut table = Table::new(std::iter::once(("size", Align::Right)).chain(columns));
    for size in sizes {
        let time = |engine: &str| {
            let found = rows.iter().find(|row| row.engine == engine && row.size_bytes == size);
            found.map(|row| row.ns_median)
        };
        let best = engines.iter().filter_map(|engine| time(engine)).min_by(f64::total_cmp);
        let cells = engines.iter().map(|engine| match time(engine) {
            Some(ns) if Some(ns) == best => Cell::new(Style::Good, format!("{}{}", figure(ns), "*")),
            Some(ns) => format!("{} ", figure(ns)).into(),
            None => Cell::new(Style::Dim, "- "),
        });
        let name = Bytes::new(size).to_string().replace(".00", "");
        table.row(std::iter::once(Cell::from(name)).chain(cells));
    }
    table.draw(pen)
}

/// Three digits that mean something.
fn figure(ns: f64) -> String {
    match ns {
        ns if ns < 10.0 => format!("{ns:.2}"),
        ns if ns < 100.0 => format!("{ns:.1}"),
        ns => format!("{ns:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::harness::Gap;
    use super::*;

    #[test]
    fn what_has_no_figure_is_said_once() {
        let row = |ns_median| Row { engine: "one", size_bytes: 1, threads: 1, live: 1, ns_median };
        let measured = [row(Err(Gap::Full)), row(Ok(1.0)), row(Err(Gap::Full)), row(Err(Gap::TooSlow))];
        let gaps = gaps(&measured);
        assert_eq!(gaps.len(), 2);
        assert_eq!(gaps[0], "one has no figure: it had no room for the blocks (2 cases)");
    }

    #[test]
    fn engines_stand_side_by_side_and_the_fastest_is_marked() {
        let row = |engine: &str, size_bytes, ns_median| PoolRow {
            engine: engine.to_owned(),
            size_bytes,
            threads: 1,
            live: 10,
            ns_median,
        };
        let rows = [row("plimsoll", 4096, 12.34), row("malloc", 4096, 45.6), row("plimsoll", 1 << 20, 15.0)];
        let pen = Pen { color: false, unicode: true, width: 80 };
        let text = view(&rows, &pen);
        assert_eq!(
            text,
            "1 thread, 10 live; ns for a lease and its drop\n\
             \x20size  plimsoll  malloc\n\
             4 KiB     12.3*   45.6\n\
             1 MiB     15.0*      -\n"
        );
        assert!(
            serde_json::to_string(&rows)
                .unwrap()
                .starts_with(r#"[{"engine":"plimsoll","size_bytes":4096,"threads":1"#)
        );
    }
}
