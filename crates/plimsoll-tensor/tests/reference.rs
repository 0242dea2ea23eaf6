//! What operations mean, written once more in doubles: what the host computes is that, and numbers of 16 bits come near it.

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::many_single_char_names,
    reason = "a scenario fails by panicking, and formulas are written as in books"
)]

mod support;

use plimsoll::Bytes;
use plimsoll_tensor::{Dtype, Stage};
use support::cases::{Case, all, apart, outcome};
use support::stage;

fn doubles(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().map(|x| f64::from(*x)).collect()
}

/// The outcome of a case by its name.
fn found(stage: &Stage, name: &str) -> (Case, Vec<f32>) {
    let case = all().into_iter().find(|case| case.name == name).unwrap();
    let out = outcome(stage, &case, Dtype::F32).swap_remove(0);
    (case, out)
}

fn agrees(name: &str, found: &[f32], wanted: &[f64]) {
    assert_eq!(found.len(), wanted.len(), "{name}");
    let size = (wanted.iter().map(|x| x * x).sum::<f64>() / wanted.len() as f64).sqrt();
    for (place, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        let lost = (f64::from(*found) - wanted).abs();
        assert!(lost <= 1e-5 * (size + wanted.abs()), "{name}, number {place}: {found} for {wanted}");
    }
}

/// The error function, by its series and its fraction.
fn erf(x: f64) -> f64 {
    let steps = 4000;
    let width = x / f64::from(steps);
    let f = |t: f64| (-t * t).exp();
    let inner: f64 = (1..steps).map(|at| f64::from(2 + 2 * (at % 2)) * f(f64::from(at) * width)).sum();
    (f(0.0) + f(x) + inner) * width / 3.0 * std::f64::consts::FRAC_2_SQRT_PI
}

#[test]
fn of_functions_of_one_number() {
    let (_engine, stage) = stage(Bytes::mib(64), 2);
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let functions: [(&str, &dyn Fn(f64) -> f64); 8] = [
        ("Exp", &f64::exp),
        ("Log", &f64::ln),
        ("Sqrt", &f64::sqrt),
        ("Tanh", &f64::tanh),
        ("Sigmoid", &sigmoid),
        ("Silu", &|x| x * sigmoid(x)),
        ("Gelu", &|x| 0.5 * x * (1.0 + erf(x / 2.0_f64.sqrt()))),
        ("affine", &|x| 3.0 - 2.5 * x),
    ];
    for (name, function) in functions {
        let (case, out) = found(&stage, name);
        let wanted: Vec<f64> = doubles(&case.inputs[0].1).into_iter().map(function).collect();
        agrees(name, &out, &wanted);
    }
}

#[test]
fn of_products() {
    let (_engine, stage) = stage(Bytes::mib(64), 2);
    let (case, out) = found(&stage, "product");
    let (x, y) = (doubles(&case.inputs[0].1), doubles(&case.inputs[1].1));
    let mut wanted = Vec::new();
    for batch in 0..3 {
        for row in 0..17 {
            for column in 0..24 {
                wanted.push(
                    (0..40).map(|k| x[(batch * 17 + row) * 40 + k] * y[(batch * 40 + k) * 24 + column]).sum(),
                );
            }
        }
    }
    agrees("product", &out, &wanted);
}

#[test]
fn of_norms() {
    let (_engine, stage) = stage(Bytes::mib(64), 2);
    let (case, out) = found(&stage, "layer norm 301");
    let [x, weight, bias] = [0, 1, 2].map(|input| doubles(&case.inputs[input].1));
    let mut wanted = Vec::new();
    for row in x.chunks_exact(301) {
        let mean = row.iter().sum::<f64>() / 301.0;
        let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 301.0;
        let scaled = row.iter().zip(&weight).zip(&bias);
        wanted
            .extend(scaled.map(|((x, weight), bias)| (x - mean) / (variance + 1e-3).sqrt() * weight + bias));
    }
    agrees("layer norm", &out, &wanted);
    let (case, out) = found(&stage, "rms norm 24");
    let [x, weight] = [0, 1].map(|input| doubles(&case.inputs[input].1));
    let mut wanted = Vec::new();
    for row in x.chunks_exact(24) {
        let square = row.iter().map(|x| x * x).sum::<f64>() / 24.0;
        wanted.extend(row.iter().zip(&weight).map(|(x, weight)| x / (square + 1e-3).sqrt() * weight));
    }
    agrees("rms norm", &out, &wanted);
}

