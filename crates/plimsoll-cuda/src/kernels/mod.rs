//! The operations of [`plimsoll_device::Kernels`] in CUDA C, compiled on the machine that runs them.
//!
//! The sources are in the program. On the first use of one, NVRTC compiles it for the GPU that is there, the driver
//! loads it, and the code is kept on disk for the next start. So nothing of CUDA is needed to build, and a GPU newer
//! than this crate gets code of its own.
//!
//! | part | what |
//! |---|---|
//! | `cuda/` | the sources; `program` names them and what can be launched |
//! | `search`, `nvrtc` | where the compiler's library may be; the few functions of it that are called |
//! | `compile` | a source into code for one GPU, through the cache |
//! | `cache` | compiled code on disk: any doubt is a miss |
//! | `brought` | programs of a caller's own |
//! | `series` | launches that are run again: a graph of the driver's |
//! | `blas` | cuBLAS, for products of matrices |
//! | `sums` | NCCL, for sums over several GPUs |
//! | `launch` | code loaded into a context, and how many threads do an operation |
//! | `expand` | rows of levels times a matrix: by which kernel, and what the desk holds |
//! | `nearest` | a search: which passes, and what the desk holds |
//! | `launcher` | whether there is a compiler at all |

mod blas;
mod brought;
mod cache;
mod compile;
mod expand;
mod launch;
mod launcher;
mod library;
mod nearest;
mod nvrtc;
mod program;
mod search;
mod series;
mod settings;
mod sums;
#[cfg(test)]
mod tests;

pub use brought::compile_for;
pub(crate) use compile::Compiler;
pub(crate) use expand::{ExpandAt, ExpandPlan};
pub(crate) use launch::{Convert, KernelError, KernelSet, Route, RowsAt};
pub(crate) use launcher::Launcher;
pub(crate) use nearest::{NearestAt, Plan, RunsPlan, RunsTables};
pub(crate) use program::Program;
pub(crate) use series::Graph;
pub use settings::{CodeCache, KernelSettings};
pub(crate) use sums::Sums;
