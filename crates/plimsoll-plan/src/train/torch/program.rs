//! The running program: its memory, its parameters, and how operations are recorded.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::checkpoint::{Block, Frame, Saving};
use super::graph::{Edge, Given, Node, Numbers, Saved, Target};
use super::{Dtype, Kind, Leaf, Memory, Storage, Tensor, engine};

/// The state of the program: its memory, and the modes that operations look at.
#[derive(Debug, Default)]
pub struct Torch {
    pub(super) memory: Memory,
    pub(super) numbers: Numbers,
    pub(super) saving: RefCell<Saving>,
    /// A block's second run has saved all that is wanted.
    pub(super) stopped: Cell<bool>,
    /// Attention is no kernel of its own.
    pub(super) writes_out_attention: Cell<bool>,
    /// Parameters of the network, counted as they are made.
    pub(super) parameters: Cell<u64>,
    /// Parameters that autocast has cast, until it ends.
    pub(super) casts: RefCell<HashMap<*const Leaf, Tensor>>,
}

/// A parameter.
#[derive(Clone, Debug)]
pub struct Param {
    pub(super) tensor: Tensor,
    pub(super) leaf: Option<Rc<Leaf>>,
}

impl Param {
    /// How many numbers it has.
    pub fn count(&self) -> u64 {
        self.tensor.count
    }

    /// Its tensor.
    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    /// Whether it is trained.
    pub fn is_trained(&self) -> bool {
        self.leaf.is_some()
    }

    /// Lets go of its gradient.
    pub fn forget_gradient(&self) {
        if let Some(leaf) = &self.leaf {
            leaf.gradient.take();
        }
    }
}

impl Torch {
    /// Its books.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// From here on attention is written out, with scores for each pair of tokens.
    pub fn write_out_attention(&self) {
        self.writes_out_attention.set(true);
    }

    /// How many parameters the network has, without adapters.
    pub fn parameters(&self) -> u64 {
        self.parameters.get()
    }

    /// A table that belongs to the network and is no parameter.
    pub fn buffer(&self, count: u64, dtype: Dtype) -> Tensor {
        Tensor { storage: self.memory.allocate(dtype.bytes(count), Kind::Weights), count, dtype, edge: None }
    }

    /// A parameter of the network that is held in fewer bytes than its numbers have.
    pub fn packed(&self, count: u64, bytes: u64) -> Param {
        self.parameters.set(self.parameters.get().saturating_add(count));
        let storage = self.memory.allocate(bytes, Kind::Weights);
        Param { tensor: Tensor { storage, count, dtype: Dtype::Bf16, edge: None }, leaf: None }
    }

    /// A parameter of the model or of an adapter.
    pub fn param(&self, count: u64, dtype: Dtype, kind: Kind, trained: bool) -> Param {
        if kind == Kind::Weights {
            self.parameters.set(self.parameters.get().saturating_add(count));
        }
        let storage = self.memory.allocate(dtype.bytes(count), kind);
        let leaf =
            trained.then(|| Rc::new(Leaf { memory: self.memory.clone(), gradient: RefCell::default() }));
        let edge = leaf.as_ref().map(|leaf| Edge { target: Target::Leaf(Rc::clone(leaf)), slot: 0 });
        Param { tensor: Tensor { storage, count, dtype, edge }, leaf }
    }

    /// A tensor that comes from nowhere: an input.
    pub fn fresh(&self, count: u64, dtype: Dtype) -> Tensor {
        let bytes = if self.stopped.get() { 0 } else { dtype.bytes(count) };
        Tensor { storage: self.memory.allocate(bytes, Kind::Temporary), count, dtype, edge: None }
    }

    /// An input of which the first block's checkpoint wants a gradient.
    #[must_use]
    pub fn wanting(&self, tensor: &Tensor) -> Tensor {
        let leaf = Node {
            number: self.numbers.next(),
            saved: RefCell::default(),
            inputs: RefCell::default(),
            outputs: 1,
            scratch: Vec::new(),
        };
        Tensor { edge: Some(Edge { target: Target::Node(Rc::new(leaf)), slot: 0 }), ..tensor.clone() }
    }

    /// Runs a block whose forward pass is repeated in the backward pass.
    pub fn checkpoint(&self, block: Block, inputs: &[Tensor]) -> Vec<Tensor> {
        Frame::run(self, block, inputs)
    }

    /// The end of autocast: what it has cast is let go.
    pub fn end_autocast(&self) {
        self.casts.take();
    }

    /// The backward pass.
    pub fn backward(&self, loss: Tensor) {
        engine::backward(self, loss);
    }

    /// Records an operation: what it saves, and what it gives to each input that wants a gradient. `None` when none
    /// does; then nothing is saved either.
    pub(super) fn node(
        &self,
        inputs: &[(&Tensor, Given)],
        saved: &[&Tensor],
        scratch: &[u64],
        outputs: usize,
    ) -> Option<Rc<Node>> {
        let again = matches!(&*self.saving.borrow(), Saving::Again(_));
        let wanting = inputs.iter().filter_map(|(tensor, given)| Some((tensor.edge.clone()?, *given)));
        let edges: Vec<_> = wanting.collect();
        if edges.is_empty() {
            return None;
        }
        let kept = saved.iter().filter_map(|tensor| self.save(&tensor.storage)).collect();
        Some(Rc::new(Node {
            number: self.numbers.next(),
            saved: RefCell::new(kept),
            // The graph of a second run is never walked.
            inputs: RefCell::new(if again { Vec::new() } else { edges }),
            outputs,
            scratch: scratch.to_vec(),
        }))
    }

    fn save(&self, storage: &Rc<Storage>) -> Option<Saved> {
        match &*self.saving.borrow() {
            Saving::Plain => Some(Saved::keep(storage)),
            Saving::Hiding(frame) => Some(frame.hide()),
            Saving::Again(frame) => {
                if !self.stopped.get() && frame.save_again(storage) {
                    self.stopped.set(true);
                }
                None
            }
        }
    }

    /// One more tensor for a node that exists: an output that it saves itself.
    pub(super) fn save_output(&self, node: Option<&Rc<Node>>, output: &Tensor) {
        if let Some(node) = node {
            let saved = self.save(&output.storage);
            node.saved.borrow_mut().extend(saved);
        }
    }

    /// The output of a node.
    pub(super) fn output(&self, node: Option<&Rc<Node>>, count: u64, dtype: Dtype) -> Tensor {
        let fresh = self.fresh(count, dtype);
        view(&fresh, node, 0, count)
    }
}

/// A node's output that shares a tensor's bytes.
pub(super) fn view(tensor: &Tensor, node: Option<&Rc<Node>>, slot: usize, count: u64) -> Tensor {
    let edge = node.map(|node| Edge { target: Target::Node(Rc::clone(node)), slot });
    Tensor { storage: Rc::clone(&tensor.storage), count, dtype: tensor.dtype, edge }
}
