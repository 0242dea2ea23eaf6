//! Decoders of text: Llama and its kin, as the transformers library runs them.

use std::rc::Rc;

use crate::train::net::{Linear, Recipe};
use crate::train::torch::{Dtype, Heads, Param, Tensor, Torch};

/// The shape of a decoder.
#[expect(clippy::struct_excessive_bools, reason = "families differ in just these ways, each of its own")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecoderShape {
    /// Numbers of a token.
    pub width: u64,
    /// The inner width of the feed-forward part.
    pub inner: u64,
    /// Layers.
    pub layers: u64,
    /// Heads of queries.
    pub heads: u64,
    /// Heads of keys and values.
    pub kv_heads: u64,
    /// Numbers of a head.
    pub head_width: u64,
    /// Tokens in the vocabulary.
    pub vocabulary: u64,
    /// Input and output embedding are one.
    pub tied: bool,
    /// Queries, keys and values have biases (Qwen 2).
    pub qkv_bias: bool,
    /// Queries and keys are normed by head (Qwen 3, Gemma 3).
    pub qk_norm: bool,
    /// How rows are normed.
    pub norms: Norms,
    /// Queries, keys and values come from one matrix, gate and up from another (Phi 3).
    pub fused: bool,
    /// Attention scores and logits are held within bounds (Gemma 2).
    pub softcap: bool,
    /// Tokens that attention sees, in all layers but each so-manieth: the window, and that number; zero for in all.
    pub window: Option<(u64, u64)>,
}

impl DecoderShape {
    /// How many parameters it has.
    pub fn parameters(&self) -> u64 {
        let times = u64::saturating_mul;
        let (q, kv) = (times(self.heads, self.head_width), times(self.kv_heads, self.head_width));
        let qkv = q.saturating_add(times(kv, 2));
        let norms = if self.norms == Norms::Around { 4 } else { 2 };
        let layer = [
            times(self.width, qkv.saturating_add(q)),
            if self.qkv_bias { qkv } else { 0 },
            times(times(self.width, self.inner), 3),
            times(self.width, norms),
            if self.qk_norm { times(self.head_width, 2) } else { 0 },
        ];
        let layer = layer.into_iter().fold(0, u64::saturating_add);
        let tables = times(times(self.vocabulary, self.width), if self.tied { 1 } else { 2 });
        times(layer, self.layers).saturating_add(tables).saturating_add(self.width)
    }
}

/// How rows are normed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norms {
    /// Before attention and before the feed-forward part.
    Before,
    /// Before and after each, with 1 + weight in f32 (Gemma 2 and 3).
    Around,
}

/// A decoder with its parameters.
#[derive(Debug)]
pub struct Decoder {
    shape: DecoderShape,
    embedding: Param,
    layers: Vec<Rc<Layer>>,
    norm: Param,
    head: Option<Linear>,
    _frequencies: [Tensor; 2],
}

#[derive(Debug)]
struct Layer {
    shape: DecoderShape,
    /// The tokens that its attention sees, where not all.
    window: Option<u64>,
    fused_attention: bool,
    qkv: Vec<Linear>,
    out: Linear,
    gate_up: Vec<Linear>,
    down: Linear,
    norms: Vec<Param>,
    head_norms: Vec<Param>,
}

/// What all layers share: the tables of the rotation, and the mask where attention is written out.
#[derive(Clone, Debug)]
struct Shared {
    cosine: Tensor,
    sine: Tensor,
    mask: Option<Tensor>,
    batch: u64,
    tokens: u64,
}

