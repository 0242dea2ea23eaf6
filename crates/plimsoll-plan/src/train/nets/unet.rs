//! The U-Net of Stable Diffusion 1.5 and SDXL: convolutions at each scale, and at some of them transformers.

use std::rc::Rc;

use super::convolution::Convolution;
use super::parts::{FeedForward, adapt};
use crate::train::net::{Linear, Recipe};
use crate::train::torch::{Dtype, Heads, Param, Tensor, Torch};

/// The shape of such a net.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnetShape {
    /// Channels of each scale.
    pub channels: Vec<u64>,
    /// Transformer blocks after each convolution block of a scale; zero for none.
    pub depths: Vec<u64>,
    /// Heads at each scale.
    pub heads: Vec<u64>,
    /// Numbers of a token of the prompt.
    pub cross: u64,
    /// Tokens of the prompt.
    pub prompt: u64,
    /// Transformers begin and end with linear layers, rather than convolutions.
    pub linear: bool,
    /// Numbers of the pooled prompt and the sizes (SDXL).
    pub added: Option<u64>,
}

const GROUPS: u64 = 32;
const LATENT: u64 = 4;

/// Such a net with its parameters.
#[derive(Debug)]
pub struct Unet {
    shape: UnetShape,
    input: Convolution,
    time: Vec<(Linear, Linear, u64)>,
    down: Vec<Scale>,
    middle: (Rc<Resnet>, Transformer, Rc<Resnet>),
    up: Vec<Scale>,
    norm: [Param; 2],
    output: Convolution,
    trained: Vec<Param>,
}

/// One scale, on the way down or up.
#[derive(Debug)]
struct Scale {
    steps: Vec<(Rc<Resnet>, Option<Transformer>)>,
    resize: Option<Convolution>,
}

#[derive(Debug)]
struct Resnet {
    norms: [[Param; 2]; 2],
    convolutions: [Convolution; 2],
    time: Linear,
    shortcut: Option<Convolution>,
}

#[derive(Debug)]
struct Transformer {
    norm: [Param; 2],
    input: Ends,
    blocks: Vec<Rc<Block>>,
    output: Ends,
}

#[derive(Debug)]
enum Ends {
    Linear(Box<Linear>),
    Convolution(Box<Convolution>),
}

#[derive(Debug)]
struct Block {
    width: u64,
    heads: u64,
    norms: [[Param; 2]; 3],
    attentions: [[Linear; 4]; 2],
    feed_forward: FeedForward,
}

/// What all blocks of a step share.
#[derive(Clone, Debug)]
struct Context {
    batch: u64,
    time: Tensor,
    prompt: Tensor,
    prompt_tokens: u64,
}

fn pair(torch: &Torch, recipe: &Recipe, width: u64) -> [Param; 2] {
    [(); 2].map(|()| recipe.param(torch, width))
}

fn norm(torch: &Torch, x: &Tensor, rows: u64, weights: &[Param; 2]) -> Tensor {
    torch.norm(x, rows, Some((&weights[0], &weights[1])))
}

impl Resnet {
    fn new(torch: &Torch, recipe: &Recipe, channels: (u64, u64), time: u64) -> Self {
        let (input, output) = channels;
        Self {
            norms: [pair(torch, recipe, input), pair(torch, recipe, output)],
            convolutions: [
                Convolution::new(torch, recipe, "resnets.conv1", (input, output), 3, 1),
                Convolution::new(torch, recipe, "resnets.conv2", (output, output), 3, 1),
            ],
            time: Linear::new(torch, recipe, "resnets.time_emb_proj", (time, output), true),
            shortcut: (input != output)
                .then(|| Convolution::new(torch, recipe, "resnets.conv_shortcut", (input, output), 1, 1)),
        }
    }

    fn adapt(&mut self, torch: &Torch, recipe: &Recipe, trained: &mut Vec<Param>) {
        trained.extend(self.norms.iter().flatten().filter(|param| param.is_trained()).cloned());
        for convolution in self.convolutions.iter_mut().chain(&mut self.shortcut) {
            convolution.adapt(torch, recipe, trained);
        }
        adapt(torch, recipe, [&mut self.time], trained);
    }

