//! What was learned is kept whole, gone on from to the bit, and refused when it is of something else.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a scenario fails by panicking")]

use std::fs;
use std::path::Path;

use plimsoll::{Bytes, Engine, Place};
use plimsoll_llm::Decoder;
use plimsoll_llm::text::Tokenizer;
use plimsoll_llm::tune::{Corpus, Frozen, Homes, Keep, TuneError, TuneSettings, Tuner};
use plimsoll_tensor::{Dtype, IGNORED, Stage};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/tiny-7m-q8_0.gguf");

fn settings() -> TuneSettings {
    TuneSettings {
        rank: 2,
        sequence: 32,
        batch: 2,
        warmup: 1,
        steps: 8,
        rate: 1e-3,
        ..TuneSettings::default()
    }
}

fn tuner() -> (Engine, Tuner) {
    let engine = Engine::in_memory(Bytes::mib(256), "tuning").unwrap();
    let pool = engine.account("tuning").unwrap().scratch(Place::Host).unwrap();
    let stage = Stage::host(pool, 2);
    let decoder = Decoder::open(MODEL).unwrap();
    let frozen = Frozen::of(&decoder, &stage, Dtype::F32, None, Homes::default()).unwrap();
    (engine, Tuner::new(frozen, settings()).unwrap())
}

fn corpus(folder: &Path) -> Corpus {
    let path = folder.join("words.txt");
    let words = (0..400).map(|word| format!("The {word}th lease returns its bytes when it is dropped. "));
    let text = words.collect::<Vec<_>>().concat();
    fs::write(&path, text).unwrap();
    Corpus::read(&path, &Tokenizer::open(MODEL).unwrap(), 32).unwrap()
}

fn learn(tuner: &mut Tuner, corpus: &Corpus, steps: std::ops::Range<u32>) -> Vec<u32> {
    steps.map(|step| tuner.step(&corpus.step(step, 1, 2, 1)).unwrap().loss.to_bits()).collect()
}

fn values(tuner: &Tuner) -> Vec<u32> {
    tuner.changes().leaves.all().flat_map(|(.., value)| value.to_vec().unwrap()).map(f32::to_bits).collect()
}

#[test]
fn it_goes_on_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = corpus(folder.path());
    let (_engine, mut whole) = tuner();
    let wanted = learn(&mut whole, &corpus, 0..6);
    let keep = Keep::new(&folder.path().join("kept"), "tiny", "one").unwrap();
    let (_engine, mut first) = tuner();
    let mut found = learn(&mut first, &corpus, 0..3);
    keep.save(&first).unwrap();
    drop(first);
    let (_engine, mut second) = tuner();
    assert_eq!(keep.resume(&mut second).unwrap(), 3);
    found.extend(learn(&mut second, &corpus, 3..6));
    assert_eq!(found, wanted);
    assert_eq!(values(&second), values(&whole));
}

#[test]
fn what_is_there_is_whole_and_the_newest_two_stay() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = corpus(folder.path());
    let keep = Keep::new(folder.path(), "tiny", "one").unwrap();
    let (_engine, mut one) = tuner();
    for step in 0..3 {
        learn(&mut one, &corpus, step..step + 1);
        keep.save(&one).unwrap();
    }
    assert_eq!(keep.steps().unwrap(), [2, 3]);
    // Killed while it wrote: half of a step, under another name.
    let unfinished = folder.path().join("step-00000004.unfinished");
    fs::create_dir(&unfinished).unwrap();
    fs::write(unfinished.join("adapter_model.safetensors"), b"half").unwrap();
    let (_engine, mut other) = tuner();
    assert_eq!(keep.resume(&mut other).unwrap(), 3);
    learn(&mut other, &corpus, 3..4);
    keep.save(&other).unwrap();
    assert_eq!(keep.steps().unwrap(), [3, 4]);
    assert!(!unfinished.exists());
}

