//! How fast a recording is exported and studied, and how much memory that takes:
//! `cargo run --release -p plimsoll --example export_speed`.

use std::io::Write;
use std::time::Instant;

use plimsoll::record::Recording;
use plimsoll::record::analysis::StudySettings;
use plimsoll::record::export::{ExportError, Exported, Only, csv, perfetto, pytorch, rmm};

#[path = "../tests/recordings/mod.rs"]
mod recordings;

/// The most memory that this process ever had, in KiB, where the system tells.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

type Write1 = fn(&Recording, &Only, Box<dyn Write>) -> Result<Exported, ExportError>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let events = std::env::args().nth(1).map_or(Ok(1_000_000), |events| events.parse())?;
    let recording = recordings::synthetic(events, 1);
    println!("{} events, {} accounts", recording.facts().events, recording.names().sources.len());
    println!("{:<10} {:>8} {:>10} {:>10} {:>16}", "format", "seconds", "MB", "MB/s", "peak RSS, more");
    let writers: [(&str, Write1); 4] = [
        ("csv", |recording, only, to| csv(recording, only, to)),
        ("rmm", |recording, only, to| rmm(recording, only, to)),
        ("perfetto", |recording, only, to| perfetto(recording, only, to)),
        ("pytorch", |recording, only, to| pytorch(recording, only, to)),
    ];
    for (name, write) in writers {
        let before = peak_kib();
        let began = Instant::now();
        let written = write(&recording, &Only::default(), Box::new(std::io::sink()))?;
        line(name, began.elapsed().as_secs_f64(), Some(written.bytes), before);
    }
    let before = peak_kib();
    let began = Instant::now();
    let study = recording.study(&StudySettings::default())?;
    line("study", began.elapsed().as_secs_f64(), None, before);
    println!("{}", recording.peak_by_tag());
    assert!(study.summary.odd.is_clear());
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "printed with a few digits")]
fn line(name: &str, seconds: f64, bytes: Option<u64>, before: Option<u64>) {
    let more = before
        .zip(peak_kib())
        .map_or("unknown".to_owned(), |(before, after)| format!("{} KiB", after - before));
    let megabytes = bytes.map(|bytes| bytes as f64 / 1e6);
    let size = megabytes.map_or(String::new(), |size| format!("{size:.1}"));
    let rate = megabytes.map_or(String::new(), |size| format!("{:.0}", size / seconds));
    println!("{name:<10} {seconds:>8.3} {size:>10} {rate:>10} {more:>16}");
}
