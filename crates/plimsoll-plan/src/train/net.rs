//! What all networks are built of: linear layers, with adapters or without, and what a parameter is for this training.

use super::torch::{Dtype, Kind, Param, Tensor, Torch};

/// How a network's parameters come about: which are trained, which get adapters.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// All parameters are trained.
    pub full: bool,
    /// The rank of adapters; zero for none.
    pub rank: u64,
    /// Modules that get one, by the last names of their paths.
    pub targets: Vec<String>,
    /// The type of the parameters.
    pub dtype: Dtype,
    /// What linear layers inside blocks take of memory for each 64 weights, where they are quantized.
    pub quantized: Option<u64>,
}

impl Recipe {
    /// Whether the linear layer of this path gets an adapter: by its name, or as one that is inside a block. Those
    /// outside have a path of one name.
    pub fn adapts(&self, path: &str) -> bool {
        let all = self.targets.iter().any(|target| target == "all-linear");
        self.names(path) || (self.rank > 0 && all && path.contains('.'))
    }

    /// Whether a target is the end of this path.
    pub fn names(&self, path: &str) -> bool {
        let fits = |target: &String| {
            path == target || path.strip_suffix(target.as_str()).is_some_and(|front| front.ends_with('.'))
        };
        self.rank > 0 && self.targets.iter().any(fits)
    }

    /// A parameter that no adapter stands beside.
    pub fn param(&self, torch: &Torch, count: u64) -> Param {
        torch.param(count, self.dtype, Kind::Weights, self.full)
    }
}

/// A linear layer.
#[derive(Clone, Debug)]
pub struct Linear {
    input: u64,
    output: u64,
    weight: Param,
    bias: Option<Param>,
    adapted: bool,
    quantized: bool,
    adapter: Option<(Param, Param)>,
}

impl Linear {
    /// Of so many inputs and outputs.
    pub fn new(torch: &Torch, recipe: &Recipe, path: &str, sides: (u64, u64), bias: bool) -> Self {
        let (input, output) = sides;
        let count = input.saturating_mul(output);
        let quantized = recipe.quantized.filter(|_| path.contains('.'));
        let weight = match quantized {
            Some(bytes) => torch.packed(count, (count / 64).saturating_mul(bytes)),
            None => recipe.param(torch, count),
        };
        let bias = bias.then(|| recipe.param(torch, output));
        let adapted = recipe.adapts(path);
        Self { input, output, weight, bias, adapted, quantized: quantized.is_some(), adapter: None }
    }

    /// Puts its adapter beside it, which is done once the network stands.
    pub fn adapt(&mut self, torch: &Torch, recipe: &Recipe) {
        if self.adapted {
            let side = |count| torch.param(count, Dtype::Fp32, Kind::Adapters, true);
            let (input, output) =
                (self.input.saturating_mul(recipe.rank), self.output.saturating_mul(recipe.rank));
            self.adapter = Some((side(input), side(output)));
        }
    }

    /// Every parameter that is trained.
    pub fn trained(&self, into: &mut Vec<Param>) {
        let own = [Some(&self.weight), self.bias.as_ref()];
        let beside = self.adapter.as_ref().map(|(a, b)| [a, b]);
        let all = own.into_iter().flatten().chain(beside.into_iter().flatten());
        into.extend(all.filter(|param| param.is_trained()).cloned());
    }

    /// Its output. An adapter takes its input in f32, which autocast then narrows for it alone: that copy is kept.
    pub fn forward(&self, torch: &Torch, x: &Tensor) -> Tensor {
        let rows = x.count / self.input.max(1);
        let output = rows.saturating_mul(self.output);
        let bias = self.bias.as_ref().map(|bias| torch.narrowed(bias));
        let base = if self.quantized {
            torch.quantized_matmul(x, self.input.saturating_mul(self.output), output)
        } else {
            torch.matmul(x, &torch.narrowed(&self.weight), bias.as_ref(), output)
        };
        let Some((a, b)) = &self.adapter else { return base };
        let rank = a.count() / self.input.max(1);
        let wide = torch.cast(x, Dtype::Fp32);
        let inner = torch.matmul(&wide, &torch.narrowed(a), None, rows.saturating_mul(rank));
        let update = torch.scale(&torch.matmul(&inner, &torch.narrowed(b), None, output));
        torch.add(&base, &update)
    }
}
