//! Whether a precision may be used for a model: measured, not believed.
//!
//! A model reads texts twice: once with keys and values as it computed them, once with those of the context having been
//! through a codec, as if they had come back from a tier. [`measure`] tells how far the distributions of the next token
//! part (Kullback–Leibler, in nats a token) and whether that is within [`Limits`]; [`Verdicts`] keeps what was found, in
//! a file. A precision that fails or was never measured is not used: the next finer one is asked, down to native.

mod error;
mod limits;
mod measure;
mod probe;
mod report;
#[cfg(test)]
mod tests;
mod verdicts;

pub use error::GateError;
pub use limits::Limits;
pub use measure::measure;
pub use probe::{Probe, ProbeError, Through};
pub use report::GateReport;
pub use verdicts::Verdicts;
