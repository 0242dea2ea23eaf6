//! What a file is for: a model, or something that goes with one.

use crate::model::Model;

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// A language model.
    Model,
    /// What turns images or sound into a model's embeddings (`mmproj`).
    Projector,
    /// An adapter: small matrices that are added to a model's.
    Adapter,
    /// Weights of another sort, an image model's for example: only their bytes are known.
    Weights,
}

/// What a model that was read is for. What is no language model has no layers; only its tensors count.
///
/// ```no_run
/// use plimsoll_plan::read::{Role, open, role};
/// let projector = open("mmproj-gemma-3-4b-it-f16.gguf")?;
/// assert_eq!(role(&projector), Role::Projector);
/// # Ok::<(), plimsoll_plan::read::ReadError>(())
/// ```
pub fn role(model: &Model) -> Role {
    if model.tensors.iter().any(|tensor| is_adapter(&tensor.name)) {
        return Role::Adapter;
    }
    if model.hyper.architecture == "clip" {
        return Role::Projector;
    }
    if model.hyper.layers.is_empty() { Role::Weights } else { Role::Model }
}

/// Whether a tensor of such a name belongs to an adapter.
pub(super) fn is_adapter(name: &str) -> bool {
    [".lora_a", ".lora_b", ".lora_A.", ".lora_B.", "lora_up.", "lora_down."]
        .iter()
        .any(|part| name.contains(part))
}
