//! What the diffusion networks have in common, as the diffusers library has it.

use crate::train::net::{Linear, Recipe};
use crate::train::torch::{Dtype, Param, Tensor, Torch};

/// A norm whose scale and shift come from the time and the prompt: its linear layer gives so many vectors.
#[derive(Debug)]
pub struct Adaptive {
    linear: Linear,
    vectors: usize,
}

impl Adaptive {
    pub fn new(torch: &Torch, recipe: &Recipe, name: &str, width: u64, vectors: usize) -> Self {
        let output = width.saturating_mul(u64::try_from(vectors).unwrap_or(u64::MAX));
        Self { linear: Linear::new(torch, recipe, &format!("{name}.linear"), (width, output), true), vectors }
    }

    /// The vectors.
    pub fn vectors(&self, torch: &Torch, condition: &Tensor) -> Vec<Tensor> {
        let x = torch.activation(condition);
        let x = self.linear.forward(torch, &x);
        torch.chunk(&x, self.vectors)
    }

    pub fn linear(&mut self) -> &mut Linear {
        &mut self.linear
    }
}

/// `norm(x) · (1 + scale) + shift`, in f32; the norm has no weights of its own.
pub fn modulated(torch: &Torch, x: &Tensor, rows: u64, scale: &Tensor, shift: &Tensor) -> Tensor {
    let normed = torch.norm(x, rows, None);
    scaled_and_shifted(torch, normed, scale, shift)
}

/// `x · (1 + scale) + shift`.
pub fn scaled_and_shifted(torch: &Torch, x: Tensor, scale: &Tensor, shift: &Tensor) -> Tensor {
    let mut x = x;
    x = torch.mul(&x, &torch.shift(scale));
    torch.add(&x, shift)
}

/// `residual + gate · x`.
pub fn gated(torch: &Torch, residual: &Tensor, gate: &Tensor, x: &Tensor) -> Tensor {
    let gated = torch.mul(gate, x);
    torch.add(residual, &gated)
}

/// Two linear layers with GELU between.
#[derive(Debug)]
pub struct FeedForward {
    up: Linear,
    down: Linear,
    gated: bool,
}

impl FeedForward {
    pub fn new(torch: &Torch, recipe: &Recipe, name: &str, width: u64, gated: bool) -> Self {
        let inner = width.saturating_mul(4);
        let up = if gated { inner.saturating_mul(2) } else { inner };
        Self {
            up: Linear::new(torch, recipe, &format!("{name}.net.0.proj"), (width, up), true),
            down: Linear::new(torch, recipe, &format!("{name}.net.2"), (inner, width), true),
            gated,
        }
    }

    /// The input is handed over: it is let go once the first layer has run.
    pub fn forward(&self, torch: &Torch, x: &Tensor) -> Tensor {
        let mut x = self.up.forward(torch, x);
        x = if self.gated {
            let halves = torch.chunk(&x, 2);
            drop(x);
            let gate = torch.activation(&halves[1]);
            torch.mul(&halves[0], &gate)
        } else {
            torch.activation(&x)
        };
        self.down.forward(torch, &x)
    }

    pub fn linears(&mut self) -> [&mut Linear; 2] {
        [&mut self.up, &mut self.down]
    }
}

/// The time, the pooled prompt and the like, each through two linear layers, then added.
#[derive(Debug)]
pub struct Condition {
    steps: Vec<(Linear, Linear)>,
    inputs: Vec<u64>,
}

impl Condition {
    /// Of so many numbers, for inputs of these widths.
    pub fn new(torch: &Torch, recipe: &Recipe, width: u64, inputs: &[u64]) -> Self {
        let step = |input: &u64| {
            let linear = |input, name| Linear::new(torch, recipe, name, (input, width), true);
            (linear(*input, "time_text_embed.linear_1"), linear(width, "time_text_embed.linear_2"))
        };
        Self { steps: inputs.iter().map(step).collect(), inputs: inputs.to_vec() }
    }

    pub fn forward(&self, torch: &Torch, batch: u64) -> Tensor {
        let mut sum: Option<Tensor> = None;
        for ((first, second), input) in self.steps.iter().zip(&self.inputs) {
            let input = torch.fresh(batch.saturating_mul(*input), Dtype::Bf16);
            let x = first.forward(torch, &input);
            let x = torch.activation(&x);
            let x = second.forward(torch, &x);
            sum = Some(match sum {
                Some(sum) => torch.add(&sum, &x),
                None => x,
            });
        }
        sum.unwrap_or_else(|| torch.fresh(batch, Dtype::Bf16))
    }

    pub fn linears(&mut self) -> impl Iterator<Item = &mut Linear> {
        self.steps.iter_mut().flat_map(|(first, second)| [first, second])
    }
}

/// What a network hands out for training: its linear layers get their adapters, and then what is trained is listed.
pub fn adapt<'a>(
    torch: &Torch,
    recipe: &Recipe,
    linears: impl IntoIterator<Item = &'a mut Linear>,
    trained: &mut Vec<Param>,
) {
    for linear in linears {
        linear.adapt(torch, recipe);
        linear.trained(trained);
    }
}
