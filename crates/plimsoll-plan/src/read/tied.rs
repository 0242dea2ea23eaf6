//! Whether input and output embedding are one tensor.

use crate::model::Tensor;

/// Whether a list of tensors has an embedding for the input and none for the output.
pub(super) fn tied(tensors: &[Tensor]) -> bool {
    let ends =
        |names: &[&str]| tensors.iter().any(|tensor| names.iter().any(|name| tensor.name.ends_with(name)));
    let own_output = tensors.iter().any(|tensor| tensor.name == "output.weight");
    let outputs = ["lm_head.weight", "embed_out.weight", "lm_head.qweight", "lm_head.weight_packed"];
    ends(&["token_embd.weight", "embed_tokens.weight", "wte.weight"]) && !own_output && !ends(&outputs)
}
