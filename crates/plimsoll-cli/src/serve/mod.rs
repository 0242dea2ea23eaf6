//! `plimsoll serve`: models behind an address, within a line.

mod args;
mod error;
mod file;
mod run;

pub use args::ServeArgs;
pub use error::ServeFailure;
pub use run::run;
pub(crate) use run::{alone, device, planned};
