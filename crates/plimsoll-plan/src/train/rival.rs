//! What others would have said: estimators and rules of thumb, to be printed beside.

use super::training::{Method, Optimizer, Training};
use super::walk::Walk;

/// An estimate by somebody else's rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rival {
    /// Whose rule.
    pub name: &'static str,
    /// What it gives, in bytes.
    pub bytes: u64,
}

/// The names of the rules, in the order of [`rivals`].
pub const RIVALS: [&str; 3] =
    ["DeepSpeed ZeRO-2 on one GPU", "16 bytes a parameter", "weights × 1.2 and states"];

/// What the rules give for a training.
///
/// DeepSpeed's estimator counts model states only: 4 bytes for each parameter and 16 more for the share of each GPU,
/// whatever the method, batch and shape. The second rule is the common one for mixed precision, where adapters have 16
/// bytes and the weights beside them 2. The third adds a fifth to the weights for activations.
pub fn rivals(training: &Training, walk: &Walk) -> [Rival; 3] {
    let times = |count: u64, bytes: u64| count.saturating_mul(bytes);
    let lora = matches!(training.method, Method::Lora { .. });
    let total = if lora { walk.parameters.saturating_add(walk.trained) } else { walk.parameters };
    let frozen = if lora { times(walk.parameters, 2) } else { 0 };
    let states = match training.optimizer {
        Optimizer::Sgd => 4,
        Optimizer::SgdMomentum | Optimizer::AdamW8bit => 6,
        Optimizer::AdamW | Optimizer::AdamWFused => 12,
    };
    let fifth = walk.weights_bytes.saturating_add(walk.weights_bytes / 5);
    let [zero, sixteen, share] = RIVALS;
    [
        Rival { name: zero, bytes: times(total, 20) },
        Rival { name: sixteen, bytes: frozen.saturating_add(times(walk.trained, 16)) },
        Rival { name: share, bytes: fifth.saturating_add(times(walk.trained, states)) },
    ]
}
