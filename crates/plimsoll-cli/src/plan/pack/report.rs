//! What came of packing, as text and as JSON.

use std::fmt::Write as _;

use plimsoll::Bytes;
use plimsoll_tensor::pack::{Flaw, Layout};
use serde::Serialize;

use super::PackArgs;
use super::table::Table;
use crate::draw::{Pen, Style};

/// What `plimsoll plan pack --json` prints: one object.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PackReport {
    pub(super) file: String,
    buffers: usize,
    height_bytes: u64,
    /// The most that lives at once.
    bound_bytes: u64,
    ratio: f64,
    capacity_bytes: Option<u64>,
    sum_bytes: u64,
    seconds: f64,
    /// The height of the offsets that the file came with.
    given_height_bytes: Option<u64>,
    /// What is wrong with them.
    given_flaw: Option<String>,
}

pub(super) fn report(
    args: &PackArgs,
    table: &Table,
    layout: &Layout,
    given: Option<Result<Bytes, Flaw>>,
    seconds: f64,
) -> PackReport {
    let sum = table.buffers.iter().fold(Bytes::ZERO, |sum, buffer| sum.saturating_add(buffer.size));
    let (given_height, flaw) = match given {
        Some(Ok(height)) => (Some(height.get()), None),
        Some(Err(flaw)) => (None, Some(flaw.to_string())),
        None => (None, None),
    };
    PackReport {
        file: args.file.display().to_string(),
        buffers: table.buffers.len(),
        height_bytes: layout.height.get(),
        bound_bytes: layout.bound.get(),
        ratio: layout.ratio(),
        capacity_bytes: args.capacity.map(Bytes::get),
        sum_bytes: sum.get(),
        seconds,
        given_height_bytes: given_height,
        given_flaw: flaw,
    }
}

pub(super) fn view(report: &PackReport, pen: &Pen) -> String {
    let exact = |bytes: u64| format!("{} ({bytes} bytes)", Bytes::new(bytes));
    let mut out = format!("{}  {} buffers\n", pen.paint(Style::Bold, &report.file), report.buffers);
    let mut line = |name: &str, said: String| {
        let _ = writeln!(out, "  {name:<9} {said}");
    };
    line("height", exact(report.height_bytes));
    let over = if report.height_bytes == report.bound_bytes {
        "no arrangement is lower".to_owned()
    } else {
        format!("the height is {:.2}% above it", (report.ratio - 1.0) * 100.0)
    };
    line("bound", format!("{}: so much lives at once; {over}", exact(report.bound_bytes)));
    if let Some(capacity) = report.capacity_bytes {
        line("capacity", exact(capacity));
    }
    line("apart", format!("{}: what they would take with no byte shared", exact(report.sum_bytes)));
    if let Some(height) = report.given_height_bytes {
        line("given", format!("{}: the offsets of the file", exact(height)));
    }
    if let Some(flaw) = &report.given_flaw {
        line("given", format!("the offsets of the file are wrong: {flaw}"));
    }
    line("time", format!("{:.3} s", report.seconds));
    out
}