    fn forward(&self, torch: &Torch, input: &Tensor, context: &Context) -> Tensor {
        let groups = context.batch.saturating_mul(GROUPS);
        let mut x = norm(torch, input, groups, &self.norms[0]);
        x = torch.activation(&x);
        x = self.convolutions[0].forward(torch, &x);
        let time = self.time.forward(torch, &torch.activation(&context.time));
        x = torch.add(&x, &time);
        x = norm(torch, &x, groups, &self.norms[1]);
        x = torch.activation(&x);
        x = self.convolutions[1].forward(torch, &x);
        let input = match &self.shortcut {
            Some(shortcut) => shortcut.forward(torch, input),
            None => input.clone(),
        };
        let sum = torch.add(&input, &x);
        torch.scale(&sum)
    }
}

impl Block {
    fn new(torch: &Torch, recipe: &Recipe, width: u64, heads: u64, cross: u64) -> Self {
        let attention = |name: &str, keys: u64| {
            let linear = |path: &str, input, bias| {
                Linear::new(torch, recipe, &format!("{name}.{path}"), (input, width), bias)
            };
            [
                linear("to_q", width, false),
                linear("to_k", keys, false),
                linear("to_v", keys, false),
                linear("to_out.0", width, true),
            ]
        };
        let norms = [(); 3].map(|()| pair(torch, recipe, width));
        let attentions = [attention("attn1", width), attention("attn2", cross)];
        let feed_forward = FeedForward::new(torch, recipe, "ff", width, true);
        Self { width, heads, norms, attentions, feed_forward }
    }

    fn adapt(&mut self, torch: &Torch, recipe: &Recipe, trained: &mut Vec<Param>) {
        trained.extend(self.norms.iter().flatten().filter(|param| param.is_trained()).cloned());
        adapt(torch, recipe, self.attentions.iter_mut().flatten(), trained);
        adapt(torch, recipe, self.feed_forward.linears(), trained);
    }

    fn forward(&self, torch: &Torch, hidden: &Tensor, context: &Context) -> Tensor {
        let rows = hidden.count / self.width.max(1);
        let mut hidden = hidden.clone();
        let mut normed = norm(torch, &hidden, rows, &self.norms[0]);
        let mut attended = self.attention(torch, 0, &normed, None, context);
        hidden = torch.add(&attended, &hidden);
        normed = drop_then(normed, || norm(torch, &hidden, rows, &self.norms[1]));
        attended = self.attention(torch, 1, &normed, Some(&context.prompt), context);
        hidden = torch.add(&attended, &hidden);
        normed = drop_then(normed, || norm(torch, &hidden, rows, &self.norms[2]));
        let forwarded = self.feed_forward.forward(torch, &normed);
        torch.add(&forwarded, &hidden)
    }

    fn attention(
        &self,
        torch: &Torch,
        which: usize,
        x: &Tensor,
        prompt: Option<&Tensor>,
        context: &Context,
    ) -> Tensor {
        let [q, k, v, out] = &self.attentions[which];
        let source = prompt.unwrap_or(x);
        let q = q.forward(torch, x);
        let k = k.forward(torch, source);
        let v = v.forward(torch, source);
        let queries = x.count / self.width.max(1) / context.batch.max(1);
        let heads = Heads {
            batch: context.batch,
            heads: self.heads,
            kv_heads: self.heads,
            queries,
            keys: if prompt.is_some() { context.prompt_tokens } else { queries },
            width: self.width / self.heads.max(1),
        };
        let mut x = torch.attention(&q, &k, &v, heads, None);
        x = out.forward(torch, &x);
        torch.scale(&x)
    }
}

/// The old value stays until the new one is there, as with a name that is given anew.
fn drop_then(old: Tensor, make: impl FnOnce() -> Tensor) -> Tensor {
    let new = make();
    drop(old);
    new
}

