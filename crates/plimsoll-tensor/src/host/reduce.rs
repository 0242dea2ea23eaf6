//! Sums and largest numbers.

use std::sync::{Mutex, PoisonError};

use super::numbers::{PIECE, bytes_mut, floats, floats_mut};
use super::place::Host;
use super::split::{each, part};
use crate::compute::{Done, Reduce};
use crate::{Dtype, Tensor, TensorError};

/// How many inner numbers are reduced side by side.
const SIDE: usize = 256;

impl Host {
    pub(super) fn reduce_middle(
        &self,
        op: Reduce,
        [_, middle, inner]: [usize; 3],
        x: &Tensor,
        out: &mut Tensor,
    ) -> Done {
        let from = floats("a reduction", x)?;
        let target = floats_mut("a reduction", out)?;
        if inner == 1 {
            let len = part(&self.crew, target.len(), (PIECE / middle.max(1)).max(1));
            each(&self.crew, target.chunks(len), |index, mut target| {
                let (mut room, mut one) = (vec![0.0; middle], [0.0]);
                for row in 0..target.len() {
                    let numbers = from.piece((index * len + row) * middle, middle, &mut room);
                    let found = along(op, numbers);
                    target.fill_with(row, 1, &mut one, |into| into[0] = found);
                }
            });
            return Ok(());
        }
        each(&self.crew, target.chunks(inner), |outer, mut target| {
            let (mut sums, mut room, mut third) = ([0.0; SIDE], [0.0; SIDE], [0.0; SIDE]);
            for at in (0..inner).step_by(SIDE) {
                let len = SIDE.min(inner - at);
                let sums = &mut sums[..len];
                sums.fill(if op == Reduce::Sum { 0.0 } else { f32::NEG_INFINITY });
                for row in 0..middle {
                    let numbers = from.piece((outer * middle + row) * inner + at, len, &mut room);
                    for (sum, number) in sums.iter_mut().zip(numbers) {
                        *sum = if op == Reduce::Sum { *sum + number } else { larger(*sum, *number) };
                    }
                }
                target.fill_with(at, len, &mut third, |into| into.copy_from_slice(sums));
            }
        });
        Ok(())
    }

    pub(super) fn give_to_largest(
        [outer, middle, inner]: [usize; 3],
        x: &Tensor,
        dy: &Tensor,
        out: &mut Tensor,
    ) -> Done {
        let (from, back) = (floats("a largest number", x)?, floats("a largest number", dy)?);
        let mut target = floats_mut("a largest number", out)?;
        let mut one = [0.0];
        for (outer, inner_at) in (0..outer).flat_map(|outer| (0..inner).map(move |at| (outer, at))) {
            let place = |row: usize| (outer * middle + row) * inner + inner_at;
            let mut best = 0;
            for row in 1..middle {
                if from.at(place(row)) > from.at(place(best)) {
                    best = row;
                }
            }
            for row in 0..middle {
                let given = if row == best { back.at(outer * inner + inner_at) } else { 0.0 };
                target.fill_with(place(row), 1, &mut one, |into| into[0] = given);
            }
        }
        Ok(())
    }

    /// A sum over pieces of so many numbers, always added up in the same order.
    pub(super) fn sum_pieces(&self, count: usize, of: impl Fn(usize, usize) -> f64 + Sync) -> f64 {
        let len = part(&self.crew, count, PIECE);
        let sums = Mutex::new(vec![0.0; count.div_ceil(len.max(1))]);
        let parts: Vec<usize> = (0..count).step_by(len.max(1)).collect();
        each(&self.crew, parts, |index, from| {
            let end = (from + len).min(count);
            let sum: f64 = (from..end).step_by(PIECE).map(|at| of(at, PIECE.min(end - at))).sum();
            sums.lock().unwrap_or_else(PoisonError::into_inner)[index] = sum;
        });
        sums.into_inner().unwrap_or_else(PoisonError::into_inner).iter().sum()
    }

    pub(super) fn fill_bytes(out: &mut Tensor, value: f32) -> Done {
        let (dtype, count) = (out.dtype(), usize::try_from(out.count()).unwrap_or(0));
        if value != 0.0 {
            return Err(TensorError::Dtype { what: "filling with a number", wanted: "floats", found: dtype });
        }
        let width = if dtype == Dtype::U32 { 4 } else { 1 };
        bytes_mut("filling", out)?[..count * width].fill(0);
        Ok(())
    }
}

/// NaN wins, so that it is seen.
fn larger(one: f32, other: f32) -> f32 {
    if other > one || other.is_nan() { other } else { one }
}

fn along(op: Reduce, numbers: &[f32]) -> f32 {
    match op {
        Reduce::Max => numbers.iter().fold(f32::NEG_INFINITY, |most, number| larger(most, *number)),
        Reduce::Sum => {
            let mut lanes = [0.0_f32; 16];
            let (whole, rest) = numbers.as_chunks::<16>();
            for chunk in whole {
                for (lane, number) in lanes.iter_mut().zip(chunk) {
                    *lane += number;
                }
            }
            lanes.iter().sum::<f32>() + rest.iter().sum::<f32>()
        }
    }
}
