//! `plimsoll plan op`: what one operation on tensors takes.

use std::fmt::Write as _;

use plimsoll::Bytes;
use plimsoll_plan::op::Operation;
use serde::Serialize;

use super::PlanError;
use super::here;
use crate::draw::{Align, Cell, Pen, Style, Table, bar};
use crate::{CliError, Printer};

const EXAMPLES: &str = "\
Examples:
  plimsoll plan op matmul m=4096,k=4096,n=4096,dtype=bf16
  plimsoll plan op conv2d n=1,c=512,h=128,w=128,k=512,r=3,s=3,pad=1,algo=im2col
  plimsoll plan op attention heads=32,kv_heads=8,q=8192,d=128,fused=no --machine rtx-4090+64g

Operations: matmul, conv2d, attention, softmax, layernorm, embedding, cross-entropy, optimizer.";

/// What can be typed after `plan op`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct OpArgs {
    /// The operation
    #[arg(value_name = "OPERATION")]
    pub operation: String,
    /// Its sides: key=value, parted by commas
    #[arg(value_name = "SIDES")]
    pub sides: String,
    /// The machine whose bandwidth and compute bound it
    #[arg(long, value_name = "MACHINE")]
    pub machine: Option<String>,
}

/// What `plimsoll plan op --json` prints: one object.
#[derive(Clone, Debug, Serialize)]
struct OpReport {
    operation: &'static str,
    shape: Vec<u64>,
    parts: Vec<OpPart>,
    total_bytes: u64,
    workspace_bytes: u64,
    flops: f64,
    moved_bytes: u64,
    flops_a_byte: f64,
    bounds: Vec<Bound>,
}

#[derive(Clone, Debug, Serialize)]
struct OpPart {
    name: String,
    bytes: u64,
    workspace: bool,
    rule: String,
    terms: Vec<(String, String)>,
}

/// How long it takes at least at a place.
#[derive(Clone, Debug, Serialize)]
struct Bound {
    place: String,
    name: String,
    memory_s: f64,
    compute_s: f64,
    limited_by: &'static str,
}

/// Reads the operation and prints what it takes.
pub(super) fn run(args: &OpArgs, printer: &Printer) -> Result<(), CliError> {
    let operation = Operation::parse(&args.operation, &args.sides).map_err(PlanError::from)?;
    let mut bounds = Vec::new();
    if let Some(name) = &args.machine {
        let machine = here::machine(Some(name), printer)?;
        let processor = &machine.processor;
        let host = ("host".to_owned(), machine.title.clone(), processor.bandwidth, processor.flops);
        let gpus = machine
            .gpus
            .iter()
            .map(|gpu| (gpu.place.to_string(), gpu.name.clone(), gpu.bandwidth, gpu.flops));
        for (place, name, bandwidth, flops) in gpus.chain([host]) {
            let (Some(bandwidth), Some(flops)) = (bandwidth, flops) else { continue };
            let roof = operation.roofline(bandwidth, flops);
            let limited_by = if roof.is_memory_bound() { "memory" } else { "compute" };
            bounds.push(Bound {
                place,
                name,
                memory_s: roof.memory_s,
                compute_s: roof.compute_s,
                limited_by,
            });
        }
    }
    let part = |part: &plimsoll_plan::Part| OpPart {
        name: part.name.clone(),
        bytes: part.bytes.get(),
        workspace: part.account == "scratch",
        rule: part.formula.rule.clone(),
        terms: part.formula.terms.iter().map(|term| (term.name.clone(), term.value.clone())).collect(),
    };
    let total = operation.parts.iter().fold(Bytes::ZERO, |sum, part| sum.saturating_add(part.bytes));
    let report = OpReport {
        operation: operation.name,
        shape: operation.shape.clone(),
        parts: operation.parts.iter().map(part).collect(),
        total_bytes: total.get(),
        workspace_bytes: operation.workspace().get(),
        flops: operation.flops,
        moved_bytes: operation.moved.get(),
        flops_a_byte: operation.intensity(),
        bounds,
    };
    printer.report(&report, view)
}

fn view(report: &OpReport, pen: &Pen) -> String {
    let shape: Vec<String> = report.shape.iter().map(ToString::to_string).collect();
    let mut out = format!("{}  gives {}\n", pen.paint(Style::Bold, report.operation), shape.join(" × "));
    let mut table = Table::new([
        ("  part", Align::Left),
        ("bytes", Align::Right),
        ("", Align::Left),
        ("how", Align::Left),
    ]);
    let whole = Bytes::new(report.total_bytes);
    for part in &report.parts {
        let style = if part.workspace { Style::Warn } else { Style::Accent };
        table.row([
            format!("  {}", part.name).into(),
            Bytes::new(part.bytes).to_string().into(),
            Cell::drawn(bar(pen, 16, Bytes::new(part.bytes).ratio(whole), style), 16),
            Cell::new(Style::Dim, part.rule.as_str()),
        ]);
    }
    table.row([
        Cell::new(Style::Bold, "  in all"),
        whole.to_string().into(),
        Cell::default(),
        Cell::new(Style::Dim, format!("{} of it only while it runs", Bytes::new(report.workspace_bytes))),
    ]);
    out.push_str(&table.draw(pen));
    let moved = Bytes::new(report.moved_bytes);
    let _ = writeln!(
        out,
        "  {:.3} TFLOP over {moved} that move: {:.0} operations a byte",
        report.flops / 1e12,
        report.flops_a_byte
    );
    for bound in &report.bounds {
        let took = bound.memory_s.max(bound.compute_s);
        let _ = writeln!(
            out,
            "  at least {} on {} ({}), limited by {}",
            seconds(took),
            bound.place,
            bound.name,
            bound.limited_by
        );
    }
    out
}

fn seconds(seconds: f64) -> String {
    match seconds {
        long if long >= 1.0 => format!("{long:.2} s"),
        short if short >= 1e-3 => format!("{:.2} ms", short * 1e3),
        tiny => format!("{:.1} µs", tiny * 1e6),
    }
}
