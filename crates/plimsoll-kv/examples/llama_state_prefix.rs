//! Cuts a saved state of llama.cpp into blocks, and joins the blocks of a prefix into a state again.
//!
//! ```console
//! $ cargo run -p plimsoll-kv --example llama_state_prefix -- STATE OUT TOKENS [BLOCK_TOKENS]
//! ```

use std::error::Error;

use plimsoll_kv::engine::llama_state::State;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [from, to, tokens, rest @ ..] = words.as_slice() else {
        return Err("give a state, where to write, and how many tokens".into());
    };
    let (tokens, block_tokens) = (tokens.parse()?, rest.first().map_or("16", String::as_str).parse()?);
    let blob = std::fs::read(from)?;
    let state = State::read(&blob)?;
    let layout = state.layout(block_tokens);
    let whole = state.tokens() / layout.block_tokens as usize;
    let mut blocks = vec![vec![0; layout.block_bytes()]; whole];
    for (index, block) in blocks.iter_mut().enumerate() {
        state.block(&layout, index, block)?;
    }
    let blocks: Vec<&[u8]> = blocks.iter().map(Vec::as_slice).collect();
    std::fs::write(to, state.form().join(&layout, &blocks, tokens)?)?;
    println!(
        "{} tokens, {whole} blocks of {} bytes; {tokens} tokens written",
        state.tokens(),
        layout.block_bytes()
    );
    Ok(())
}
