//! What the bytes of a block are.
//!
//! A block in its native form is one run of bytes: layer after layer, in each layer first the keys of all its tokens,
//! then the values, a token a row. [`Layout`] says where each begins; the codecs, the stores and the engines' adapters
//! rely on it, and nobody else looks inside.

use std::fmt::Write as _;
use std::ops::Range;

/// What a number in a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Element {
    /// Four bytes.
    F32,
    /// Two bytes, IEEE half.
    F16,
    /// Two bytes, the upper half of an `F32`.
    Bf16,
    /// Bytes that only the engine understands, such as a cache that it quantizes itself; they are never quantized again.
    Opaque,
}

impl Element {
    /// How many bytes one takes.
    pub const fn width(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Opaque => 1,
        }
    }
}

/// What a layer keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Keys and values of every token before.
    All,
    /// Keys and values of so many tokens before; older ones are never read again.
    Window(u32),
}

/// One layer of a block: rows of keys and rows of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layer {
    /// What is kept.
    pub reach: Reach,
    /// Numbers in a token's keys: heads × width.
    pub keys: u32,
    /// Numbers in a token's values.
    pub values: u32,
}

/// The form of a model's blocks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// How many tokens a block has.
    pub block_tokens: u32,
    /// What each number is.
    pub element: Element,
    /// The layers that keep keys and values, in the model's order.
    pub layers: Vec<Layer>,
    /// Bytes of state that stand at a block's end and not in its rows (recurrent layers); zero if there are none.
    /// Such state is a snapshot of a boundary: it is kept for some blocks, and only those can be begun from.
    pub snapshot_bytes: u64,
}

impl Layout {
    /// Layers that are all alike and reach everywhere, as most models have.
    pub fn uniform(layers: u32, heads: u32, width: u32, element: Element, block_tokens: u32) -> Self {
        let row = heads.saturating_mul(width);
        let layer = Layer { reach: Reach::All, keys: row, values: row };
        Self { block_tokens, element, layers: vec![layer; layers as usize], snapshot_bytes: 0 }
    }

    /// Bytes of one layer's keys in a block.
    pub fn key_bytes(&self, layer: usize) -> usize {
        self.part(layer, |layer| layer.keys)
    }

    /// Bytes of one layer's values in a block.
    pub fn value_bytes(&self, layer: usize) -> usize {
        self.part(layer, |layer| layer.values)
    }

    /// Bytes of one layer in a block.
    pub fn layer_bytes(&self, layer: usize) -> usize {
        self.key_bytes(layer).saturating_add(self.value_bytes(layer))
    }

    /// Where some layers lie in a block.
    pub fn span(&self, layers: Range<usize>) -> Range<usize> {
        let sum =
            |layers: Range<usize>| layers.map(|layer| self.layer_bytes(layer)).fold(0, usize::saturating_add);
        let from = sum(0..layers.start);
        from..from.saturating_add(sum(layers))
    }

    /// Bytes of a block, its snapshot left out.
    pub fn block_bytes(&self) -> usize {
        self.span(0..self.layers.len()).end
    }

    /// Whether a sequence can only go on from boundaries that have a snapshot.
    pub const fn needs_snapshot(&self) -> bool {
        self.snapshot_bytes > 0
    }

    /// All of it as text, the same for equal layouts and for no others: what identities are hashed over.
    pub fn describe(&self) -> String {
        let mut text =
            format!("v1 {:?} x{} snapshot {}", self.element, self.block_tokens, self.snapshot_bytes);
        for layer in &self.layers {
            // Writing to a string cannot fail.
            let _ = write!(text, ";{:?} {}+{}", layer.reach, layer.keys, layer.values);
        }
        text
    }

    fn part(&self, layer: usize, numbers: impl Fn(&Layer) -> u32) -> usize {
        let row = self.layers.get(layer).map_or(0, numbers) as usize;
        row.saturating_mul(self.element.width()).saturating_mul(self.block_tokens as usize)
    }
}
