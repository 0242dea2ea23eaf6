//! A convolution, with an adapter or without.

use crate::train::net::Recipe;
use crate::train::torch::{Conv, Dtype, Kind, Param, Tensor, Torch};

/// A convolution.
#[derive(Debug)]
pub struct Convolution {
    input: u64,
    output: u64,
    side: u64,
    stride: u64,
    weight: Param,
    bias: Param,
    adapted: bool,
    adapter: Option<(Param, Param)>,
}

impl Convolution {
    /// From so many channels to so many, over a square of that side, at each place or at each so-manieth.
    pub fn new(
        torch: &Torch,
        recipe: &Recipe,
        path: &str,
        channels: (u64, u64),
        side: u64,
        stride: u64,
    ) -> Self {
        let (input, output) = channels;
        let count = input.saturating_mul(output).saturating_mul(side * side);
        let weight = recipe.param(torch, count);
        let bias = recipe.param(torch, output);
        // "all-linear" means linear layers alone.
        let adapted = recipe.names(path);
        Self { input, output, side, stride, weight, bias, adapted, adapter: None }
    }

    /// Puts its adapter beside it, if it gets one, and lists what is trained.
    pub fn adapt(&mut self, torch: &Torch, recipe: &Recipe, trained: &mut Vec<Param>) {
        if self.adapted {
            let side = |count: u64| {
                torch.param(count.saturating_mul(recipe.rank), Dtype::Fp32, Kind::Adapters, true)
            };
            let first = side(self.input.saturating_mul(self.side * self.side));
            self.adapter = Some((first, side(self.output)));
        }
        let own = [&self.weight, &self.bias];
        let beside = self.adapter.as_ref().map(|(a, b)| [a, b]);
        let all = own.into_iter().chain(beside.into_iter().flatten());
        trained.extend(all.filter(|param| param.is_trained()).cloned());
    }

    /// Its output. An adapter is two convolutions: one like it to a few channels, and one from those, place by place.
    pub fn forward(&self, torch: &Torch, x: &Tensor) -> Tensor {
        let places = x.count / self.input.max(1) / (self.stride * self.stride);
        let conv = |x: &Tensor, weight: &Param, bias: Option<&Param>, channels: u64, side: u64| {
            let output = places.saturating_mul(channels);
            let counts = [weight.count(), x.count, output];
            let workspace = if side > 1 { counts.map(|count| Dtype::Bf16.bytes(count)) } else { [0; 3] };
            torch.conv(x, weight, bias, Conv { output, workspace })
        };
        let base = conv(x, &self.weight, Some(&self.bias), self.output, self.side);
        let Some((a, b)) = &self.adapter else { return base };
        let rank = b.count() / self.output.max(1);
        let wide = torch.cast(x, Dtype::Fp32);
        let inner = conv(&wide, a, None, rank, self.side);
        let update = torch.scale(&conv(&inner, b, None, self.output, 1));
        torch.add(&base, &update)
    }
}
