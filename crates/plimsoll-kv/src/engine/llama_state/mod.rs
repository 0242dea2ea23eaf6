//! The state of one sequence as llama.cpp gives and takes it (`llama_state_seq_get_data`), cut into blocks and joined
//! again.
//!
//! The blob holds every layer's keys, then every layer's values, each of all tokens; blocks hold some tokens of all
//! layers. [`State`] reads a blob where it lies and hands out blocks in the native form of
//! [`Layout`](crate::layout::Layout). [`Form`] is all that a blob says besides the rows, and writes blocks as a blob
//! again, of as many tokens as are wanted: all, or a prefix.
//!
//! # The blob
//! Whole numbers with the little end first, nothing padded:
//!
//! | what | type |
//! |---|---|
//! | magic `0xaf143cd8` and the sequence's number; older versions begin with the next row | u32, i32 |
//! | streams: 1, or as many as there are sequences if each has cells of its own | u32 |
//! | for each stream: cells in it. All but one have none, and of those nothing follows | u32 |
//! | for each cell: position; 1, the number of sequences; the sequence | i32, u32, i32 |
//! | whether values are transposed (flash attention is off); layers | u32, u32 |
//! | newer versions: how keys are rotated before they are quantized, and values; zero where they are not | u32, u32 |
//! | for each layer: type of the keys, bytes of a cell's keys; the keys, cell after cell | i32, u64, bytes |
//! | for each layer: type of the values, bytes of a cell's values; the values, cell after cell | i32, u64, bytes |
//! | the last row, if transposed: type, bytes of a number, numbers of a cell; number after number, each of all cells | i32, u32, u32, bytes |
//!
//! # What it is not
//! States of models with sliding windows, recurrent layers or positions of more than one number are laid out otherwise;
//! they are refused. Nothing is converted: a context of other types or another attention refuses the blob in its turn.
//!
//! ```
//! use plimsoll_kv::engine::llama_state::{State, StateError};
//!
//! /// What a prefix of so many tokens is as a blob, by way of blocks.
//! fn prefix(blob: &[u8], tokens: usize) -> Result<Vec<u8>, StateError> {
//!     let state = State::read(blob)?;
//!     let layout = state.layout(16);
//!     let mut blocks = Vec::new();
//!     for index in 0..state.tokens() / 16 {
//!         let mut block = vec![0; layout.block_bytes()];
//!         state.block(&layout, index, &mut block)?;
//!         blocks.push(block);
//!     }
//!     let blocks: Vec<&[u8]> = blocks.iter().map(Vec::as_slice).collect();
//!     state.form().join(&layout, &blocks, tokens)
//! }
//! assert!(prefix(b"not a state", 3).is_err());
//! ```

mod error;
mod form;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use error::StateError;
pub use form::Form;
pub use read::State;

/// What current versions begin with.
const MAGIC: u32 = 0xaf14_3cd8;
/// The most streams: llama.cpp's own limit of sequences.
const STREAMS_MAX: u32 = 256;
/// The most layers: eight times llama.cpp's own limit.
const LAYERS_MAX: u32 = 4096;
/// What a cell takes before its rows.
const CELL_BYTES: usize = 12;
