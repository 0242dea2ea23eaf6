//! Steps of AdamW.

use super::numbers::{PIECE, bytes_mut, floats, floats_mut, singles_mut};
use super::place::Host;
use super::split::{each, part};
use super::table::drawn;
use crate::Tensor;
use crate::cast::numbers_mut;
use crate::compute::{AdamStep, Done};
use crate::train::{BLOCK, MEAN, SQUARE, StatesAs, StatesPart, read_block, tell_block};

const WHAT: &str = "AdamW";

impl Host {
    pub(super) fn adam_step(
        &self,
        step: AdamStep,
        of: StatesPart,
        value: &mut Tensor,
        grad: &Tensor,
        states: &mut Tensor,
    ) -> Done {
        match of.kept {
            StatesAs::Singles => self.adam_singles(step, of, value, grad, states),
            StatesAs::Bytes => self.adam_bytes(step, of, value, grad, states),
        }
    }

    fn adam_singles(
        &self,
        step: AdamStep,
        of: StatesPart,
        value: &mut Tensor,
        grad: &Tensor,
        states: &mut Tensor,
    ) -> Done {
        let grads = floats(WHAT, grad)?;
        let values = floats_mut(WHAT, value)?.part(of.from, of.len);
        let len = part(&self.crew, of.len, PIECE);
        let (means, squares) = singles_mut(WHAT, states)?.split_at_mut(of.numbers);
        let range = of.at..of.at + of.len;
        let means = means[range.clone()].chunks_mut(len);
        let squares = squares[range].chunks_mut(len);
        let parts = values.chunks(len).into_iter().zip(means).zip(squares).collect();
        let corrected = Corrected::of(step);
        each(&self.crew, parts, |index, ((mut values, means), squares)| {
            let (mut room, mut other) = ([0.0; PIECE], [0.0; PIECE]);
            let states = means.chunks_mut(PIECE).zip(squares.chunks_mut(PIECE));
            for (piece, (means, squares)) in states.enumerate() {
                let from = of.from + index * len + piece * PIECE;
                let grads = grads.piece(from, means.len(), &mut room);
                values.change(piece * PIECE, means.len(), &mut other, |values| {
                    corrected.change_all(values, grads, means, squares);
                });
            }
        });
        Ok(())
    }

    fn adam_bytes(
        &self,
        step: AdamStep,
        of: StatesPart,
        value: &mut Tensor,
        grad: &Tensor,
        states: &mut Tensor,
    ) -> Done {
        let grads = floats(WHAT, grad)?;
        let values = floats_mut(WHAT, value)?.part(of.from, of.len);
        let len = part(&self.crew, of.len, BLOCK);
        let (codes, scales) = bytes_mut(WHAT, states)?.split_at_mut(2 * of.numbers);
        let blocks = of.numbers / BLOCK;
        let (means, squares) = codes.split_at_mut(of.numbers);
        let (mean_scales, square_scales) = numbers_mut::<f32>(scales)[..2 * blocks].split_at_mut(blocks);
        let (range, first) = (of.at..of.at + of.len, of.at / BLOCK);
        let codes = means[range.clone()].chunks_mut(len).zip(squares[range].chunks_mut(len));
        let scales =
            mean_scales[first..].chunks_mut(len / BLOCK).zip(square_scales[first..].chunks_mut(len / BLOCK));
        let parts = values.chunks(len).into_iter().zip(codes).zip(scales).collect();
        let corrected = Corrected::of(step);
        let lots = u64::from(step.step) * 2;
        each(&self.crew, parts, |index, ((mut values, (means, squares)), (mean_scales, square_scales))| {
            let (mut room, mut other) = ([0.0; BLOCK], [0.0; BLOCK]);
            let (mut mean, mut square) = ([0.0; BLOCK], [0.0; BLOCK]);
            let codes = means.chunks_mut(BLOCK).zip(squares.chunks_mut(BLOCK));
            let scales = mean_scales.iter_mut().zip(square_scales);
            for (block, ((means, squares), (mean_scale, square_scale))) in codes.zip(scales).enumerate() {
                let (count, at) = (means.len(), index * len + block * BLOCK);
                let (mean, square) = (&mut mean[..count], &mut square[..count]);
                read_block(MEAN, means, *mean_scale, mean);
                read_block(SQUARE, squares, *square_scale, square);
                let grads = grads.piece(of.from + at, count, &mut room);
                values.change(block * BLOCK, count, &mut other, |values| {
                    corrected.change_all(values, grads, mean, square);
                });
                let lot = |seed: u64| move |number: usize| lot(seed, of.place + (at + number) as u64);
                *mean_scale = tell_block(MEAN, mean, means, lot(lots));
                *square_scale = tell_block(SQUARE, square, squares, lot(lots + 1));
            }
        });
        Ok(())
    }
}

/// A lot between 0 and 1.
#[expect(clippy::cast_precision_loss, reason = "24 bits")]
fn lot(seed: u64, place: u64) -> f32 {
    drawn(seed, place) as f32 / (1 << 24) as f32
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

    fn change_all(&self, values: &mut [f32], grads: &[f32], means: &mut [f32], squares: &mut [f32]) {
        let all = values.iter_mut().zip(grads).zip(means.iter_mut()).zip(squares.iter_mut());
        for (((value, grad), mean), square) in all {
            self.change(value, *grad, mean, square);
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
