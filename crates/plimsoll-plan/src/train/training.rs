//! A training, as far as its memory is concerned.

use super::network::Network;

/// What is trained, how, and on what.
///
/// It does not cover what lies outside the training process's allocator (the driver's context), several devices, or
/// offloading. What is assumed where nothing is said: autocast to bf16, adapters and their states in f32, gradients
/// dropped after each step, no dropout.
///
/// ```
/// use plimsoll_plan::train::Training;
/// let training = Training::parse("sdxl:lora:rank=32,px=1024,batch=1,checkpointing")?;
/// let peak = training.predict()?.peak;
/// assert!((6.4e9..6.7e9).contains(&(peak.get() as f64)));
/// # Ok::<(), plimsoll_plan::train::TrainingError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Training {
    /// What it is called.
    pub name: String,
    /// What is trained.
    pub network: Network,
    /// All of it, or adapters beside it.
    pub method: Method,
    /// How the network's own weights are held.
    pub weights: Weights,
    /// What makes steps of gradients.
    pub optimizer: Optimizer,
    /// Sequences or images in one forward pass.
    pub batch: u64,
    /// How large each is.
    pub shape: Shape,
    /// Whether blocks keep their inputs only, and run again in the backward pass.
    pub checkpointing: bool,
    /// Forward passes for one step of the optimizer.
    pub accumulation: u64,
    /// Whether attention is one kernel or written out.
    pub attention: AttentionKind,
    /// Where text encoders and the image encoder are during the step.
    pub companions: Companions,
}

/// What is trained of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// All of it.
    Full,
    /// Adapters of low rank beside some of its linear layers.
    Lora {
        /// Their rank.
        rank: u64,
        /// The layers, by the ends of their names: `q_proj`, `to_out.0`; `all-linear` for every one in a block.
        targets: Vec<String>,
    },
}

/// How a network's own weights are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// Two bytes each.
    Bf16,
    /// Four bytes each.
    Fp32,
    /// One byte each in the blocks' linear layers.
    Int8,
    /// Half a byte each there, in groups of 64 with a scale.
    Nf4,
}

/// What makes steps of gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Optimizer {
    /// AdamW with two states of the parameter's type, all parameters at once.
    AdamW,
    /// The same as one kernel, which needs no copy for its roots.
    AdamWFused,
    /// AdamW with two states of a byte each.
    AdamW8bit,
    /// Plain steps.
    Sgd,
    /// With one state.
    SgdMomentum,
}

/// How large a sequence or an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Tokens of a sequence.
    Tokens(u64),
    /// Width and height of an image.
    Pixels(u64, u64),
}

/// How attention runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttentionKind {
    /// As one kernel that keeps no scores.
    Fused,
    /// Step by step, with scores for each pair of tokens.
    WrittenOut,
}

/// Where text encoders and the image encoder are during the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Companions {
    /// Their outputs were computed before; they are not in memory.
    Cached,
    /// In memory, in bf16.
    Resident,
    /// The text encoders' outputs were computed before; the image encoder is in memory.
    ImageEncoderOnly,
}

/// Why a training cannot be planned.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TrainingError {
    /// Its text cannot be read.
    #[error(transparent)]
    Wording(#[from] crate::WordingError),
    /// No network of that name.
    #[error("{name:?} is no network that can be planned for training; known are {known}")]
    UnknownNetwork {
        /// The name.
        name: String,
        /// Those that are known.
        known: String,
    },
    /// A number that no training has.
    #[error("{what} of {found} cannot be planned; {allowed} may stand there")]
    Limit {
        /// What.
        what: &'static str,
        /// The number.
        found: u64,
        /// What may stand there.
        allowed: &'static str,
    },
    /// Pixels for text or tokens for images.
    #[error("{name} takes {takes}; say {say}")]
    Shape {
        /// The network.
        name: String,
        /// What it takes.
        takes: &'static str,
        /// What to say.
        say: &'static str,
    },
    /// Contradicting choices.
    #[error(
        "all weights cannot be trained while they are held in 8 or 4 bits; train adapters (lora), or hold them in bf16"
    )]
    QuantizedFull,
    /// Nothing is trained.
    #[error("no linear layer of {name} is called {targets}; it has {known}")]
    NoTargets {
        /// The network.
        name: String,
        /// The targets.
        targets: String,
        /// Names that would be found.
        known: &'static str,
    },
}

