//! The numbers that a model's shape is made of.

/// The shape of a language model.
///
/// Layers are listed one by one, because in the models of today they differ: windows alternate with full attention,
/// recurrent layers with attention, dense ones with experts. Names of architectures are those of GGUF
/// (`general.architecture`): "llama", "qwen3moe", "deepseek2".
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hyper {
    /// The architecture, by GGUF's name.
    pub architecture: String,
    /// Tokens of context that it was trained for; zero where nobody says.
    pub context_trained: u64,
    /// Numbers in a token's embedding (`n_embd`).
    pub width: u64,
    /// Tokens in the vocabulary.
    pub vocabulary: u64,
    /// Its layers, from the first.
    pub layers: Vec<Layer>,
    /// Numbers of a head that are rotated.
    pub rope_width: u64,
    /// Whether input and output embedding are one tensor.
    pub tied_embedding: bool,
    /// Whether attention scores are held within a bound by a function of their own (Gemma 2).
    pub attention_softcap: bool,
    /// Whether the logits are.
    pub logits_softcap: bool,
}

/// One layer: what mixes tokens, and what comes after it. Some have both attention and a recurrent part.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layer {
    /// Attention, if it has any.
    pub attention: Option<Attention>,
    /// State that is carried from token to token, if it has any.
    pub recurrent: Option<Recurrent>,
    /// The feed-forward part.
    pub ffn: Ffn,
}

/// Attention of one layer. Multi-head, grouped and multi-query attention differ only in the number of `kv_heads`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attention {
    /// Heads of queries.
    pub heads: u64,
    /// Heads of keys and values.
    pub kv_heads: u64,
    /// Numbers of one head's key.
    pub key_width: u64,
    /// Numbers of one head's value.
    pub value_width: u64,
    /// Only so many last tokens are seen.
    pub window: Option<u64>,
    /// Keys and values are kept as one latent vector.
    pub mla: Option<Mla>,
    /// An earlier layer's keys and values are used, and none are kept here.
    pub borrows_kv: bool,
}

/// Multi-head latent attention (DeepSeek).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mla {
    /// Numbers of the latent vector (`kv_lora_rank`).
    pub kv_rank: u64,
    /// Numbers of the rotated key that all heads share.
    pub rope_width: u64,
    /// The rank of the queries' projection, where it is in two steps.
    pub query_rank: Option<u64>,
}

/// The recurrent part of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Recurrent {
    /// What sort.
    pub kind: RecurrentKind,
    /// Numbers of the inner vector (`ssm.inner_size`; the width itself for RWKV).
    pub inner_width: u64,
    /// Numbers of state for each of them, or a head's width (`ssm.state_size`, `wkv.head_size`).
    pub state_width: u64,
    /// Taps of the convolution before it (`ssm.conv_kernel`).
    pub taps: u64,
    /// Groups (`ssm.group_count`): heads of keys in a delta net.
    pub groups: u64,
    /// Heads (`ssm.time_step_rank`): heads of values in a delta net.
    pub heads: u64,
}

/// The sort of a recurrent layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecurrentKind {
    /// Mamba.
    Mamba,
    /// Mamba 2.
    Mamba2,
    /// Gated delta net (Qwen3-Next, Qwen 3.5).
    DeltaNet,
    /// Kimi's delta attention.
    Kda,
    /// RWKV 6.
    Rwkv6,
    /// RWKV 7.
    Rwkv7,
    /// A short convolution (LFM2).
    ShortConv,
}

/// The feed-forward part of a layer.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Ffn {
    /// None.
    #[default]
    None,
    /// One for all tokens.
    Dense {
        /// Its inner width.
        width: u64,
        /// Whether it is gated: three matrices rather than two.
        gated: bool,
    },
    /// Many, of which each token takes some.
    Experts(Experts),
}

/// A mixture of experts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Experts {
    /// How many there are.
    pub count: u64,
    /// How many a token takes.
    pub used: u64,
    /// The inner width of one.
    pub width: u64,
    /// The inner width of what every token takes besides; zero where there is none.
    pub shared_width: u64,
}
