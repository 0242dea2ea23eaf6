//! The report for people: figures and bars.

use plimsoll::{Bytes, Place};

use super::disk::Through;
use super::report::{DeviceReport, DiskReport, DiskRow, HostReport, MemoryReport, Transfer, TransferRow};
use super::{Figure, Operation};
use crate::draw::{Align, Cell, Pen, Style, Table, bar, wrap};

/// Draws the report.
pub fn view(report: &MemoryReport, pen: &Pen) -> String {
    let mut parts: Vec<String> = report.host.iter().map(|host| threads(host, report, pen)).collect();
    parts.extend(report.disk.iter().map(|one| disk(one, pen)));
    parts.extend(report.devices.iter().filter(|one| !one.rows.is_empty()).map(|one| device(one, pen)));
    if !report.left_out.is_empty() {
        let lines = report.left_out.iter().map(|left_out| {
            let style = if left_out.failed { Style::Bad } else { Style::Dim };
            remark(&format!("{}: {}", left_out.what, left_out.why), style, pen)
        });
        parts.push(heading("left out", "", pen) + &lines.collect::<String>());
    }
    parts.join("\n")
}

/// Columns of a working set's size and of the cache that holds it.
const BESIDE_FIGURES: usize = 17;
/// Columns of a figure and the blanks around it and its bar.
const BESIDE_BAR: usize = 9;
/// Bars shorter than this tell less than the figures.
const SHORTEST: usize = 4;
const LONGEST: usize = 20;

fn threads(host: &HostReport, report: &MemoryReport, pen: &Pen) -> String {
    let title = match host.threads {
        1 => "host memory, one thread".to_owned(),
        threads => format!("host memory, {threads} threads"),
    };
    let runs = host.points.iter().map(|point| point.figure.runs).min().unwrap_or(0);
    let mut out = heading(&title, &format!("GB/s, best of {runs} runs"), pen);
    let name = report.cpu.name.as_deref().unwrap_or("unknown processor");
    let stays = if host.pinned { ", each thread on its own core" } else { "" };
    out.push_str(&remark(&format!("{name}, {}{stays}", report.cpu.instructions), Style::Dim, pen));
    let room = pen.width.saturating_sub(BESIDE_FIGURES) / Operation::ALL.len();
    let columns = room.saturating_sub(BESIDE_BAR).min(LONGEST);
    // On a narrow screen only reading has a bar.
    let (all, columns) = if columns >= SHORTEST {
        (true, columns)
    } else {
        let figures = Operation::ALL.len() * (BESIDE_BAR - 2);
        (false, pen.width.saturating_sub(BESIDE_FIGURES + figures + 2).min(LONGEST))
    };
    let barred = |operation| all || (operation == Operation::Read && columns >= SHORTEST);
    let mut titles = vec![("size", Align::Right), ("in", Align::Left)];
    for operation in Operation::ALL {
        titles.push((operation.name(), Align::Right));
        titles.extend(barred(operation).then_some(("", Align::Left)));
    }
    let most = host.points.iter().map(|point| point.figure.best_bytes_per_s).fold(0.0, f64::max);
    let caches = report.cpu.caches_of(host.threads);
    let mut table = Table::new(titles);
    for points in host.points.chunk_by(|one, other| one.working_set_bytes == other.working_set_bytes) {
        let size = points[0].working_set_bytes;
        let holds = caches.iter().find(|(_, bytes)| size <= *bytes);
        let holds = holds.map_or_else(|| "memory".to_owned(), |(level, _)| format!("L{level}"));
        let mut cells = vec![Cell::from(round(size)), Cell::new(Style::Dim, holds)];
        for operation in Operation::ALL {
            let figure = points.iter().find(|point| point.operation == operation).map(|point| point.figure);
            cells.push(figure.map_or_else(Cell::default, |figure| gigabytes(figure.best_bytes_per_s).into()));
            if barred(operation) {
                let share = figure.map_or(0.0, |figure| figure.best_bytes_per_s / most);
                cells.push(Cell::drawn(bar(pen, columns, share, Style::Accent), columns));
            }
        }
        table.row(cells);
    }
    out + &table.draw(pen)
}

