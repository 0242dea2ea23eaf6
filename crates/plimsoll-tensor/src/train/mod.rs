//! Steps that change what is learned.

mod adam;

pub use adam::{AdamW, AdamWSettings};
