//! How long the host takes to draw a token from a row of logits, in several ways, beside adding up the row:
//! `cargo run --release -p plimsoll-llm --example draw_speed -- 128256`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "an example that measures"
)]

use std::hint::black_box;
use std::time::Instant;

use plimsoll_llm::{Sampler, Sampling};

const TURNS: usize = 9;
const DRAWS: usize = 50;

fn main() {
    let vocabulary: usize = std::env::args().nth(1).map_or(128_256, |text| text.parse().unwrap());
    let row = logits(vocabulary);
    println!("{vocabulary} logits, microseconds a token, median of {TURNS} turns");
    let read = median(|| {
        let mut lanes = [0.0_f32; 16];
        for some in black_box(&row).as_chunks::<16>().0 {
            lanes.iter_mut().zip(some).for_each(|(lane, logit)| *lane += logit);
        }
        black_box(lanes);
    });
    println!("{:40}{read:9.1}", "adding them up");
    let usual = Sampling::default();
    let all = Sampling { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, ..usual };
    for (name, settings) in [
        ("the likeliest", Sampling::greedy()),
        ("40 likeliest, top-p .95, min-p .05", usual),
        ("all", all),
        ("top-p .95 of all", Sampling { top_p: 0.95, ..all }),
        ("min-p .05 of all", Sampling { min_p: 0.05, ..all }),
        ("usual, and a penalty", Sampling { repeat_penalty: 1.1, ..usual }),
    ] {
        let mut sampler = Sampler::new(settings).unwrap();
        let took = median(|| {
            black_box(sampler.draw(black_box(&row)).unwrap());
        });
        println!("{name:40}{took:9.1}");
    }
}

/// As a model's: a few far above a heap of others.
fn logits(vocabulary: usize) -> Vec<f32> {
    let mut state = 7_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 24) as f32
    };
    (0..vocabulary).map(|_| next() + next() + next() + next() + 20.0 * next().powi(40)).collect()
}

fn median(mut work: impl FnMut()) -> f64 {
    let mut turns: Vec<f64> = (0..TURNS)
        .map(|_| {
            let began = Instant::now();
            (0..DRAWS).for_each(|_| work());
            began.elapsed().as_secs_f64() * 1e6 / DRAWS as f64
        })
        .collect();
    turns.sort_by(f64::total_cmp);
    turns[TURNS / 2]
}
