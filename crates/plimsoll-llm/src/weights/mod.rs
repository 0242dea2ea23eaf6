//! Weights: a model file's bytes, the shape that it states, and its matrices in place.

mod config;
mod family;
mod heads;
mod joined;
mod load;
mod mapped;
mod matrix;
mod model_bytes;
mod shape;
mod tensors;

pub(crate) use config::read as read_config;
pub use family::{Family, Pairs};
pub(crate) use joined::Joined;
pub(crate) use load::{Layer, Weights, load};
pub(crate) use mapped::Mapped;
pub(crate) use matrix::Matrix;
pub use model_bytes::ModelBytes;
pub use shape::Shape;
pub(crate) use tensors::Stored;
