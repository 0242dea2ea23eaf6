//! Which models there are, and those that are loaded.

mod engine;
mod error;
mod keeper;
#[cfg(feature = "llama-cpp")]
mod llama;
mod loaded;
mod look;
mod native;
mod source;

pub use engine::{EngineChoice, UnknownEngine};
pub use error::ModelFault;
pub(crate) use keeper::slugs;
pub use keeper::{Keeper, ModelState, Standing};
pub use loaded::Model;
pub(crate) use loaded::Terms;
pub(crate) use native::away_of;
pub use source::{ModelSource, Origin, found};
