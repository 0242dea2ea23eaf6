//! A step of an optimizer.

use super::operation::Known;
use super::tally::{Role, SIDE_MAX, Tally, plain_type};
use crate::model::TensorType;
use crate::wording::{Wording, WordingError};

/// What a text may say, and what one looks like.
pub(super) const KNOWN: Known = Known {
    what: "an optimizer",
    example: "params=8G,kind=adamw,dtype=bf16,master=yes",
    keys: &["params", "kind", "dtype", "grad_type", "state_type", "master", "block", "foreach", "on"],
};

/// What it remembers of each weight.
#[derive(Clone, Copy)]
struct Memory {
    /// Numbers.
    states: u64,
    /// Of one byte, with a scale for each block.
    eight_bits: bool,
    /// Operations a weight.
    work: f64,
}

/// One step over so many weights.
pub(super) fn tally(said: &Wording) -> Result<(Tally, Vec<u64>), WordingError> {
    let memory = |states, eight_bits, work| Memory { states, eight_bits, work };
    let kinds = [
        ("adamw", memory(2, false, 14.0)),
        ("adam", memory(2, false, 12.0)),
        ("adamw8bit", memory(2, true, 22.0)),
        ("lion", memory(1, false, 8.0)),
        ("lion8bit", memory(1, true, 12.0)),
        ("momentum", memory(1, false, 4.0)),
        ("sgd", memory(0, false, 2.0)),
    ];
    let Memory { states, eight_bits, work } = said.choice("kind", &kinds, memory(2, false, 14.0))?;
    let params = ("params", said.number_must("params", 1..=SIDE_MAX)?);
    let kind = plain_type(said, "dtype", TensorType::BF16)?;
    let gradient = plain_type(said, "grad_type", kind)?;
    let mut tally = Tally::new(said)?;
    tally.add("weights", Role::Input, kind, &[params])?;
    tally.add("gradients", Role::Input, gradient, &[params])?;
    // What is read and written back stands once and moves twice.
    let before = tally.moved;
    if states > 0 && eight_bits {
        let block = said.number_or("block", 1..=1 << 20, 256)?;
        let blocks = ("params÷block", params.1.div_ceil(block));
        tally.add("states", Role::Saved, TensorType::I8, &[("states", states), params])?;
        tally.add("scales of states", Role::Saved, TensorType::F32, &[("states", states), blocks])?;
    } else if states > 0 {
        // PyTorch keeps states in the weights' own type; with a master copy that is single precision.
        let usual = if said.flag("master", false)? { TensorType::F32 } else { kind };
        let state = plain_type(said, "state_type", usual)?;
        tally.add("states", Role::Saved, state, &[("states", states), params])?;
    }
    if said.flag("master", false)? {
        tally.add("master weights", Role::Saved, TensorType::F32, &[params])?;
    }
    let kept = tally.moved.saturating_sub(before);
    if said.flag("foreach", false)? {
        // All tensors at once: what is on the way is as large as all weights.
        tally.add("temporaries", Role::Workspace, kind, &[params])?;
    }
    let weights = kind.size(params.1).unwrap_or_default();
    tally.moved = tally.moved.saturating_add(kept).saturating_add(weights);
    tally.count(work, &[params.1]);
    Ok((tally, vec![params.1]))
}
