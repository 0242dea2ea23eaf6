//! Fine-tuning of the shipped model: the same model as the decoder's, memory known to the byte, and it learns.

#![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a scenario fails by panicking")]

use std::sync::Arc;

use plimsoll::{Bytes, Engine, Place};
use plimsoll_kv::layout::Element;
use plimsoll_llm::tune::{Batch, Frozen, Homes, Keeping, Projection, TuneError, TuneSettings, Tuner};
use plimsoll_llm::{Decoder, OwnPages, Sequence};
use plimsoll_tensor::packed::Packing;
use plimsoll_tensor::{Dtype, IGNORED, Stage};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/tiny-7m-q8_0.gguf");

fn stage(memory: Bytes) -> (Engine, Stage) {
    let engine = Engine::in_memory(memory, "tuning").unwrap();
    let pool = engine.account("tuning").unwrap().scratch(Place::Host).unwrap();
    (engine, Stage::host(pool, 2))
}

fn tuner(stage: &Stage, settings: TuneSettings) -> Tuner {
    let decoder = Decoder::open(MODEL).unwrap();
    Tuner::new(Frozen::of(&decoder, stage, Dtype::F32, None, Homes::default()).unwrap(), settings).unwrap()
}

fn small() -> TuneSettings {
    TuneSettings { rank: 4, sequence: 48, warmup: 1, steps: 20, rate: 2e-3, ..TuneSettings::default() }
}

/// A row of tokens, each foretelling the next; the last foretells nothing.
fn batch(tokens: &[u32]) -> Batch {
    let mut targets = tokens[1..].to_vec();
    targets.push(IGNORED);
    Batch { tokens: tokens.to_vec(), targets }
}

fn text(seed: u32, len: usize) -> Vec<u32> {
    (0..u32::try_from(len).unwrap()).map(|at| (at * 37 + seed * 101 + at * at % 7) % 4096).collect()
}

#[test]
fn before_anything_is_learned_it_is_the_decoders_model() {
    let (_engine, stage) = stage(Bytes::mib(256));
    let tuner = tuner(&stage, small());
    let tokens = text(1, 48);
    let found = tuner.evaluate(&[batch(&tokens)]).unwrap();
    let decoder = Arc::new(Decoder::open(MODEL).unwrap());
    let layout = decoder.layout(16, Element::F32);
    let mut sequence = Sequence::begin(&decoder, &layout).unwrap();
    let mut sum = 0.0_f64;
    sequence
        .score(&tokens, &mut OwnPages::new(&layout), &mut |index, logits| {
            if let Some(next) = tokens.get(index + 1) {
                let most = logits.iter().fold(f32::NEG_INFINITY, |most, x| most.max(*x));
                let all: f64 = logits.iter().map(|x| f64::from(x - most).exp()).sum();
                sum += f64::from(most) + all.ln() - f64::from(logits[*next as usize]);
            }
        })
        .unwrap();
    let wanted = sum / 47.0;
    // The decoder rounds its inputs to eight bits; here they stay singles.
    assert!((f64::from(found) / wanted - 1.0).abs() < 5e-3, "{found} here, {wanted} by the decoder");
}

#[test]
fn every_line_from_the_floor_on_is_met_with_the_same_gradients() {
    let (_engine, stage) = stage(Bytes::mib(256));
    let passes = [batch(&text(2, 48))];
    let mut first: Option<(u32, u32)> = None;
    let (floor, full) = {
        let mut tuner = tuner(&stage, small());
        let fit = tuner.fit(Bytes::gib(1)).unwrap();
        assert_eq!((fit.peak, fit.layers(Keeping::All)), (fit.full, 8));
        let error = tuner.fit(fit.floor - Bytes::new(1)).unwrap_err();
        assert!(matches!(error, TuneError::Floor { floor, .. } if floor == fit.floor), "{error}");
        (fit.floor, fit.full)
    };
    assert!(floor < full);
    for share in 0..=8 {
        let line = floor + Bytes::new((full - floor).get() * share / 8);
        for held in [false, true] {
            let mut tuner = tuner(&stage, small());
            let fit = tuner.fit(line).unwrap();
            assert!(fit.peak <= line);
            if held {
                let arena = tuner.hold().unwrap().arena();
                assert!(arena < fit.peak);
            }
            let report = tuner.step(&passes).unwrap();
            assert_eq!(report.as_planned, held);
            assert_eq!(report.peak, fit.peak, "said and measured, {share} eighths up, held: {held}");
            let found = (report.loss.to_bits(), report.size.to_bits());
            assert_eq!(*first.get_or_insert(found), found, "{share} eighths up, held: {held}");
        }
    }
}