impl Decoder {
    /// A decoder whose parameters stand in memory.
    pub fn new(torch: &Torch, recipe: &Recipe, shape: &DecoderShape, fused_attention: bool) -> Self {
        let embedding = recipe.param(torch, shape.vocabulary.saturating_mul(shape.width));
        let layer = |index| Layer::new(torch, recipe, shape, index, fused_attention);
        let mut layers: Vec<Layer> = (0..shape.layers).map(layer).collect();
        let norm = recipe.param(torch, shape.width);
        let frequencies = [(); 2].map(|()| torch.buffer(shape.head_width / 2, Dtype::Fp32));
        let head = (!shape.tied)
            .then(|| Linear::new(torch, recipe, "lm_head", (shape.width, shape.vocabulary), false));
        for layer in &mut layers {
            layer.adapt(torch, recipe);
        }
        let layers = layers.into_iter().map(Rc::new).collect();
        Self { shape: shape.clone(), embedding, layers, norm, head, _frequencies: frequencies }
    }

    /// Every parameter that is trained.
    pub fn trained(&self) -> Vec<Param> {
        let mut all = Vec::new();
        let own = [&self.embedding, &self.norm];
        all.extend(own.into_iter().filter(|param| param.is_trained()).cloned());
        for layer in &self.layers {
            layer.trained(&mut all);
        }
        if let Some(head) = &self.head {
            head.trained(&mut all);
        }
        all
    }

    /// The loss of so many sequences of so many tokens.
    pub fn loss(&self, torch: &Torch, batch: u64, tokens: u64, checkpointing: bool) -> Tensor {
        let rows = batch.saturating_mul(tokens);
        let ids = torch.fresh(rows, Dtype::Int64);
        let mut hidden = torch.embedding(&self.embedding, &ids, rows.saturating_mul(self.shape.width));
        if checkpointing {
            // Adapters alone would leave the first block without an input that wants a gradient.
            hidden = if hidden.wants_gradient() { hidden } else { torch.wanting(&hidden) };
        }
        if self.shape.norms == Norms::Around {
            hidden = torch.scale(&hidden);
        }
        let shared = self.shared(torch, batch, tokens, hidden.dtype);
        for layer in &self.layers {
            hidden = if checkpointing {
                let (layer, shared) = (Rc::clone(layer), shared.clone());
                let block =
                    move |torch: &Torch, inputs: &[Tensor]| vec![layer.forward(torch, &inputs[0], &shared)];
                torch.checkpoint(Rc::new(block), &[hidden]).remove(0)
            } else {
                layer.forward(torch, &hidden, &shared)
            };
        }
        hidden = self.normed(torch, &hidden);
        let logits = self.logits(torch, &hidden, rows);
        let wide = torch.cast(&logits, Dtype::Fp32);
        torch.cross_entropy(&wide)
    }

    fn normed(&self, torch: &Torch, hidden: &Tensor) -> Tensor {
        torch.rms_norm(hidden, self.shape.width, Some(&self.norm), self.shape.norms == Norms::Around)
    }

    fn logits(&self, torch: &Torch, hidden: &Tensor, rows: u64) -> Tensor {
        let count = rows.saturating_mul(self.shape.vocabulary);
        let mut logits = match &self.head {
            Some(head) => head.forward(torch, hidden),
            None => torch.matmul(hidden, &torch.narrowed(&self.embedding), None, count),
        };
        if self.shape.softcap {
            logits = torch.scale(&logits);
            logits = torch.keeping_output(&logits, &[]);
            logits = torch.scale(&logits);
        }
        logits
    }

    fn shared(&self, torch: &Torch, batch: u64, tokens: u64, dtype: Dtype) -> Shared {
        let angles = tokens.saturating_mul(self.shape.head_width);
        let [cosine, sine] = [(); 2].map(|()| torch.cast(&torch.fresh(angles, Dtype::Fp32), dtype));
        let written_out = self.layers.first().is_some_and(|layer| !layer.fused_attention);
        let mask = written_out.then(|| torch.fresh(tokens.saturating_mul(tokens), dtype));
        Shared { cosine, sine, mask, batch, tokens }
    }
}