#[test]
fn what_is_damaged_or_of_something_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = corpus(folder.path());
    let keep = Keep::new(folder.path(), "tiny", "one").unwrap();
    let (_engine, mut one) = tuner();
    learn(&mut one, &corpus, 0..1);
    let path = keep.save(&one).unwrap();
    let other = Keep::new(folder.path(), "tiny", "two").unwrap();
    let error = other.resume(&mut one).unwrap_err().to_string();
    assert!(error.contains("other settings"), "{error}");
    let adapter = path.join("adapter_model.safetensors");
    let bytes = fs::read(&adapter).unwrap();
    let before = values(&one);
    for cut in [0, 4, 100, bytes.len() - 1] {
        fs::write(&adapter, &bytes[..cut]).unwrap();
        let error = keep.resume(&mut one).unwrap_err();
        assert!(matches!(error, TuneError::Kept { .. }), "{error}");
        assert_eq!(values(&one), before, "nothing is taken of what is damaged");
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_told_and_learning_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = corpus(folder.path());
    let keep = Keep::new(folder.path(), "tiny", "one").unwrap();
    let (_engine, mut one) = tuner();
    learn(&mut one, &corpus, 0..1);
    keep.save(&one).unwrap();
    learn(&mut one, &corpus, 1..2);
    // Something stands where the step is to be written.
    fs::write(folder.path().join("step-00000002.unfinished"), b"").unwrap();
    let error = keep.save(&one).unwrap_err();
    assert!(matches!(error, TuneError::File { .. }), "{error}");
    assert_eq!(keep.steps().unwrap(), [1]);
    fs::remove_file(folder.path().join("step-00000002.unfinished")).unwrap();
    keep.save(&one).unwrap();
    assert_eq!(keep.steps().unwrap(), [1, 2]);
}

#[test]
fn data_that_teaches_nothing_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = Tokenizer::open(MODEL).unwrap();
    let read = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        Corpus::read(&path, &tokenizer, 32).map(drop).unwrap_err().to_string()
    };
    for (name, bytes, told) in [
        ("empty.txt", &b""[..], "no text"),
        ("blank.txt", b" \n ", "no text"),
        ("short.txt", b"too short", "do not fill one row"),
        ("latin.txt", b"caf\xe9", "no UTF-8 from byte 3"),
        ("lines.jsonl", b"{\"text\": \"one\"}\n{\"title\": 1}", "line 2"),
        ("broken.jsonl", b"{\"text\": ", "line 1"),
        ("bytes.jsonl", b"\n{\"text\": \"\xff\"}", "line 2: it is no UTF-8"),
    ] {
        let error = read(name, bytes);
        assert!(error.contains(told) && error.contains(name), "{error}");
    }
    assert!(Corpus::read(&folder.path().join("none.txt"), &tokenizer, 32).is_err());
}

#[test]
fn of_a_prompt_nothing_is_learned() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chats.jsonl");
    let line = "{\"prompt\": \"What is a lease? \", \"completion\": \"The right to some bytes.\"}\n";
    fs::write(&path, line.repeat(20)).unwrap();
    let tokenizer = Tokenizer::open(MODEL).unwrap();
    let corpus = Corpus::read(&path, &tokenizer, 32).unwrap();
    let prompt = tokenizer.encode("What is a lease? ", plimsoll_llm::text::Encode::TEXT).unwrap();
    let batch = corpus.batch(&[0]);
    let begin = usize::from(tokenizer.first().is_some());
    // What foretells a token of the prompt is not learned; what foretells the completion's first is.
    let last = begin + prompt.len() - 1;
    assert!(batch.targets[..last].iter().all(|target| *target == IGNORED), "{:?}", batch.targets);
    assert_eq!(batch.targets[last], batch.tokens[last + 1]);
    assert_eq!(*batch.targets.last().unwrap(), IGNORED);
}

#[test]
fn every_round_takes_every_row_once() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = corpus(folder.path());
    let rows = corpus.rows();
    let all: Vec<Vec<u32>> = (0..rows).map(|row| corpus.batch(&[row]).tokens).collect();
    for round in 0..2 {
        let first = u32::try_from(round * rows).unwrap();
        let mut seen: Vec<Vec<u32>> = (0..rows)
            .flat_map(|step| corpus.step(first + step as u32, 1, 1, 5))
            .map(|batch| batch.tokens)
            .collect();
        let mut wanted = all.clone();
        seen.sort();
        wanted.sort();
        assert_eq!(seen, wanted);
    }
    assert_ne!(corpus.step(0, 1, 2, 5), corpus.step(0, 1, 2, 6), "another seed, another order");
}
