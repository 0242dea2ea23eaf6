//! Weights: a model file's bytes, the shape that it states, and its matrices in place.

mod adapter;
mod config;
mod family;
mod heads;
mod joined;
mod kept;
mod load;
mod mapped;
mod matrix;
mod model_bytes;
mod on_device;
mod shape;
mod split;
mod tensors;
mod yarn;

pub use adapter::Adapter;
pub(crate) use adapter::Thin;
pub(crate) use config::read as read_config;
pub use family::{Family, Pairs};
pub(crate) use joined::Joined;
pub(crate) use kept::{Behind, Demand, Files, Kept, shards};
pub use kept::{Reads, Shards};
pub(crate) use load::{Layer, Weights, load};
pub(crate) use mapped::Mapped;
pub(crate) use matrix::Matrix;
pub use model_bytes::ModelBytes;
pub(crate) use on_device::{DeviceLayer, DeviceThin, OnDevice, Placed};
pub use shape::Shape;
pub(crate) use shape::scaling;
pub use split::{DeviceFloor, DeviceRoom, DeviceSplit};
pub(crate) use split::{SIDE_BY_SIDE, Weighed};
pub(crate) use tensors::Stored;
