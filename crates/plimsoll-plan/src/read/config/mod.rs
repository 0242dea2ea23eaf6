//! A Hugging Face configuration (`config.json`): the same facts as GGUF's keys, under other names.
//!
//! It is brought into GGUF's keys, as a converter would, and read by the rules for those.

mod architectures;
mod attention;
mod facts;
mod feeding;
mod keys;
mod read;
mod state;

pub use read::read_config;
pub(super) use read::{beside, open};
