//! Which tensors a model of some shape has, by name and size, before any quantization.
//!
//! Names and order of sides are GGUF's. What a shape does not say follows from the architecture: whether queries have
//! a bias, norms stand behind the parts as well as before them, or three matrices are stored as one.

use crate::model::{Attention, Ffn, Hyper, Layer, Mla, Recurrent};

/// A tensor without a type.
pub(super) struct Bone {
    pub(super) name: String,
    pub(super) shape: Vec<u64>,
}

/// What an architecture's name says of its tensors.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is there or not, whatever the others are")]
struct Traits {
    /// Queries, keys and values have a bias.
    query_bias: bool,
    /// Every linear part and every norm has one (BERT).
    all_bias: bool,
    /// Queries, keys and values are one matrix.
    fused: bool,
    /// Gate and way up are one matrix.
    fused_up: bool,
    /// Queries and keys are normed head by head.
    head_norms: bool,
    /// They are normed whole.
    whole_norms: bool,
    /// Norms behind attention and behind the feed-forward part too.
    post_norms: bool,
    /// The norm before the feed-forward part goes by the name of one behind attention.
    late_norm: bool,
    /// A sink for each head, and biases in the experts (gpt-oss).
    sinks: bool,
    /// Attention's output is gated by a second half of the queries.
    gated_attention: bool,
    /// Norms behind the parts only, embeddings normed, types and positions added (BERT).
    encoder: bool,
    /// Positions have embeddings.
    positions: bool,
    /// Recurrent layers' input is one matrix and not two.
    joined_input: bool,
    /// Layers that see all take their values from their keys, and each layer's output has a scale (Gemma 4).
    values_of_keys: bool,
    /// Each expert has a bias for being chosen (DeepSeek V3).
    choice_bias: bool,
}

fn traits(hyper: &Hyper) -> Traits {
    let plain = Traits::default();
    match hyper.architecture.as_str() {
        "qwen2" | "qwen2moe" => Traits { query_bias: true, ..plain },
        "qwen3" | "qwen3moe" => Traits { head_norms: true, ..plain },
        "olmoe" => Traits { whole_norms: true, ..plain },
        "gemma2" => Traits { post_norms: true, ..plain },
        "gemma3" => Traits { post_norms: true, head_norms: true, ..plain },
        "gemma4" => Traits { post_norms: true, head_norms: true, values_of_keys: true, ..plain },
        "glm4" => Traits { post_norms: true, fused_up: true, ..plain },
        "phi3" => Traits { fused: true, fused_up: true, ..plain },
        "gpt-oss" => Traits { sinks: true, query_bias: true, late_norm: true, ..plain },
        "qwen3next" => {
            Traits { head_norms: true, late_norm: true, gated_attention: true, joined_input: true, ..plain }
        }
        "qwen35" | "qwen35moe" => {
            Traits { head_norms: true, late_norm: true, gated_attention: true, ..plain }
        }
        "bert" => Traits { encoder: true, all_bias: true, query_bias: true, positions: true, ..plain },
        "nomic-bert" => Traits { encoder: true, fused: true, ..plain },
        "deepseek2" => {
            let latent = hyper.layers.iter().filter_map(|layer| layer.attention.as_ref()?.mla);
            Traits { choice_bias: hyper.layers.len() == 61 && latent.count() > 0, ..plain }
        }
        _ => plain,
    }
}

/// The tensors of one model, as they are written down.
struct Skeleton<'a> {
    hyper: &'a Hyper,
    traits: Traits,
    bones: Vec<Bone>,
}

/// Every tensor of a model of this shape, layer by layer.
pub(super) fn bones(hyper: &Hyper) -> Vec<Bone> {
    let mut skeleton = Skeleton { hyper, traits: traits(hyper), bones: Vec::new() };
    skeleton.input();
    for (index, layer) in hyper.layers.iter().enumerate() {
        skeleton.layer(&format!("blk.{index}."), layer);
    }
    skeleton.output();
    skeleton.bones
}

/// Factors that stretch rotation are data of a file, not weights of a model: published counts leave them out.
pub(super) fn is_weight(name: &str) -> bool {
    !name.starts_with("rope_")
}

