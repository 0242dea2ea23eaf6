//! In what the decoders differ whose layers are built alike: which norms, which biases, what comes where.
//!
//! An architecture that is not listed is taken for a plain decoder; what its tensors say (biases, fused projections,
//! norms of heads) is believed before the list.

use super::architectures::by_name;
use std::collections::HashSet;

use crate::model::{Attention, Ffn, Layer, Model, Tensor};

/// The sort of a norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Norm {
    /// By the root of the mean square.
    Rms,
    /// By mean and deviation.
    Mean,
    /// The same, with a bias.
    MeanBias,
}

/// Whether queries and keys are normed before they are rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyNorm {
    None,
    /// Head by head.
    Head,
    /// All heads in one.
    Whole,
}

/// How the feed-forward part follows attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Behind it, with a norm of its own.
    Behind,
    /// Beside it, from the same normed input.
    Beside,
    /// Beside it, with a norm of its own.
    BesideNormed,
}

/// What a feed-forward part does between its matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Two matrices, gated.
    Gated,
    /// One matrix of twice the width, gated by its halves.
    Halves,
    /// One matrix; so many element-wise steps.
    Plain(u8),
}

/// How a shared expert is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shared {
    Plain,
    /// Weighed by a sigmoid of its own.
    Sigmoid,
    /// Weighed by `silu(x) / x`.
    Quotient,
}

/// How experts are chosen and weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a difference of its own")]
pub(crate) struct Choice {
    /// Shares of all experts first (softmax or sigmoid), rather than of those chosen.
    pub(crate) shares_first: bool,
    /// Weights are made to sum to one.
    pub(crate) summed: bool,
    /// Weights are multiplied by a constant.
    pub(crate) scaled: bool,
    /// A bias for the choice alone.
    pub(crate) biased: bool,
    /// Experts are chosen from some of so many groups.
    pub(crate) groups: u64,
    /// So many of the groups.
    pub(crate) groups_used: u64,
    /// All matrices have biases.
    pub(crate) matrices_biased: bool,
    /// Gate and up are one matrix.
    pub(crate) merged: bool,
    /// Each expert's result has a factor of its own.
    pub(crate) scaled_results: bool,
    pub(crate) shared: Shared,
}

/// What one architecture's layers are made of.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a difference of its own")]
pub(crate) struct Style {
    /// Whether the architecture is one whose graph was checked against llama.cpp.
    pub(crate) known: bool,
    pub(crate) norm: Norm,
    pub(crate) key_norm: KeyNorm,
    pub(crate) order: Order,
    pub(crate) act: Act,
    pub(crate) choice: Choice,
    pub(crate) projection_bias: bool,
    pub(crate) output_projection_bias: bool,
    pub(crate) ffn_bias: bool,
    pub(crate) fused_projection: bool,
    /// Norms behind attention and behind the feed-forward part.
    pub(crate) norms_behind: bool,
    /// None before them.
    pub(crate) no_norms_before: bool,
    pub(crate) scaled_embedding: bool,
    pub(crate) scaled_embedding_at_once: bool,
    pub(crate) scaled_query: bool,
    pub(crate) scaled_residual: bool,
    /// The last sum of a layer names the residual first, whose memory is taken over.
    pub(crate) residual_first: bool,
    pub(crate) rope_factors: bool,
    pub(crate) rope: Rope,
    pub(crate) positions_per_token: u64,
    pub(crate) sinks: bool,
    pub(crate) output_bias: bool,
    /// Element-wise steps behind the logits.
    pub(crate) logits_steps: u8,
    /// Where rows are left out that are not wanted.
    pub(crate) wanted: Wanted,
    /// Only layers without a window use factors of rotation.
    pub(crate) rope_factors_full_only: bool,
    /// Queries come with a gate of the same size for what attention makes.
    pub(crate) gated_attention: bool,
    /// Recurrent layers norm their result.
    pub(crate) state_norm: bool,
    /// Both gates of a delta net come from one projection.
    pub(crate) joint_beta: bool,
    /// Values are normed too, and layers end in a factor (Gemma 4).
    pub(crate) normed_values: bool,
    /// Numbers of an embedding that each layer has of its own; zero where there is none.
    pub(crate) layer_embedding: u64,
    /// Layers without a window take keys for values as well.
    pub(crate) keys_for_values: bool,
}

/// Where rows whose logits nobody wants are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Within the last layer, behind attention.
    InLast,
    /// Behind the last layer.
    BeforeNorm,
    /// Behind the last norm.
    AfterNorm,
}

/// Which layers rotate queries and keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rope {
    All,
    /// Those with a window.
    Windowed,
    /// All but each fourth.
    ThreeOfFour,
}

pub(super) const CHOICE: Choice = Choice {
    shares_first: true,
    summed: true,
    scaled: false,
    biased: false,
    groups: 0,
    groups_used: 0,
    matrices_biased: false,
    merged: false,
    scaled_results: false,
    shared: Shared::Plain,
};

