//! What is allocated at each moment of a step, by kind, and what it was when it was most.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::Heap;

/// What a tensor's bytes are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Parameters and buffers of the model.
    Weights,
    /// Parameters of adapters.
    Adapters,
    /// Gradients of parameters.
    Gradients,
    /// States of the optimizer.
    Optimizer,
    /// Kept by the forward pass for the backward pass.
    Saved,
    /// Anything else.
    Temporary,
    /// What blocks are larger than what was asked for.
    Rounding,
}

/// How many kinds there are.
pub const KINDS: usize = 7;

/// The part of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Before the step.
    #[default]
    Start,
    /// The forward pass and the loss.
    Forward,
    /// From the loss back, before the first layer's recomputation.
    Backward,
    /// While a checkpointed block's forward pass is repeated, or its gradients are computed.
    Recompute,
    /// The optimizer's step.
    Optimizer,
}

/// What was allocated when it was most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peak {
    /// In all.
    pub bytes: u64,
    /// By kind; the kinds' sum is `bytes`.
    pub by_kind: [u64; KINDS],
    /// When.
    pub phase: Phase,
}

/// The books of one walk.
#[derive(Debug, Default)]
struct Books {
    heap: Heap,
    now: Peak,
    peak: Peak,
}

/// A handle to the books; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Memory(Rc<RefCell<Books>>);

impl Memory {
    /// Bytes of one storage, which are given back when the last that holds it is dropped.
    pub fn allocate(&self, bytes: u64, kind: Kind) -> Rc<Storage> {
        let mut books = self.0.borrow_mut();
        // A tensor without numbers has no block.
        if bytes == 0 {
            drop(books);
            let (block, kind) = (None, Cell::new(kind));
            return Rc::new(Storage {
                memory: self.clone(),
                block,
                asked: 0,
                size: 0,
                kind,
                savers: Cell::new(0),
            });
        }
        let (block, size) = books.heap.allocate(bytes);
        let asked = bytes.min(size);
        books.now.bytes = books.now.bytes.saturating_add(size);
        add(&mut books.now.by_kind[kind as usize], asked);
        add(&mut books.now.by_kind[Kind::Rounding as usize], size - asked);
        if books.now.bytes > books.peak.bytes {
            books.peak = books.now;
        }
        drop(books);
        let (block, kind) = (Some(block), Cell::new(kind));
        Rc::new(Storage { memory: self.clone(), block, asked, size, kind, savers: Cell::new(0) })
    }

    /// What is allocated now.
    pub fn now(&self) -> Peak {
        self.0.borrow().now
    }

    /// The most since [`Self::reset_peak`].
    pub fn peak(&self) -> Peak {
        self.0.borrow().peak
    }

    /// The most that was ever asked of the driver.
    pub fn reserved_peak(&self) -> u64 {
        self.0.borrow().heap.reserved_peak()
    }

    /// From here on the peak counts anew.
    pub fn reset_peak(&self) {
        let mut books = self.0.borrow_mut();
        books.peak = books.now;
    }

    /// What follows belongs to this part of the step.
    pub fn enter(&self, phase: Phase) {
        self.0.borrow_mut().now.phase = phase;
    }

    fn free(&self, storage: &Storage) {
        let mut books = self.0.borrow_mut();
        if let Some(block) = storage.block {
            books.heap.free(block);
        }
        books.now.bytes = books.now.bytes.saturating_sub(storage.size);
        take(&mut books.now.by_kind[storage.kind.get() as usize], storage.asked);
        take(&mut books.now.by_kind[Kind::Rounding as usize], storage.size - storage.asked);
    }

    fn rebook(&self, storage: &Storage, kind: Kind) {
        let mut books = self.0.borrow_mut();
        take(&mut books.now.by_kind[storage.kind.get() as usize], storage.asked);
        add(&mut books.now.by_kind[kind as usize], storage.asked);
        storage.kind.set(kind);
    }
}

fn add(sum: &mut u64, bytes: u64) {
    *sum = sum.saturating_add(bytes);
}

fn take(sum: &mut u64, bytes: u64) {
    *sum = sum.saturating_sub(bytes);
}

/// Bytes that one or several tensors share.
#[derive(Debug)]
pub struct Storage {
    memory: Memory,
    block: Option<usize>,
    asked: u64,
    size: u64,
    kind: Cell<Kind>,
    savers: Cell<u32>,
}

impl Storage {
    /// One more node of the graph keeps it for the backward pass.
    pub fn save(&self) {
        self.savers.set(self.savers.get() + 1);
        if self.kind.get() == Kind::Temporary {
            self.memory.rebook(self, Kind::Saved);
        }
    }

    /// A node that kept it has run.
    pub fn release(&self) {
        self.savers.set(self.savers.get().saturating_sub(1));
        if self.savers.get() == 0 && self.kind.get() == Kind::Saved {
            self.memory.rebook(self, Kind::Temporary);
        }
    }

    /// It has become something else: a gradient that a parameter keeps.
    pub fn become_kind(&self, kind: Kind) {
        self.memory.rebook(self, kind);
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        self.memory.clone().free(self);
    }
}
