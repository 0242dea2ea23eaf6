//! Where a model's weights land.

use plimsoll::{Bytes, Place};

use crate::llama::Setup;
use crate::model::{Model, Seat, Tensor};
use crate::{Certainty, Formula, Part};

/// The weights of each place: the GPUs in their order, the host last.
///
/// llama.cpp keeps the input's embedding in host memory wherever the layers are. Where input and output are one tensor
/// and the output is on a GPU, it is there a second time. Layers beyond those that are run (for guessing several tokens
/// ahead) are not loaded. With a margin the tensors follow from rules and are off by that share at most.
pub(super) fn weights(model: &Model, setup: &Setup, places: &[Place], margin: Option<f64>) -> Vec<Part> {
    let mut sums = vec![(Bytes::ZERO, 0_u64); places.len()];
    let mut add = |device: u8, bytes: Bytes| {
        if let Some((sum, tensors)) = sums.get_mut(usize::from(device)) {
            (*sum, *tensors) = (sum.saturating_add(bytes), *tensors + 1);
        }
    };
    let layers = model.hyper.layers.len();
    for tensor in &model.tensors {
        match tensor.seat() {
            Seat::Input => {
                add(setup.host, tensor.bytes);
                if is_embedding(tensor) && model.hyper.tied_embedding && setup.output_device != setup.host {
                    add(setup.output_device, tensor.bytes);
                }
            }
            Seat::Output => add(setup.output_device, tensor.bytes),
            Seat::Layer(layer) if (layer as usize) < layers => {
                let held_back = u64::from(layer) < setup.options.host_experts && tensor.is_expert();
                add(if held_back { setup.host } else { setup.device(layer as usize) }, tensor.bytes);
            }
            Seat::Layer(_) => {}
        }
    }
    let part = |(&place, (bytes, tensors)): (&Place, (Bytes, u64))| Part {
        name: "weights".to_owned(),
        place,
        account: "weights",
        bytes,
        certainty: margin.map_or_else(|| model.certainty(), Certainty::Estimated),
        formula: Formula::new("sum of the tensors there, by shape and type")
            .term("tensors", tensors)
            .term("of the model", model.weight_bytes()),
    };
    places.iter().zip(sums).map(part).filter(|part| !part.bytes.is_zero()).collect()
}

fn is_embedding(tensor: &Tensor) -> bool {
    tensor.name == "token_embd.weight" || tensor.name.ends_with("embed_tokens.weight")
}
