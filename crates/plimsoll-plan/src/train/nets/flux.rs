//! The transformer of FLUX.1: blocks of two streams, then blocks of one.

use std::rc::Rc;

use super::parts::{Adaptive, Condition, FeedForward, adapt, gated, modulated};
use crate::train::net::{Linear, Recipe};
use crate::train::torch::{Dtype, Heads, Param, Tensor, Torch};

/// The shape of such a transformer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FluxShape {
    /// Blocks of two streams.
    pub double: u64,
    /// Blocks of one.
    pub single: u64,
    /// Heads of 128 numbers.
    pub heads: u64,
    /// Whether guidance is an input.
    pub guidance: bool,
    /// Tokens of the prompt.
    pub prompt: u64,
}

const HEAD: u64 = 128;

/// Such a transformer with its parameters.
#[derive(Debug)]
pub struct Flux {
    shape: FluxShape,
    condition: Condition,
    context: Linear,
    input: Linear,
    blocks: Vec<Rc<Block>>,
    norm: Adaptive,
    out: Linear,
    trained: Vec<Param>,
}

#[derive(Debug)]
enum Block {
    Double(Box<Double>),
    Single(Box<Single>),
}

#[derive(Debug)]
struct Stream {
    norm: Adaptive,
    qkv: [Linear; 3],
    norms: [Param; 2],
    out: Linear,
    feed_forward: FeedForward,
}

#[derive(Debug)]
struct Double {
    image: Stream,
    prompt: Stream,
}

#[derive(Debug)]
struct Single {
    norm: Adaptive,
    up: Linear,
    down: Linear,
    qkv: [Linear; 3],
    norms: [Param; 2],
}

#[derive(Clone, Debug)]
struct Sizes {
    batch: u64,
    image: u64,
    prompt: u64,
    heads: u64,
    cosine: Tensor,
    sine: Tensor,
}

impl Flux {
    /// Such a transformer whose parameters stand in memory.
    pub fn new(torch: &Torch, recipe: &Recipe, shape: &FluxShape) -> Self {
        let width = shape.heads.saturating_mul(HEAD);
        let inputs: &[u64] = if shape.guidance { &[256, 256, 768] } else { &[256, 768] };
        let mut condition = Condition::new(torch, recipe, width, inputs);
        let mut context = Linear::new(torch, recipe, "context_embedder", (4096, width), true);
        let mut input = Linear::new(torch, recipe, "x_embedder", (64, width), true);
        let mut blocks: Vec<Block> = Vec::new();
        blocks.extend((0..shape.double).map(|_| Block::Double(Box::new(Double::new(torch, recipe, width)))));
        blocks.extend((0..shape.single).map(|_| Block::Single(Box::new(Single::new(torch, recipe, width)))));
        let mut norm = Adaptive::new(torch, recipe, "norm_out", width, 2);
        let mut out = Linear::new(torch, recipe, "proj_out", (width, 64), true);
        let mut trained = Vec::new();
        adapt(torch, recipe, condition.linears().chain([&mut context, &mut input]), &mut trained);
        for block in &mut blocks {
            block.adapt(torch, recipe, &mut trained);
        }
        adapt(torch, recipe, [norm.linear(), &mut out], &mut trained);
        let blocks = blocks.into_iter().map(Rc::new).collect();
        Self { shape: shape.clone(), condition, context, input, blocks, norm, out, trained }
    }

    /// Every parameter that is trained.
    pub fn trained(&self) -> Vec<Param> {
        self.trained.clone()
    }

    /// The loss of so many images of so many pixels.
    pub fn loss(&self, torch: &Torch, batch: u64, pixels: u64, dtype: Dtype, checkpointing: bool) -> Tensor {
        let image = pixels / 256;
        let latents = batch.saturating_mul(image).saturating_mul(64);
        let (sample, target) = (torch.fresh(latents, dtype), torch.fresh(latents, dtype));
        let prompt = batch.saturating_mul(self.shape.prompt).saturating_mul(4096);
        let prompt = torch.fresh(prompt, dtype);
        let mut hidden = self.input.forward(torch, &sample);
        let condition = self.condition.forward(torch, batch);
        let mut context = self.context.forward(torch, &prompt);
        let angles = image.saturating_add(self.shape.prompt).saturating_mul(HEAD);
        let [cosine, sine] = [(); 2].map(|()| torch.fresh(angles, Dtype::Fp32));
        let sizes = Sizes { batch, image, prompt: self.shape.prompt, heads: self.shape.heads, cosine, sine };
        for block in &self.blocks {
            let inputs = [hidden, context, condition.clone()];
            let outputs = if checkpointing {
                let (block, sizes) = (Rc::clone(block), sizes.clone());
                let run = move |torch: &Torch, inputs: &[Tensor]| block.forward(torch, inputs, &sizes);
                torch.checkpoint(Rc::new(run), &inputs)
            } else {
                block.forward(torch, &inputs, &sizes)
            };
            drop(inputs);
            let mut outputs = outputs.into_iter();
            hidden = outputs.next().unwrap_or_else(|| sample.clone());
            context = outputs.next().unwrap_or_else(|| prompt.clone());
        }
        drop(context);
        let vectors = self.norm.vectors(torch, &condition);
        hidden = modulated(torch, &hidden, batch.saturating_mul(image), &vectors[0], &vectors[1]);
        hidden = self.out.forward(torch, &hidden);
        torch.mean_square(&hidden, &target)
    }
}

