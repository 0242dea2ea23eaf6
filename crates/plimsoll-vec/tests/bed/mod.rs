//! What the tests of indexes share: vectors with a seed, files of them, and a search that anybody can follow.
#![allow(dead_code, reason = "each test takes what it needs")]
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

pub mod device;

use std::path::{Path, PathBuf};

use plimsoll::{Bytes, Engine, EngineAccount};
use plimsoll_vec::Metric;
use plimsoll_vec::input::npy_head;

/// An account of so much memory.
pub fn account(bytes: Bytes) -> EngineAccount {
    Engine::in_memory(bytes, "vec").unwrap().account("vec").unwrap()
}

/// Numbers that look random, the same for the same seed.
pub fn vectors(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        f32::from(u16::try_from(state >> 48).unwrap_or_default()) / 32_768.0 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// Vectors of so many numbers near one of forty corners.
pub fn grouped(seed: u64, rows: usize, dimension: usize) -> Vec<f32> {
    let corners = vectors(99, 40 * dimension);
    let mut all = vectors(seed, rows * dimension);
    for (row, vector) in all.chunks_mut(dimension).enumerate() {
        let corner = &corners[(row * 7 + row / 13) % 40 * dimension..];
        vector.iter_mut().zip(corner).for_each(|(number, corner)| *number = *number * 0.4 + corner);
    }
    all
}

/// A `.npy` file of singles.
pub fn npy(folder: &Path, name: &str, vectors: &[f32], dimension: usize) -> PathBuf {
    let rows = vectors.len() / dimension;
    let mut bytes = npy_head("<f4", rows as u64, dimension);
    bytes.extend(vectors.iter().flat_map(|number| number.to_le_bytes()));
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// What is told of two vectors.
pub fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let pairs = || a.iter().zip(b).map(|(a, b)| (f64::from(*a), f64::from(*b)));
    let dot: f64 = pairs().map(|(a, b)| a * b).sum();
    match metric {
        Metric::L2 => pairs().map(|(a, b)| (a - b) * (a - b)).sum(),
        Metric::Ip => dot,
        Metric::Cosine => {
            let length = |v: &[f32]| v.iter().map(|n| f64::from(*n) * f64::from(*n)).sum::<f64>().sqrt();
            dot / length(a) / length(b)
        }
        Metric::Hamming => pairs().map(|(a, b)| f64::from(u8::from((a < 0.0) != (b < 0.0)))).sum(),
    }
}

/// The ids of the nearest among `(id, vector)`, nearest first.
pub fn nearest(metric: Metric, query: &[f32], among: &[(u64, Vec<f32>)], k: usize) -> Vec<(u64, f64)> {
    let mut all: Vec<(u64, f64)> =
        among.iter().map(|(id, vector)| (*id, distance(metric, query, vector))).collect();
    all.sort_by(|a, b| if metric.descends() { b.1.total_cmp(&a.1) } else { a.1.total_cmp(&b.1) });
    all.truncate(k);
    all
}
