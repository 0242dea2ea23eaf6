//! Any bytes are read as safetensors, as a header of it, and as a configuration: a model that adds up, or an error.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use plimsoll_plan::read::{read_config, safetensors};

fuzz_target!(|bytes: &[u8]| {
    let owned = bytes.to_vec();
    let path = Path::new("fuzz.safetensors");
    let _ = safetensors::read(&owned, path);
    let _ = read_config(&owned, path);
    let headed = [&(bytes.len() as u64).to_le_bytes()[..], bytes].concat();
    if let Ok(model) = safetensors::read(&headed, path) {
        let sum = model.tensors.iter().fold(0_u64, |sum, tensor| sum.saturating_add(tensor.bytes.get()));
        assert_eq!(sum, model.weight_bytes().get());
    }
});