impl Layer {
    fn new(torch: &Torch, recipe: &Recipe, shape: &DecoderShape, index: u64, fused_attention: bool) -> Self {
        let sees_all = |(_, every): &(u64, u64)| index.saturating_add(1).checked_rem(*every) == Some(0);
        let window = shape.window.filter(|window| !sees_all(window)).map(|(window, _)| window);
        let DecoderShape { width, inner, .. } = *shape;
        let (q, kv) =
            (shape.heads.saturating_mul(shape.head_width), shape.kv_heads.saturating_mul(shape.head_width));
        let linear =
            |path: &str, input, output, bias| Linear::new(torch, recipe, path, (input, output), bias);
        let qkv = if shape.fused {
            vec![linear("self_attn.qkv_proj", width, q.saturating_add(kv).saturating_add(kv), false)]
        } else {
            [("self_attn.q_proj", q), ("self_attn.k_proj", kv), ("self_attn.v_proj", kv)]
                .map(|(path, output)| linear(path, width, output, shape.qkv_bias))
                .into()
        };
        let out = linear("self_attn.o_proj", q, width, false);
        let head_norms = if shape.qk_norm {
            (0..2).map(|_| recipe.param(torch, shape.head_width)).collect()
        } else {
            Vec::new()
        };
        let gate_up = if shape.fused {
            vec![linear("mlp.gate_up_proj", width, inner.saturating_mul(2), false)]
        } else {
            vec![linear("mlp.gate_proj", width, inner, false), linear("mlp.up_proj", width, inner, false)]
        };
        let down = linear("mlp.down_proj", inner, width, false);
        let count = if shape.norms == Norms::Around { 4 } else { 2 };
        let norms = (0..count).map(|_| recipe.param(torch, width)).collect();
        Self { shape: shape.clone(), window, fused_attention, qkv, out, gate_up, down, norms, head_norms }
    }

    fn adapt(&mut self, torch: &Torch, recipe: &Recipe) {
        let Self { qkv, out, gate_up, down, .. } = self;
        let all = qkv.iter_mut().chain([out]).chain(gate_up).chain([down]);
        all.for_each(|linear| linear.adapt(torch, recipe));
    }

    fn trained(&self, into: &mut Vec<Param>) {
        for linear in self.qkv.iter().chain([&self.out]).chain(&self.gate_up).chain([&self.down]) {
            linear.trained(into);
        }
        let norms = self.norms.iter().chain(&self.head_norms);
        into.extend(norms.filter(|param| param.is_trained()).cloned());
    }

    fn forward(&self, torch: &Torch, hidden: &Tensor, shared: &Shared) -> Tensor {
        let around = self.shape.norms == Norms::Around;
        let norm =
            |x: &Tensor, index: usize| torch.rms_norm(x, self.shape.width, self.norms.get(index), around);
        let mut residual = hidden.clone();
        let mut x = norm(&residual, 0);
        x = self.attention(torch, &x, shared);
        if around {
            x = norm(&x, 1);
        }
        residual = torch.add(&residual, &x);
        x = residual.clone();
        x = norm(&x, if around { 2 } else { 1 });
        x = self.feed_forward(torch, &x);
        if around {
            x = norm(&x, 3);
        }
        torch.add(&residual, &x)
    }

    fn feed_forward(&self, torch: &Torch, x: &Tensor) -> Tensor {
        let inner = match self.gate_up.as_slice() {
            [gate, up] => {
                let gate = torch.activation(&gate.forward(torch, x));
                torch.mul(&gate, &up.forward(torch, x))
            }
            [both] => {
                let both = both.forward(torch, x);
                let halves = torch.chunk(&both, 2);
                torch.mul(&halves[1], &torch.activation(&halves[0]))
            }
            _ => return x.clone(),
        };
        self.down.forward(torch, &inner)
    }

