//! Decoding: sequences over pages of keys and values, and the choice of the next token.

mod attention;
mod draw;
mod pages;
mod sequence;

pub use draw::Draw;
pub use pages::{OwnPages, PageTable};
pub use sequence::Sequence;
