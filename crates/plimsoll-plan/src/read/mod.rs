//! Model files as a [`Model`](crate::model::Model): GGUF, safetensors, and a configuration alone.
//!
//! Only headers are read, through [`Source`], which hands out ranges: a file of 400 GB costs what its header costs.
//! What a file says is believed only as far as its own length bears it out. No count, length or offset is used before
//! it is checked; what the reader keeps, however many tensors and shards a file claims, stays below [`KEPT_MAX`], and
//! everything it holds at once below 64 MiB.
//!
//! Nobody's file is refused for being new. An unknown architecture is read by the rules that most follow, an unknown
//! type of numbers by the room it has in the file; both leave a [`Doubt`](crate::model::Doubt) in the model. What is
//! refused is what contradicts itself, with the place where it does ([`ReadError`]).
//!
//! ```no_run
//! let model = plimsoll_plan::read::open("qwen3-14b-Q4_K_M.gguf")?;
//! println!("{}: {} layers, {}", model.name, model.hyper.layers.len(), model.weight_bytes());
//! # Ok::<(), plimsoll_plan::read::ReadError>(())
//! ```

mod budget;
mod config;
mod cursor;
mod error;
pub mod gguf;
mod keys;
mod open;
mod role;
pub mod safetensors;
mod shape;
mod source;
mod tied;

pub use budget::KEPT_MAX;
pub use config::read_config;
pub use error::{Fault, ReadError};
pub use open::open;
pub use role::{Role, role};
pub use source::{FileSource, Source};
