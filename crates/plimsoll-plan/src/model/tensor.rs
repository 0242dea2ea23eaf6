//! One tensor of a model.

use plimsoll::Bytes;

use super::TensorType;

/// A tensor: name, shape, type, and how many bytes it takes in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// By GGUF's rules (`blk.0.attn_q.weight`) or as its file has it (`model.layers.0.self_attn.q_proj.weight`).
    pub name: String,
    /// Its dimensions, the fastest first, as GGUF has them.
    pub shape: Vec<u64>,
    /// The type of its numbers.
    pub kind: TensorType,
    /// What it takes, without padding.
    pub bytes: Bytes,
}

/// Where in a model a tensor has its seat: what decides on which device it lands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Seat {
    /// Before the first layer: token and position embeddings.
    Input,
    /// In a layer.
    Layer(u32),
    /// Behind the last layer: norm and output embedding.
    Output,
}

impl Tensor {
    /// How many numbers it has.
    pub fn elements(&self) -> u64 {
        self.shape.iter().fold(1, |product: u64, side| product.saturating_mul(*side))
    }

    /// Whether it is of experts among which tokens choose, by its name.
    pub fn is_expert(&self) -> bool {
        self.name.contains("_exps.") || self.name.contains(".experts.")
    }

    /// Where in the model it has its seat, by its name.
    pub fn seat(&self) -> Seat {
        let name = self.name.as_str();
        if let Some(layer) = layer_number(name) {
            return Seat::Layer(layer);
        }
        let first = [
            "token_embd",
            "token_types",
            "position_embd",
            "per_layer_",
            "altup_",
            "model.embed_tokens",
            "v.",
            "mm.",
        ];
        if first.iter().any(|start| name.starts_with(start)) { Seat::Input } else { Seat::Output }
    }
}

/// The number behind "blk." or "layers.".
fn layer_number(name: &str) -> Option<u32> {
    let rest = name.strip_prefix("blk.").or_else(|| Some(name.split_once("layers.")?.1))?;
    rest.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(name: &str) -> Seat {
        let (shape, kind, bytes) = (vec![1], TensorType::F32, Bytes::new(4));
        Tensor { name: name.to_owned(), shape, kind, bytes }.seat()
    }

    #[test]
    fn a_seat_follows_from_the_name() {
        assert_eq!(seat("blk.17.ffn_down.weight"), Seat::Layer(17));
        assert_eq!(seat("model.layers.3.self_attn.q_proj.weight"), Seat::Layer(3));
        assert_eq!(seat("token_embd.weight"), Seat::Input);
        assert_eq!(seat("model.embed_tokens.weight"), Seat::Input);
        assert_eq!(seat("output_norm.weight"), Seat::Output);
        assert_eq!(seat("lm_head.weight"), Seat::Output);
    }
}
