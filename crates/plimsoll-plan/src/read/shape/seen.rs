//! What a layer's tensors say of its feed-forward part, by GGUF's names.

use crate::model::Tensor;

/// What the tensors of a layer say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// The inner width of a part for all tokens.
    pub(super) dense: Option<u64>,
    /// The width of what goes into it; twice as wide where the gate is within.
    pub(super) up: Option<u64>,
    /// Whether there is a gate of its own.
    pub(super) gate: bool,
    /// How many experts.
    pub(super) experts: u64,
    /// The inner width of one.
    pub(super) expert_width: u64,
    /// The inner width of what every token takes besides.
    pub(super) shared: u64,
    /// Whether any tensor of the layer is there.
    pub(super) any: bool,
}

/// What tensors say of so many layers, and how many layers they show.
pub(super) fn seen(tensors: &[Tensor], layers: usize) -> Vec<Seen> {
    let mut all = vec![Seen::default(); layers];
    for tensor in tensors {
        let Some((layer, part)) = within(&tensor.name) else { continue };
        let Some(seen) = usize::try_from(layer).ok().and_then(|layer| all.get_mut(layer)) else { continue };
        seen.any = true;
        note(seen, part, &tensor.shape);
    }
    all
}

/// How many layers tensors show: one more than the last that has any.
pub(super) fn shown(tensors: &[Tensor]) -> Option<u64> {
    let last = tensors.iter().filter_map(|tensor| within(&tensor.name)).map(|(layer, _)| layer).max()?;
    last.checked_add(1)
}

/// The layer of a tensor, and its name there.
fn within(name: &str) -> Option<(u64, &str)> {
    let (layer, part) = name.strip_prefix("blk.")?.split_once('.')?;
    Some((layer.parse().ok()?, part))
}

/// "`ffn_down.7.weight`", and not "`ffn_down.bias`".
fn is_single_expert(part: &str) -> bool {
    let number = part.strip_prefix("ffn_down.").and_then(|rest| rest.strip_suffix(".weight"));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn note(seen: &mut Seen, part: &str, shape: &[u64]) {
    let side = |index: usize| shape.get(index).copied().unwrap_or(0);
    match part {
        "ffn_down.weight" => seen.dense = Some(side(0)),
        "ffn_up.weight" => seen.up = Some(side(1)),
        "ffn_gate.weight" | "ffn_gate_exps.weight" | "ffn_gate_up_exps.weight" => seen.gate = true,
        "ffn_down_exps.weight" => (seen.experts, seen.expert_width) = (side(2), side(0)),
        "ffn_down_shexp.weight" => seen.shared = side(0),
        // One tensor for each expert: models converted before 2024-04.
        _ if is_single_expert(part) => {
            (seen.experts, seen.expert_width) = (seen.experts.saturating_add(1), side(0));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bias_is_no_expert() {
        assert!(is_single_expert("ffn_down.7.weight"));
        for other in ["ffn_down.bias", "ffn_down.weight", "ffn_down..weight", "ffn_down.x.weight"] {
            assert!(!is_single_expert(other), "{other}");
        }
    }
}
