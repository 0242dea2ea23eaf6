//! Rows of public logs: what llama.cpp and its forks printed, as far as people posted it.

use super::row::{Measured, Row, Size, Source, Subject};
use super::shape::{Notes, found, model_of, with_kind};
use super::table::{Table, TableRow, by_device, whole};
use crate::llama::{Backend, Era, Options};
use crate::model::{Ffn, Model, TensorType};

/// Reads a table of logs. Models whose shape the notes do not state are found by their names.
pub fn logs(text: &str) -> Vec<Row> {
    Table::parse(text).rows().map(read).collect()
}

fn read(row: TableRow<'_>) -> Row {
    let name = row.cell("model").to_owned();
    let text = row.cell("notes");
    let notes = Notes::parse(text);
    let source = if text.starts_with("ik_llama") { Source::Fork } else { Source::Mainline };
    let model = shape(row, &name, &notes);
    let sizes = by_device(row.cell("compute_mib"));
    let subject = model.ok_or("the model's shape is stated nowhere").and_then(|model| {
        let model = as_cached(model, row, &notes);
        Ok(Subject { options: options(row, &notes, source, &model, &sizes)?, model })
    });
    Row {
        line: row.line,
        compute_lacks: compute_lacks(row, &sizes, source)
            .or_else(|| experts_lack(row, subject.as_ref().ok())),
        output_lacks: (source == Source::Fork)
            .then_some("forks keep spare sequences, how many depends on the program, which is not stated"),
        measured: measured(row, &notes, &sizes),
        name,
        source,
        subject,
    }
}

/// The model: of the catalogue where that has the row's own shape, else as the notes tell it.
fn shape(row: TableRow<'_>, name: &str, notes: &Notes) -> Option<Model> {
    let known = found(name, row.cell("quant"), notes);
    known.or_else(|| Some(with_kind(model_of(name, notes)?, row.cell("quant"))))
}

fn is_host(name: &str) -> bool {
    name == "CPU" || name == "Host" || name.ends_with("_Host")
}

fn measured(row: TableRow<'_>, notes: &Notes, sizes: &[(String, f64)]) -> Measured {
    let cell = row.cell("kv_mib");
    let together = cell.contains("context") || cell.contains("RS");
    let size = Size::of(cell);
    let state = notes.text("RS").and_then(Size::of).filter(|size| size.cut == 0.0);
    Measured {
        cache: size.filter(|_| !together),
        state: state.filter(|_| !together),
        together: size.filter(|_| together),
        output: Size::of(row.cell("output_mib")),
        compute: sizes.iter().filter(|(name, _)| !is_host(name)).map(|(_, size)| *size).collect(),
        host_compute: sizes.iter().filter(|(name, _)| is_host(name)).map(|(_, size)| *size).reduce(f64::max),
    }
}

/// The shape as the program cached it: old programs unpacked latent vectors, forks cached all of a window's layers.
fn as_cached(mut model: Model, row: TableRow<'_>, notes: &Notes) -> Model {
    let latent = row.cell("type_v").starts_with("none") || notes.number("mla").is_some_and(|mla| mla > 0);
    let fork = row.cell("notes").starts_with("ik_llama");
    for layer in &mut model.hyper.layers {
        let Some(attention) = &mut layer.attention else { continue };
        if fork {
            attention.window = None;
        }
        if latent && attention.mla.is_none() && model.hyper.architecture == "deepseek2" {
            attention.mla = Some(crate::model::Mla { kv_rank: 512, rope_width: 64, query_rank: Some(1536) });
        } else if !latent && !row.cell("type_v").is_empty() && attention.mla.is_some() {
            // The first programs with latent attention kept the vector twice, those before them unpacked it.
            if notes.number("n_head_kv") != Some(1) {
                attention.mla = None;
            }
        }
    }
    model
}

