//! The shipped model writes what llama.cpp writes with it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a scenario fails by panicking")]

use std::path::PathBuf;
use std::sync::Arc;

use plimsoll_kv::layout::Element;
use plimsoll_llm::{Decoder, Draw, OwnPages, Sequence, Trial, TrialError};

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

#[test]
fn a_trial_tells_what_blocks_lost() {
    let Some(models) = models() else { return };
    let decoder = Arc::new(Decoder::open(models.join("tiny-7m-q8_0.gguf")).unwrap());
    let text = decoder.sample(1, 90).unwrap();
    let (context, continuation) = text.split_at(70);
    let trial = Trial::new(&decoder, 16, Element::F16);
    let untouched = trial.judge::<()>(context, continuation, None).unwrap();
    assert_eq!(untouched.len(), 20 * trial.vocabulary());
    for row in untouched.chunks_exact(trial.vocabulary()) {
        let whole: f64 = row.iter().map(|number| f64::from(*number).exp()).sum();
        assert!((whole - 1.0).abs() < 1e-4, "{whole}");
    }
    let mut blocks = 0;
    let mut count = |block: &mut [u8]| {
        assert_eq!(block.len(), trial.layout().block_bytes());
        blocks += 1;
        Ok::<(), ()>(())
    };
    assert_eq!(trial.judge(context, continuation, Some(&mut count)).unwrap(), untouched);
    assert_eq!(blocks, 4, "the whole blocks of the context");
    // Kullback and Leibler's distance grows with what is lost: half of the bits of a half, then nearly all.
    let mut lost = [8_u8, 14].into_iter().map(|bits| {
        let mask = u16::MAX << bits;
        let mut cut = |block: &mut [u8]| {
            for two in block.chunks_exact_mut(2) {
                let kept = u16::from_le_bytes([two[0], two[1]]) & mask;
                two.copy_from_slice(&kept.to_le_bytes());
            }
            Ok::<(), ()>(())
        };
        let changed = trial.judge(context, continuation, Some(&mut cut)).unwrap();
        let pairs = untouched.iter().zip(&changed);
        pairs.map(|(one, other)| f64::from(*one).exp() * f64::from(one - other)).sum::<f64>() / 20.0
    });
    let (little, much) = (lost.next().unwrap(), lost.next().unwrap());
    assert!(little > 1e-6 && little < 0.5 && much > 4.0 * little, "{little} {much}");
    let mut broken = |_: &mut [u8]| Err("no");
    let error = trial.judge(context, continuation, Some(&mut broken)).unwrap_err();
    assert_eq!(error, TrialError::Passage { block: 0, why: "no" });
}
