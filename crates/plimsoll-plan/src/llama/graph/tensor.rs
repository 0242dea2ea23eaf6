//! Tensors of a graph, of which only shape, layout and who reads whom matter: nothing is ever computed.

use crate::model::TensorType;

/// A tensor of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id(pub(super) u32);

impl Id {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// The most sources that an operation has.
pub(super) const SOURCES_MAX: usize = 10;

/// What makes a tensor, as far as memory cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Nothing: a weight, a cache, an input.
    Leaf,
    /// Another look at a tensor: view, reshape, permute, transpose.
    View,
    /// Element by element; may take over the memory of a source that nobody else needs.
    Elementwise,
    /// The same, but too small in its weights to choose a device by them.
    Rope,
    /// A product with a matrix.
    MatMul,
    /// A product with one matrix of several, chosen by the second source's rows.
    MatMulId,
    /// Rows by number.
    GetRows,
    /// Fused attention.
    FlashAttention,
    /// Writes into a tensor that exists already; its result is a look at that.
    Store,
    /// Whatever else makes a new tensor.
    Fresh,
    /// Nothing is computed: sources are only kept until here.
    Hold,
}

impl Op {
    pub(super) fn may_reuse(self) -> bool {
        matches!(self, Self::Elementwise | Self::Rope)
    }
}

/// Where a tensor lives that is there before the graph runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    /// A weight, on a device.
    Weight(u8),
    /// A cache or a state, on a device.
    State(u8),
}

/// One tensor.
#[derive(Clone, Debug)]
pub(crate) struct Tensor {
    pub(crate) kind: TensorType,
    /// Elements of each dimension, the fastest first.
    pub(crate) sides: [u64; 4],
    /// Bytes from one element of a dimension to the next.
    pub(crate) strides: [u64; 4],
    pub(crate) op: Op,
    pub(super) sources: [Option<Id>; SOURCES_MAX],
    /// The tensor whose memory this looks at.
    pub(super) root: Option<Id>,
    /// Written from outside before each run.
    pub(super) input: bool,
    /// Read from outside after each run: its memory is never given to another.
    pub(super) output: bool,
    pub(super) home: Option<Home>,
    /// A device that was chosen by name.
    pub(super) pinned: Option<u8>,
}

impl Tensor {
    /// A tensor of its own memory, without gaps.
    pub(super) fn fresh(kind: TensorType, sides: [u64; 4], op: Op) -> Self {
        Self {
            kind,
            sides,
            strides: packed(kind, sides),
            op,
            sources: [None; SOURCES_MAX],
            root: None,
            input: false,
            output: false,
            home: None,
            pinned: None,
        }
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = Id> + '_ {
        self.sources.iter().flatten().copied()
    }

    /// What it spans, from its first byte to its last.
    pub(crate) fn bytes(&self) -> u64 {
        if self.sides.contains(&0) {
            return 0;
        }
        let block = self.kind.block_elements();
        let (mut bytes, from) = if block == 1 {
            (self.kind.block_bytes().get(), 0)
        } else {
            (self.sides[0].saturating_mul(self.strides[0]) / block, 1)
        };
        for dimension in from..4 {
            let step = (self.sides[dimension] - 1).saturating_mul(self.strides[dimension]);
            bytes = bytes.saturating_add(step);
        }
        bytes
    }

    pub(crate) fn elements(&self) -> u64 {
        self.sides.iter().fold(1, |product: u64, side| product.saturating_mul(*side))
    }

    /// Whether it has no gaps and its dimensions are in order.
    pub(crate) fn is_contiguous(&self) -> bool {
        let block = self.kind.block_elements();
        let mut next = self.kind.block_bytes().get();
        if self.sides[0] != block && self.strides[0] != next {
            return false;
        }
        next = next.saturating_mul(self.sides[0] / block);
        for dimension in 1..4 {
            if self.sides[dimension] != 1 {
                if self.strides[dimension] != next {
                    return false;
                }
                next = next.saturating_mul(self.sides[dimension]);
            }
        }
        true
    }

    pub(super) fn same_layout(&self, other: &Self) -> bool {
        self.kind == other.kind && self.sides == other.sides && self.strides == other.strides
    }

    /// Rows of its first dimension.
    pub(super) fn rows(&self) -> u64 {
        self.sides[1].saturating_mul(self.sides[2]).saturating_mul(self.sides[3])
    }
}

/// What a row of so many elements takes.
pub(crate) fn row_bytes(kind: TensorType, elements: u64) -> u64 {
    kind.block_bytes().get().saturating_mul(elements) / kind.block_elements()
}

fn packed(kind: TensorType, sides: [u64; 4]) -> [u64; 4] {
    let first = kind.block_bytes().get();
    let second = first.saturating_mul(sides[0] / kind.block_elements());
    let third = second.saturating_mul(sides[1]);
    [first, second, third, third.saturating_mul(sides[2])]
}