impl Ends {
    fn new(torch: &Torch, recipe: &Recipe, width: u64, linear: bool, name: &str) -> Self {
        if linear {
            Self::Linear(Box::new(Linear::new(torch, recipe, name, (width, width), true)))
        } else {
            Self::Convolution(Box::new(Convolution::new(torch, recipe, name, (width, width), 1, 1)))
        }
    }

    fn adapt(&mut self, torch: &Torch, recipe: &Recipe, trained: &mut Vec<Param>) {
        match self {
            Self::Linear(linear) => adapt(torch, recipe, [linear.as_mut()], trained),
            Self::Convolution(convolution) => convolution.adapt(torch, recipe, trained),
        }
    }
}

impl Transformer {
    fn new(torch: &Torch, recipe: &Recipe, shape: &UnetShape, width: u64, heads: u64, depth: u64) -> Self {
        let norm = pair(torch, recipe, width);
        let input = Ends::new(torch, recipe, width, shape.linear, "attentions.proj_in");
        let blocks =
            (0..depth).map(|_| Rc::new(Block::new(torch, recipe, width, heads, shape.cross))).collect();
        let output = Ends::new(torch, recipe, width, shape.linear, "attentions.proj_out");
        Self { norm, input, blocks, output }
    }

    fn adapt(&mut self, torch: &Torch, recipe: &Recipe, trained: &mut Vec<Param>) {
        trained.extend(self.norm.iter().filter(|param| param.is_trained()).cloned());
        self.input.adapt(torch, recipe, trained);
        for block in &mut self.blocks {
            if let Some(block) = Rc::get_mut(block) {
                block.adapt(torch, recipe, trained);
            }
        }
        self.output.adapt(torch, recipe, trained);
    }

    fn forward(&self, torch: &Torch, hidden: &Tensor, context: &Context, checkpointing: bool) -> Tensor {
        let residual = hidden;
        let mut x = norm(torch, hidden, context.batch.saturating_mul(GROUPS), &self.norm);
        x = match &self.input {
            Ends::Linear(linear) => {
                x = torch.copy(&x);
                linear.forward(torch, &x)
            }
            Ends::Convolution(convolution) => {
                x = convolution.forward(torch, &x);
                torch.copy(&x)
            }
        };
        for block in &self.blocks {
            x = if checkpointing {
                let (block, context) = (Rc::clone(block), context.clone());
                let run =
                    move |torch: &Torch, inputs: &[Tensor]| vec![block.forward(torch, &inputs[0], &context)];
                torch.checkpoint(Rc::new(run), &[x]).remove(0)
            } else {
                block.forward(torch, &x, context)
            };
        }
        x = match &self.output {
            Ends::Linear(linear) => {
                x = linear.forward(torch, &x);
                torch.copy(&x)
            }
            Ends::Convolution(convolution) => {
                x = torch.copy(&x);
                convolution.forward(torch, &x)
            }
        };
        torch.add(&x, residual)
    }
}

impl Unet {
    /// Such a net whose parameters stand in memory.
    pub fn new(torch: &Torch, recipe: &Recipe, shape: &UnetShape) -> Self {
        let first = shape.channels.first().copied().unwrap_or(1);
        let last = shape.channels.last().copied().unwrap_or(1);
        let time_width = first.saturating_mul(4);
        let input = Convolution::new(torch, recipe, "conv_in", (LATENT, first), 3, 1);
        let two = |from: u64, name: &str| {
            let linear = |input| Linear::new(torch, recipe, name, (input, time_width), true);
            (linear(from), linear(time_width), from)
        };
        let mut time = vec![two(first, "time_embedding.linear")];
        time.extend(shape.added.map(|added| two(added, "add_embedding.linear")));
        let build = Builder { torch, recipe, shape, time: time_width };
        let down = build.down(first);
        let depth = shape.depths.iter().rev().copied().find(|depth| *depth > 0).unwrap_or(0);
        let heads = shape.heads.last().copied().unwrap_or(1);
        let middle = (
            build.resnet(last, last),
            Transformer::new(torch, recipe, shape, last, heads, depth),
            build.resnet(last, last),
        );
        let up = build.up();
        let norm = pair(torch, recipe, first);
        let output = Convolution::new(torch, recipe, "conv_out", (first, LATENT), 3, 1);
        let mut unet =
            Self { shape: shape.clone(), input, time, down, middle, up, norm, output, trained: Vec::new() };
        unet.adapt(torch, recipe);
        unet
    }

