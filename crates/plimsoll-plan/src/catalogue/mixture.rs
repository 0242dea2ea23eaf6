//! The types that llama.cpp's quantizer picks, tensor by tensor.
//!
//! A quantization's name stands for a mixture: tensors on which quality hangs (values of attention, the way down of
//! the feed-forward part, the output) get more bits than the rest, some only in some layers. The rules here are those
//! of llama.cpp in 2026, without options that override types and with an importance matrix for the types that
//! cannot do without one; older versions and makers with rules of their own differ a little.

use super::scheme::Scheme;
use crate::model::{Attention, Ffn, Hyper, TensorType};

use Scheme as S;
use TensorType as T;

/// What the rules ask of a model, and which of its tensors have been seen.
pub(super) struct Mixture {
    scheme: Scheme,
    layers: u64,
    experts: u64,
    queries_a_key: u64,
    seventy: bool,
    tied: bool,
    falcon: bool,
    values: u64,
    values_seen: u64,
    downs_seen: u64,
    ups_seen: u64,
    gates_seen: u64,
}

/// What sort of tensor, as far as the rules tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Embedding,
    Output,
    Query,
    Key,
    Value,
    Fused,
    LatentValue,
    Joined,
    Up,
    Gate,
    Down,
    Other,
}

impl Sort {
    fn of(name: &str) -> Self {
        match name.strip_prefix("blk.").and_then(|rest| rest.split_once('.')).map_or(name, |(_, rest)| rest) {
            "output.weight" => Self::Output,
            "token_embd.weight" | "per_layer_token_embd.weight" => Self::Embedding,
            "attn_qkv.weight" => Self::Fused,
            "attn_kv_b.weight" => Self::LatentValue,
            "attn_v.weight" => Self::Value,
            "attn_k.weight" => Self::Key,
            "attn_q.weight" => Self::Query,
            "attn_output.weight" => Self::Joined,
            name if name.starts_with("ffn_up") => Self::Up,
            name if name.starts_with("ffn_gate") => Self::Gate,
            name if name.starts_with("ffn_down") => Self::Down,
            _ => Self::Other,
        }
    }

    fn is_value(self) -> bool {
        matches!(self, Self::Value | Self::Fused | Self::LatentValue)
    }
}

/// Whether a tensor is quantized at all: matrices that end in "weight" and are neither norms nor too small to matter.
pub(super) fn is_quantized(name: &str, sides: usize) -> bool {
    const KEPT: [&str; 9] = [
        "_norm.weight",
        "ffn_gate_inp.weight",
        "position_embd.weight",
        "token_types.weight",
        "ssm_conv1d",
        "shortconv.conv.weight",
        "altup",
        "laurel",
        "per_layer_model_proj",
    ];
    sides >= 2 && name.ends_with("weight") && !KEPT.iter().any(|kept| name.contains(kept))
}

impl Mixture {
    /// The rules for a model. `values` counts its tensors that hold values of attention.
    pub(super) fn new(scheme: Scheme, hyper: &Hyper, names: &[&str]) -> Self {
        let attention = hyper.layers.iter().find_map(|layer| layer.attention.as_ref());
        let share = |attention: &Attention| attention.heads.checked_div(attention.kv_heads).unwrap_or(0);
        let layers = hyper.layers.len() as u64;
        let grouped = attention.is_some_and(|attention| attention.heads != attention.kv_heads);
        let experts = hyper.layers.iter().map(|layer| match &layer.ffn {
            Ffn::Experts(experts) => experts.count,
            Ffn::Dense { .. } | Ffn::None => 0,
        });
        Self {
            scheme,
            layers,
            experts: experts.max().unwrap_or(0),
            queries_a_key: attention.map_or(0, share),
            seventy: layers == 80
                && ((hyper.architecture == "llama" && grouped) || hyper.architecture == "qwen2"),
            tied: !names.contains(&"output.weight"),
            falcon: hyper.architecture == "falcon",
            values: names.iter().filter(|name| Sort::of(name).is_value()).count() as u64,
            values_seen: 0,
            downs_seen: 0,
            ups_seen: 0,
            gates_seen: 0,
        }
    }

    /// The type of the next tensor; they come in the order of their layers.
    pub(super) fn pick(&mut self, name: &str, shape: &[u64]) -> TensorType {
        let wanted = self.wanted(name, shape);
        fitting(wanted, shape.first().copied().unwrap_or(1))
    }

