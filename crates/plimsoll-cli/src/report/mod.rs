//! `plimsoll report FILE`: a recording as one page for a browser.
//!
//! The page is one file that loads nothing. Its pictures are SVG made here, so that it says the same without a script; the
//! script shows values under the pointer, zooms, hides bands and sorts tables. Its size depends on how many points and
//! rows are drawn, never on how many events there were.

mod chart;
mod html;
mod page;
mod place;
mod tables;
mod troubles;
mod write;

pub(crate) use html::{esc, time, utc};
pub use page::page;
pub use write::{ReportArgs, ReportWritten, render, run};