    fn attention(&self, torch: &Torch, x: &Tensor, shared: &Shared) -> Tensor {
        let (mut q, mut k, v) = self.queries(torch, x, shared);
        (q, k) = (rotated(torch, &q, shared), rotated(torch, &k, shared));
        if self.shape.fused {
            // Phi 3 joins what was turned to what was not, though that be nothing.
            (q, k) = (torch.join(&[&q]), torch.join(&[&k]));
        }
        let mixed = if self.fused_attention {
            let has_mask = self.window.is_some_and(|window| shared.tokens > window);
            let heads = Heads {
                batch: shared.batch,
                heads: self.shape.heads,
                kv_heads: self.shape.kv_heads,
                queries: shared.tokens,
                keys: shared.tokens,
                width: self.shape.head_width,
            };
            if has_mask { masked(torch, &q, &k, &v, heads) } else { torch.attention(&q, &k, &v, heads, None) }
        } else {
            self.written_out(torch, &q, &k, &v, shared)
        };
        self.out.forward(torch, &mixed)
    }

    fn queries(&self, torch: &Torch, x: &Tensor, shared: &Shared) -> (Tensor, Tensor, Tensor) {
        let rows = shared.batch.saturating_mul(shared.tokens).saturating_mul(self.shape.head_width);
        let (q, kv) = (rows.saturating_mul(self.shape.heads), rows.saturating_mul(self.shape.kv_heads));
        if let [all] = self.qkv.as_slice() {
            let all = all.forward(torch, x);
            return (torch.piece(&all, q), torch.piece(&all, kv), torch.piece(&all, kv));
        }
        let around = self.shape.norms == Norms::Around;
        let each = |index: usize| {
            let x = match self.qkv.get(index) {
                Some(linear) => linear.forward(torch, x),
                None => x.clone(),
            };
            match self.head_norms.get(index) {
                Some(norm) => torch.rms_norm(&x, self.shape.head_width, Some(norm), around),
                None => x,
            }
        };
        (each(0), each(1), each(2))
    }

    /// Attention step by step: scores, softmax in f32, and the copies of keys and values for each head.
    fn written_out(&self, torch: &Torch, q: &Tensor, k: &Tensor, v: &Tensor, shared: &Shared) -> Tensor {
        let repeated = |x: &Tensor| if x.count == q.count { x.clone() } else { torch.resize(x, q.count) };
        let (k, v) = (repeated(k), repeated(v));
        let rows = shared.batch.saturating_mul(self.shape.heads).saturating_mul(shared.tokens);
        let count = rows.saturating_mul(shared.tokens);
        let mut scores = torch.batched_matmul(q, &k, count);
        scores = torch.scale(&scores);
        if self.shape.softcap {
            scores = torch.scale(&scores);
            scores = torch.keeping_output(&scores, &[]);
            scores = torch.scale(&scores);
        }
        if let Some(mask) = &shared.mask {
            scores = torch.add(&scores, mask);
        }
        let scratch = [Dtype::Fp32.bytes(count)];
        scores = torch.keeping_output(&torch.cast(&scores, Dtype::Fp32), &scratch);
        scores = torch.cast(&scores, q.dtype);
        torch.copy(&torch.batched_matmul(&scores, &v, q.count))
    }
}

/// With a mask, keys and values are copied for each head, unless one serves all; the mask is widened and kept.
fn masked(torch: &Torch, q: &Tensor, k: &Tensor, v: &Tensor, heads: Heads) -> Tensor {
    let shared = heads.kv_heads == 1 || heads.kv_heads == heads.heads;
    let repeated = |x: &Tensor| if shared { x.clone() } else { torch.resize(x, q.count) };
    let (k, v) = (repeated(k), repeated(v));
    let mask = torch.fresh(heads.queries.saturating_mul(heads.keys), Dtype::Bf16);
    torch.attention(q, &k, &v, Heads { kv_heads: heads.heads, ..heads }, Some(&mask))
}

/// Queries or keys turned by their positions: `x · cos + half_turned(x) · sin`.
fn rotated(torch: &Torch, x: &Tensor, shared: &Shared) -> Tensor {
    let kept = torch.mul(x, &shared.cosine);
    let turned = torch.half_turned(x);
    let turned = torch.mul(&turned, &shared.sine);
    torch.add(&kept, &turned)
}
