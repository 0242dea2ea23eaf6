//! Tensors whose storage is leases, and what computes with them.
//!
//! * [`Stage`]: where tensors are made: a pool's memory, and what computes in it.
//! * [`Tensor`]: numbers in some shape, over storage that may be shared.
//! * [`Tape`]: operations, and the way back through them to the [`Gradients`] of [`Leaves`].
//! * [`Stage::rehearse`] runs a step without arithmetic and tells what it needs; [`Stage::hold`] packs that into one lease
//!   and holds later steps to it.
//! * [`Crew`]: threads that share the pieces of one job.
//! * [`pack`]: static plans: offsets for buffers whose lifetimes are known.
//! * [`packed`]: matrices of quantized weights, read where they lie. [`flow`]: the same on a GPU, and attention over pages there.
//! * [`exp`]: powers of e in loops that become vector instructions.
//! * [`half`] and [`wide`]: numbers of sixteen bits, and loops that use the vector instructions of this processor.

mod cast;
mod compute;
mod crew;
mod dtype;
mod error;
mod exp;
mod gpu;
mod grad;
pub mod half;
mod host;
mod layout;
mod ops;
pub mod pack;
pub mod packed;
mod packed_tensor;
mod stage;
mod tensor;
mod train;
pub mod wide;

pub use compute::{AdamStep, Binary, IGNORED, Rotation, Unary, Window};
pub use crew::Crew;
pub use dtype::Dtype;
pub use error::TensorError;
pub use exp::{exp, exp_double};
pub use gpu::{flow, sources as gpu_programs};
pub use grad::{Gradients, LeafId, Leaves, Shelf, Tape, Var};
pub use layout::MAX_RANK;
pub use ops::{Weight, counted};
pub use packed_tensor::PackedTensor;
pub use stage::{Held, Rehearsal, Stage, StepFacts};
pub use tensor::Tensor;
pub use train::{
    AdamW, AdamWSettings, DeviceTogether, Divided, Division, HostTogether, LossScale, Parts, Share, StatesAs,
    Together,
};
