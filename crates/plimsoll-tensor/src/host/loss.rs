//! What predictions cost.

use std::sync::{Mutex, PoisonError};

use super::math::exp;
use super::numbers::{floats_mut, ids, singles_mut};
use super::place::Host;
use super::split::{each, part};
use crate::compute::{Done, IGNORED};
use crate::{Tensor, TensorError};

impl Host {
    pub(super) fn losses(
        &self,
        factor: f32,
        targets: &Tensor,
        logits: &mut Tensor,
        loss: &mut Tensor,
    ) -> Done {
        let targets = ids("cross-entropy", targets)?;
        let row = logits.dim(1);
        let outside = targets.iter().find(|target| **target as usize >= row && **target != IGNORED);
        if let Some(found) = outside {
            return Err(TensorError::Index { what: "cross-entropy", found: *found, limit: row as u64 });
        }
        let numbers = floats_mut("cross-entropy", logits)?;
        let len = part(&self.crew, numbers.len(), row);
        let sums = Mutex::new(vec![0.0_f64; targets.len()]);
        each(&self.crew, numbers.chunks(len), |index, mut numbers| {
            let mut room = vec![0.0; row];
            for local in 0..numbers.len() / row {
                let at = index * (len / row) + local;
                let mut cost = 0.0;
                numbers.change(local * row, row, &mut room, |logits| {
                    cost = one(factor, targets[at], logits);
                });
                sums.lock().unwrap_or_else(PoisonError::into_inner)[at] = f64::from(cost);
            }
        });
        let sum: f64 = sums.into_inner().unwrap_or_else(PoisonError::into_inner).iter().sum();
        #[expect(clippy::cast_possible_truncation, reason = "a single is what there is room for")]
        let sum = sum as f32;
        singles_mut("cross-entropy", loss)?[0] += sum;
        Ok(())
    }
}

/// A row's loss; its logits become their gradient.
fn one(factor: f32, target: u32, logits: &mut [f32]) -> f32 {
    if target == IGNORED {
        logits.fill(0.0);
        return 0.0;
    }
    let target = target as usize;
    let right = logits[target];
    let most = logits.iter().fold(f32::NEG_INFINITY, |most, x| most.max(*x));
    let mut sum = 0.0;
    for x in logits.iter_mut() {
        *x = exp(*x - most);
        sum += *x;
    }
    let scale = factor / sum;
    for x in logits.iter_mut() {
        *x *= scale;
    }
    logits[target] -= factor;
    most + sum.ln() - right
}
