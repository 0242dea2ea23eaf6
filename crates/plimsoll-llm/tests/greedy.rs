//! The shipped model writes what llama.cpp writes with it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a scenario fails by panicking")]

use std::path::PathBuf;
use std::sync::Arc;

use plimsoll_kv::layout::Element;
use plimsoll_llm::{Decoder, Draw, OwnPages, Sequence};

/// Below this distance between the first and the second logit, rounding may decide.
const CLOSE: f64 = 0.1;

fn models() -> Option<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/models"));
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {} is not there", folder.display());
    None
}

fn ids(line: &serde_json::Value, key: &str) -> Vec<u32> {
    line[key].as_array().unwrap().iter().map(|id| u32::try_from(id.as_u64().unwrap()).unwrap()).collect()
}

#[test]
fn greedy_tokens_are_those_of_llama_cpp() {
    let Some(models) = models() else { return };
    let decoder = Arc::new(Decoder::open(models.join("tiny-7m-q8_0.gguf")).unwrap());
    let text = std::fs::read_to_string(models.join("greedy_llamacpp.jsonl")).unwrap();
    let (mut tokens, mut lines, mut to_the_end) = (0, 0, 0);
    for line in text.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let theirs = ids(&line, "greedy_ids");
        let margins: Vec<f64> =
            line["margins"].as_array().unwrap().iter().map(|margin| margin.as_f64().unwrap()).collect();
        let ours = decoder.generate(&ids(&line, "prompt_ids"), theirs.len(), Draw::Likeliest).unwrap();
        let sure = margins.iter().position(|margin| *margin < CLOSE).unwrap_or(theirs.len());
        assert_eq!(ours[..sure], theirs[..sure], "{}", line["prompt"]);
        let same = ours.iter().zip(&theirs).take_while(|(one, other)| one == other).count();
        (tokens, lines, to_the_end) =
            (tokens + same, lines + 1, to_the_end + usize::from(same == theirs.len()));
        println!("{:60} sure of {sure:2}, the same for {same:2}", line["prompt"].to_string());
    }
    assert!(lines > 0, "no prompts");
    println!("{to_the_end} of {lines} prompts are the same to the end; {tokens} tokens in all");
}

#[test]
fn a_prefix_in_its_pages_gives_the_tokens_that_computing_it_gives() {
    let Some(models) = models() else { return };
    let decoder = Arc::new(Decoder::open(models.join("tiny-7m-q8_0.gguf")).unwrap());
    let text = decoder.sample(3, 300).unwrap();
    assert_eq!(text, decoder.sample(3, 300).unwrap());
    let layout = decoder.layout(16, Element::F16);
    let mut whole = OwnPages::new(&layout);
    let mut sequence = Sequence::begin(&decoder, &layout).unwrap();
    // Steps end where blocks end, so that both ways add up in the same order and agree to the bit.
    sequence.step(&text[..160], &mut whole).unwrap();
    let wanted = sequence.step(&text[160..], &mut whole).unwrap().to_vec();
    let mut again = Sequence::begin(&decoder, &layout).unwrap();
    again.resume(160);
    assert_eq!(again.step(&text[160..], &mut whole).unwrap(), wanted);
    // And it is the pages that it goes on from.
    whole.pages_mut()[2].fill(0);
    again.resume(160);
    assert_ne!(again.step(&text[160..], &mut whole).unwrap(), wanted);
}
