//! A model's tensors from its shape and a quantization, where no file with weights is at hand.

use plimsoll::Bytes;

use super::anatomy::{bones, is_weight};
use super::mixture::{Mixture, is_quantized};
use super::scheme::{Family, Scheme};
use crate::model::{Hyper, Tensor, TensorType};

/// The tensors of a model of this shape in this quantization, by GGUF's names, layer by layer.
///
/// What it covers: the transformers that the catalogue lists, their mixtures of experts, latent attention, and gated
/// delta nets. An architecture that it does not know is taken for a plain transformer; other recurrent layers get
/// the matrices that they have in common. Heads of latent attention are described as before compression: `kv_heads`
/// equal to `heads`, `key_width` with the rotated part.
///
/// A tensor's bytes are what its scheme stores for it, scales included. For the schemes of other programs, which pack
/// several weights into a number, `kind` is the type of those numbers, and [`TensorType::size`] of it does not apply.
pub fn tensors(hyper: &Hyper, scheme: &Scheme) -> Vec<Tensor> {
    let bones = bones(hyper);
    let names: Vec<&str> = bones.iter().map(|bone| bone.name.as_str()).collect();
    let mut mixture = Mixture::new(*scheme, hyper, &names);
    let typed = bones.iter().map(|bone| {
        let (name, shape) = (bone.name.clone(), bone.shape.clone());
        let (kind, bytes) = match scheme.family() {
            Family::Gguf if is_quantized(&name, shape.len()) => plain(mixture.pick(&name, &shape), &shape),
            Family::Gguf => plain(TensorType::F32, &shape),
            Family::Transformers | Family::Mlx => packed(*scheme, &name, &shape),
        };
        Tensor { name, shape, kind, bytes }
    });
    typed.collect()
}

/// How many parameters a model of this shape has, as its makers count: tied embeddings once, factors of rotation not.
pub fn parameters(hyper: &Hyper) -> u64 {
    let weights = bones(hyper).into_iter().filter(|bone| is_weight(&bone.name));
    weights.fold(0, |sum: u64, bone| sum.saturating_add(product(&bone.shape)))
}

/// How many parameters a token's way through the model uses: of the experts those that it takes, of the input
/// embedding none, since one row is looked up and nothing is multiplied.
pub fn active_parameters(hyper: &Hyper) -> u64 {
    let mut sum: u64 = 0;
    for bone in bones(hyper) {
        let layer =
            bone.name.strip_prefix("blk.").and_then(|rest| rest.split('.').next()?.parse::<usize>().ok());
        let whole = product(&bone.shape);
        let used = match (layer.and_then(|index| hyper.layers.get(index)), bone.name.contains("_exps.")) {
            (Some(layer), true) => used_share(layer, whole),
            (None, _) if bone.name == "token_embd.weight" && !hyper.tied_embedding => 0,
            _ => whole,
        };
        sum = sum.saturating_add(used);
    }
    sum
}

fn used_share(layer: &crate::model::Layer, whole: u64) -> u64 {
    match &layer.ffn {
        crate::model::Ffn::Experts(experts) if experts.count > 0 => {
            let used =
                u128::from(whole) * u128::from(experts.used.min(experts.count)) / u128::from(experts.count);
            u64::try_from(used).unwrap_or(whole)
        }
        _ => whole,
    }
}

fn product(shape: &[u64]) -> u64 {
    shape.iter().fold(1, |product: u64, side| product.saturating_mul(*side))
}

fn plain(kind: TensorType, shape: &[u64]) -> (TensorType, Bytes) {
    (kind, kind.size(product(shape)).unwrap_or(Bytes::MAX))
}

/// What other programs' formats store: matrices of layers in few bits with scales, the rest in 16 bits.
fn packed(scheme: Scheme, name: &str, shape: &[u64]) -> (TensorType, Bytes) {
    let weights = product(shape);
    let outside = matches!(name, "token_embd.weight" | "output.weight") || name.contains("ffn_gate_inp.");
    let kept = scheme.family() == Family::Transformers && outside;
    if kept || !is_quantized(name, shape.len()) {
        return plain(TensorType::BF16, shape);
    }
    let rows = shape.iter().skip(1).fold(1, |product: u64, side| product.saturating_mul(*side));
    let groups = |size: u64| weights.div_ceil(size);
    let bytes = match scheme {
        Scheme::Fp8 => weights.saturating_add(groups(128 * 128).saturating_mul(4)),
        Scheme::Int8 => weights.saturating_add(rows.saturating_mul(4)),
        // A scale of eight bits for each 64 weights, and one of 32 for each 256 of those.
        Scheme::Nf4 => {
            weights.div_ceil(2).saturating_add(groups(64)).saturating_add(groups(64 * 256).saturating_mul(4))
        }
        // A scale of 16 bits and a zero of four for each 128 weights.
        Scheme::Awq => weights.div_ceil(2).saturating_add(groups(128).saturating_mul(5).div_ceil(2)),
        // The same, and each row's place in its group.
        Scheme::Gptq => {
            let order = shape.first().copied().unwrap_or(0).saturating_mul(4);
            weights
                .div_ceil(2)
                .saturating_add(groups(128).saturating_mul(5).div_ceil(2))
                .saturating_add(order)
        }
        Scheme::Mlx6 => weights.saturating_mul(3).div_ceil(4).saturating_add(groups(64).saturating_mul(4)),
        Scheme::Mlx8 => weights.saturating_add(groups(64).saturating_mul(4)),
        _ => weights.div_ceil(2).saturating_add(groups(64).saturating_mul(4)),
    };
    (scheme.default_type(), Bytes::new(bytes))
}
