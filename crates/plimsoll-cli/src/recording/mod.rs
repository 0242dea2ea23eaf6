//! `plimsoll recording …`: recordings as numbers, and in the formats of other programs.

mod export;
mod open;
mod report;
mod show;
mod target;
mod view;

pub use export::{ExportArgs, Format, export, run as run_export};
pub(crate) use open::open;
pub(crate) use report::measured_as;
pub use report::{
    EvictionsReport, LeaseReport, MomentReport, PlaceReport, PredictionReport, PressureReport,
    RecordingReport, RefusalsReport, ScopeReport, ShareReport, SiteReport,
};
pub use show::{ShowArgs, run as run_show};
pub(crate) use target::create;
pub use view::view;
