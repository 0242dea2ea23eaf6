//! A GPU's arithmetic: CUDA C that is compiled where it runs, and products by the device's library.
//!
//! Everything is put on one stream, in order, and nobody waits but who reads. Numbers that are kept in 16 bits are made
//! singles in registers, and what is found is rounded once.
//!
//! | part | what |
//! |---|---|
//! | `kernels/` | the sources; `programs` names them and what can be launched |
//! | `launch` | what launches them |
//! | `operand` | tensors as launches know them |
//! | `desk` | memory that kernels and products work in |
//! | `flow/` | what a decoder computes: packed weights, and pages of a cache |

mod attention;
mod desk;
mod elements;
pub mod flow;
mod launch;
mod operand;
mod place;
mod product;
mod programs;
mod rows;
mod tables;
mod unpack;

pub(crate) use place::Gpu;
pub(crate) use product::multiplies_as_it_lies;
pub use programs::sources;