pub(super) const PLAIN: Style = Style {
    known: false,
    norm: Norm::Rms,
    key_norm: KeyNorm::None,
    order: Order::Behind,
    act: Act::Gated,
    choice: CHOICE,
    projection_bias: false,
    output_projection_bias: false,
    ffn_bias: false,
    fused_projection: false,
    norms_behind: false,
    no_norms_before: false,
    scaled_embedding: false,
    scaled_embedding_at_once: false,
    scaled_query: false,
    scaled_residual: false,
    residual_first: false,
    rope_factors: false,
    rope: Rope::All,
    positions_per_token: 1,
    sinks: false,
    output_bias: false,
    logits_steps: 0,
    wanted: Wanted::InLast,
    rope_factors_full_only: false,
    gated_attention: false,
    state_norm: false,
    joint_beta: false,
    normed_values: false,
    layer_embedding: 0,
    keys_for_values: false,
};

impl Style {
    /// The style of a model: by its architecture, and by its tensors where it has a list of them.
    pub(crate) fn of(model: &Model) -> Self {
        let mut style = by_name(&model.hyper.architecture);
        if model.hyper.logits_softcap {
            style.logits_steps = 3;
        }
        style.of_experts(model);
        let latent =
            |layer: &Layer| layer.attention.as_ref().is_some_and(|attention| attention.mla.is_some());
        if model.hyper.architecture == "deepseek2" && !model.hyper.layers.iter().all(latent) {
            // The first files of these models unpack the latent vector; taken for plain attention.
            style.known = false;
        }
        style.believe(model);
        style
    }

    /// Whether a layer's heads are rotated.
    pub(crate) fn ropes(&self, layer: usize, attention: &Attention) -> bool {
        match self.rope {
            Rope::All => true,
            Rope::Windowed => attention.window.is_some(),
            Rope::ThreeOfFour => layer % 4 != 3,
        }
    }

    /// DeepSeek's larger models choose experts from some of eight groups, with a bias; their makers changed only counts.
    fn of_experts(&mut self, model: &Model) {
        let experts = model.hyper.layers.iter().find_map(|layer| match &layer.ffn {
            Ffn::Experts(experts) => Some(*experts),
            _ => None,
        });
        let Some(experts) = experts.filter(|_| model.hyper.architecture == "deepseek2") else { return };
        let large = experts.count >= 256;
        self.choice.biased = large;
        self.choice.summed = large;
        self.choice.scaled = experts.count > 64;
        if experts.count == 256 {
            (self.choice.groups, self.choice.groups_used) = (8, 4);
        }
    }

    /// What a list of tensors says goes before what the name does.
    fn believe(&mut self, model: &Model) {
        let owned: HashSet<&str> = model
            .tensors
            .iter()
            .filter_map(|tensor| Some(tensor.name.strip_prefix("blk.")?.split_once('.')?.1))
            .collect();
        let has = |name: &str| owned.contains(name);
        let own = model.tensors.iter().find(|tensor| tensor.name == "per_layer_token_embd.weight");
        let layers = (model.hyper.layers.len() as u64).max(1);
        if let Some(own) = own {
            self.layer_embedding = own.shape.first().copied().unwrap_or(0) / layers;
            self.keys_for_values = false;
        }
        let factors =
            |tensor: &Tensor| tensor.name.starts_with("rope_freqs") || tensor.name.contains("rope_factors");
        self.rope_factors |= model.tensors.iter().any(factors);
        if !has("attn_norm.weight") && !has("ffn_norm.weight") && !has("attn_q.weight") {
            return;
        }
        self.fused_projection = has("attn_qkv.weight") && !has("attn_q.weight");
        self.projection_bias = has("attn_q.bias") || has("attn_qkv.bias");
        self.output_projection_bias = has("attn_output.bias");
        self.ffn_bias = has("ffn_up.bias");
        self.choice.scaled_results = has("ffn_down_exps.scale");
        self.choice.merged = has("ffn_gate_up_exps.weight");
        self.choice.matrices_biased = has("ffn_up_exps.bias");
        self.choice.biased = has("exp_probs_b.bias");
        self.sinks = has("attn_sinks.weight");
        if !has("attn_q_norm.weight") {
            self.key_norm = KeyNorm::None;
        } else if self.key_norm == KeyNorm::None {
            self.key_norm = KeyNorm::Head;
        }
        self.rope_factors = model.tensors.iter().any(factors);
    }
}

impl Act {
    /// What a feed-forward part of no further description does.
    pub(crate) fn of(ffn: &Ffn, style: Self) -> Self {
        match ffn {
            Ffn::Dense { gated: false, .. } if style == Self::Gated => Self::Plain(1),
            _ => style,
        }
    }
}