    fn wanted(&mut self, name: &str, shape: &[u64]) -> TensorType {
        let sort = Sort::of(name);
        let default = self.scheme.default_type();
        if !default.is_quantized() {
            return default;
        }
        if sort == Sort::Output || (self.tied && sort == Sort::Embedding) {
            return self.output(default, shape.first().copied().unwrap_or(1));
        }
        if self.scheme == S::MXFP4 {
            return if shape.get(2).is_some_and(|count| *count > 1) { T::MXFP4 } else { T::Q8_0 };
        }
        match sort {
            Sort::Embedding => self.embedding(default),
            _ if self.is_two_bit() => self.two_bit(sort, default),
            _ if sort.is_value() => self.value(default),
            Sort::Key => self.key(default),
            Sort::Query => match self.scheme {
                S::IQ3_XS => T::IQ3_XXS,
                S::IQ3_XXS => T::IQ2_S,
                _ => default,
            },
            Sort::Down => self.down(layer_of(name), default),
            Sort::Joined => self.joined(default),
            Sort::Gate => {
                let layer = self.layer(name, self.gates_seen);
                self.gates_seen += 1;
                self.up(layer, default)
            }
            Sort::Up => {
                let layer = self.layer(name, self.ups_seen);
                self.ups_seen += 1;
                self.up(layer, default)
            }
            _ => default,
        }
    }

    /// The layer a rule speaks of: with experts the tensor's own, else how many came before.
    fn layer(&self, name: &str, seen: u64) -> u64 {
        if self.experts > 1 { layer_of(name).unwrap_or(seen) } else { seen }
    }

    fn more_bits(index: u64, count: u64) -> bool {
        let eighth = count / 8;
        index < eighth || index >= 7 * count / 8 || (index - eighth) % 3 == 2
    }

    fn is_two_bit(&self) -> bool {
        matches!(self.scheme, S::IQ2_XXS | S::IQ2_XS | S::IQ2_S | S::IQ2_M | S::IQ1_S | S::IQ1_M)
    }

    fn output(&self, default: TensorType, width: u64) -> TensorType {
        let whole = width.is_multiple_of(default.block_elements());
        if self.scheme == S::MXFP4 || self.falcon || !whole || default == T::Q8_0 {
            T::Q8_0
        } else if self.is_two_bit() || self.scheme == S::IQ3_XXS {
            T::Q5_K
        } else {
            T::Q6_K
        }
    }

    fn embedding(&self, default: TensorType) -> TensorType {
        match self.scheme {
            S::IQ2_XXS | S::IQ2_XS | S::IQ1_S | S::IQ1_M => T::Q2_K,
            S::IQ2_S | S::IQ2_M | S::IQ3_XXS => T::IQ3_S,
            S::TQ1_0 | S::TQ2_0 => T::Q4_K,
            _ => default,
        }
    }

    fn two_bit(&mut self, sort: Sort, default: TensorType) -> TensorType {
        let better = if matches!(self.scheme, S::IQ2_S | S::IQ2_M) { T::IQ3_S } else { T::Q2_K };
        match sort {
            sort if sort.is_value() => {
                self.values_seen += 1;
                if self.queries_a_key >= 4 || self.experts >= 4 { T::Q4_K } else { better }
            }
            Sort::Key if self.experts == 8 => T::Q4_K,
            Sort::Down => {
                self.downs_seen += 1;
                if self.downs_seen - 1 < self.layers / 8 { better } else { default }
            }
            Sort::Joined if self.experts == 8 => T::Q5_K,
            Sort::Joined => match self.scheme {
                S::IQ1_S | S::IQ1_M => T::IQ2_XXS,
                S::IQ2_S | S::IQ2_M => T::IQ3_S,
                _ => default,
            },
            _ => default,
        }
    }

    fn value(&mut self, default: TensorType) -> TensorType {
        let shared = self.queries_a_key >= 4;
        let index = self.values_seen;
        self.values_seen += 1;
        let picked = match self.scheme {
            S::Q2_K => {
                if shared {
                    T::Q4_K
                } else {
                    T::Q3_K
                }
            }
            S::Q2_K_S | S::IQ3_XXS | S::IQ3_XS | S::IQ3_S if shared => T::Q4_K,
            S::IQ3_M => T::Q4_K,
            S::Q3_K_M => {
                if index < 2 {
                    T::Q5_K
                } else {
                    T::Q4_K
                }
            }
            S::Q3_K_L => T::Q5_K,
            S::IQ4_NL | S::IQ4_XS if shared => T::Q5_K,
            S::Q4_K_M | S::Q5_K_M if Self::more_bits(index, self.values) => T::Q6_K,
            S::Q4_K_S if index < 4 => T::Q5_K,
            _ => default,
        };
        match picked {
            _ if self.experts == 8 => T::Q8_0,
            T::Q3_K | T::Q4_K if self.seventy => T::Q5_K,
            picked => picked,
        }
    }

