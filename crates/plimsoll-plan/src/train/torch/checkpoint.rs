//! Gradient checkpointing: a block whose forward pass keeps only its inputs, and is run again when its gradients are
//! wanted.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use super::graph::Saved;
use super::{Phase, Storage, Tensor, Torch};

/// A block's forward pass.
pub type Block = Rc<dyn Fn(&Torch, &[Tensor]) -> Vec<Tensor>>;

/// A block that has run once and will run again.
pub(super) struct Frame {
    block: Block,
    inputs: Vec<Tensor>,
    _kept: Vec<Saved>,
    /// How many tensors its nodes would have saved.
    count: Cell<usize>,
    /// Those that the second run has saved, until the node that wants them has them.
    again: RefCell<Vec<Option<Rc<Storage>>>>,
    has_run_again: Cell<bool>,
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame").field("count", &self.count).finish_non_exhaustive()
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        for storage in self.again.borrow().iter().flatten() {
            storage.release();
        }
    }
}

/// What saving a tensor means at the moment.
#[derive(Clone, Debug, Default)]
pub(super) enum Saving {
    /// It is kept.
    #[default]
    Plain,
    /// Only its number in the block is.
    Hiding(Rc<Frame>),
    /// It is kept for the node that saved its number.
    Again(Rc<Frame>),
}

impl Frame {
    /// Runs a block, keeping its inputs only.
    pub(super) fn run(torch: &Torch, block: Block, inputs: &[Tensor]) -> Vec<Tensor> {
        let kept = inputs.iter().map(|input| Saved::keep(&input.storage)).collect();
        let frame = Rc::new(Self {
            block,
            inputs: inputs.to_vec(),
            _kept: kept,
            count: Cell::new(0),
            again: RefCell::default(),
            has_run_again: Cell::new(false),
        });
        let before = torch.saving.replace(Saving::Hiding(Rc::clone(&frame)));
        let output = (frame.block)(torch, inputs);
        torch.saving.replace(before);
        output
    }

    /// The number of one more tensor that a node of the block saves.
    pub(super) fn hide(self: &Rc<Self>) -> Saved {
        let number = self.count.get();
        self.count.set(number + 1);
        Saved::Hidden(Rc::clone(self), number)
    }

    /// The second run saves a tensor. True when that was the last: what follows need not run.
    pub(super) fn save_again(&self, storage: &Rc<Storage>) -> bool {
        storage.save();
        let mut again = self.again.borrow_mut();
        again.push(Some(Rc::clone(storage)));
        again.len() >= self.count.get()
    }

    /// The tensor of that number; the first call runs the block again.
    pub(super) fn unhide(self: &Rc<Self>, torch: &Torch, number: usize) -> Option<Saved> {
        if !self.has_run_again.replace(true) {
            torch.memory.enter(Phase::Recompute);
            let before = torch.saving.replace(Saving::Again(Rc::clone(self)));
            let casts = torch.casts.take();
            let output = (self.block)(torch, &self.inputs);
            torch.stopped.set(false);
            torch.saving.replace(before);
            drop(output);
            torch.casts.replace(casts);
        }
        let storage = self.again.borrow_mut().get_mut(number)?.take()?;
        let saved = Saved::keep(&storage);
        storage.release();
        Some(saved)
    }
}
