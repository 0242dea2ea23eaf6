//! A model that is larger than its account writes what it writes when it is held whole, and never has more than that.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a scenario fails by panicking")]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use plimsoll::holding::Streaming;
use plimsoll::{Bytes, Engine, Place};
use plimsoll_kv::layout::Element;
use plimsoll_llm::{Decoder, Draw, OwnPages, Sequence, StepError};
use support::files::config;
use support::{Kind, Model, SMALL, Sizes};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/tiny-7m-q8_0.gguf");

/// A decoder whose weights have an account of so many bytes, and so many slots at most.
fn within(path: &Path, line: Bytes, slots: usize) -> (Engine, Arc<Decoder>) {
    let engine = Engine::in_memory(line, "weights").unwrap();
    let pool = engine.account("weights").unwrap().scratch(Place::Host).unwrap();
    let streaming = Streaming::pooled(&pool, "weights", Duration::ZERO).slots(slots);
    (engine, Arc::new(Decoder::open(path).unwrap().on_demand(&streaming).unwrap()))
}

fn logits(decoder: &Arc<Decoder>, tokens: &[u32]) -> Vec<u32> {
    let layout = decoder.layout(16, Element::F16);
    let mut sequence = Sequence::begin(decoder, &layout).unwrap();
    let mut all = Vec::new();
    let mut each = |_: usize, logits: &[f32]| all.extend(logits.iter().map(|logit| logit.to_bits()));
    sequence.score(tokens, &mut OwnPages::new(&layout), &mut each).unwrap();
    all
}

#[test]
fn the_shipped_model_in_less_than_its_weights() {
    let whole = Arc::new(Decoder::open(MODEL).unwrap());
    let shards = whole.shards();
    let prompt = [0, 1153, 268, 954, 317, 1433, 290, 268];
    let wanted = whole.generate(&prompt, 40, Draw::Likeliest).unwrap();
    // Three fifths of the file; one slot takes a tenth, and a pool takes memory by the granule.
    let line = Bytes::new(whole.bytes() / 5 * 3);
    let slots = ((line.get() - (1 << 20)) / shards.bytes) as usize;
    assert!(slots >= 3 && slots < shards.count, "{slots} of {}", shards.count);
    let (engine, decoder) = within(Path::new(MODEL), line, slots);
    assert_eq!(decoder.generate(&prompt, 40, Draw::Likeliest).unwrap(), wanted);
    let peak = engine.snapshot().place(Place::Host).unwrap().peak;
    assert!(peak <= line && peak.get() >= slots as u64 * shards.bytes, "{peak} of {line}");
    // What is needed latest makes room, so some stay from token to token; least-recently-used would read all of them.
    let reads = decoder.reads().unwrap();
    let (count, steps) = (shards.count as u64, 40);
    assert_eq!(reads.uses, count * steps);
    // One slot is in use and one is read into; the order is learned in the first two rounds.
    let (least, most) =
        ((count - slots as u64) * (steps - 2), (count - slots as u64 + 2) * steps + 2 * count);
    assert!((least..=most).contains(&reads.shards), "{reads:?} of {shards:?}, {slots} slots");
    // It is the same model: what one computed the other may find.
    assert_eq!(decoder.fingerprint(), whole.fingerprint());
    assert_eq!(decoder.shards(), shards);
}

#[test]
fn any_number_of_slots_gives_the_same_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    // An output that is larger than a layer, and is cut into pieces.
    let sizes = Sizes { layers: 3, vocabulary: 1200, ..SMALL };
    for (kind, tied) in [(Kind::F32, false), (Kind::Q8, true)] {
        std::fs::write(&path, Model::new(sizes, kind, tied, 7).write()).unwrap();
        let whole = Arc::new(Decoder::open(&path).unwrap());
        assert!(whole.shards().count > 4, "{:?}", whole.shards());
        let tokens: Vec<u32> = (0..40).map(|at| at * 29 % 1200).collect();
        let wanted = logits(&whole, &tokens);
        for slots in [2, 3, 5, 40] {
            let (_engine, decoder) = within(&path, Bytes::mib(64), slots);
            assert_eq!(logits(&decoder, &tokens), wanted, "{slots} slots");
        }
    }
}

#[test]
fn several_files_are_read_too() {
    let folder = tempfile::tempdir().unwrap();
    Model::of("llama", SMALL, Kind::F32, false, 3).write_files(
        folder.path(),
        SMALL,
        &config("llama", SMALL, false),
        3,
    );
    let whole = Arc::new(Decoder::open(folder.path()).unwrap());
    let tokens = [1, 4, 9, 16, 25, 36, 49];
    let (_engine, decoder) = within(folder.path(), Bytes::mib(64), 2);
    assert_eq!(logits(&decoder, &tokens), logits(&whole, &tokens));
    assert_eq!(decoder.fingerprint(), whole.fingerprint());
}

#[test]
fn what_cannot_be_read_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, Model::new(SMALL, Kind::F32, false, 7).write()).unwrap();
    let (_engine, decoder) = within(&path, Bytes::mib(64), 2);
    // Cut short behind its back: nothing is mapped, so that is an error and no signal.
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_len(2000).unwrap();
    let layout = decoder.layout(16, Element::F16);
    let mut sequence = Sequence::begin(&decoder, &layout).unwrap();
    let error = sequence.step(&[1], &mut OwnPages::new(&layout)).unwrap_err();
    assert!(matches!(error, StepError::Weights { .. }), "{error}");
    // An account that has not room for two slots.
    let engine = Engine::in_memory(Bytes::mib(1), "weights").unwrap();
    let pool = engine.account("weights").unwrap().scratch(Place::Host).unwrap();
    let streaming = Streaming::pooled(&pool, "weights", Duration::ZERO);
    let error = Decoder::open(MODEL).unwrap().on_demand(&streaming).unwrap_err().to_string();
    assert!(error.contains("on demand"), "{error}");
    // Bytes that are in memory.
    let bytes: Arc<Vec<u8>> = Arc::new(std::fs::read(MODEL).unwrap());
    let over = Decoder::over("lent", bytes).unwrap();
    assert!(!over.has_files());
    assert!(over.on_demand(&streaming).unwrap_err().to_string().contains("in memory"));
}
