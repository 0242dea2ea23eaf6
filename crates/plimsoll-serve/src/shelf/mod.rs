//! The libraries of a service: documents that come by the interface, passages that are found, vectors that a model makes of them
//! meanwhile.

#[expect(clippy::module_inception, reason = "one library of the service, among what is done with it")]
mod shelf;
mod shelves;
mod source;

pub(crate) use shelf::Taken;
pub use shelf::{Shelf, ShelfFault};
pub use shelves::Shelves;
pub use source::LibrarySource;
