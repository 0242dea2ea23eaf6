//! Recordings in the formats of other programs, written as a stream.
//!
//! Each writer goes over the events once (once a place for PyTorch's format, which has a list a device), and keeps only
//! what is live. Output is handed on in large pieces, so the target needs no buffer of its own.

mod counters;
mod csv;
mod error;
mod only;
mod out;
mod perfetto;
mod pickle;
mod pytorch;
mod rmm;
mod segments;

pub use csv::csv;
pub use error::ExportError;
pub use only::{Exported, Only};
pub use perfetto::perfetto;
pub use pytorch::pytorch;
pub use rmm::rmm;
