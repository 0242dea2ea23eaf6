//! Rows that sum to one, and gates.

use super::math::{exp, sigmoid};
use super::numbers::{PIECE, floats, floats_mut};
use super::place::Host;
use super::split::{each, part};
use crate::Tensor;
use crate::compute::Done;

impl Host {
    /// Writes the outcome row by row: `work` gets the row's number and where it goes.
    pub(super) fn by_rows(
        &self,
        what: &'static str,
        row: usize,
        out: &mut Tensor,
        work: impl Fn(usize, &mut [f32]) + Sync,
    ) -> Done {
        let target = floats_mut(what, out)?;
        if row == 0 {
            return Ok(());
        }
        let len = part(&self.crew, target.len(), row);
        each(&self.crew, target.chunks(len), |index, mut target| {
            let mut room = vec![0.0; row];
            for local in 0..target.len() / row {
                target.fill_with(local * row, row, &mut room, |into| work(index * (len / row) + local, into));
            }
        });
        Ok(())
    }

    pub(super) fn softmax_rows(&self, row: usize, x: &Tensor, out: &mut Tensor) -> Done {
        let from = floats("softmax", x)?;
        self.by_rows("softmax", row, out, |index, into| {
            from.load(index * row, into);
            let most = into.iter().fold(f32::NEG_INFINITY, |most, x| most.max(*x));
            let most = if most == f32::NEG_INFINITY { 0.0 } else { most };
            let mut sum = 0.0;
            for x in into.iter_mut() {
                *x = exp(*x - most);
                sum += *x;
            }
            for x in into.iter_mut() {
                *x /= sum;
            }
        })
    }

    pub(super) fn softmax_rows_back(&self, row: usize, y: &Tensor, dy: &Tensor, out: &mut Tensor) -> Done {
        let (from, back) = (floats("softmax", y)?, floats("softmax", dy)?);
        self.by_rows("softmax", row, out, |index, into| {
            let mut room = vec![0.0; row];
            let y = from.piece(index * row, row, &mut room);
            back.load(index * row, into);
            let sum: f32 = y.iter().zip(into.iter()).map(|(y, dy)| y * dy).sum();
            for (into, y) in into.iter_mut().zip(y) {
                *into = y * (*into - sum);
            }
        })
    }

    pub(super) fn gate(&self, x: &Tensor, y: &Tensor, out: &mut Tensor) -> Done {
        let (gates, values) = (floats("a gate", x)?, floats("a gate", y)?);
        self.by_pieces("a gate", out, |at, into| {
            let (mut room, mut second) = ([0.0; PIECE], [0.0; PIECE]);
            let gates = gates.piece(at, into.len(), &mut room);
            let values = values.piece(at, into.len(), &mut second);
            for ((into, gate), value) in into.iter_mut().zip(gates).zip(values) {
                *into = gate * sigmoid(*gate) * value;
            }
        })
    }

    pub(super) fn gate_back(
        &self,
        x: &Tensor,
        y: &Tensor,
        dout: &Tensor,
        dx: &mut Tensor,
        dy: &mut Tensor,
    ) -> Done {
        let (gates, values, back) = (floats("a gate", x)?, floats("a gate", y)?, floats("a gate", dout)?);
        self.by_pieces("a gate", dx, |at, into| {
            let (mut room, mut second, mut third) = ([0.0; PIECE], [0.0; PIECE], [0.0; PIECE]);
            let gates = gates.piece(at, into.len(), &mut room);
            let values = values.piece(at, into.len(), &mut second);
            let back = back.piece(at, into.len(), &mut third);
            for (((into, gate), value), back) in into.iter_mut().zip(gates).zip(values).zip(back) {
                let open = sigmoid(*gate);
                *into = back * value * open * (1.0 + gate * (1.0 - open));
            }
        })?;
        self.by_pieces("a gate", dy, |at, into| {
            let (mut room, mut third) = ([0.0; PIECE], [0.0; PIECE]);
            let gates = gates.piece(at, into.len(), &mut room);
            let back = back.piece(at, into.len(), &mut third);
            for ((into, gate), back) in into.iter_mut().zip(gates).zip(back) {
                *into = back * gate * sigmoid(*gate);
            }
        })
    }
}
