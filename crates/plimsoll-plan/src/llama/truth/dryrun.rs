//! Rows of llama.cpp's own dry runs: headers without weights, the processor alone.

use std::collections::HashMap;

use super::row::{Measured, Row, Size, Source, Subject};
use super::shape::{Notes, found, model_of, with_kind};
use super::table::{Table, TableRow, by_device, leading, whole};
use crate::llama::{Era, Options};
use crate::model::Model;

/// Reads a table of dry runs. Models are found by their names; a `notes` column may state the shape instead.
///
/// A row without notes has those of the last row of the same model that has some. With simulated GPUs `compute_mib` holds
/// the sizes by device.
pub fn dry_runs(text: &str) -> Vec<Row> {
    let table = Table::parse(text);
    let mut told: HashMap<&str, Notes> = HashMap::new();
    let mut rows = Vec::new();
    for row in table.rows() {
        if !row.cell("notes").is_empty() {
            told.insert(row.cell("model"), Notes::parse(row.cell("notes")));
        }
        let notes = told.get(row.cell("model")).cloned().unwrap_or_default();
        rows.push(read(row, &notes));
    }
    rows
}

fn read(row: TableRow<'_>, notes: &Notes) -> Row {
    let name = row.cell("model").to_owned();
    let model = model_of(&name, notes).or_else(|| named(&name)).or_else(|| found(&name, "", notes));
    let model = model.map(|model| with_kind(model, row.cell("weights")));
    let sizes = by_device(row.cell("compute_mib"));
    let compute = leading(row.cell("compute_cpu_mib")).or_else(|| sizes.last().map(|(_, size)| *size));
    Row {
        line: row.line,
        subject: model.ok_or("the model's shape is not known").and_then(|model| {
            Ok(Subject { model, options: options(row).ok_or("context, batch or types are not stated")? })
        }),
        name,
        source: Source::DryRun,
        compute_lacks: compute.is_none().then_some("the compute buffer's line was lost"),
        output_lacks: None,
        measured: Measured {
            cache: Size::of(row.cell("kv_mib")),
            state: Size::of(row.cell("rs_mib")),
            output: Size::of(row.cell("output_mib")),
            host_compute: compute,
            compute: sizes.iter().rev().skip(1).rev().map(|(_, size)| *size).collect(),
            ..Measured::default()
        },
    }
}

pub(super) fn options(row: TableRow<'_>) -> Option<Options> {
    let micro_batch = whole(row.cell("n_ubatch"))?;
    let sequences = row.cell("n_seq");
    Some(Options {
        context: whole(row.cell("n_ctx"))?,
        sequences: whole(sequences).unwrap_or(1),
        unified: sequences.contains("(unified)") || row.cell("kvu") == "1",
        batch: whole(row.cell("n_batch")).unwrap_or(2048).max(micro_batch),
        micro_batch,
        flash_attention: matches!(row.cell("fa"), "on" | "1" | "auto"),
        key_kind: row.cell("ctk").parse().ok()?,
        value_kind: row.cell("ctv").parse().ok()?,
        outputs_max: whole(row.cell("outputs")),
        gpu_layers: whole(row.cell("ngl")),
        host_experts: whole(row.cell("n_cpu_moe")).unwrap_or(0),
        kv_offload: row.cell("nkvo") != "1",
        shares: vec![1; whole(row.cell("gpus")).unwrap_or(0).min(15) as usize],
        era: Era::Now,
        ..Options::default()
    })
}

/// The shapes that dry runs go by short names for.
fn named(name: &str) -> Option<Model> {
    let notes = match name {
        "llama8b" => {
            "arch=llama;n_layer=32;n_embd=4096;n_vocab=128256;n_head=32;n_head_kv=8;head_dim=128;n_ff=14336"
        }
        "qwen3moe" => {
            "arch=qwen3moe;n_layer=48;n_embd=2048;n_vocab=151936;n_head=32;n_head_kv=4;head_dim=128;n_ff=6144;\
             n_expert=128;n_expert_used=8;n_ff_exp=768"
        }
        "gemma3" => {
            "arch=gemma3;n_layer=48;n_embd=3840;n_vocab=262144;n_head=16;n_head_kv=8;head_dim=256;n_ff=15360;\
             n_swa=1024;tied=1"
        }
        _ => return None,
    };
    model_of(name, &Notes::parse(notes))
}
