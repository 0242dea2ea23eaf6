//! Operations that go over rows: softmax, layer norm, embedding, cross-entropy.

use super::operation::Known;
use super::tally::{Role, SIDE_MAX, Tally, plain_type, wide};
use crate::model::TensorType;
use crate::wording::{Wording, WordingError};

/// What a text for softmax may say.
pub(super) const SOFTMAX: Known = Known {
    what: "a softmax",
    example: "rows=4096,columns=4096,dtype=f16",
    keys: &["rows", "columns", "dtype", "in_place", "backward", "on"],
};

/// What a text for a norm may say.
pub(super) const NORM: Known = Known {
    what: "a layer norm",
    example: "rows=4096,columns=4096,dtype=bf16,backward",
    keys: &["rows", "columns", "dtype", "kind", "backward", "on"],
};

/// What a text for an embedding may say.
pub(super) const EMBEDDING: Known = Known {
    what: "an embedding",
    example: "tokens=4096,vocab=128256,width=4096,dtype=bf16",
    keys: &["tokens", "vocab", "width", "dtype", "sparse", "backward", "on"],
};

/// What a text for cross-entropy may say.
pub(super) const CROSS_ENTROPY: Known = Known {
    what: "a cross-entropy",
    example: "tokens=4096,vocab=128256,dtype=bf16,backward",
    keys: &["tokens", "vocab", "dtype", "upcast", "chunks", "backward", "on"],
};

/// Softmax of each row: its largest, the exponentials, their sum, the quotients.
pub(super) fn softmax(said: &Wording) -> Result<(Tally, Vec<u64>), WordingError> {
    let rows = ("rows", said.number_must("rows", 1..=SIDE_MAX)?);
    let columns = ("columns", said.number_must("columns", 1..=SIDE_MAX)?);
    let kind = plain_type(said, "dtype", TensorType::BF16)?;
    let mut tally = Tally::new(said)?;
    tally.add("input", Role::Input, kind, &[rows, columns])?;
    if !said.flag("in_place", false)? {
        tally.add("output", Role::Output, kind, &[rows, columns])?;
    }
    tally.count(5.0, &[rows.1, columns.1]);
    if said.flag("backward", false)? {
        tally.add("gradient of output", Role::Input, kind, &[rows, columns])?;
        tally.add("gradient of input", Role::Output, kind, &[rows, columns])?;
        tally.count(4.0, &[rows.1, columns.1]);
    }
    Ok((tally, vec![rows.1, columns.1]))
}

/// Layer norm, or root mean square norm, of each row.
pub(super) fn norm(said: &Wording) -> Result<(Tally, Vec<u64>), WordingError> {
    let rows = ("rows", said.number_must("rows", 1..=SIDE_MAX)?);
    let columns = ("columns", said.number_must("columns", 1..=SIDE_MAX)?);
    let kind = plain_type(said, "dtype", TensorType::BF16)?;
    // A layer norm has scale, shift, mean and deviation; a root mean square norm scale and deviation.
    let each = ("scale and shift", said.choice("kind", &[("layer", 2), ("rms", 1)], 2)?);
    let mut tally = Tally::new(said)?;
    tally.add("input", Role::Input, kind, &[rows, columns])?;
    tally.add("weights", Role::Input, kind, &[each, columns])?;
    tally.add("output", Role::Output, kind, &[rows, columns])?;
    tally.add("row statistics", Role::Saved, wide(kind), &[("statistics", each.1), rows])?;
    tally.count(8.0, &[rows.1, columns.1]);
    if said.flag("backward", false)? {
        tally.add("gradient of output", Role::Input, kind, &[rows, columns])?;
        tally.add("gradient of input", Role::Output, kind, &[rows, columns])?;
        tally.add("gradient of weights", Role::Output, kind, &[each, columns])?;
        tally.count(14.0, &[rows.1, columns.1]);
    }
    Ok((tally, vec![rows.1, columns.1]))
}

/// Rows of a table by number. Only the rows that are asked for are read.
pub(super) fn embedding(said: &Wording) -> Result<(Tally, Vec<u64>), WordingError> {
    let tokens = ("tokens", said.number_must("tokens", 1..=SIDE_MAX)?);
    let vocab = ("vocab", said.number_must("vocab", 1..=SIDE_MAX)?);
    let width = ("width", said.number_must("width", 1..=SIDE_MAX)?);
    let kind = plain_type(said, "dtype", TensorType::BF16)?;
    let mut tally = Tally::new(said)?;
    tally.add("table", Role::Input, kind, &[vocab, width])?;
    let table = tally.moved;
    tally.add("numbers of rows", Role::Input, TensorType::I64, &[tokens])?;
    let before = tally.moved;
    tally.add("output", Role::Output, kind, &[tokens, width])?;
    let output = tally.moved.saturating_sub(before);
    tally.moved = tally.moved.saturating_sub(table).saturating_add(table.min(output));
    if said.flag("backward", false)? {
        tally.add("gradient of output", Role::Input, kind, &[tokens, width])?;
        // A dense gradient is as large as the table, however few rows were asked for.
        let rows = if said.flag("sparse", false)? { tokens } else { vocab };
        tally.add("gradient of table", Role::Output, kind, &[rows, width])?;
        tally.count(1.0, &[tokens.1, width.1]);
    }
    Ok((tally, vec![tokens.1, width.1]))
}

/// Cross-entropy of logits: what a large vocabulary makes the largest tensors of a training step.
pub(super) fn cross_entropy(said: &Wording) -> Result<(Tally, Vec<u64>), WordingError> {
    let tokens = ("tokens", said.number_must("tokens", 1..=SIDE_MAX)?);
    let vocab = ("vocab", said.number_must("vocab", 1..=SIDE_MAX)?);
    let kind = plain_type(said, "dtype", TensorType::BF16)?;
    let chunks = said.number_or("chunks", 1..=tokens.1, 1)?;
    let part = ("tokens÷chunks", tokens.1.div_ceil(chunks));
    let mut tally = Tally::new(said)?;
    tally.add("logits", Role::Input, kind, &[tokens, vocab])?;
    tally.add("labels", Role::Input, TensorType::I64, &[tokens])?;
    tally.add("loss", Role::Output, wide(kind), &[("losses", 1)])?;
    // Frameworks raise halves to single precision first, and keep the logarithms for the backward pass.
    let upcast = said.flag("upcast", kind.block_bytes().get() < 4)?;
    let inner = if upcast { wide(kind) } else { kind };
    if upcast {
        tally.add("logits, raised", Role::Workspace, inner, &[part, vocab])?;
    }
    tally.add("log-softmax", Role::Saved, inner, &[part, vocab])?;
    tally.count(5.0, &[tokens.1, vocab.1]);
    if said.flag("backward", false)? {
        tally.add("gradient of log-softmax", Role::Workspace, inner, &[part, vocab])?;
        if upcast {
            tally.add("gradient of raised logits", Role::Workspace, inner, &[part, vocab])?;
        }
        tally.add("gradient of logits", Role::Output, kind, &[tokens, vocab])?;
        tally.count(3.0, &[tokens.1, vocab.1]);
    }
    Ok((tally, vec![1]))
}
