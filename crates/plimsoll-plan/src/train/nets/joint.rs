//! The transformer of Stable Diffusion 3 and 3.5: image and text in two streams with one attention.

use std::rc::Rc;

use super::parts::{Adaptive, Condition, FeedForward, adapt, gated, modulated, scaled_and_shifted};
use crate::train::net::{Linear, Recipe};
use crate::train::torch::{Conv, Dtype, Heads, Param, Tensor, Torch};

/// The shape of such a transformer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JointShape {
    /// Blocks.
    pub layers: u64,
    /// Heads of 64 numbers.
    pub heads: u64,
    /// So many first blocks have a second attention, over the image alone.
    pub dual: u64,
    /// The side of the table of positions, in patches.
    pub positions: u64,
    /// Queries and keys are normed by head.
    pub qk_norm: bool,
    /// Tokens of the prompt.
    pub prompt: u64,
}

const HEAD: u64 = 64;

/// Such a transformer with its parameters.
#[derive(Debug)]
pub struct Joint {
    shape: JointShape,
    patch: [Param; 2],
    _positions: Tensor,
    condition: Condition,
    context: Linear,
    blocks: Vec<Rc<Block>>,
    norm: Adaptive,
    out: Linear,
    trained: Vec<Param>,
}

#[derive(Debug)]
struct Attention {
    heads: u64,
    qkv: [Linear; 3],
    norms: Option<[Param; 2]>,
    out: Linear,
    added: Option<Added>,
}

#[derive(Debug)]
struct Added {
    qkv: [Linear; 3],
    norms: Option<[Param; 2]>,
    out: Option<Linear>,
}

#[derive(Debug)]
struct Block {
    norm: Adaptive,
    context_norm: Adaptive,
    attention: Attention,
    second: Option<Attention>,
    feed_forward: FeedForward,
    context_feed_forward: Option<FeedForward>,
}

/// How many of what.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    batch: u64,
    image: u64,
    prompt: u64,
}

impl Joint {
    /// Such a transformer whose parameters stand in memory.
    pub fn new(torch: &Torch, recipe: &Recipe, shape: &JointShape) -> Self {
        let width = shape.heads.saturating_mul(HEAD);
        let patch = [width.saturating_mul(64), width].map(|count| recipe.param(torch, count));
        let table = shape.positions.saturating_mul(shape.positions).saturating_mul(width);
        let positions = torch.buffer(table, Dtype::Fp32);
        let mut condition = Condition::new(torch, recipe, width, &[256, 2048]);
        let mut context = Linear::new(torch, recipe, "context_embedder", (4096, width), true);
        let block = |index| Block::new(torch, recipe, shape, index);
        let mut blocks: Vec<Block> = (0..shape.layers).map(block).collect();
        let mut norm = Adaptive::new(torch, recipe, "norm_out", width, 2);
        let mut out = Linear::new(torch, recipe, "proj_out", (width, 64), true);
        let mut trained: Vec<Param> = patch.iter().filter(|param| param.is_trained()).cloned().collect();
        adapt(torch, recipe, condition.linears(), &mut trained);
        adapt(torch, recipe, [&mut context], &mut trained);
        for block in &mut blocks {
            block.adapt(torch, recipe, &mut trained);
        }
        adapt(torch, recipe, [norm.linear(), &mut out], &mut trained);
        let blocks = blocks.into_iter().map(Rc::new).collect();
        Self {
            shape: shape.clone(),
            patch,
            _positions: positions,
            condition,
            context,
            blocks,
            norm,
            out,
            trained,
        }
    }

    /// Every parameter that is trained.
    pub fn trained(&self) -> Vec<Param> {
        self.trained.clone()
    }

