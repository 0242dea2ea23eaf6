//! Tensors without numbers, and the graph that remembers how they came about.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::checkpoint::Frame;
use super::{Kind, Memory, Storage};

/// How wide a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dtype {
    /// 16 bits.
    Bf16,
    /// 32 bits.
    Fp32,
    /// 64 bits: tokens and positions.
    Int64,
}

impl Dtype {
    /// Bytes of one number.
    pub fn size(self) -> u64 {
        match self {
            Self::Bf16 => 2,
            Self::Fp32 => 4,
            Self::Int64 => 8,
        }
    }

    /// Bytes of so many.
    pub fn bytes(self, count: u64) -> u64 {
        count.saturating_mul(self.size())
    }

    /// What the two together give.
    pub fn promoted(self, other: Self) -> Self {
        self.max(other)
    }
}

/// A tensor: how many numbers of what type, the bytes it has or shares, and where its gradient goes.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub(super) storage: Rc<Storage>,
    /// How many numbers it shows; a view may show fewer than its bytes hold.
    pub count: u64,
    /// Their type.
    pub dtype: Dtype,
    pub(super) edge: Option<Edge>,
}

impl Tensor {
    /// Its bytes, were it alone.
    pub fn bytes(&self) -> u64 {
        self.dtype.bytes(self.count)
    }

    /// Whether its gradient is wanted.
    pub fn wants_gradient(&self) -> bool {
        self.edge.is_some()
    }
}

/// Where a gradient goes: to which output of which node, or to a parameter.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    pub target: Target,
    pub slot: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Target {
    Node(Rc<Node>),
    Leaf(Rc<Leaf>),
}

/// A parameter that is trained.
#[derive(Debug)]
pub struct Leaf {
    pub(super) memory: Memory,
    pub(super) gradient: RefCell<Option<Tensor>>,
}

impl Leaf {
    /// Takes a gradient: keeps it if it is the only one to hold it, else a copy; adds to what is there.
    pub(super) fn accumulate(&self, gradient: Tensor) {
        let mut kept = self.gradient.borrow_mut();
        if kept.is_some() {
            return;
        }
        let gradient = if Rc::strong_count(&gradient.storage) == 1 {
            gradient.storage.become_kind(Kind::Gradients);
            gradient
        } else {
            let storage = self.memory.allocate(gradient.bytes(), Kind::Gradients);
            Tensor { storage, count: gradient.count, dtype: gradient.dtype, edge: None }
        };
        *kept = Some(gradient);
    }
}

/// What a node gives to one of its inputs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Given {
    /// The gradient of that output itself.
    Same(usize),
    /// A view of the only output's gradient, of so many numbers.
    Piece(u64),
    /// A new tensor.
    Fresh(u64, Dtype),
}

/// One operation, as the backward pass sees it.
#[derive(Debug)]
pub struct Node {
    pub(super) number: u64,
    pub(super) saved: RefCell<Vec<Saved>>,
    pub(super) inputs: RefCell<Vec<(Edge, Given)>>,
    /// How many outputs it has.
    pub(super) outputs: usize,
    /// What it needs while it computes gradients, besides what it gives.
    pub(super) scratch: Vec<u64>,
}

/// A tensor that a node keeps for its gradients.
#[derive(Debug)]
pub(super) enum Saved {
    /// In memory.
    Kept(Rc<Storage>),
    /// To be computed again, by its number in the checkpointed block.
    Hidden(Rc<Frame>, usize),
}

impl Saved {
    pub(super) fn keep(storage: &Rc<Storage>) -> Self {
        storage.save();
        Self::Kept(Rc::clone(storage))
    }
}

impl Drop for Saved {
    fn drop(&mut self) {
        if let Self::Kept(storage) = self {
            storage.release();
        }
    }
}

/// Numbers for nodes: the backward pass takes the highest first.
#[derive(Debug, Default)]
pub(super) struct Numbers(Cell<u64>);

impl Numbers {
    pub(super) fn next(&self) -> u64 {
        self.0.set(self.0.get() + 1);
        self.0.get()
    }
}
