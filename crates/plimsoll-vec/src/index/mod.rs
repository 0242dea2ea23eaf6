//! An index: a folder of segments, a log of what is not in them yet, and the search over both.
//!
//! ```text
//! manifest.json         what the index is and which segments it has; replaced as a whole
//! 0000000003.codes …    segments: written once
//! 0000000004.centroids  the middles of lists, where vectors are divided into some
//! 0000000004.reduction  what vectors are reduced by, where they are
//! 0000000005.dead       which rows of the segments were dead when the manifest was written
//! 0000000006.log        what came since: adds and deletes, each on the disk before it is answered
//! lock                  held by the one who writes
//! ```

mod add;
mod answer;
mod books;
mod budget;
mod build;
mod compact;
mod dead;
mod device;
mod encode;
mod error;
mod forecast;
#[expect(clippy::module_inception, reason = "the index itself, among its parts")]
mod index;
mod keep;
mod lists;
mod lock;
mod log;
mod lower;
mod manifest;
mod pace;
mod pages;
mod pass;
mod precision;
mod publish;
mod queue;
mod reduced;
mod rerank;
mod search;
mod tell;
mod view;
mod young;

pub use answer::{Answer, Measured, NO_ID};
pub use build::{BuildReport, Built, Doing};
pub use compact::{CompactReport, Compaction};
pub use device::{DeviceShare, OnDevice};
pub use error::VecError;
pub use forecast::Forecast;
pub use index::{Index, IndexFacts, SegmentFacts};
pub use lists::{Expected, ListFacts, Lists, NoLists, Probe, Probed};
pub use manifest::Shape;
pub use precision::Lowered;
pub use search::{Asked, Search};
