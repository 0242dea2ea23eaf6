//! `PyTorch` without numbers: what a training step allocates, keeps and frees, in the order in which it does.
//!
//! Tensors are handles on bytes, as Python's are, and Rust's ownership stands for Python's counting of references: a
//! tensor's bytes are free when its last holder is gone, be that a variable, a node of the graph or a gradient on its
//! way. What a network's forward pass looks like here is therefore what it looks like there, line for line, and what
//! follows for memory need not be thought of again for each network: it is what autocast, autograd, checkpointing and
//! the caching allocator make of it.

mod checkpoint;
mod engine;
mod graph;
mod heap;
mod memory;
mod ops;
mod program;

pub use graph::{Dtype, Tensor};
pub use memory::{KINDS, Kind, Peak, Phase, Storage};
pub use ops::{Conv, Heads};
pub use program::{Param, Torch};

use graph::Leaf;
use heap::Heap;
use memory::Memory;
