//! Numbers in and out: vectors as the codes of a [`Codec`](crate::Codec), and back.
//!
//! Rows are addressed in whole blocks of [`BLOCK_ROWS`](crate::BLOCK_ROWS); [`Layout`] says where in a block a thing is.

mod codebooks;
mod coder;
mod error;
mod groups;
mod layout;
mod levels;
mod numbers;
mod planes;
mod rotation;
mod training;

pub use codebooks::Codebooks;
pub use coder::{Coder, DIMENSION_MAX};
pub(crate) use coder::{finite, whole};
pub use error::CodeError;
pub(crate) use error::check;
pub(crate) use groups::{Gain, code_at, gain_at};
pub use layout::Layout;
pub(crate) use layout::sign_at;
pub(crate) use levels::{Range, level, quantize};
pub(crate) use numbers::read as read_numbers;
pub(crate) use planes::{LEVEL_BYTES, Side, level_of, root};
use rotation::unit;
pub(crate) use rotation::{Shape, normalize};

#[cfg(test)]
pub(crate) use groups::words as read_words;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
pub(crate) use tests::{books, normal};
