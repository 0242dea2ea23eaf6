//! Documents into a library: read and cut by one thread, packed and indexed by others, made to count every few seconds.
//!
//! ```text
//! files ──► passages ──► blocks of 64 KiB ──► parts, one a thread ──► publish: parts and documents count together
//!            (caller)       (a few, recycled)     (finished when full)
//! ```

mod fingerprint;
#[expect(clippy::module_inception, reason = "the work itself, among its parts")]
mod ingest;
mod mill;
mod progress;
mod room;
mod settings;

pub use progress::{IngestReport, LeftOut, Progress};
pub use settings::IngestSettings;