    fn key(&self, default: TensorType) -> TensorType {
        match self.scheme {
            _ if self.experts == 8 => T::Q8_0,
            S::IQ3_XS => T::IQ3_XXS,
            S::IQ3_XXS => T::IQ2_S,
            _ => default,
        }
    }

    fn down(&mut self, layer: Option<u64>, default: TensorType) -> TensorType {
        let seen = self.downs_seen;
        self.downs_seen += 1;
        let index = if self.experts > 1 { layer.unwrap_or(seen) } else { seen };
        let more = Self::more_bits(index, self.layers);
        match self.scheme {
            S::Q2_K => T::Q3_K,
            S::Q2_K_S if index < self.layers / 8 => T::Q4_K,
            S::Q3_K_M if index < self.layers / 16 => T::Q5_K,
            S::Q3_K_M => {
                if !self.falcon || more {
                    T::Q4_K
                } else {
                    T::Q3_K
                }
            }
            S::IQ3_M if index < self.layers / 8 || (self.experts == 8 && more) => T::Q4_K,
            S::Q3_K_L => {
                if self.falcon {
                    T::Q4_K
                } else {
                    T::Q5_K
                }
            }
            S::Q4_K_M if self.falcon && index >= self.layers / 16 => {
                if more {
                    T::Q5_K
                } else {
                    T::Q4_K
                }
            }
            S::Q4_K_M | S::Q5_K_M if more => T::Q6_K,
            S::Q4_K_S if !self.falcon && index < self.layers / 8 => T::Q5_K,
            _ => default,
        }
    }

    fn joined(&self, default: TensorType) -> TensorType {
        if self.falcon {
            return if self.scheme == S::Q3_K_L { T::Q4_K } else { default };
        }
        if self.experts == 8 {
            let more = matches!(
                self.scheme,
                S::Q2_K
                    | S::IQ3_XS
                    | S::IQ3_XXS
                    | S::Q3_K_S
                    | S::Q3_K_M
                    | S::IQ4_NL
                    | S::Q4_K_S
                    | S::Q4_K_M
                    | S::IQ3_S
                    | S::IQ3_M
                    | S::IQ4_XS
            );
            return if more { T::Q5_K } else { default };
        }
        match self.scheme {
            S::Q2_K => T::Q3_K,
            S::IQ3_XXS => T::IQ3_S,
            S::Q3_K_M | S::IQ3_M => T::Q4_K,
            S::Q3_K_L => T::Q5_K,
            _ => default,
        }
    }

    fn up(&self, index: u64, default: TensorType) -> TensorType {
        let within = index >= self.layers / 8 && index < 7 * self.layers / 8;
        if self.scheme == S::IQ3_XS && within { T::IQ3_XXS } else { default }
    }
}

/// The number of the layer in a tensor's name.
fn layer_of(name: &str) -> Option<u64> {
    name.strip_prefix("blk.")?.split('.').next()?.parse().ok()
}

/// A type whose blocks fit rows of so many elements: blocks of 256 give way to blocks of 32, and those to 16 bits.
fn fitting(wanted: TensorType, width: u64) -> TensorType {
    if width.is_multiple_of(wanted.block_elements()) {
        return wanted;
    }
    let smaller = match wanted {
        T::IQ1_S | T::IQ1_M | T::IQ2_XXS | T::IQ2_XS | T::IQ2_S | T::IQ3_XXS | T::IQ3_S | T::IQ4_XS => {
            T::IQ4_NL
        }
        T::Q2_K | T::Q3_K | T::TQ1_0 | T::TQ2_0 => T::Q4_0,
        T::Q4_K => T::Q5_0,
        T::Q5_K => T::Q5_1,
        T::Q6_K => T::Q8_0,
        other => other,
    };
    if width.is_multiple_of(smaller.block_elements()) { smaller } else { T::F16 }
}
