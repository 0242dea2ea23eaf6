//! Weights: a model file's bytes, the shape that it states, and its matrices in place.

mod load;
mod mapped;
mod matrix;
mod model_bytes;
mod shape;

pub(crate) use load::{Layer, Weights, load};
pub(crate) use mapped::Mapped;
pub(crate) use matrix::Matrix;
pub use model_bytes::ModelBytes;
pub use shape::Shape;