    fn adapt(&mut self, torch: &Torch, recipe: &Recipe) {
        let mut trained = Vec::new();
        self.input.adapt(torch, recipe, &mut trained);
        for (first, second, _) in &mut self.time {
            adapt(torch, recipe, [first, second], &mut trained);
        }
        for scale in self.down.iter_mut().chain(&mut self.up) {
            for (resnet, transformer) in &mut scale.steps {
                adapt_resnet(torch, recipe, resnet, &mut trained);
                if let Some(transformer) = transformer {
                    transformer.adapt(torch, recipe, &mut trained);
                }
            }
            if let Some(convolution) = &mut scale.resize {
                convolution.adapt(torch, recipe, &mut trained);
            }
        }
        adapt_resnet(torch, recipe, &mut self.middle.0, &mut trained);
        self.middle.1.adapt(torch, recipe, &mut trained);
        adapt_resnet(torch, recipe, &mut self.middle.2, &mut trained);
        trained.extend(self.norm.iter().filter(|param| param.is_trained()).cloned());
        self.output.adapt(torch, recipe, &mut trained);
        self.trained = trained;
    }

    /// Every parameter that is trained.
    pub fn trained(&self) -> Vec<Param> {
        self.trained.clone()
    }

    /// The loss of so many images of so many pixels.
    pub fn loss(&self, torch: &Torch, batch: u64, pixels: u64, dtype: Dtype, checkpointing: bool) -> Tensor {
        let latents = batch.saturating_mul(pixels / 64).saturating_mul(LATENT);
        let (sample, target) = (torch.fresh(latents, dtype), torch.fresh(latents, dtype));
        let prompt = batch.saturating_mul(self.shape.prompt).saturating_mul(self.shape.cross);
        let prompt = torch.fresh(prompt, dtype);
        let time = self.time(torch, batch);
        let context = Context { batch, time, prompt, prompt_tokens: self.shape.prompt };
        let mut x = self.input.forward(torch, &sample);
        let mut skips = vec![x.clone()];
        for scale in &self.down {
            for step in &scale.steps {
                x = run(torch, step, &x, &context, checkpointing);
                skips.push(x.clone());
            }
            if let Some(resize) = &scale.resize {
                x = resize.forward(torch, &x);
                skips.push(x.clone());
            }
        }
        x = self.middle.0.forward(torch, &x, &context);
        x = self.middle.1.forward(torch, &x, &context, checkpointing);
        x = resnet(torch, &self.middle.2, &x, &context, checkpointing);
        for scale in &self.up {
            let mut beside = skips.split_off(skips.len().saturating_sub(scale.steps.len()));
            for (index, step) in scale.steps.iter().enumerate() {
                let skip = beside.len().checked_sub(index + 1).and_then(|at| beside.get(at));
                if let Some(skip) = skip {
                    x = torch.join(&[&x, skip]);
                }
                x = run(torch, step, &x, &context, checkpointing);
            }
            if let Some(resize) = &scale.resize {
                let wide = torch.cast(&x, Dtype::Fp32);
                x = torch.resize(&wide, x.count.saturating_mul(4));
                drop(wide);
                x = resize.forward(torch, &x);
            }
            beside.clear();
        }
        x = norm(torch, &x, batch.saturating_mul(GROUPS), &self.norm);
        x = torch.activation(&x);
        x = self.output.forward(torch, &x);
        torch.mean_square(&x, &target)
    }