    /// The loss of so many images of so many pixels.
    pub fn loss(&self, torch: &Torch, batch: u64, pixels: u64, dtype: Dtype, checkpointing: bool) -> Tensor {
        let width = self.shape.heads.saturating_mul(HEAD);
        let image = pixels / 256;
        let sizes = Sizes { batch, image, prompt: self.shape.prompt };
        let latents = batch.saturating_mul(image).saturating_mul(64);
        let (sample, target) = (torch.fresh(latents, dtype), torch.fresh(latents, dtype));
        let prompt = torch.fresh(batch.saturating_mul(sizes.prompt).saturating_mul(4096), dtype);
        let count = batch.saturating_mul(image).saturating_mul(width);
        let workspace = [Dtype::Bf16.bytes(count), 0, 0];
        let conv = Conv { output: count, workspace };
        let mut hidden = torch.conv(&sample, &self.patch[0], Some(&self.patch[1]), conv);
        let table = torch.fresh(image.saturating_mul(width), Dtype::Fp32);
        hidden = torch.cast(&torch.add(&hidden, &table), Dtype::Bf16);
        drop(table);
        let condition = self.condition.forward(torch, batch);
        let mut context = self.context.forward(torch, &prompt);
        for block in &self.blocks {
            let inputs = [hidden, context, condition.clone()];
            let mut outputs = if checkpointing {
                let block = Rc::clone(block);
                let run = move |torch: &Torch, inputs: &[Tensor]| block.forward(torch, inputs, sizes);
                torch.checkpoint(Rc::new(run), &inputs)
            } else {
                block.forward(torch, &inputs, sizes)
            };
            let [_, before, _] = inputs;
            context = if outputs.len() > 1 { outputs.remove(1) } else { before };
            hidden = outputs.remove(0);
        }
        let vectors = self.norm.vectors(torch, &condition);
        hidden = modulated(torch, &hidden, batch.saturating_mul(image), &vectors[0], &vectors[1]);
        hidden = self.out.forward(torch, &hidden);
        hidden = torch.copy(&hidden);
        torch.mean_square(&hidden, &target)
    }
}

impl Block {
    fn new(torch: &Torch, recipe: &Recipe, shape: &JointShape, index: u64) -> Self {
        let width = shape.heads.saturating_mul(HEAD);
        let last = index.saturating_add(1) == shape.layers;
        let dual = index < shape.dual;
        let norm = Adaptive::new(torch, recipe, "norm1", width, if dual { 9 } else { 6 });
        let context_norm = Adaptive::new(torch, recipe, "norm1_context", width, if last { 2 } else { 6 });
        let attention = Attention::new(torch, recipe, shape, "attn", true, last);
        let second = dual.then(|| Attention::new(torch, recipe, shape, "attn2", false, last));
        let feed_forward = FeedForward::new(torch, recipe, "ff", width, false);
        let context_feed_forward =
            (!last).then(|| FeedForward::new(torch, recipe, "ff_context", width, false));
        Self { norm, context_norm, attention, second, feed_forward, context_feed_forward }
    }

    fn adapt(&mut self, torch: &Torch, recipe: &Recipe, trained: &mut Vec<Param>) {
        adapt(torch, recipe, [self.norm.linear(), self.context_norm.linear()], trained);
        for attention in [Some(&mut self.attention), self.second.as_mut()].into_iter().flatten() {
            attention.adapt(torch, recipe, trained);
        }
        adapt(torch, recipe, self.feed_forward.linears(), trained);
        if let Some(feed_forward) = &mut self.context_feed_forward {
            adapt(torch, recipe, feed_forward.linears(), trained);
        }
    }

    fn forward(&self, torch: &Torch, inputs: &[Tensor], sizes: Sizes) -> Vec<Tensor> {
        let [hidden, context, condition] = inputs else { return inputs.to_vec() };
        let rows = sizes.batch.saturating_mul(sizes.image);
        let context_rows = sizes.batch.saturating_mul(sizes.prompt);
        // Shift and scale of the first norm, gate, shift and scale of the second, gate.
        let v = self.norm.vectors(torch, condition);
        let normed = torch.norm(hidden, rows, None);
        let (first, second) = if self.second.is_some() {
            let first = scaled_and_shifted(torch, normed.clone(), &v[1], &v[0]);
            (first, Some(scaled_and_shifted(torch, normed, &v[7], &v[6])))
        } else {
            (scaled_and_shifted(torch, normed, &v[1], &v[0]), None)
        };
        let c = self.context_norm.vectors(torch, condition);
        let context_normed = modulated(torch, context, context_rows, &c[1], &c[0]);
        let (mut x, attended) = self.attention.forward(torch, &first, Some(&context_normed), sizes);
        let mut hidden = hidden.clone();
        x = torch.mul(&v[2], &x);
        hidden = torch.add(&hidden, &x);
        let mut kept = Vec::new();
        if let (Some(attention), Some(normed)) = (&self.second, &second) {
            let (x, _) = attention.forward(torch, normed, None, sizes);
            let x = torch.mul(&v[8], &x);
            hidden = torch.add(&hidden, &x);
            kept.push(x);
        }
        // As there, what was computed is held until its name is given to something else.
        drop(first);
        let normed = modulated(torch, &hidden, rows, &v[4], &v[3]);
        let mut forwarded = self.feed_forward.forward(torch, &normed);
        forwarded = torch.mul(&v[5], &forwarded);
        hidden = torch.add(&hidden, &forwarded);
        let Some((feed_forward, attended)) = self.context_feed_forward.as_ref().zip(attended) else {
            return vec![hidden];
        };
        let mut context = gated(torch, context, &c[2], &attended);
        drop(context_normed);
        let context_normed = modulated(torch, &context, context_rows, &c[4], &c[3]);
        let forwarded = feed_forward.forward(torch, &context_normed);
        context = gated(torch, &context, &c[5], &forwarded);
        vec![hidden, context]
    }
}

