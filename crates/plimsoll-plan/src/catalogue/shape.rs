//! A model's shape in one line of a table, and how it unfolds into layers.

use crate::model::{Attention, Experts, Ffn, Hyper, Layer, Mla, Recurrent, RecurrentKind};

/// The numbers of one row. Layers are not listed: what differs among them follows a rule with few numbers.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is there or not, whatever the others are")]
pub(super) struct Shape {
    architecture: &'static str,
    layers: u32,
    width: u32,
    heads: u32,
    kv_heads: u32,
    key_width: u32,
    value_width: u32,
    rope_width: u32,
    ffn: u32,
    gated: bool,
    vocabulary: u32,
    context: u32,
    tied: bool,
    attention_softcap: bool,
    logits_softcap: bool,
    window: Option<Window>,
    full: Option<Full>,
    mla: Option<Mla>,
    delta: Option<Delta>,
    experts: Option<Mixture>,
}

/// Layers that see only the last tokens, but for each so-manyth, which sees all.
#[derive(Clone, Copy, Debug)]
struct Window {
    tokens: u32,
    full_every: u32,
}

/// What heads are like in the layers that see all, where they differ from the others.
#[derive(Clone, Copy, Debug)]
struct Full {
    kv_heads: u32,
    head_width: u32,
}

/// Layers whose tokens are mixed by a gated delta net, but for each so-manyth, which has attention.
#[derive(Clone, Copy, Debug)]
struct Delta {
    key_heads: u32,
    value_heads: u32,
    head_width: u32,
    taps: u32,
    full_every: u32,
}

/// A mixture of experts behind some first layers that are dense.
#[derive(Clone, Copy, Debug)]
struct Mixture {
    count: u32,
    used: u32,
    width: u32,
    shared: u32,
    dense_first: u32,
}

impl Shape {
    /// A plain transformer: `dense(architecture, layers, width, [heads, heads of keys and values, a head's width],
    /// inner width, vocabulary, context)`.
    pub(super) const fn dense(
        architecture: &'static str,
        layers: u32,
        width: u32,
        heads: [u32; 3],
        ffn: u32,
        vocabulary: u32,
        context: u32,
    ) -> Self {
        let [heads, kv_heads, head_width] = heads;
        Self {
            architecture,
            layers,
            width,
            heads,
            kv_heads,
            key_width: head_width,
            value_width: head_width,
            rope_width: head_width,
            ffn,
            gated: true,
            vocabulary,
            context,
            tied: false,
            attention_softcap: false,
            logits_softcap: false,
            window: None,
            full: None,
            mla: None,
            delta: None,
            experts: None,
        }
    }

    /// Input and output embedding are one tensor.
    pub(super) const fn tied(mut self) -> Self {
        self.tied = true;
        self
    }

    /// Two matrices in the feed-forward part, not three.
    pub(super) const fn plain_ffn(mut self) -> Self {
        self.gated = false;
        self
    }

    /// Only so many numbers of a head are rotated.
    pub(super) const fn rotated(mut self, rope_width: u32) -> Self {
        self.rope_width = rope_width;
        self
    }

    /// Attention scores and logits are held within bounds (Gemma 2).
    pub(super) const fn softcapped(mut self) -> Self {
        self.attention_softcap = true;
        self.logits_softcap = true;
        self
    }

    /// Layers see only so many tokens, but for each `full_every`th.
    pub(super) const fn windowed(mut self, tokens: u32, full_every: u32) -> Self {
        self.window = Some(Window { tokens, full_every });
        self
    }

    /// Layers that see all have so many heads of keys and values, and heads so wide (Gemma 4).
    pub(super) const fn full_heads(mut self, kv_heads: u32, head_width: u32) -> Self {
        self.full = Some(Full { kv_heads, head_width });
        self
    }

    /// `experts(count, used by a token, the width of one, the shared one's width, dense layers before them)`.
    pub(super) const fn experts(
        mut self,
        count: u32,
        used: u32,
        width: u32,
        shared: u32,
        dense_first: u32,
    ) -> Self {
        self.experts = Some(Mixture { count, used, width, shared, dense_first });
        self
    }

    /// Latent attention. Widths of heads are those before compression: a key is its plain part and the rotated one.
    pub(super) const fn latent(
        mut self,
        kv_rank: u64,
        query_rank: Option<u64>,
        rope: u32,
        value_width: u32,
    ) -> Self {
        self.mla = Some(Mla { kv_rank, rope_width: rope as u64, query_rank });
        self.rope_width = rope;
        self.value_width = value_width;
        self
    }

    /// Three of four layers are gated delta nets with so many heads of keys and values, 128 wide (Qwen3-Next).
    pub(super) const fn delta(mut self, key_heads: u32, value_heads: u32) -> Self {
        self.delta = Some(Delta { key_heads, value_heads, head_width: 128, taps: 4, full_every: 4 });
        self
    }

    /// All layers, one by one.
    pub(super) fn hyper(&self) -> Hyper {
        Hyper {
            architecture: self.architecture.to_owned(),
            context_trained: self.context.into(),
            width: self.width.into(),
            vocabulary: self.vocabulary.into(),
            layers: (0..self.layers).map(|index| self.layer(index)).collect(),
            rope_width: self.rope_width.into(),
            tied_embedding: self.tied,
            attention_softcap: self.attention_softcap,
            logits_softcap: self.logits_softcap,
        }
    }

    fn layer(&self, index: u32) -> Layer {
        let each = |every: u32| (index + 1).is_multiple_of(every);
        let delta = self.delta.filter(|delta| !each(delta.full_every));
        let window = self.window.filter(|window| !each(window.full_every));
        let full = self.full.filter(|_| window.is_none());
        let width = |own: u32| full.map_or(own, |full| full.head_width).into();
        let attention = Attention {
            heads: self.heads.into(),
            kv_heads: full.map_or(self.kv_heads, |full| full.kv_heads).into(),
            key_width: width(self.key_width),
            value_width: width(self.value_width),
            window: window.map(|window| window.tokens.into()),
            mla: self.mla,
            borrows_kv: false,
        };
        let ffn = match self.experts.filter(|experts| index >= experts.dense_first) {
            None => Ffn::Dense { width: self.ffn.into(), gated: self.gated },
            Some(experts) => Ffn::Experts(Experts {
                count: experts.count.into(),
                used: experts.used.into(),
                width: experts.width.into(),
                shared_width: experts.shared.into(),
            }),
        };
        Layer { attention: delta.is_none().then_some(attention), recurrent: delta.map(recurrent), ffn }
    }
}

fn recurrent(delta: Delta) -> Recurrent {
    Recurrent {
        kind: RecurrentKind::DeltaNet,
        inner_width: u64::from(delta.value_heads) * u64::from(delta.head_width),
        state_width: delta.head_width.into(),
        taps: delta.taps.into(),
        groups: delta.key_heads.into(),
        heads: delta.value_heads.into(),
    }
}
