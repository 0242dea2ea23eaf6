//! Made-up models of every kind of weights against a reference in doubles, over pages of every kind and size.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a scenario fails by panicking")]

mod support;

use std::sync::Arc;

use plimsoll_kv::layout::Element;
use plimsoll_llm::{Decoder, OwnPages, Sequence, StepError};
use support::{Kind, Lots, Model, SMALL, Sizes};

fn decoder(model: &Model) -> Arc<Decoder> {
    Arc::new(Decoder::over("made-up.gguf", Arc::new(model.write())).unwrap())
}

fn tokens(count: u32) -> Vec<u32> {
    (0..count).map(|index| (index * 7 + index * index) % 50).collect()
}

/// The logits behind each token, decoded in steps of these lengths, again and again.
fn decode(
    decoder: &Arc<Decoder>,
    element: Element,
    block_tokens: u32,
    steps: &[usize],
    tokens: &[u32],
) -> Vec<Vec<f32>> {
    let layout = decoder.layout(block_tokens, element);
    let mut pages = OwnPages::new(&layout);
    let mut sequence = Sequence::begin(decoder, &layout).unwrap();
    let (mut all, mut left) = (Vec::new(), tokens);
    for step in steps.iter().cycle() {
        let (now, later) = left.split_at((*step).min(left.len()));
        sequence.score(now, &mut pages, &mut |_, logits| all.push(logits.to_vec())).unwrap();
        left = later;
        if left.is_empty() {
            break;
        }
    }
    assert_eq!(pages.pages().len(), tokens.len().div_ceil(block_tokens as usize));
    all
}

/// The greatest difference, relative to how far logits spread.
fn apart(ours: &[Vec<f32>], wanted: &[Vec<f64>]) -> f64 {
    assert_eq!(ours.len(), wanted.len());
    let mut worst = 0.0_f64;
    for (ours, wanted) in ours.iter().zip(wanted) {
        assert_eq!(ours.len(), wanted.len());
        let spread = wanted.iter().fold(0.0_f64, |most, logit| most.max(logit.abs()));
        for (one, other) in ours.iter().zip(wanted) {
            worst = worst.max((f64::from(*one) - other).abs() / spread);
        }
    }
    worst
}

#[test]
fn every_kind_of_weights_and_pages_computes_the_reference() {
    let tokens = tokens(70);
    // Singles add up to singles' accuracy. With q8_0 a difference in the last bit may round an input to the next of 127
    // steps. Halves as keys and values round those.
    for (kind, tied, limit) in
        [(Kind::F32, true, 2e-5), (Kind::F16, false, 2e-5), (Kind::Bf16, true, 2e-5), (Kind::Q8, false, 0.01)]
    {
        let model = Model::new(SMALL, kind, tied, 11);
        let wanted = model.logits(SMALL, 1.0, &tokens);
        let decoder = decoder(&model);
        for (element, more) in [(Element::F32, 0.0), (Element::F16, 2e-3), (Element::Bf16, 2e-2)] {
            for (block_tokens, steps) in [(1, &[1][..]), (7, &[3, 1, 10]), (16, &[70]), (128, &[5, 64])] {
                let ours = decode(&decoder, element, block_tokens, steps, &tokens);
                let apart = apart(&ours, &wanted);
                // What halves round off moves inputs over the edges between steps.
                let more = if kind == Kind::Q8 && more > 0.0 { 0.06 } else { more };
                assert!(apart < limit + more, "{kind:?} {element:?} {block_tokens}: {apart}");
            }
        }
    }
}

#[test]
fn positions_and_heads_are_as_the_file_says() {
    let tokens = tokens(40);
    let narrow = Sizes { rope_width: 8, value_width: 8, heads: 6, kv_heads: 3, ..SMALL };
    let single = Sizes { kv_heads: 1, key_width: 20, rope_width: 20, ..SMALL };
    for (sizes, divisor, factors) in [
        (narrow, 1.0, false),
        (single, 1.0, false),
        (SMALL, 4.0, false),
        (SMALL, 1.0, true),
        (Sizes { kv_heads: 4, ..SMALL }, 2.0, true),
    ] {
        let mut model = Model::new(sizes, Kind::F32, true, 5);
        if divisor > 1.0 {
            model.text("llama.rope.scaling.type", "linear");
            model.real("llama.rope.scaling.factor", divisor);
        }
        if factors {
            model.vector("rope_freqs.weight", sizes.rope_width / 2, &mut Lots(9));
        }
        let wanted = model.logits(sizes, f64::from(divisor), &tokens);
        let ours = decode(&decoder(&model), Element::F32, 16, &[13], &tokens);
        let distance = apart(&ours, &wanted);
        assert!(distance < 2e-5, "{sizes:?} {divisor} {factors}: {distance}");
        // A mistake would be seen: without what the file says about positions the logits are others.
        let plain = Model::new(sizes, Kind::F32, true, 5).logits(sizes, 1.0, &tokens);
        assert_eq!(apart(&ours, &plain) > 1e-3, divisor > 1.0 || factors);
    }
}

#[test]
fn steps_that_cannot_be_are_refused_and_change_nothing() {
    let model = Model::new(SMALL, Kind::F32, true, 3);
    let decoder = decoder(&model);
    let layout = decoder.layout(8, Element::F32);
    let mut pages = OwnPages::new(&layout);
    let mut sequence = Sequence::begin(&decoder, &layout).unwrap();
    let before = sequence.step(&tokens(70), &mut pages).unwrap().to_vec();
    assert_eq!(sequence.step(&[], &mut pages).unwrap_err(), StepError::Empty);
    assert_eq!(
        sequence.step(&[1, 50], &mut pages).unwrap_err(),
        StepError::Token { token: 50, vocabulary: 50 }
    );
    let error = sequence.step(&[1; 59], &mut pages).unwrap_err();
    assert_eq!(error, StepError::Context { wanted: 129, context: 128 });
    assert_eq!(sequence.len(), 70);
    // A page that is gone is missed after some of the tokens; none of them counts.
    let mut few = OwnPages::new(&layout);
    sequence.resume(8);
    let error = sequence.step(&[1; 100], &mut few).unwrap_err();
    assert_eq!(error, StepError::Page { page: 1, bytes: layout.block_bytes() });
    assert_eq!(sequence.len(), 8);
    sequence.resume(69);
    assert_eq!(sequence.step(&tokens(70)[69..], &mut pages).unwrap().len(), before.len());
    let other = decoder.layout(8, Element::Opaque);
    assert!(matches!(Sequence::begin(&decoder, &other), Err(StepError::Layout { .. })));
}

#[test]
fn one_weight_makes_another_fingerprint() {
    let one = Model::new(SMALL, Kind::F32, true, 3);
    let mut other = one.clone();
    let tensor = other.tensors.get_mut("blk.1.ffn_up.weight").unwrap();
    tensor.2[5000] ^= 1;
    let (one, other) = (decoder(&one), decoder(&other));
    assert_ne!(one.fingerprint(), other.fingerprint());
    let layout = one.layout(8, Element::F16);
    assert_ne!(one.root(&layout).build(), other.root(&layout).build());
    assert_eq!(one.root(&layout).build(), one.root(&layout).build());
}
