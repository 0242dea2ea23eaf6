//! The decoder's keys and values are those that llama.cpp keeps.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a scenario fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use plimsoll_kv::block::Token;
use plimsoll_kv::engine::llama_state::State;
use plimsoll_kv::layout::Element;
use plimsoll_llm::{Decoder, OwnPages, Sequence};

const MODELS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/models");
const STATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../plimsoll-kv/tests/fixtures");
const TOKENS: u32 = 13;

/// The tokens of the first prompt and what follows it, as the states were made.
fn tokens() -> Vec<Token> {
    let text = std::fs::read_to_string(Path::new(MODELS).join("greedy_llamacpp.jsonl")).unwrap();
    let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let ids = |key: &str| line[key].as_array().unwrap().clone();
    let all = ids("prompt_ids").into_iter().chain(ids("greedy_ids"));
    all.take(TOKENS as usize).map(|id| Token::try_from(id.as_u64().unwrap()).unwrap()).collect()
}

/// The numbers of a block of halves.
fn numbers(block: &[u8]) -> Vec<f32> {
    let half = |two: &[u8]| half::f16::from_le_bytes([two[0], two[1]]).to_f32();
    block.chunks_exact(2).map(half).collect()
}

/// How far one is from another, relative to the other's size.
fn distance<'n>(pairs: impl Iterator<Item = (&'n f32, &'n f32)>) -> f64 {
    let (mut apart, mut whole) = (0.0_f64, 0.0_f64);
    for (one, other) in pairs {
        apart += f64::from(one - other).powi(2);
        whole += f64::from(*other).powi(2);
    }
    (apart / whole).sqrt()
}

/// Where equal inputs meet equal operations, the numbers are equal: all of the first layer, and the first token in every
/// layer, whose attention is its own value. Elsewhere the order of sums in attention differs, and rounding the inputs of
/// products to eight bits makes half a percent of a difference in the last bit: llama.cpp's own two kinds of attention
/// are as far from each other.
#[test]
fn keys_and_values_are_those_of_llama_cpp() {
    if !Path::new(MODELS).is_dir() {
        println!("skipped: {MODELS} is not there");
        return;
    }
    let decoder = Arc::new(Decoder::open(Path::new(MODELS).join("tiny-7m-q8_0.gguf")).unwrap());
    let layout = decoder.layout(TOKENS, Element::F16);
    let mut pages = OwnPages::new(&layout);
    Sequence::begin(&decoder, &layout).unwrap().step(&tokens(), &mut pages).unwrap();
    let ours = numbers(&pages.pages()[0]);
    let states = ["fa_f16_13.bin", "nofa_f16_13.bin"].map(|name| {
        let blob = std::fs::read(Path::new(STATES).join(name)).unwrap();
        let state = State::read(&blob).unwrap();
        assert_eq!(state.layout(TOKENS), layout, "{name}");
        let mut block = vec![0; layout.block_bytes()];
        state.block(&layout, 0, &mut block).unwrap();
        numbers(&block)
    });
    let [flash, plain] = &states;
    let own = distance(flash.iter().zip(plain));
    println!("flash attention on and off: {own:.2e} apart");
    let row = layout.layers[0].keys as usize;
    let part = TOKENS as usize * row;
    for theirs in &states {
        let pairs = || ours.iter().zip(theirs);
        let all = distance(pairs());
        let greatest = pairs().map(|(one, other)| (one - other).abs()).fold(0.0, f32::max);
        let layer = distance(pairs().take(2 * part));
        let first = distance(pairs().enumerate().filter(|(at, _)| at % part < row).map(|(_, pair)| pair));
        println!("{all:.2e} apart, {greatest} at most; first layer {layer:.2e}, first token {first:.2e}");
        assert!(layer < 1e-6 && first < 1e-6, "first layer {layer}, first token {first}");
        assert!(all < 2.5 * own, "{all}");
    }
}
