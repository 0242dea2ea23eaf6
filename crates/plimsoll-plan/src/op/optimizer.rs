//! A step of an optimizer.

use super::operation::Known;
use super::tally::{Role, SIDE_MAX, Tally, plain_type};
use crate::model::TensorType;
use crate::spec::{Spec, SpecError};

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
pub(super) fn tally(spec: &Spec) -> Result<(Tally, Vec<u64>), SpecError> {
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
    let Memory { states, eight_bits, work } = spec.choice("kind", &kinds, memory(2, false, 14.0))?;
    let params = ("params", spec.number_must("params", 1..=SIDE_MAX)?);
    let kind = plain_type(spec, "dtype", TensorType::BF16)?;
    let gradient = plain_type(spec, "grad_type", kind)?;
    let mut tally = Tally::new(spec)?;
    tally.add("weights", Role::Input, kind, &[params])?;
    tally.add("gradients", Role::Input, gradient, &[params])?;
    // What is read and written back stands once and moves twice.
    let before = tally.moved;
    if states > 0 && eight_bits {
        let block = spec.number_or("block", 1..=1 << 20, 256)?;
        let blocks = ("params÷block", params.1.div_ceil(block));
        tally.add("states", Role::Saved, TensorType::I8, &[("states", states), params])?;
        tally.add("scales of states", Role::Saved, TensorType::F32, &[("states", states), blocks])?;
    } else if states > 0 {
        // PyTorch keeps states in the weights' own type; with a master copy that is single precision.
        let usual = if spec.flag("master", false)? { TensorType::F32 } else { kind };
        let state = plain_type(spec, "state_type", usual)?;
        tally.add("states", Role::Saved, state, &[("states", states), params])?;
    }
    if spec.flag("master", false)? {
        tally.add("master weights", Role::Saved, TensorType::F32, &[params])?;
    }
    let kept = tally.moved.saturating_sub(before);
    if spec.flag("foreach", false)? {
        // All tensors at once: what is on the way is as large as all weights.
        tally.add("temporaries", Role::Workspace, kind, &[params])?;
    }
    let weights = kind.size(params.1).unwrap_or_default();
    tally.moved = tally.moved.saturating_add(kept).saturating_add(weights);
    tally.count(work, &[params.1]);
    Ok((tally, vec![params.1]))
}
