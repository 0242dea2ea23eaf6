//! Which models there are, and those that are loaded.

mod error;
mod keeper;
mod loaded;
mod source;

pub use error::ModelFault;
pub(crate) use keeper::slugs;
pub use keeper::{Keeper, ModelState, Standing};
pub use loaded::Model;
pub use source::{ModelSource, Origin, found};