/// What a number may be at least and at most, and how that is said.
type Limit = (&'static str, u64, u64, u64, &'static str);

impl Training {
    /// Adapters of rank 16 for one sequence of 2,048 tokens, or one image of 1,024 × 1,024 pixels.
    pub fn of(name: impl Into<String>, network: Network) -> Self {
        let shape = if network.takes_pixels() { Shape::Pixels(1024, 1024) } else { Shape::Tokens(2048) };
        let targets = usual_targets(&network);
        Self {
            name: name.into(),
            network,
            method: Method::Lora { rank: 16, targets },
            weights: Weights::Bf16,
            optimizer: Optimizer::AdamW,
            batch: 1,
            shape,
            checkpointing: false,
            accumulation: 1,
            attention: AttentionKind::Fused,
            companions: Companions::Cached,
        }
    }

    /// Whether it can be planned at all.
    pub fn check(&self) -> Result<(), TrainingError> {
        let (across, down) = match self.shape {
            Shape::Tokens(tokens) => (tokens, 1),
            Shape::Pixels(width, height) => (width, height),
        };
        let rank = if let Method::Lora { rank, .. } = self.method { rank } else { 1 };
        let limits: [Limit; 6] = [
            ("a batch", self.batch, 1, 1 << 20, "1 to 1048576"),
            ("a length", across, 1, 1 << 28, "1 to 268435456"),
            ("a height", down, 1, 1 << 28, "1 to 268435456"),
            ("a rank", rank, 1, 1 << 20, "1 to 1048576"),
            ("an accumulation", self.accumulation, 1, 1 << 30, "1 to 1073741824"),
            ("a number of blocks", self.network.blocks(), 1, 2048, "1 to 2048"),
        ];
        for (what, found, least, most, allowed) in limits {
            if !(least..=most).contains(&found) {
                return Err(TrainingError::Limit { what, found, allowed });
            }
        }
        let pixels = matches!(self.shape, Shape::Pixels(..));
        if pixels != self.network.takes_pixels() {
            let name = self.name.clone();
            let (takes, say) = if pixels { ("tokens", "tokens=2048") } else { ("images", "px=1024") };
            return Err(TrainingError::Shape { name, takes, say });
        }
        if self.method == Method::Full && matches!(self.weights, Weights::Int8 | Weights::Nf4) {
            return Err(TrainingError::QuantizedFull);
        }
        Ok(())
    }

    /// The error that says which linear layers there are.
    pub(super) fn no_targets(&self) -> TrainingError {
        let targets =
            if let Method::Lora { targets, .. } = &self.method { targets.join("|") } else { String::new() };
        let known = match &self.network {
            Network::Decoder(shape) if shape.fused => "qkv_proj|o_proj|gate_up_proj|down_proj",
            Network::Decoder(_) => "q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj",
            Network::Unet(_) => "to_q|to_k|to_v|to_out.0|ff.net.0.proj|ff.net.2|proj_in|proj_out",
            Network::Flux(_) => {
                "to_q|to_k|to_v|to_out.0|add_q_proj|add_k_proj|add_v_proj|to_add_out|ff.net.0.proj|ff.net.2|proj_mlp|proj_out"
            }
            Network::Joint(_) => {
                "to_q|to_k|to_v|to_out.0|add_q_proj|add_k_proj|add_v_proj|to_add_out|ff.net.0.proj|ff.net.2"
            }
        };
        TrainingError::NoTargets { name: self.name.clone(), targets, known }
    }
}

/// The layers that usually get adapters.
pub(super) fn usual_targets(network: &Network) -> Vec<String> {
    let names: &[&str] = match network {
        Network::Decoder(shape) if shape.fused => &["qkv_proj", "o_proj", "gate_up_proj", "down_proj"],
        Network::Decoder(_) => &["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
        _ => &["to_q", "to_k", "to_v", "to_out.0"],
    };
    names.iter().map(|name| (*name).to_owned()).collect()
}