impl Block {
    fn adapt(&mut self, torch: &Torch, recipe: &Recipe, trained: &mut Vec<Param>) {
        match self {
            Self::Double(block) => {
                for stream in [&mut block.image, &mut block.prompt] {
                    stream.adapt(torch, recipe, trained);
                }
            }
            Self::Single(block) => {
                let Single { norm, up, down, qkv, norms } = block.as_mut();
                adapt(torch, recipe, [norm.linear(), up, down].into_iter().chain(qkv), trained);
                trained.extend(norms.iter().filter(|param| param.is_trained()).cloned());
            }
        }
    }

    fn forward(&self, torch: &Torch, inputs: &[Tensor], sizes: &Sizes) -> Vec<Tensor> {
        let [hidden, context, condition] = inputs else { return inputs.to_vec() };
        match self {
            Self::Double(block) => block.forward(torch, hidden, context, condition, sizes).into(),
            Self::Single(block) => block.forward(torch, hidden, context, condition, sizes).into(),
        }
    }
}

impl Stream {
    fn new(torch: &Torch, recipe: &Recipe, width: u64, names: [&str; 6]) -> Self {
        let [q, k, v, out, feed_forward, norm] = names;
        let linear = |path: &str| Linear::new(torch, recipe, &format!("attn.{path}"), (width, width), true);
        Self {
            norm: Adaptive::new(torch, recipe, norm, width, 6),
            norms: [(); 2].map(|()| recipe.param(torch, HEAD)),
            qkv: [q, k, v].map(linear),
            out: linear(out),
            feed_forward: FeedForward::new(torch, recipe, feed_forward, width, false),
        }
    }

    fn adapt(&mut self, torch: &Torch, recipe: &Recipe, trained: &mut Vec<Param>) {
        let Self { norm, qkv, norms, out, feed_forward } = self;
        let linears = [norm.linear()].into_iter().chain(qkv).chain([out]).chain(feed_forward.linears());
        adapt(torch, recipe, linears, trained);
        trained.extend(norms.iter().filter(|param| param.is_trained()).cloned());
    }

    /// What comes after attention.
    fn finish(&self, torch: &Torch, hidden: &Tensor, attended: &Tensor, v: &[Tensor], rows: u64) -> Tensor {
        let attended = torch.mul(&v[2], attended);
        let hidden = torch.add(hidden, &attended);
        let normed = modulated(torch, &hidden, rows, &v[4], &v[3]);
        let mut forwarded = self.feed_forward.forward(torch, &normed);
        forwarded = torch.mul(&v[5], &forwarded);
        torch.add(&hidden, &forwarded)
    }
}

/// Three projections; queries and keys are normed by head.
fn projected(torch: &Torch, qkv: &[Linear; 3], x: &Tensor) -> [Tensor; 3] {
    [0, 1, 2].map(|index| qkv[index].forward(torch, x))
}

fn normed(torch: &Torch, qkv: &mut [Tensor; 3], norms: &[Param; 2]) {
    for (x, norm) in qkv.iter_mut().zip(norms) {
        *x = torch.fused_rms_norm(x, HEAD, norm);
    }
}

/// Turned by position, in f32.
fn rotated(torch: &Torch, x: &Tensor, sizes: &Sizes) -> Tensor {
    let turned = torch.half_turned(x);
    let kept = torch.mul(&torch.cast(x, Dtype::Fp32), &sizes.cosine);
    let turned_wide = torch.mul(&torch.cast(&turned, Dtype::Fp32), &sizes.sine);
    let sum = torch.add(&kept, &turned_wide);
    drop((kept, turned_wide));
    torch.cast(&sum, x.dtype)
}

