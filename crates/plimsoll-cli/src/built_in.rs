//! The model that is part of the program.

use std::sync::Arc;

use plimsoll_llm::ModelBytes;

/// What it is called.
pub(crate) const NAME: &str = "tiny-7m";

/// A model of seven million parameters that writes documentation of Rust. It is part of the program, so that commands that
/// need a model work at once, wherever the program was put; its pages come into memory only if it is used.
static MODEL: &Aligned<[u8]> = &Aligned(*include_bytes!("../../../models/tiny-7m-q8_0.gguf"));

/// Where tensors are aligned in a file, they are here.
#[repr(C, align(64))]
struct Aligned<T: ?Sized>(T);

/// Its file.
pub(crate) fn model() -> ModelBytes {
    Arc::new(&MODEL.0)
}