impl Skeleton<'_> {
    fn put(&mut self, name: String, shape: &[u64]) {
        if shape.iter().all(|side| *side > 0) {
            self.bones.push(Bone { name, shape: shape.to_vec() });
        }
    }

    /// A matrix from so many numbers to so many, with a bias where one belongs to it.
    fn matrix(&mut self, name: &str, from: u64, to: u64, bias: bool) {
        self.put(format!("{name}.weight"), &[from, to]);
        if bias {
            self.put(format!("{name}.bias"), &[to]);
        }
    }

    fn norm(&mut self, name: &str, width: u64) {
        self.put(format!("{name}.weight"), &[width]);
        if self.traits.encoder {
            self.put(format!("{name}.bias"), &[width]);
        }
    }

    fn input(&mut self) {
        let Hyper { width, vocabulary, context_trained, rope_width, .. } = *self.hyper;
        self.matrix("token_embd", width, vocabulary, false);
        if self.traits.encoder {
            self.put("token_types.weight".to_owned(), &[width, 2]);
            self.norm("token_embd_norm", width);
        }
        if self.traits.positions {
            self.put("position_embd.weight".to_owned(), &[width, context_trained]);
        }
        // Models stretched beyond what they were first trained for carry a factor for each pair of rotated numbers.
        let long = context_trained > 16384;
        match self.hyper.architecture.as_str() {
            "llama" if vocabulary == 128_256 && long => {
                self.put("rope_freqs.weight".to_owned(), &[rope_width / 2]);
            }
            "gemma4" => {
                let heads =
                    self.hyper.layers.iter().filter_map(|layer| Some(layer.attention.as_ref()?.key_width));
                let widest = heads.max().unwrap_or(0);
                self.put("rope_freqs.weight".to_owned(), &[widest / 2]);
            }
            "phi3" if long => {
                self.put("rope_factors_long.weight".to_owned(), &[rope_width / 2]);
                self.put("rope_factors_short.weight".to_owned(), &[rope_width / 2]);
            }
            _ => {}
        }
    }

    fn output(&mut self) {
        let Hyper { width, vocabulary, .. } = *self.hyper;
        if self.traits.encoder {
            return;
        }
        self.norm("output_norm", width);
        if !self.hyper.tied_embedding {
            // Phi's heads have no bias in the models of today; Phi 2 had one.
            self.matrix("output", width, vocabulary, false);
        }
    }

    fn layer(&mut self, at: &str, layer: &Layer) {
        let width = self.hyper.width;
        let Traits { encoder, late_norm, post_norms, .. } = self.traits;
        if !encoder {
            self.norm(&format!("{at}attn_norm"), width);
        }
        if let Some(attention) = &layer.attention {
            match attention.mla {
                Some(mla) => self.latent(at, attention, mla),
                None => self.attention(at, attention),
            }
        }
        if let Some(recurrent) = &layer.recurrent {
            self.recurrent(at, recurrent);
        }
        if encoder {
            self.norm(&format!("{at}attn_output_norm"), width);
            self.norm(&format!("{at}layer_output_norm"), width);
        } else if late_norm {
            self.norm(&format!("{at}post_attention_norm"), width);
        } else if layer.ffn != Ffn::None {
            self.norm(&format!("{at}ffn_norm"), width);
        }
        if post_norms {
            self.norm(&format!("{at}post_attention_norm"), width);
            self.norm(&format!("{at}post_ffw_norm"), width);
        }
        if self.traits.values_of_keys {
            self.put(format!("{at}layer_output_scale.weight"), &[1]);
        }
        self.ffn(at, &layer.ffn);
    }

    fn attention(&mut self, at: &str, attention: &Attention) {
        let Traits { query_bias, all_bias, fused, sinks, gated_attention, .. } = self.traits;
        let width = self.hyper.width;
        let queries = attention.heads.saturating_mul(attention.key_width);
        let keys = attention.kv_heads.saturating_mul(attention.key_width);
        let values = attention.kv_heads.saturating_mul(attention.value_width);
        let joined = attention.heads.saturating_mul(attention.value_width);
        if fused {
            let all = queries.saturating_add(keys).saturating_add(values);
            self.matrix(&format!("{at}attn_qkv"), width, all, query_bias);
        } else {
            let doubled = if gated_attention { queries.saturating_mul(2) } else { queries };
            self.matrix(&format!("{at}attn_q"), width, doubled, query_bias);
            self.matrix(&format!("{at}attn_k"), width, keys, query_bias);
            if !(self.traits.values_of_keys && attention.window.is_none()) {
                self.matrix(&format!("{at}attn_v"), width, values, query_bias);
            }
        }
        self.matrix(&format!("{at}attn_output"), joined, width, all_bias || sinks);
        if self.traits.head_norms {
            self.put(format!("{at}attn_q_norm.weight"), &[attention.key_width]);
            self.put(format!("{at}attn_k_norm.weight"), &[attention.key_width]);
        }
        if self.traits.whole_norms {
            self.put(format!("{at}attn_q_norm.weight"), &[queries]);
            self.put(format!("{at}attn_k_norm.weight"), &[keys]);
        }
        if sinks {
            self.put(format!("{at}attn_sinks.weight"), &[attention.heads]);
        }
    }

    fn latent(&mut self, at: &str, attention: &Attention, mla: Mla) {
        let width = self.hyper.width;
        let queries = attention.heads.saturating_mul(attention.key_width);
        let plain = attention.key_width.saturating_sub(mla.rope_width);
        match mla.query_rank {
            Some(rank) => {
                self.matrix(&format!("{at}attn_q_a"), width, rank, false);
                self.norm(&format!("{at}attn_q_a_norm"), rank);
                self.matrix(&format!("{at}attn_q_b"), rank, queries, false);
            }
            None => self.matrix(&format!("{at}attn_q"), width, queries, false),
        }
        self.matrix(&format!("{at}attn_kv_a_mqa"), width, mla.kv_rank.saturating_add(mla.rope_width), false);
        self.norm(&format!("{at}attn_kv_a_norm"), mla.kv_rank);
        self.put(format!("{at}attn_k_b.weight"), &[plain, mla.kv_rank, attention.heads]);
        self.put(format!("{at}attn_v_b.weight"), &[mla.kv_rank, attention.value_width, attention.heads]);
        let joined = attention.heads.saturating_mul(attention.value_width);
        self.matrix(&format!("{at}attn_output"), joined, width, false);
    }

    /// A gated delta net; of other sorts the two projections, which are all but a little of them.
    fn recurrent(&mut self, at: &str, recurrent: &Recurrent) {
        let width = self.hyper.width;
        let keys = recurrent.groups.saturating_mul(recurrent.state_width);
        let values = recurrent.inner_width;
        let conv = keys.saturating_mul(2).saturating_add(values);
        if self.traits.joined_input {
            self.matrix(&format!("{at}ssm_in"), width, conv.saturating_add(values), false);
            self.matrix(&format!("{at}ssm_ba"), width, recurrent.heads.saturating_mul(2), false);
        } else {
            self.matrix(&format!("{at}attn_qkv"), width, conv, false);
            self.matrix(&format!("{at}attn_gate"), width, values, false);
            self.matrix(&format!("{at}ssm_beta"), width, recurrent.heads, false);
            self.matrix(&format!("{at}ssm_alpha"), width, recurrent.heads, false);
        }
        self.put(format!("{at}ssm_conv1d.weight"), &[recurrent.taps, conv]);
        self.put(format!("{at}ssm_dt.bias"), &[recurrent.heads]);
        self.put(format!("{at}ssm_a"), &[recurrent.heads]);
        self.put(format!("{at}ssm_norm.weight"), &[recurrent.state_width]);
        self.matrix(&format!("{at}ssm_out"), values, width, false);
    }

    fn ffn(&mut self, at: &str, ffn: &Ffn) {
        let width = self.hyper.width;
        let bias = self.traits.all_bias;
        match ffn {
            Ffn::None => {}
            Ffn::Dense { width: inner, gated } => {
                let fused = self.traits.fused_up && *gated;
                if *gated && !fused {
                    self.matrix(&format!("{at}ffn_gate"), width, *inner, bias);
                }
                let up = if fused { inner.saturating_mul(2) } else { *inner };
                self.matrix(&format!("{at}ffn_up"), width, up, bias);
                self.matrix(&format!("{at}ffn_down"), *inner, width, bias);
            }
            Ffn::Experts(experts) => {
                let (count, inner, sinks) = (experts.count, experts.width, self.traits.sinks);
                self.matrix(&format!("{at}ffn_gate_inp"), width, count, sinks);
                if self.traits.choice_bias {
                    self.put(format!("{at}exp_probs_b.bias"), &[count]);
                }
                for (name, from, to) in [("gate", width, inner), ("up", width, inner), ("down", inner, width)]
                {
                    self.put(format!("{at}ffn_{name}_exps.weight"), &[from, to, count]);
                    if sinks {
                        self.put(format!("{at}ffn_{name}_exps.bias"), &[to, count]);
                    }
                }
                self.shared(at, experts.shared_width);
            }
        }
    }

    fn shared(&mut self, at: &str, inner: u64) {
        if inner == 0 {
            return;
        }
        let width = self.hyper.width;
        if self.traits.late_norm {
            self.put(format!("{at}ffn_gate_inp_shexp.weight"), &[width]);
        }
        self.matrix(&format!("{at}ffn_gate_shexp"), width, inner, false);
        self.matrix(&format!("{at}ffn_up_shexp"), width, inner, false);
        self.matrix(&format!("{at}ffn_down_shexp"), inner, width, false);
    }
}
