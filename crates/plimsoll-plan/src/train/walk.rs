//! A training's steps, walked through: what is allocated when, until the steps repeat themselves.

use std::rc::Rc;

use super::net::Recipe;
use super::nets::{Decoder, Flux, Joint, Unet};
use super::network::Network;
use super::torch::{Dtype, Kind, Param, Peak, Phase, Storage, Tensor, Torch};
use super::training::{AttentionKind, Method, Optimizer, Shape, Training, TrainingError, Weights};

/// What a walk has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walk {
    /// Parameters of the network, without adapters.
    pub parameters: u64,
    /// Parameters that are trained.
    pub trained: u64,
    /// What the network takes before anything else is there.
    pub weights_bytes: u64,
    /// What is allocated once the last forward pass of a step is done.
    pub after_forward_bytes: u64,
    /// The step's peak.
    pub peak: Peak,
    /// What the allocator has asked of the driver, at most.
    pub reserved_bytes: u64,
}

/// The first step makes the optimizer's states, the second finds the allocator's caches filled; from the third on
/// steps are alike.
const STEPS: usize = 3;

/// From the second forward pass of a step on, gradients are there already; more passes change nothing.
const PASSES: u64 = 2;

enum Net {
    Decoder(Box<Decoder>),
    Unet(Box<Unet>),
    Flux(Box<Flux>),
    Joint(Box<Joint>),
}

impl Net {
    fn new(torch: &Torch, recipe: &Recipe, training: &Training) -> Self {
        let fused = training.attention == AttentionKind::Fused;
        match &training.network {
            Network::Decoder(shape) => Self::Decoder(Box::new(Decoder::new(torch, recipe, shape, fused))),
            Network::Unet(shape) => Self::Unet(Box::new(Unet::new(torch, recipe, shape))),
            Network::Flux(shape) => Self::Flux(Box::new(Flux::new(torch, recipe, shape))),
            Network::Joint(shape) => Self::Joint(Box::new(Joint::new(torch, recipe, shape))),
        }
    }

    fn trained(&self) -> Vec<Param> {
        match self {
            Self::Decoder(net) => net.trained(),
            Self::Unet(net) => net.trained(),
            Self::Flux(net) => net.trained(),
            Self::Joint(net) => net.trained(),
        }
    }

    fn loss(&self, torch: &Torch, training: &Training, dtype: Dtype) -> Tensor {
        let (batch, checkpointing) = (training.batch, training.checkpointing);
        let size = match training.shape {
            Shape::Tokens(tokens) => tokens,
            Shape::Pixels(width, height) => width.saturating_mul(height),
        };
        match self {
            Self::Decoder(net) => net.loss(torch, batch, size, checkpointing),
            Self::Unet(net) => net.loss(torch, batch, size, dtype, checkpointing),
            Self::Flux(net) => net.loss(torch, batch, size, dtype, checkpointing),
            Self::Joint(net) => net.loss(torch, batch, size, dtype, checkpointing),
        }
    }
}

impl Walk {
    /// Walks through a training's steps.
    pub fn of(training: &Training) -> Result<Self, TrainingError> {
        training.check()?;
        let recipe = recipe(training);
        let torch = Torch::default();
        if training.attention == AttentionKind::WrittenOut && training.network.takes_pixels() {
            torch.write_out_attention();
        }
        let net = Net::new(&torch, &recipe, training);
        let trained = net.trained();
        if trained.is_empty() {
            return Err(training.no_targets());
        }
        let by_kind = torch.memory().now().by_kind;
        let bytes = |kind: Kind| by_kind[kind as usize];
        let count = trained.iter().fold(0u64, |sum, param| sum.saturating_add(param.count()));
        let mut walk = Self {
            parameters: torch.parameters(),
            trained: count,
            weights_bytes: bytes(Kind::Weights),
            after_forward_bytes: 0,
            peak: Peak::default(),
            reserved_bytes: 0,
        };
        let mut states: Vec<Rc<Storage>> = Vec::new();
        for step in 0..STEPS {
            torch.memory().enter(Phase::Start);
            torch.memory().reset_peak();
            for _ in 0..training.accumulation.min(PASSES) {
                torch.memory().enter(Phase::Forward);
                let loss = net.loss(&torch, training, recipe.dtype);
                torch.end_autocast();
                walk.after_forward_bytes = torch.memory().now().bytes;
                torch.backward(loss);
            }
            torch.memory().enter(Phase::Optimizer);
            if step == 0 {
                states = trained.iter().flat_map(|param| made(&torch, param, training.optimizer)).collect();
            }
            drop(roots(&torch, &trained, training.optimizer));
            trained.iter().for_each(Param::forget_gradient);
        }
        drop(states);
        Ok(Self { peak: torch.memory().peak(), reserved_bytes: torch.memory().reserved_peak(), ..walk })
    }
}

fn recipe(training: &Training) -> Recipe {
    let (rank, targets) = match &training.method {
        Method::Full => (0, Vec::new()),
        Method::Lora { rank, targets } => (*rank, targets.clone()),
    };
    let dtype = if training.weights == Weights::Fp32 { Dtype::Fp32 } else { Dtype::Bf16 };
    let quantized = match training.weights {
        Weights::Nf4 => Some(NF4_GROUP_BYTES),
        Weights::Int8 => Some(64),
        Weights::Bf16 | Weights::Fp32 => None,
    };
    Recipe { full: training.method == Method::Full, rank, targets, dtype, quantized }
}

/// 64 weights of half a byte, and their scale in a byte. The scales' own scales are one part in two thousand.
const NF4_GROUP_BYTES: u64 = 33;

/// The states that the optimizer makes for a parameter.
fn made(torch: &Torch, param: &Param, optimizer: Optimizer) -> Vec<Rc<Storage>> {
    let plain = param.tensor().bytes();
    // Parameters of fewer numbers keep their states in f32; the rest have a byte, and a scale for each 256.
    let small = param.count() < 4096;
    let sizes: Vec<u64> = match optimizer {
        Optimizer::Sgd => Vec::new(),
        Optimizer::SgdMomentum => vec![plain],
        Optimizer::AdamW | Optimizer::AdamWFused => vec![plain; 2],
        Optimizer::AdamW8bit if small => vec![Dtype::Fp32.bytes(param.count()); 2],
        Optimizer::AdamW8bit => {
            let scales = Dtype::Fp32.bytes(param.count().div_ceil(256));
            vec![param.count(), param.count(), scales, scales]
        }
    };
    sizes.into_iter().map(|bytes| torch.memory().allocate(bytes, Kind::Optimizer)).collect()
}

/// Where AdamW takes all parameters at once, the roots of their second states are there at once too.
fn roots(torch: &Torch, trained: &[Param], optimizer: Optimizer) -> Vec<Rc<Storage>> {
    if optimizer != Optimizer::AdamW {
        return Vec::new();
    }
    trained.iter().map(|param| torch.memory().allocate(param.tensor().bytes(), Kind::Temporary)).collect()
}
