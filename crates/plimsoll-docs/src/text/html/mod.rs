//! HTML to text, in one pass and without a tree.
//!
//! * `tokens`: markup from text, piece by piece.
//! * `tags`: what an element means to a reader.
//! * [`Page`]: words, gaps between blocks, headings and preformatted text.

mod page;
mod tags;
mod tokens;

pub use page::Page;
