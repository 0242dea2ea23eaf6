//! Steps of AdamW.

use super::numbers::{PIECE, floats, floats_mut, singles_mut};
use super::place::Host;
use super::split::{each, part};
use crate::Tensor;
use crate::compute::{AdamStep, Done};

impl Host {
    pub(super) fn adam_step(
        &self,
        step: AdamStep,
        value: &mut Tensor,
        grad: &Tensor,
        mean: &mut Tensor,
        square: &mut Tensor,
    ) -> Done {
        let grads = floats("AdamW", grad)?;
        let values = floats_mut("AdamW", value)?;
        let len = part(&self.crew, values.len(), PIECE);
        let means = singles_mut("AdamW", mean)?.chunks_mut(len);
        let squares = singles_mut("AdamW", square)?.chunks_mut(len);
        let parts = values.chunks(len).into_iter().zip(means).zip(squares).collect();
        let corrected = Corrected::of(step);
        each(&self.crew, parts, |index, ((mut values, means), squares)| {
            let (mut room, mut other) = ([0.0; PIECE], [0.0; PIECE]);
            let states = means.chunks_mut(PIECE).zip(squares.chunks_mut(PIECE));
            for (piece, (means, squares)) in states.enumerate() {
                let grads = grads.piece(index * len + piece * PIECE, means.len(), &mut room);
                values.change(piece * PIECE, means.len(), &mut other, |values| {
                    let all = values.iter_mut().zip(grads).zip(means.iter_mut()).zip(squares.iter_mut());
                    for (((value, grad), mean), square) in all {
                        corrected.change(value, *grad, mean, square);
                    }
                });
            }
        });
        Ok(())
    }
}

/// A step with its corrections for having begun at zero.
struct Corrected {
    step: AdamStep,
    mean: f32,
    square: f32,
}

impl Corrected {
    fn of(step: AdamStep) -> Self {
        let times = i32::try_from(step.step).unwrap_or(i32::MAX);
        Self {
            step,
            mean: 1.0 / (1.0 - step.beta1.powi(times)),
            square: 1.0 / (1.0 - step.beta2.powi(times)),
        }
    }

    fn change(&self, value: &mut f32, grad: f32, mean: &mut f32, square: &mut f32) {
        let step = &self.step;
        let grad = grad * step.factor;
        *mean = step.beta1 * *mean + (1.0 - step.beta1) * grad;
        *square = step.beta2 * *square + (1.0 - step.beta2) * grad * grad;
        let root = (*square * self.square).sqrt() + step.epsilon;
        *value -= step.rate * (*mean * self.mean / root + step.decay * *value);
    }
}