impl Attention {
    fn new(torch: &Torch, recipe: &Recipe, shape: &JointShape, name: &str, joint: bool, last: bool) -> Self {
        let width = shape.heads.saturating_mul(HEAD);
        let linear = |path: &str| Linear::new(torch, recipe, &format!("{name}.{path}"), (width, width), true);
        let norms = || shape.qk_norm.then(|| [(); 2].map(|()| recipe.param(torch, HEAD)));
        let own = norms();
        let qkv = ["to_q", "to_k", "to_v"].map(linear);
        let added = joint.then(|| Added {
            qkv: ["add_k_proj", "add_v_proj", "add_q_proj"].map(linear),
            norms: norms(),
            out: (!last).then(|| linear("to_add_out")),
        });
        Self { heads: shape.heads, qkv, norms: own, out: linear("to_out.0"), added }
    }

    fn adapt(&mut self, torch: &Torch, recipe: &Recipe, trained: &mut Vec<Param>) {
        adapt(torch, recipe, self.qkv.iter_mut().chain([&mut self.out]), trained);
        let mut norms: Vec<&Param> = self.norms.iter().flatten().collect();
        if let Some(added) = &mut self.added {
            adapt(torch, recipe, added.qkv.iter_mut().chain(added.out.as_mut()), trained);
            norms.extend(added.norms.iter().flatten());
        }
        trained.extend(norms.into_iter().filter(|param| param.is_trained()).cloned());
    }

    fn forward(
        &self,
        torch: &Torch,
        x: &Tensor,
        context: Option<&Tensor>,
        sizes: Sizes,
    ) -> (Tensor, Option<Tensor>) {
        let project = |linears: &[Linear; 3], norms: &Option<[Param; 2]>, x: &Tensor| {
            let mut qkv = [0, 1, 2].map(|index| linears[index].forward(torch, x));
            if let Some(norms) = norms {
                for (x, norm) in qkv.iter_mut().zip(norms) {
                    *x = torch.outer_rms_norm(x, HEAD, norm);
                }
            }
            qkv
        };
        let mut qkv = project(&self.qkv, &self.norms, x);
        let mut tokens = sizes.image;
        let mut added_qkv = None;
        if let Some((added, context)) = self.added.as_ref().zip(context) {
            let beside = project(&added.qkv, &added.norms, context);
            for (own, other) in qkv.iter_mut().zip(&beside) {
                *own = torch.join(&[own, other]);
            }
            tokens = tokens.saturating_add(sizes.prompt);
            added_qkv = Some(beside);
        }
        let [q, k, v] = &qkv;
        let heads = Heads {
            batch: sizes.batch,
            heads: self.heads,
            kv_heads: self.heads,
            queries: tokens,
            keys: tokens,
            width: HEAD,
        };
        let mut mixed = torch.attention(q, k, v, heads, None);
        mixed = torch.copy(&mixed);
        let Some((added, _)) = self.added.as_ref().zip(added_qkv.as_ref()) else {
            return (self.out.forward(torch, &mixed), None);
        };
        let per_token = sizes.batch.saturating_mul(self.heads).saturating_mul(HEAD);
        let mut image = torch.piece(&mixed, per_token.saturating_mul(sizes.image));
        let mut prompt = torch.piece(&mixed, per_token.saturating_mul(sizes.prompt));
        drop(mixed);
        if sizes.batch > 1 {
            prompt = torch.copy(&prompt);
        }
        let context = added.out.as_ref().map(|out| out.forward(torch, &prompt));
        if sizes.batch > 1 {
            image = torch.copy(&image);
        }
        (self.out.forward(torch, &image), context)
    }
}
