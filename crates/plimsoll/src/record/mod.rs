//! What happened: every lease, charge, eviction and refusal, kept as it happens and read afterwards.
//!
//! A [`Recording`] is a list of [`Event`]s in one order, the [`Names`] that they speak of, and [`Facts`] about the whole.
//! It is read as a stream, from memory or from a file, so that a million events need no memory to look at.

pub mod analysis;
mod event;
pub mod export;
mod names;
mod recording;

pub use event::{Event, Kind};
pub use names::{Names, Site, Source};
pub use recording::{Baseline, Events, Facts, LineFact, Prediction, Recording, RecordingError};
