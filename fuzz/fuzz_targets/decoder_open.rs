//! Any bytes are opened as a model: what opens decodes, and nothing else does.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use plimsoll_llm::{Decoder, Draw};

fuzz_target!(|bytes: &[u8]| {
    let Ok(decoder) = Decoder::over("fuzz.gguf", Arc::new(bytes.to_vec())) else { return };
    let _ = Arc::new(decoder).generate(&[0], 2, Draw::Likeliest);
});