#[test]
fn it_learns_a_text_by_heart() {
    let (_engine, stage) = stage(Bytes::mib(256));
    let mut tuner = tuner(&stage, TuneSettings { passes: 2, ..small() });
    tuner.hold().unwrap();
    let passes = [batch(&text(3, 48)), batch(&text(4, 48))];
    let before = tuner.evaluate(&passes).unwrap();
    let mut last = f32::INFINITY;
    for _ in 0..20 {
        let report = tuner.step(&passes).unwrap();
        assert!(report.as_planned);
        last = report.loss;
    }
    let after = tuner.evaluate(&passes).unwrap();
    assert!(
        after < 0.8 * before && (after - last).abs() < 0.2 * before,
        "{before} before, {after} after, {last} last"
    );
}

#[test]
fn frozen_weights_may_be_packed() {
    let decoder = Decoder::open(MODEL).unwrap();
    let (_engine, stage) = stage(Bytes::mib(256));
    let passes = [batch(&text(7, 48))];
    let mut found = Vec::new();
    for packing in [None, Some(Packing::Q8_0), Some(Packing::Q4_0)] {
        let frozen = Frozen::of(&decoder, &stage, Dtype::F32, packing, Homes::default()).unwrap();
        let mut tuner = Tuner::new(frozen, small()).unwrap();
        let before = tuner.rehearse().unwrap().before();
        let first = tuner.step(&passes).unwrap();
        let last = (0..5).map(|_| tuner.step(&passes).unwrap().loss).last().unwrap();
        found.push((first.loss, last, before));
    }
    let [floats, eight, four] = found[..] else { unreachable!() };
    // The file has eight bits: packed so, they are the same numbers.
    assert_eq!(floats.0.to_bits(), eight.0.to_bits());
    assert!((four.0 - floats.0).abs() < 0.1 * floats.0, "{four:?} beside {floats:?}");
    assert!(found.iter().all(|(first, last, _)| last < first), "{found:?}");
    assert!(floats.2 > eight.2 && eight.2 > four.2, "{found:?}");
}

#[test]
fn a_loss_that_is_no_number_stops_it_and_changes_nothing() {
    let (_engine, stage) = stage(Bytes::mib(256));
    let mut tuner =
        tuner(&stage, TuneSettings { rate: f32::INFINITY, targets: vec![Projection::Up], ..small() });
    let passes = [batch(&text(5, 48))];
    tuner.step(&passes).unwrap();
    let value =
        |tuner: &Tuner| tuner.changes().leaves.all().map(|(.., v)| v.to_vec().unwrap()).collect::<Vec<_>>();
    let before = value(&tuner);
    let error = tuner.step(&passes).unwrap_err();
    assert!(matches!(error, TuneError::NotFinite { step: 2, .. }), "{error}");
    assert!(error.to_string().contains("Lower the rate"));
    let bits = |all: &[Vec<f32>]| all.iter().flatten().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&before), bits(&value(&tuner)));
}

#[test]
fn passes_of_another_size_are_refused() {
    let (_engine, stage) = stage(Bytes::mib(256));
    let mut tuner = tuner(&stage, small());
    let error = tuner.step(&[batch(&text(6, 47))]).unwrap_err();
    assert!(matches!(error, TuneError::Batch { found: 47, wanted: 48 }), "{error}");
}
