//! What a recording says: what was live when, at which peak, under which label, and what was given up or refused.
//!
//! A [`Tracker`] follows the events one by one and keeps the books of what is live; everything else reads those books.
//! Memory is bounded by what is live at once, by the names, and by how many points a picture may have, never by the
//! number of events. Events that were lost are survived: the end of a lease that is not known is counted, and no sum
//! ever falls below zero.
//!
//! The composition of a peak takes a second pass over the events: the first finds the moment, the second stops there
//! and looks.

mod atlas;
mod fragmentation;
mod label;
mod peak;
mod predictions;
mod ranges;
mod recording;
mod scopes;
mod study;
mod summary;
mod survey;
mod timeline;
mod tracker;
mod troubles;

pub use atlas::Atlas;
pub use fragmentation::Fragmentation;
pub use label::Label;
pub use peak::{LeaseAtPeak, Peak, PeakByTag, Share};
pub use predictions::{Measure, PredictionCheck};
pub use ranges::Ranges;
pub use scopes::ScopeUse;
pub use study::{Study, StudySettings};
pub use summary::{Moment, Oddities, PlaceSummary, Summary};
pub use timeline::{Point, Timeline};
pub use tracker::{Block, PlaceBooks, Step, Tracker};
pub use troubles::{
    Evictions, MarkAt, PressureAt, Refusals, Troubles, evict_reason, pressure_level, refuse_reason,
};