fn attended(torch: &Torch, qkv: &mut [Tensor; 3], sizes: &Sizes) -> Tensor {
    qkv[0] = rotated(torch, &qkv[0], sizes);
    qkv[1] = rotated(torch, &qkv[1], sizes);
    let tokens = sizes.image.saturating_add(sizes.prompt);
    let heads = Heads {
        batch: sizes.batch,
        heads: sizes.heads,
        kv_heads: sizes.heads,
        queries: tokens,
        keys: tokens,
        width: HEAD,
    };
    torch.attention(&qkv[0], &qkv[1], &qkv[2], heads, None)
}

impl Double {
    fn new(torch: &Torch, recipe: &Recipe, width: u64) -> Self {
        Self {
            image: Stream::new(torch, recipe, width, ["to_q", "to_k", "to_v", "to_out.0", "ff", "norm1"]),
            prompt: Stream::new(
                torch,
                recipe,
                width,
                ["add_q_proj", "add_k_proj", "add_v_proj", "to_add_out", "ff_context", "norm1_context"],
            ),
        }
    }

    fn forward(
        &self,
        torch: &Torch,
        hidden: &Tensor,
        context: &Tensor,
        condition: &Tensor,
        sizes: &Sizes,
    ) -> [Tensor; 2] {
        let rows = sizes.batch.saturating_mul(sizes.image);
        let context_rows = sizes.batch.saturating_mul(sizes.prompt);
        let v = self.image.norm.vectors(torch, condition);
        let x = modulated(torch, hidden, rows, &v[1], &v[0]);
        let c = self.prompt.norm.vectors(torch, condition);
        let y = modulated(torch, context, context_rows, &c[1], &c[0]);
        let (x, y) = self.attention(torch, &x, &y, sizes);
        let hidden = self.image.finish(torch, hidden, &x, &v, rows);
        let context = gated(torch, context, &c[2], &y);
        let normed = modulated(torch, &context, context_rows, &c[4], &c[3]);
        let forwarded = self.prompt.feed_forward.forward(torch, &normed);
        [hidden, gated(torch, &context, &c[5], &forwarded)]
    }

    fn attention(&self, torch: &Torch, x: &Tensor, y: &Tensor, sizes: &Sizes) -> (Tensor, Tensor) {
        let mut qkv = projected(torch, &self.image.qkv, x);
        let mut other = projected(torch, &self.prompt.qkv, y);
        normed(torch, &mut qkv, &self.image.norms);
        normed(torch, &mut other, &self.prompt.norms);
        for (own, other) in qkv.iter_mut().zip(&other) {
            *own = torch.join(&[other, own]);
        }
        let mixed = attended(torch, &mut qkv, sizes);
        let mut parts = torch.split(&mixed, &[x.count, y.count]);
        drop(mixed);
        let copied = |part: Tensor| if sizes.batch > 1 { torch.copy(&part) } else { part };
        let y = parts.pop().map(copied);
        let x = parts.pop().map(copied);
        let forward = |linear: &Linear, x: Option<Tensor>| match x {
            Some(x) => linear.forward(torch, &x),
            None => torch.fresh(0, Dtype::Bf16),
        };
        let x = forward(&self.image.out, x);
        (x, forward(&self.prompt.out, y))
    }
}

impl Single {
    fn new(torch: &Torch, recipe: &Recipe, width: u64) -> Self {
        let inner = width.saturating_mul(4);
        let linear = |path: &str, input, output| Linear::new(torch, recipe, path, (input, output), true);
        Self {
            norm: Adaptive::new(torch, recipe, "norm", width, 3),
            up: linear("single.proj_mlp", width, inner),
            down: linear("single.proj_out", width.saturating_add(inner), width),
            norms: [(); 2].map(|()| recipe.param(torch, HEAD)),
            qkv: ["attn.to_q", "attn.to_k", "attn.to_v"].map(|path| linear(path, width, width)),
        }
    }

    fn forward(
        &self,
        torch: &Torch,
        hidden: &Tensor,
        context: &Tensor,
        condition: &Tensor,
        sizes: &Sizes,
    ) -> [Tensor; 2] {
        let rows = sizes.batch.saturating_mul(sizes.image.saturating_add(sizes.prompt));
        let mut x = torch.join(&[context, hidden]);
        let residual = x.clone();
        let v = self.norm.vectors(torch, condition);
        let normalized = modulated(torch, &x, rows, &v[1], &v[0]);
        let mut inner = self.up.forward(torch, &normalized);
        inner = torch.activation(&inner);
        let mixed = {
            let mut qkv = projected(torch, &self.qkv, &normalized);
            normed(torch, &mut qkv, &self.norms);
            attended(torch, &mut qkv, sizes)
        };
        x = torch.join(&[&mixed, &inner]);
        x = self.down.forward(torch, &x);
        x = torch.mul(&v[2], &x);
        x = torch.add(&residual, &x);
        [torch.piece(&x, hidden.count), torch.piece(&x, context.count)]
    }
}