    fn time(&self, torch: &Torch, batch: u64) -> Tensor {
        let mut sum: Option<Tensor> = None;
        for (first, second, width) in &self.time {
            let input = torch.fresh(batch.saturating_mul(*width), Dtype::Bf16);
            let x = first.forward(torch, &input);
            let x = torch.activation(&x);
            let x = second.forward(torch, &x);
            sum = Some(sum.map_or(x.clone(), |sum| torch.add(&sum, &x)));
        }
        sum.unwrap_or_else(|| torch.fresh(batch, Dtype::Bf16))
    }
}

/// Nobody else holds a block while the net is built.
fn adapt_resnet(torch: &Torch, recipe: &Recipe, resnet: &mut Rc<Resnet>, trained: &mut Vec<Param>) {
    if let Some(resnet) = Rc::get_mut(resnet) {
        resnet.adapt(torch, recipe, trained);
    }
}

fn resnet(torch: &Torch, resnet: &Rc<Resnet>, x: &Tensor, context: &Context, checkpointing: bool) -> Tensor {
    if !checkpointing {
        return resnet.forward(torch, x, context);
    }
    let (resnet, context) = (Rc::clone(resnet), context.clone());
    let run = move |torch: &Torch, inputs: &[Tensor]| vec![resnet.forward(torch, &inputs[0], &context)];
    torch.checkpoint(Rc::new(run), std::slice::from_ref(x)).remove(0)
}

fn run(
    torch: &Torch,
    step: &(Rc<Resnet>, Option<Transformer>),
    x: &Tensor,
    context: &Context,
    checkpointing: bool,
) -> Tensor {
    let x = resnet(torch, &step.0, x, context, checkpointing);
    match &step.1 {
        Some(transformer) => transformer.forward(torch, &x, context, checkpointing),
        None => x,
    }
}

/// What the scales are built with.
struct Builder<'a> {
    torch: &'a Torch,
    recipe: &'a Recipe,
    shape: &'a UnetShape,
    time: u64,
}

impl Builder<'_> {
    fn resnet(&self, input: u64, output: u64) -> Rc<Resnet> {
        Rc::new(Resnet::new(self.torch, self.recipe, (input, output), self.time))
    }

    /// Transformers stand before the convolution blocks in a scale's list of modules.
    fn scale(&self, index: usize, inputs: &[u64], resize: Option<u64>) -> Scale {
        let width = self.shape.channels[index];
        let depth = self.shape.depths.get(index).copied().unwrap_or(0);
        let heads = self.shape.heads.get(index).copied().unwrap_or(1);
        let transformer = |_: &u64| {
            (depth > 0).then(|| Transformer::new(self.torch, self.recipe, self.shape, width, heads, depth))
        };
        let transformers: Vec<_> = inputs.iter().map(transformer).collect();
        let resnets: Vec<_> = inputs.iter().map(|input| self.resnet(*input, width)).collect();
        let resize = resize.map(|stride| {
            Convolution::new(self.torch, self.recipe, "samplers.conv", (width, width), 3, stride)
        });
        Scale { steps: resnets.into_iter().zip(transformers).collect(), resize }
    }

    fn down(&self, first: u64) -> Vec<Scale> {
        let channels = &self.shape.channels;
        let mut before = first;
        let mut scales = Vec::new();
        for (index, width) in channels.iter().enumerate() {
            let resize = (index + 1 < channels.len()).then_some(2);
            scales.push(self.scale(index, &[before, *width], resize));
            before = *width;
        }
        scales
    }

    fn up(&self) -> Vec<Scale> {
        let channels = &self.shape.channels;
        let mut before = channels.last().copied().unwrap_or(1);
        let mut scales = Vec::new();
        for (index, width) in channels.iter().enumerate().rev() {
            let below = channels[index.saturating_sub(1)];
            let inputs =
                [before.saturating_add(*width), width.saturating_mul(2), width.saturating_add(below)];
            scales.push(self.scale(index, &inputs, (index > 0).then_some(1)));
            before = *width;
        }
        scales
    }
}
