//! Changes of low rank to a model's matrices: what is learned.

use plimsoll_tensor::{Dtype, LeafId, Leaves, Stage, TensorError};

use super::settings::TuneSettings;
use crate::weights::Shape;

/// A matrix of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Projection {
    /// Queries.
    Query,
    /// Keys.
    Key,
    /// Values.
    Value,
    /// What attention found, back to the stream.
    Output,
    /// The gate of the feed-forward part.
    Gate,
    /// What it lets through.
    Up,
    /// Back to the stream.
    Down,
}

impl Projection {
    /// All of them, in the order of a layer.
    pub const ALL: [Self; 7] =
        [Self::Query, Self::Key, Self::Value, Self::Output, Self::Gate, Self::Up, Self::Down];

    /// What it is called where models are described.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Query => "q_proj",
            Self::Key => "k_proj",
            Self::Value => "v_proj",
            Self::Output => "o_proj",
            Self::Gate => "gate_proj",
            Self::Up => "up_proj",
            Self::Down => "down_proj",
        }
    }

    /// By that name, or by what follows it in a list of targets.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|projection| projection.name() == name || projection.name() == format!("{name}_proj"))
    }

    /// Whether it belongs to attention.
    pub const fn is_attention(self) -> bool {
        matches!(self, Self::Query | Self::Key | Self::Value | Self::Output)
    }

    /// Its place within a layer.
    pub(super) const fn index(self) -> usize {
        self as usize
    }

    /// What PEFT calls a factor of its change in a layer: `A`, which inputs meet first, or `B`.
    pub(crate) fn factor(self, layer: usize, half: &str) -> String {
        let part = if self.is_attention() { "self_attn" } else { "mlp" };
        format!("base_model.model.model.layers.{layer}.{part}.{}.lora_{half}.weight", self.name())
    }

    /// How many numbers come out of it and go into it.
    pub const fn sides(self, shape: &Shape) -> [usize; 2] {
        match self {
            Self::Query => [shape.heads * shape.key_width, shape.width],
            Self::Key => [shape.kv_heads * shape.key_width, shape.width],
            Self::Value => [shape.kv_heads * shape.value_width, shape.width],
            Self::Output => [shape.width, shape.heads * shape.value_width],
            Self::Gate | Self::Up => [shape.inner, shape.width],
            Self::Down => [shape.width, shape.inner],
        }
    }
}

/// The two factors of a change: `up · down`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// `[rank, inner]`: by lot at first.
    pub down: LeafId,
    /// `[outer, rank]`: zeros at first, so that the model begins as it was.
    pub up: LeafId,
}

/// The changes of all layers.
#[derive(Debug)]
pub struct Changes {
    /// What is learned, in singles.
    pub leaves: Leaves,
    all: Vec<[Option<Change>; 7]>,
    scale: f32,
}

impl Changes {
    /// New ones, which change nothing yet.
    pub fn new(shape: &Shape, stage: &Stage, settings: &TuneSettings) -> Result<Self, TensorError> {
        let mut dice = Dice::new(settings.seed);
        let mut leaves = Leaves::default();
        let mut all = Vec::with_capacity(shape.layers);
        for layer in 0..shape.layers {
            let mut changes = [None; 7];
            for projection in Projection::ALL.into_iter().filter(|one| settings.targets.contains(one)) {
                let [outer, inner] = projection.sides(shape);
                #[expect(clippy::cast_precision_loss, reason = "widths are small")]
                let size = 1.0 / (inner as f32).sqrt();
                let lot = stage.made(&[settings.rank, inner], Dtype::F32, |_, into| {
                    for number in into {
                        *number = size * dice.between();
                    }
                })?;
                let down = leaves.add(projection.factor(layer, "A"), lot);
                let up = leaves
                    .add(projection.factor(layer, "B"), stage.zeros(&[outer, settings.rank], Dtype::F32)?);
                changes[projection.index()] = Some(Change { down, up });
            }
            all.push(changes);
        }
        #[expect(clippy::cast_precision_loss, reason = "ranks are small")]
        let scale = settings.alpha / settings.rank as f32;
        Ok(Self { leaves, all, scale })
    }

    /// What they are multiplied by.
    pub const fn scale(&self) -> f32 {
        self.scale
    }

    /// The change of a matrix, if it has one.
    pub fn of(&self, layer: usize, projection: Projection) -> Option<Change> {
        self.all.get(layer)?[projection.index()]
    }
}

/// Numbers by lot, the same for the same seed.
pub(super) struct Dice {
    state: u64,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    pub(super) fn draw(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Between −1 and 1.
    #[expect(clippy::cast_precision_loss, reason = "24 bits")]
    pub(super) fn between(&mut self) -> f32 {
        (self.draw() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}
