//! Vectors to learn from, and vectors to be asked with.

use std::path::Path;

use plimsoll::holding::{Site, Streaming};
use plimsoll::{Bytes, EngineAccount, Place};

use crate::code::{CodeError, finite, normalize};
use crate::input::Input;
use crate::neural::NeuralError;

/// Rows that are read at once.
const AT_ONCE: usize = 64;
/// Chunks of the file are about so large.
const CHUNK_BYTES: u64 = 256 << 10;

/// Numbers that look random, the same for the same seed (splitmix64).
#[derive(Clone, Debug)]
pub(super) struct Chance(pub(super) u64);

impl Chance {
    /// Less than `below`, which is not zero.
    pub(super) fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // The high half of the product: no remainder of a division, and no number much more often than others.
        u64::try_from((u128::from(x ^ (x >> 31)) * u128::from(below)) >> 64).unwrap_or_default()
    }
}

/// What reading takes besides the rows.
pub(super) fn bytes_for(dimension: usize) -> u64 {
    let row = dimension as u64 * 8 + 4;
    (CHUNK_BYTES.max(row) + 4096) * 4 + (AT_ONCE * dimension * 4) as u64
}

/// At most `most` rows of a file, any of them as likely as any other, in any order. Those of a `normalized` codec are brought
/// to length one.
pub(super) fn read(
    path: &Path,
    account: &EngineAccount,
    (most, normalized): (usize, bool),
    chance: &mut Chance,
    mut heard: impl FnMut(u64, Option<u64>),
) -> Result<Vec<f32>, NeuralError> {
    let streaming = Streaming::open(&Site::new(account, Place::Host), "vectors");
    let mut input = Input::open(path, &streaming, Bytes::new(CHUNK_BYTES))?;
    let facts = input.facts();
    let dimension = facts.dimension;
    let mut rows: Vec<f32> = Vec::with_capacity(most * dimension);
    let (mut part, mut ids) = (vec![0.0; AT_ONCE * dimension], Vec::new());
    let mut seen = 0_u64;
    loop {
        let count = input.read(&mut part, &mut ids)?;
        ids.clear();
        if count == 0 {
            break;
        }
        for vector in part.chunks_exact_mut(dimension).take(count) {
            let number = usize::try_from(seen).unwrap_or(usize::MAX);
            finite(number, vector)?;
            if normalized && !normalize(vector) {
                return Err(CodeError::NoDirection { vector: number }.into());
            }
            seen += 1;
            if rows.len() < most * dimension {
                rows.extend_from_slice(vector);
                continue;
            }
            // The n-th is kept with the chance most / n, in the place of any.
            let place = usize::try_from(chance.below(seen)).unwrap_or(usize::MAX);
            if place < most {
                rows[place * dimension..][..dimension].copy_from_slice(vector);
            }
        }
        heard(seen, facts.rows);
    }
    shuffle(&mut rows, dimension, chance);
    Ok(rows)
}

/// Puts rows into any order.
fn shuffle(rows: &mut [f32], dimension: usize, chance: &mut Chance) {
    for at in (1..rows.len() / dimension).rev() {
        let other = usize::try_from(chance.below(at as u64 + 1)).unwrap_or_default();
        if other < at {
            let (front, back) = rows.split_at_mut(at * dimension);
            front[other * dimension..][..dimension].swap_with_slice(&mut back[..dimension]);
        }
    }
}