fn disk(disk: &DiskReport, pen: &Pen) -> String {
    let label = |row: &DiskRow| match (row.operation, row.through, row.in_flight) {
        (Operation::Read, Through::Buffered, _) => "read, nothing cached".to_owned(),
        (Operation::Read, Through::Cached, _) => "read, all cached".to_owned(),
        (_, Through::Buffered, _) => "write, then fsync".to_owned(),
        (operation, _, 1) => format!("{}, direct", operation.name()),
        (operation, _, flying) => format!("{}, direct, {flying} at once", operation.name()),
    };
    let kind = disk.file_system.as_deref().unwrap_or("unknown file system");
    let memory = if disk.in_memory { ", which is memory and no disk" } else { "" };
    let (file, block) = (round(disk.file_bytes), round(disk.block_bytes));
    let what = format!("{}, {kind}{memory}; a file of {file} in requests of {block}", disk.folder);
    let rows =
        disk.rows.iter().map(|row| Line { label: label(row), figure: row.figure, barred: true, bare: None });
    heading("disk", "GB/s, best run", pen) + &remark(&what, Style::Dim, pen) + &lines(rows.collect(), pen)
}

fn device(device: &DeviceReport, pen: &Pen) -> String {
    let label = |row: &TransferRow| match row.transfer {
        Transfer::Upload | Transfer::Download => format!("{}, {}", row.transfer.name(), "pageable"),
        Transfer::Copy if row.from == row.to => "copy within, read + written".to_owned(),
        Transfer::Copy if row.to == device.place => format!("copy from {}", row.from),
        Transfer::Copy => format!("copy to {}", row.to),
        Transfer::Write => row.transfer.name().to_owned(),
    };
    let rows: Vec<_> = device
        .rows
        .iter()
        .map(|row| Line {
            label: label(row),
            figure: row.figure,
            // A GPU's own memory is fifty times as fast as its links, whose bars would be all alike.
            barred: row.from != row.to || row.from == Place::Host.to_string(),
            bare: row.bare.as_ref().map(|bare| (bare.name, bare.figure)),
        })
        .collect();
    heading(&device.place, "GB/s, best run", pen) + &remark(&device.name, Style::Dim, pen) + &lines(rows, pen)
}

/// A row of a table with one figure.
struct Line {
    label: String,
    figure: Figure,
    barred: bool,
    bare: Option<(&'static str, Figure)>,
}

/// Columns that stand beside the bar of a table with one figure, other than its labels.
const BESIDE_LINE: usize = 9;

fn lines(lines: Vec<Line>, pen: &Pen) -> String {
    let barred = lines.iter().filter(|line| line.barred);
    let most = barred.map(|line| line.figure.best_bytes_per_s).fold(0.0, f64::max);
    let label = lines.iter().map(|line| line.label.chars().count()).max().unwrap_or(0);
    let beside = |line: &Line| {
        line.bare.map(|(name, bare)| {
            let share = line.figure.best_bytes_per_s / bare.best_bytes_per_s;
            format!("{:.0}% of {name} ({})", share * 100.0, gigabytes(bare.best_bytes_per_s))
        })
    };
    let beside: Vec<_> = lines.iter().map(|line| beside(line).unwrap_or_default()).collect();
    let last = beside.iter().map(|text| text.chars().count()).max().map_or(0, |width| width + 2);
    let columns = pen.width.saturating_sub(label + BESIDE_LINE + last).min(LONGEST * 2);
    let mut table =
        Table::new([("", Align::Left), ("GB/s", Align::Right), ("", Align::Left), ("", Align::Left)]);
    for (line, beside) in lines.into_iter().zip(beside) {
        let share = line.figure.best_bytes_per_s / most;
        let drawn = if line.barred && columns >= SHORTEST {
            Cell::drawn(bar(pen, columns, share, Style::Accent), columns)
        } else {
            Cell::default()
        };
        let figure = gigabytes(line.figure.best_bytes_per_s);
        table.row([line.label.into(), figure.into(), drawn, Cell::new(Style::Dim, beside)]);
    }
    table.draw(pen)
}

fn heading(title: &str, unit: &str, pen: &Pen) -> String {
    let unit = if unit.is_empty() { String::new() } else { format!("  {}", pen.paint(Style::Dim, unit)) };
    format!("{}{unit}\n", pen.paint(Style::Bold, title))
}

/// A sentence under a heading, in as many lines as it needs.
fn remark(text: &str, style: Style, pen: &Pen) -> String {
    let lines = wrap(text, pen.width.saturating_sub(2)).into_iter();
    lines.flat_map(|line| ["  ".to_owned(), pen.paint(style, &line), "\n".to_owned()]).collect()
}

fn gigabytes(rate: f64) -> String {
    match rate / 1e9 {
        rate if rate >= 1000.0 => format!("{rate:.0}"),
        rate if rate >= 10.0 => format!("{rate:.1}"),
        rate => format!("{rate:.2}"),
    }
}

/// A power of two reads better without decimals.
fn round(bytes: u64) -> String {
    Bytes::new(bytes).to_string().replace(".00", "")
}

#[cfg(test)]
mod tests {
    use super::super::report::{BareFigure, HostPoint, LeftOut, ProcessorReport};
    use super::*;
    use crate::machine::CacheReport;

