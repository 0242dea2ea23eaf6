//! What training takes: the peak of a step and its parts.
//!
//! A [`Training`] says what is trained and how. Its step is walked through operation by operation ([`Walk`]) on a
//! `PyTorch` without numbers (`torch`), in which tensors are only their sizes: what autocast casts, what autograd keeps, what
//! checkpoints compute again, when each is let go, and what the caching allocator makes of it. A peak found so is not
//! fitted to anything: networks are written down as the libraries run them (`nets`), and the rest follows.
//!
//! Measured on an H200, 62 peaks of nineteen networks came out within 0.7%, the middle one within 0.01%; see
//! `tests/train_peaks.rs`.

mod net;
mod nets;
mod network;
mod parse;
mod predict;
mod rival;
mod torch;
mod training;
pub mod truth;
mod walk;

pub use nets::{DecoderShape, FluxShape, JointShape, Norms, UnetShape};
pub use network::Network;
pub use predict::Prediction;
pub use rival::{RIVALS, Rival, rivals};
pub use torch::{KINDS, Kind, Peak, Phase};
pub use training::{AttentionKind, Companions, Method, Optimizer, Shape, Training, TrainingError, Weights};
pub use walk::Walk;
