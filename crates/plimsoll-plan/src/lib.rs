//! What fits, what it will cost, and how memory should be split: memory models of language models, vector indexes,
//! documents and training; facts of machines; and a solver over both.
//!
//! Everything here is arithmetic on facts. No device is opened and nothing is allocated for a workload; the only input
//! is model files' headers, read through ranged reads. Where exactness is possible a figure is exact; where it is not,
//! it says so, with its error ([`Certainty`]); and each figure can show how it came about ([`Formula`]).

pub mod catalogue;
pub mod document;
pub mod emit;
pub mod image;
pub mod index;
mod lessons;
pub mod llama;
pub mod machine;
pub mod model;
pub mod op;
mod part;
mod phase;
pub mod plan;
pub mod read;
pub mod solve;
pub mod speed;
pub mod train;
mod wording;
pub mod workload;

pub use lessons::{Lesson, Lessons};
pub use part::{Certainty, Formula, Part, Term};
pub use phase::{Phase, Phases};
pub use wording::WordingError;
