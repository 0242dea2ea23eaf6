//! Several sequences in one step give what each gives alone, to the bit.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a scenario fails by panicking")]

mod support;

use std::sync::Arc;

use plimsoll_kv::layout::Element;
use plimsoll_llm::{Batch, Decoder, OwnPages, Sequence, StepError, Strand};
use plimsoll_tensor::Crew;
use support::{Kind, Model, SMALL};

fn decoder(kind: Kind, threads: usize) -> Arc<Decoder> {
    let file = Model::new(SMALL, kind, true, 7).write();
    let decoder = Decoder::over("made-up.gguf", Arc::new(file)).unwrap();
    Arc::new(decoder.with_crew(Arc::new(Crew::new(threads))))
}

fn text(seed: u32, len: u32) -> Vec<u32> {
    (0..len).map(|at| (at * at + seed * 11 + at * seed) % 50).collect()
}

/// A text's logits after each step of these lengths.
fn alone(decoder: &Arc<Decoder>, text: &[u32], steps: &[usize]) -> Vec<Vec<f32>> {
    let layout = decoder.layout(8, Element::F16);
    let mut pages = OwnPages::new(&layout);
    let mut sequence = Sequence::begin(decoder, &layout).unwrap();
    let mut left = text;
    let step = |step: &usize| {
        let (now, later) = left.split_at(*step);
        left = later;
        sequence.step(now, &mut pages).unwrap().to_vec()
    };
    steps.iter().map(step).collect()
}

#[test]
fn a_batch_gives_what_its_sequences_give_alone_on_any_number_of_threads() {
    for kind in [Kind::Q8, Kind::F16, Kind::F32] {
        let texts: Vec<_> = (0..11).map(|seed| text(seed, 30)).collect();
        // Each begins with a prompt of its own length and goes on one by one; the third joins late.
        let prompt = |number: usize| 1 + number * 2;
        let wanted: Vec<_> = texts
            .iter()
            .enumerate()
            .map(|(number, text)| alone(&decoder(kind, 1), text, &[prompt(number), 1, 1, 1]))
            .collect();
        for threads in [1, 3] {
            let decoder = decoder(kind, threads);
            let layout = decoder.layout(8, Element::F16);
            let mut batch = Batch::begin(&decoder, &layout).unwrap();
            let mut pages: Vec<_> = texts.iter().map(|_| OwnPages::new(&layout)).collect();
            let mut lens = vec![0; texts.len()];
            let mut turns = vec![0; texts.len()];
            for round in 0..5 {
                let here = |number: usize| turns[number] < 4 && (number != 2 || round > 1);
                let members: Vec<usize> = (0..texts.len()).filter(|at| here(*at)).collect();
                let mut strands = Vec::new();
                for (number, table) in pages.iter_mut().enumerate().filter(|(at, _)| members.contains(at)) {
                    let some = if turns[number] == 0 { prompt(number) } else { 1 };
                    let tokens = &texts[number][lens[number]..][..some];
                    strands.push(Strand { tokens, len: lens[number], table });
                }
                let logits = batch.step(&mut strands).unwrap().to_vec();
                for (strand, (number, logits)) in
                    strands.iter().zip(members.iter().zip(logits.chunks_exact(50)))
                {
                    assert_eq!(
                        logits, wanted[*number][turns[*number]],
                        "{kind:?} {threads} {number} {round}"
                    );
                    lens[*number] = strand.len;
                    turns[*number] += 1;
                }
            }
            assert_eq!(turns.iter().sum::<usize>(), 4 * 10 + 3);
        }
    }
}

#[test]
fn more_tokens_than_go_side_by_side_are_computed_in_turns() {
    let decoder = decoder(Kind::Q8, 2);
    let layout = decoder.layout(8, Element::F16);
    let texts: Vec<_> = (0..5).map(|seed| text(seed, 90 + seed)).collect();
    let mut pages: Vec<_> = texts.iter().map(|_| OwnPages::new(&layout)).collect();
    let mut batch = Batch::begin(&decoder, &layout).unwrap();
    let mut strands: Vec<_> =
        texts.iter().zip(&mut pages).map(|(tokens, table)| Strand { tokens, len: 0, table }).collect();
    let logits = batch.step(&mut strands).unwrap();
    for (text, logits) in texts.iter().zip(logits.chunks_exact(50)) {
        assert_eq!(logits, alone(&decoder, text, &[text.len()])[0]);
    }
}

#[test]
fn one_that_cannot_go_on_is_named_and_nobody_has_gone_on() {
    let decoder = decoder(Kind::F32, 1);
    let layout = decoder.layout(8, Element::F16);
    let (mut one, mut other) = (OwnPages::new(&layout), OwnPages::new(&layout));
    let mut batch = Batch::begin(&decoder, &layout).unwrap();
    for (tokens, len, source) in [
        (&[][..], 0, StepError::Empty),
        (&[50][..], 0, StepError::Token { token: 50, vocabulary: 50 }),
        (&[1][..], 128, StepError::Context { wanted: 129, context: 128 }),
        (&[1][..], 16, StepError::Page { page: 2, bytes: layout.block_bytes() }),
    ] {
        let mut strands =
            [Strand { tokens: &[1, 2], len: 0, table: &mut one }, Strand { tokens, len, table: &mut other }];
        let error = batch.step(&mut strands).unwrap_err();
        assert_eq!((error.strand, &error.source), (1, &source));
        assert_eq!((strands[0].len, strands[1].len), (0, len));
        assert!(error.to_string().starts_with("sequence 1 of the batch: "), "{error}");
    }
}
