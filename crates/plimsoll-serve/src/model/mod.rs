//! Which models there are, and those that are loaded.

mod error;
mod keeper;
mod loaded;
mod source;

pub use error::ModelFault;
pub use keeper::{Keeper, ModelState};
pub(crate) use keeper::slugs;
pub use loaded::Model;
pub use source::{ModelSource, Origin, found};
