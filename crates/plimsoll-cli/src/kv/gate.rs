//! `plimsoll kv gate`: what keeping keys and values in fewer bits costs a model.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use plimsoll_kv::block::Root;
use plimsoll_kv::codec::{Codec, Packing, Precision};
use plimsoll_kv::gate::{GateError, GateReport, Limits, Probe as _, Verdicts, measure};
use plimsoll_kv::layout::Element;
use plimsoll_llm::{Decoder, ModelError, StepError, Trial};
use serde::Serialize;

use crate::draw::{Align, Cell, Pen, Style, Table};
use crate::{CliError, Printer};

const EXAMPLES: &str = "\
Examples:
  plimsoll kv gate model.gguf                    8-bit and 4-bit, beside their limits
  plimsoll kv gate model.gguf --tokens 1000      longer texts
  plimsoll kv gate model.gguf --keep gate.json   keep the verdicts for a cache
  plimsoll kv gate model.gguf --json | jq '.rows[].kl_mean'

Exit codes: 0 measured, whatever the verdict, 1 failed, 2 not understood.";

/// What can be typed after `kv gate`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct GateArgs {
    /// A model of the Llama architecture
    #[arg(value_name = "MODEL.gguf")]
    pub model: PathBuf,

    /// Texts that the model writes for itself, to be measured on
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub texts: u64,

    /// Tokens of each; the first two thirds are the context. No more than the model's own context are taken
    #[arg(long, value_name = "N", default_value_t = 600, value_parser = clap::value_parser!(u32).range(2..))]
    pub tokens: u32,

    /// Tokens a block
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub block_tokens: u32,

    /// Keep the verdicts in this file, for a cache that asks them
    #[arg(long, value_name = "FILE")]
    pub keep: Option<PathBuf>,
}

/// Why it was not measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GateFailure {
    /// A model that cannot be computed with.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The model could not write a text.
    #[error(transparent)]
    Step(#[from] StepError),
    /// It could not be measured.
    #[error(transparent)]
    Gate(#[from] GateError),
}

impl GateFailure {
    /// What to do about it.
    pub const fn next_step(&self) -> &'static str {
        match self {
            Self::Model(_) => "give a GGUF file of the Llama architecture, in f32, f16, bf16 or q8_0",
            Self::Step(_) | Self::Gate(_) => "give more `--tokens`, or smaller blocks with `--block-tokens`",
        }
    }
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct GateTable {
    /// The model's file.
    pub model: PathBuf,
    /// Tokens a block.
    pub block_tokens: u32,
    /// Bytes of a token's keys and values as the engine has them.
    pub token_bytes: usize,
    /// A row for each precision.
    pub rows: Vec<GateRow>,
    /// What a tier may use that wants four bits.
    pub allowed: Precision,
}

/// One precision.
#[derive(Clone, Debug, Serialize)]
pub struct GateRow {
    /// Bytes of a block over those that it has natively.
    pub size: f64,
    /// What was measured.
    #[serde(flatten)]
    pub report: GateReport,
}

/// Measures it and prints the table.
pub fn run(args: &GateArgs, printer: &Printer) -> Result<(), CliError> {
    let table = gather(args)?;
    printer.report(&table, view)
}

fn gather(args: &GateArgs) -> Result<GateTable, CliError> {
    let decoder = Arc::new(Decoder::open(&args.model).map_err(GateFailure::from)?);
    let tokens = (args.tokens as usize).min(decoder.shape().context);
    let texts: Result<Vec<_>, _> = (1..=args.texts).map(|seed| decoder.sample(seed, tokens)).collect();
    let texts = texts.map_err(GateFailure::from)?;
    let mut trial = Trial::new(&decoder, args.block_tokens, Element::F16);
    let layout = trial.layout().clone();
    let root: Root = decoder.root(&layout).build();
    let mut verdicts = args.keep.as_ref().map_or_else(Verdicts::new, Verdicts::open);
    if let Some(doubt) = verdicts.doubt() {
        Printer::remark(doubt);
    }
    let limits = Limits::default();
    let mut rows = Vec::new();
    for precision in [Precision::Eight, Precision::Four] {
        let report = measure(&mut trial, &texts, precision, &limits).map_err(GateFailure::from)?;
        let codec = Codec::new(&layout, precision, Packing::None).map_err(GateError::from);
        let bytes = codec.map_err(GateFailure::from)?.block_bytes();
        verdicts.keep(root, report.clone()).map_err(GateFailure::from)?;
        #[expect(clippy::cast_precision_loss, reason = "bytes of a block")]
        let size = bytes as f64 / layout.block_bytes() as f64;
        rows.push(GateRow { size, report });
    }
    Ok(GateTable {
        model: args.model.clone(),
        block_tokens: args.block_tokens,
        token_bytes: layout.block_bytes() / args.block_tokens.max(1) as usize,
        rows,
        allowed: verdicts.allowed(&root, Precision::Four, &limits),
    })
}

fn view(table: &GateTable, pen: &Pen) -> String {
    let mut drawn = Table::new([
        ("precision", Align::Left),
        ("size", Align::Right),
        ("KL mean", Align::Right),
        ("limit", Align::Right),
        ("KL p99", Align::Right),
        ("same token", Align::Right),
        ("perplexity", Align::Right),
        ("verdict", Align::Left),
    ]);
    for GateRow { size, report } in &table.rows {
        let verdict = if report.passed {
            Cell::new(Style::Good, "may be used")
        } else {
            Cell::new(Style::Bad, "may not")
        };
        drawn.row([
            report.precision.to_string().into(),
            format!("{:.1}%", size * 100.0).into(),
            format!("{:.6}", report.kl_mean).into(),
            format!("{}", report.limit).into(),
            format!("{:.5}", report.kl_p99).into(),
            format!("{:.2}%", report.greedy_agreement * 100.0).into(),
            format!("×{:.5}", report.perplexity_ratio).into(),
            verdict,
        ]);
    }
    let mut out = drawn.draw(pen);
    let native: usize = table.rows.iter().map(|row| row.report.native_blocks).sum();
    let (texts, tokens) = table.rows.first().map_or((0, 0), |row| (row.report.texts, row.report.tokens));
    let _ = writeln!(
        out,
        "\nKL in nats a token, over {tokens} tokens of {texts} texts; blocks of {} tokens, {} bytes a token natively",
        table.block_tokens, table.token_bytes
    );
    if native > 0 {
        let _ = writeln!(out, "{native} blocks could not be quantized, and stayed native");
    }
    let _ = writeln!(out, "a tier that wants 4-bit may use: {}", table.allowed);
    out
}
