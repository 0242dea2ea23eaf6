//! What happened: every lease, charge, eviction and refusal, kept as it happens and read afterwards.
//!
//! A [`Recording`] is a list of [`Event`]s in one order, the [`Names`] that they speak of, and [`Facts`] about the whole.
//! It is read as a stream, from memory or from a file, so that a million events need no memory to look at.
//!
//! A [`Recorder`] writes them down. Some are always written ([`Recorder::recent`]); leases only while somebody
//! [records](crate::Engine::record), because a warm lease costs less than a note of it.

pub mod analysis;
mod clock;
mod event;
pub mod export;
mod file;
mod here;
mod names;
// Who watches is not modelled by the checkers.
#[cfg(not(any(loom, shuttle)))]
mod news;
mod operation;
mod packed;
mod plain;
mod recorder;
mod recording;
mod ring;
mod scope;
mod session;
mod sites;
mod standing;
mod streams;
mod tape;

pub use event::{Event, Kind};
pub use names::{Names, Site, Source};
pub use operation::{Operation, Spent, SpentAt};
pub use recorder::{Recorder, RecorderStats};
pub use recording::{Baseline, Events, Facts, LineFact, Prediction, Recording, RecordingError};
pub use scope::{Scope, scope};
pub use session::{ActiveRecording, RecordClock, RecordSettings, SpooledRecording};

#[cfg(not(any(loom, shuttle)))]
pub(crate) use news::News;
pub(crate) use packed::Leased;
pub(crate) use recorder::{NO_SOURCE, leases_wanted};
pub(crate) use sites::Line;
pub(crate) use standing::{Stand, Standing};
pub(crate) use tape::Tape;
