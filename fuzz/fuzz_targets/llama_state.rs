//! Any bytes are read as a state of llama.cpp: one that comes back as it was, but for the order of its cells, or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll_kv::engine::llama_state::State;

fuzz_target!(|bytes: &[u8]| {
    let Ok(state) = State::read(bytes) else { return };
    let layout = state.layout(1);
    let mut blocks = vec![vec![0; layout.block_bytes()]; state.tokens()];
    for (index, block) in blocks.iter_mut().enumerate() {
        state.block(&layout, index, block).expect("every token is a block of one");
    }
    let slices: Vec<&[u8]> = blocks.iter().map(Vec::as_slice).collect();
    let joined = state.form().join(&layout, &slices, state.tokens()).expect("its own blocks");
    assert_eq!(joined.len(), bytes.len());
    let again = State::read(&joined).expect("what was joined is a state");
    assert_eq!((again.form(), again.tokens()), (state.form(), state.tokens()));
});