    fn figure(gigabytes: f64) -> Figure {
        Figure { best_bytes_per_s: gigabytes * 1e9, median_bytes_per_s: gigabytes * 0.9e9, runs: 10 }
    }

    fn report() -> MemoryReport {
        let cache =
            |level, kib: u64, sharing| CacheReport { level, bytes: kib << 10, shared_by: Some(sharing) };
        let point = |size: u64, operation, gigabytes| HostPoint {
            operation,
            working_set_bytes: size,
            figure: figure(gigabytes),
        };
        let points = [(32_u64 << 10, 200.0), (64 << 10, 100.0), (1 << 30, 8.25)];
        let all = points.iter().flat_map(|&(size, rate)| Operation::ALL.map(|one| point(size, one, rate)));
        let row = |transfer, from: &str, to: &str, gigabytes, bare| TransferRow {
            transfer,
            from: from.into(),
            to: to.into(),
            counted_bytes: 1 << 28,
            figure: figure(gigabytes),
            bare,
        };
        let bare = Some(BareFigure { name: "cuMemcpyAsync", figure: figure(55.0) });
        MemoryReport {
            version: "0.1.0",
            cpu: ProcessorReport {
                name: Some("A Processor".into()),
                instructions: "AVX2",
                caches: vec![cache(1, 32, 2), cache(2, 1024, 2)],
            },
            host: vec![
                HostReport { threads: 1, pinned: true, points: all.clone().collect() },
                HostReport { threads: 4, pinned: true, points: all.collect() },
            ],
            disk: None,
            devices: vec![DeviceReport {
                place: "cuda:0".into(),
                name: "NVIDIA H200".into(),
                rows: vec![
                    row(Transfer::Copy, "cuda:0", "cuda:0", 4250.0, None),
                    row(Transfer::Upload, "pageable", "cuda:0", 9.5, None),
                    row(Transfer::Copy, "pinned", "cuda:0", 52.8, bare),
                    row(Transfer::Copy, "cuda:0", "cuda:1", 390.0, None),
                ],
            }],
            left_out: vec![LeftOut::absent("disk", "there is no room")],
        }
    }

    #[test]
    fn caches_and_routes_are_named() {
        let pen = Pen { color: false, unicode: false, width: 80 };
        let text = view(&report(), &pen);
        assert!(text.is_ascii() && text.lines().all(|line| line.len() <= 80), "{text}");
        let (one, four) = text.split_once("4 threads").unwrap();
        assert!(one.contains("64 KiB  L2      100.0"), "{text}");
        // Four threads on two cores have two first caches.
        assert!(four.contains("64 KiB  L1      100.0") && four.contains(" 1 GiB  memory   8.25"), "{text}");
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [
            "copy within, read + written 4250 upload, pageable 9.50 #",
            "96% of cuMemcpyAsync (55.0)",
            "copy from pinned",
            "copy to cuda:1",
            "disk: there is no room",
        ] {
            assert!(words.contains(part), "{part:?} is not in\n{text}");
        }
    }

    #[test]
    fn a_picture_has_a_panel_for_each_number_of_threads() {
        let picture = crate::bench::memory::svg(&report()).unwrap();
        for part in ["one thread", "4 threads", "A Processor", "L2 2 MiB", "triad"] {
            assert!(picture.contains(part), "{part}");
        }
    }
}
