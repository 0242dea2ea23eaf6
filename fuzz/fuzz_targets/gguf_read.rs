//! Any bytes are read as GGUF: a model that adds up, or an error.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use plimsoll_plan::read::gguf;

fuzz_target!(|bytes: &[u8]| {
    let owned = bytes.to_vec();
    if let Ok(model) = gguf::read(&owned, Path::new("fuzz.gguf")) {
        let sum = model.tensors.iter().fold(0_u64, |sum, tensor| sum.saturating_add(tensor.bytes.get()));
        assert_eq!(sum, model.weight_bytes().get());
        assert!(model.hyper.layers.len() <= 4096);
    }
});
