//! What blocks are outside an engine: native, in eight bits, in four; with or without what can be squeezed out.
//!
//! A block's encoded form is *sections*: one a layer, and one for its snapshot where it has one. Each is decoded alone,
//! so that an engine may begin before the last has come. [`Codec`] encodes and decodes sections of one layout in one
//! [`Form`], which is a number to be kept beside the bytes. How many bytes a section takes is known before it is made,
//! so they can be charged first.
//!
//! Keys are quantized a channel at a time, values a token at a time: in keys some channels are large in all tokens, and
//! in values some tokens are. What is not finite is not quantized: such a block is refused, and stays native.
//!
//! It is told in full in docs/design/kv-codec.md.

mod error;
mod form;
mod number;
mod planes;
mod quantized;
mod section;
mod shape;
mod simd;
#[cfg(test)]
mod tests;

pub use error::CodecError;
pub use form::{Form, Packing, Precision};
pub use section::Codec;