fn softmax(row: &mut [f64]) {
    let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    for x in row.iter_mut() {
        *x = (*x - most).exp();
    }
    let sum: f64 = row.iter().sum();
    for x in row.iter_mut() {
        *x /= sum;
    }
}

#[test]
fn of_softmax_and_losses() {
    let (_engine, stage) = stage(Bytes::mib(64), 2);
    let (case, out) = found(&stage, "softmax");
    let mut wanted = doubles(&case.inputs[0].1);
    wanted.chunks_exact_mut(301).for_each(softmax);
    agrees("softmax", &out, &wanted);
    let (case, out) = found(&stage, "cross-entropy");
    let (hidden, weight) = (doubles(&case.inputs[0].1), doubles(&case.inputs[1].1));
    let targets = [Some(1), Some(300), None, Some(0), Some(3), Some(3), Some(17), Some(299), None];
    let mut losses = Vec::new();
    for (row, target) in hidden.chunks_exact(16).zip(targets) {
        let dot = |word: &[f64]| row.iter().zip(word).map(|(x, y)| x * y).sum::<f64>();
        let mut logits: Vec<f64> = weight.chunks_exact(16).map(dot).collect();
        softmax(&mut logits);
        losses.extend(target.map(|target: usize| -logits[target].ln()));
    }
    agrees("cross-entropy", &out, &[losses.iter().sum::<f64>() / losses.len() as f64]);
}

#[test]
fn of_attention() {
    let (_engine, stage) = stage(Bytes::mib(64), 2);
    for causal in [false, true] {
        let (case, out) = found(&stage, &format!("attention 70 by 200, 2 over 1 of 128, {causal}"));
        let [q, k, v] = [0, 1, 2].map(|input| doubles(&case.inputs[input].1));
        let row = |of: &[f64], at: usize| of[at * 128..(at + 1) * 128].to_vec();
        let mut wanted = Vec::new();
        for (batch, query, head) in
            (0..2).flat_map(|b| (0..70).flat_map(move |q| (0..2).map(move |h| (b, q, h))))
        {
            let mine = row(&q, (batch * 70 + query) * 2 + head);
            let seen = if causal { query + 131 } else { 200 };
            let score = |key: usize| {
                let theirs = row(&k, batch * 200 + key);
                0.6 * mine.iter().zip(&theirs).map(|(x, y)| x * y).sum::<f64>()
            };
            let mut weights: Vec<f64> = (0..seen).map(score).collect();
            softmax(&mut weights);
            let mut sum = vec![0.0; 128];
            for (key, weight) in weights.iter().enumerate() {
                let values = row(&v, batch * 200 + key);
                sum.iter_mut().zip(&values).for_each(|(sum, value)| *sum += weight * value);
            }
            wanted.extend(sum);
        }
        agrees("attention", &out, &wanted);
    }
}

#[test]
fn numbers_of_16_bits_come_near_singles() {
    let (_engine, stage) = stage(Bytes::mib(256), 2);
    for case in all() {
        // Of nearly equal numbers another may be the largest once they are rounded.
        if case.name.contains("max") {
            continue;
        }
        let singles = outcome(&stage, &case, Dtype::F32);
        for (dtype, room) in [(Dtype::F16, 6e-3), (Dtype::Bf16, 5e-2)] {
            let short = outcome(&stage, &case, dtype);
            for (index, (short, singles)) in short.iter().zip(&singles).enumerate() {
                let apart = apart(short, singles);
                assert!(apart <= room, "{} in {dtype}, {index}: {apart:.2e}", case.name);
            }
        }
    }
    assert_eq!(stage.live(), Bytes::ZERO, "nothing stays");
}
