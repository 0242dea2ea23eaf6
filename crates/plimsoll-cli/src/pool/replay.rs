//! `plimsoll pool replay TRACE`: what the pool would have kept for a recorded program.

use std::path::PathBuf;
use std::sync::Arc;

use plimsoll::record::RecordSettings;
use plimsoll::replay::{Report, Trace, recorded, recorded_on, through_pool, through_pool_on};
use plimsoll::{Bytes, Place};
use serde::Serialize;

use crate::backends::Backends;
use crate::draw::{Align, Cell, Pen, Style, Table, bar};
use crate::{CliError, Printer};

const EXAMPLES: &str = "\
Examples:
  plimsoll pool replay trace.csv.gz
  plimsoll pool replay trace.csv --json
  plimsoll pool replay trace.csv --place cuda:0
  plimsoll pool replay trace.csv --record replay.rec

Without --place the device is simulated: it has no bytes, as much room as any trace needs, and does what it is
told when the recording says so. With --place the trace runs on that device, on its own streams and fences.

A trace is CSV with the columns device, seq, action, addr, size, stream; gzip is recognized by content.
Reserved is what is really backed by memory, live is what the program had asked for and not yet freed.";

/// What can be typed after `pool replay`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ReplayArgs {
    /// The trace, as .csv or .csv.gz
    #[arg(value_name = "TRACE")]
    pub trace: PathBuf,

    /// Replay on this place's device instead of a simulated one: host, pinned, cuda:N, gpu:N, sim:N
    #[arg(long, value_name = "PLACE", conflicts_with = "granule")]
    pub place: Option<Place>,

    /// What the simulated device backs memory in, as a host can; GPUs do 2MiB
    #[arg(long, value_name = "SIZE", default_value = "512KiB", value_parser = granule)]
    pub granule: Bytes,

    /// Replay once more and write down what happens, for `plimsoll report` and `plimsoll recording`
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
}

/// What `plimsoll pool replay --json` prints: one object, in which the [`Report`]'s names stand beside these two.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReplayReport {
    /// Where it ran: a place, or "simulated".
    pub place: String,
    /// The device's name.
    pub device: String,
    /// What came out.
    #[serde(flatten)]
    pub replayed: Report,
}

fn granule(text: &str) -> Result<Bytes, String> {
    let granule: Bytes = text.parse().map_err(|error: plimsoll::ParseBytesError| error.to_string())?;
    let fits = granule.get().is_power_of_two() && (Bytes::kib(4)..=Bytes::gib(1)).contains(&granule);
    if fits { Ok(granule) } else { Err("a granule is a power of two from 4KiB to 1GiB".to_owned()) }
}

/// Replays and prints.
pub fn run(args: &ReplayArgs, printer: &Printer) -> Result<(), CliError> {
    let trace =
        Trace::open(&args.trace).map_err(|source| CliError::Trace { path: args.trace.clone(), source })?;
    let device = match args.place {
        None | Some(Place::Sim(_)) => None,
        Some(place) => Some(Backends::new(Printer::notice()).device(place)?),
    };
    let report = match &device {
        None => ReplayReport {
            place: args.place.map_or_else(|| "simulated".to_owned(), |place| place.to_string()),
            device: format!("a simulated device with granules of {}", args.granule).replace(".00", ""),
            replayed: through_pool(&trace, args.granule, RUNS)?,
        },
        Some(device) => ReplayReport {
            place: device.facts().place.to_string(),
            device: device.facts().name.clone(),
            replayed: through_pool_on(&trace, Arc::clone(device), RUNS)?,
        },
    };
    if let Some(path) = &args.record {
        let settings = RecordSettings::default().program("plimsoll pool replay").limit(RECORDED);
        let recording = match device {
            None => recorded(&trace, args.granule, path, settings)?,
            Some(device) => recorded_on(&trace, device, path, settings)?,
        };
        printer.note(&format!("{} events are in {}", recording.facts().events, path.display()));
    }
    printer.report(&report, view)
}

/// What waits in memory to be written, at most: a replay is faster than a disk.
const RECORDED: Bytes = Bytes::gib(4);

/// A trace is replayed so often; the median is what an event costs.
const RUNS: usize = 5;

/// Columns beside the bar.
const BESIDE_BAR: usize = 54;

/// Draws the report.
pub fn view(report: &ReplayReport, pen: &Pen) -> String {
    let where_it_ran = if report.device.starts_with("a simulated device") || report.place == report.device {
        format!("on {}", report.device)
    } else {
        format!("on {}, {}", report.place, report.device)
    };
    let report = &report.replayed;
    let columns = pen.width.saturating_sub(BESIDE_BAR).clamp(8, 40);
    let live = Bytes::new(report.peak_live_bytes);
    let all = [
        ("plimsoll", Some(report.peak_reserved_bytes)),
        ("plain best fit", Some(report.best_fit_reserved_bytes)),
        ("as recorded", report.recorded_reserved_bytes),
    ];
    let most = all.iter().filter_map(|(_, bytes)| *bytes).max().unwrap_or(0).max(live.get());
    let mut table = Table::new([
        ("", Align::Left),
        ("peak reserved", Align::Right),
        ("over live", Align::Right),
        ("", Align::Left),
    ]);
    let drawn =
        |bytes: Bytes, style| Cell::drawn(bar(pen, columns, bytes.ratio(Bytes::new(most)), style), columns);
    for (name, bytes) in all {
        let Some(bytes) = bytes.map(Bytes::new) else {
            continue;
        };
        let style = if name == "plimsoll" { Style::Accent } else { Style::Plain };
        table.row([
            Cell::new(style, name),
            bytes.to_string().into(),
            format!("{:.3} ×", bytes.ratio(live)).replace('×', pen.either("×", "x")).into(),
            drawn(bytes, style),
        ]);
    }
    table.row([
        Cell::new(Style::Dim, "live"),
        Cell::new(Style::Dim, live.to_string()),
        Cell::default(),
        drawn(live, Style::Dim),
    ]);
    let events = format!(
        "{} events, {:.0} ns each, memory backed or given back {} times\n",
        report.events, report.ns_per_event, report.map_events
    );
    pen.paint(Style::Dim, &where_it_ran) + "\n" + &table.draw(pen) + "\n" + &events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_is_left_out() {
        let replayed = Report {
            events: 1_000,
            peak_live_bytes: 1 << 30,
            peak_reserved_bytes: (1 << 30) + (1 << 25),
            overhead: 1.031_25,
            recorded_reserved_bytes: None,
            best_fit_reserved_bytes: 5 << 28,
            best_fit_overhead: 1.25,
            recorded_overhead: None,
            unknown_frees: 0,
            map_events: 7,
            exchange_events: 2,
            ns_per_event: 81.4,
        };
        let (place, device) = ("cuda:0".to_owned(), "NVIDIA H200".to_owned());
        let report = ReplayReport { place, device, replayed };
        let pen = Pen { color: false, unicode: true, width: 80 };
        let text = view(&report, &pen);
        assert!(text.starts_with("on cuda:0, NVIDIA H200\n"), "{text}");
        assert!(text.contains("1.031 ×") && text.contains("1.250 ×") && !text.contains("recorded"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let json = serde_json::to_value(&report).unwrap();
        for name in [
            "place",
            "device",
            "events",
            "peak_live_bytes",
            "peak_reserved_bytes",
            "overhead",
            "recorded_reserved_bytes",
            "ns_per_event",
        ] {
            assert!(json.get(name).is_some(), "{name}");
        }
    }
}
