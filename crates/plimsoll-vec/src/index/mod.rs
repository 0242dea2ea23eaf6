//! An index: a folder of segments, a log of what is not in them yet, and the search over both.
//!
//! ```text
//! manifest.json         what the index is and which segments it has; replaced as a whole
//! 0000000003.codes …    segments: written once
//! 0000000005.dead       which rows of the segments were dead when the manifest was written
//! 0000000006.log        what came since: adds and deletes, each on the disk before it is answered
//! lock                  held by the one who writes
//! ```

mod add;
mod answer;
mod books;
mod budget;
mod build;
mod dead;
mod error;
mod forecast;
#[expect(clippy::module_inception, reason = "the index itself, among its parts")]
mod index;
mod keep;
mod lock;
mod log;
mod manifest;
mod publish;
mod queue;
mod rerank;
mod search;
mod view;
mod young;

pub use answer::{Answer, Measured, NO_ID};
pub use build::{BuildReport, Built};
pub use error::VecError;
pub use forecast::Forecast;
pub use index::{Index, IndexFacts, SegmentFacts};
pub use manifest::Shape;
pub use search::Search;