fn compute_lacks(row: TableRow<'_>, sizes: &[(String, f64)], source: Source) -> Option<&'static str> {
    if sizes.is_empty() {
        return Some("no compute buffer was posted");
    }
    if whole(row.cell("n_ubatch")).is_none() {
        return Some("the micro-batch is not stated");
    }
    if flash(row.cell("flash_attn")).is_none() {
        return Some("it is not stated whether attention was fused");
    }
    if sizes.iter().filter(|(name, _)| is_host(name)).count() > 1 {
        return Some("the host computed with a second back end that is not stated");
    }
    if sizes.iter().any(|(name, _)| name.starts_with("HTP")) {
        return Some("the back end is none whose buffers are known");
    }
    let Some(era) = era_of(row, source) else { return Some("the program's version is not stated") };
    let sequences = row.cell("n_seq");
    if era >= Era::Late2025
        && whole(sequences).is_some_and(|count| count > 1)
        && !sequences.contains("unified)")
    {
        return Some("it is not stated whether the sequences shared a cache");
    }
    None
}

/// Experts that stayed in host memory are copied to a GPU for large batches: which, and of what types, must be known
/// unless all are alike.
fn experts_lack(row: TableRow<'_>, subject: Option<&Subject>) -> Option<&'static str> {
    let subject =
        subject.filter(|subject| subject.options.host_experts > 0 && !subject.options.shares.is_empty())?;
    let mut kinds =
        subject.model.tensors.iter().filter(|tensor| tensor.name.contains("_exps.")).map(|own| own.kind);
    let first = kinds.next();
    let alike = kinds.all(|kind| Some(kind) == first);
    let uniform = matches!(row.cell("quant"), "Q8_0" | "F16" | "BF16" | "Q6_K");
    (!alike || !uniform).then_some("which experts stayed in host memory, and of what types, is not stated")
}

fn flash(cell: &str) -> Option<bool> {
    match cell {
        "1" | "on" | "auto(on)" => Some(true),
        "0" | "off" | "auto(off)" => Some(false),
        _ => None,
    }
}

fn kind(cell: &str, fallback: TensorType) -> Option<TensorType> {
    match cell {
        "" => Some(TensorType::F16),
        _ if cell.starts_with("none") => Some(fallback),
        _ => cell.parse().ok(),
    }
}

fn options(
    row: TableRow<'_>,
    notes: &Notes,
    source: Source,
    model: &Model,
    sizes: &[(String, f64)],
) -> Result<Options, &'static str> {
    let context = whole(row.cell("n_ctx")).ok_or("the context is not stated")?;
    let sequences_cell = row.cell("n_seq");
    let sequences = whole(sequences_cell).ok_or("the number of sequences is not stated")?;
    let key_kind = kind(row.cell("type_k"), TensorType::F16).ok_or("the type of keys is not stated")?;
    let value_kind = kind(row.cell("type_v"), key_kind).ok_or("the type of values is not stated")?;
    let windowed = model
        .hyper
        .layers
        .iter()
        .any(|layer| layer.attention.as_ref().is_some_and(|own| own.window.is_some()));
    let micro_batch = whole(row.cell("n_ubatch"));
    if windowed && micro_batch.is_none() {
        return Err("the micro-batch is not stated, which windows are cached by");
    }
    let micro_batch = micro_batch.unwrap_or(512);
    let flash = flash(row.cell("flash_attn")).unwrap_or(value_kind.is_quantized());
    let gpus = sizes.iter().filter(|(name, _)| !is_host(name)).count();
    let era = era_of(row, source).unwrap_or(Era::Now);
    let backend = match sizes.first().map(|(name, _)| name.as_str()) {
        Some(name) if name.starts_with("Metal") || name.starts_with("MTL") => Backend::Metal,
        Some(name) if name.starts_with("Vulkan") => Backend::Vulkan,
        _ => Backend::Cuda,
    };
    let drafted = notes.text("RS").and_then(|text| text.split("n_rs_seq").nth(1));
    let rollback =
        drafted.and_then(|text| whole(text.trim_start_matches(|letter: char| !letter.is_ascii_digit())));
    Ok(Options {
        context,
        sequences,
        // The server's own choice, where nobody made one, is four that share a cache.
        // Programs of the early time had no other.
        unified: era == Era::Early || sequences_cell.contains("(unified)") || sequences_cell.ends_with('?'),
        batch: notes.number("n_batch").unwrap_or(2048).max(micro_batch),
        micro_batch,
        // The programs of the early time transpose values without it, and cannot have quantized them.
        flash_attention: flash || value_kind.is_quantized(),
        key_kind,
        value_kind,
        outputs_max: (era == Era::Now && served(row, notes)).then_some(sequences),
        gpu_layers: notes.number("off").or_else(|| notes.number("ngl")),
        host_experts: host_experts(row, model),
        shares: shares(notes, gpus),
        backend,
        rollback: rollback.unwrap_or(0),
        latent_values: notes.number("n_head_kv") == Some(1) && !row.cell("type_v").starts_with("none"),
        era,
        ..Options::default()
    })
}

/// How old the program was: by its build, by the number of the thread, or by what only some programs print.
fn era_of(row: TableRow<'_>, source: Source) -> Option<Era> {
    let text = row.cell("notes");
    if source == Source::Fork {
        return Some(Era::Early);
    }
    let build = text.split([' ', ';', ',']).find_map(|word| whole(word.strip_prefix('b')?));
    if let Some(build) = build {
        return Some(Era::of_build(build));
    }
    if let Some((_, rest)) = row.cell("source_url").split_once("ggml-org/llama.cpp/") {
        let number = rest.split('/').nth(1).and_then(whole);
        if let Some(number) = number {
            return Some(Era::of_issue(number));
        }
    }
    if text.contains("n_outputs_max") || text.contains("n_rs_seq") {
        return Some(Era::Now);
    }
    if text.contains("mask f32") {
        return Some(Era::Late2025);
    }
    // Programs to summer 2025 said 0 or 1 of flash attention, later ones say on, off or auto.
    matches!(row.cell("flash_attn"), "0" | "1").then_some(Era::Early)
}

/// Whether the program is known to ask for one row of logits a sequence: the server of 2026 does.
fn served(row: TableRow<'_>, notes: &Notes) -> bool {
    let text = row.cell("notes");
    text.contains("n_outputs_max") || text.contains("n_rs_seq") || notes.text("logits_rows").is_some()
}

/// How the layers were spread over the GPUs: by what each holds of the cache, where that is stated.
fn shares(notes: &Notes, gpus: usize) -> Vec<u64> {
    if gpus <= 1 {
        return vec![1; gpus];
    }
    let held = notes.text("kv_by_dev").map(by_device).unwrap_or_default();
    let layers = notes.number("n_layer").unwrap_or(0);
    let sum: f64 = held.iter().map(|(_, size)| *size).sum();
    let on_gpus: Vec<_> = held.iter().filter(|(name, _)| !is_host(name)).collect();
    if on_gpus.len() != gpus || sum <= 0.0 {
        return vec![1; gpus];
    }
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "numbers of layers are small"
    )]
    let mut shares: Vec<u64> =
        on_gpus.iter().map(|(_, size)| (size / sum * layers as f64).round().max(0.0) as u64).collect();
    // The output is one more layer, on the last.
    if let Some(last) = shares.last_mut() {
        *last += 1;
    }
    shares
}

/// Whether experts stayed in host memory: all that is there beyond the embedding, over what experts there are.
fn host_experts(row: TableRow<'_>, model: &Model) -> u64 {
    let experts = model.hyper.layers.iter().any(|layer| matches!(layer.ffn, Ffn::Experts(_)));
    let sizes = by_device(row.cell("model_mib"));
    let host: f64 =
        sizes.iter().filter(|(name, _)| name.starts_with("CPU") || is_host(name)).map(|(_, size)| size).sum();
    let all: f64 = sizes.iter().map(|(_, size)| size).sum();
    if !experts || all <= 0.0 || host / all < 0.3 {
        return 0;
    }
    u64::MAX
}
