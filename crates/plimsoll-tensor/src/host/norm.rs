//! Rows brought to one size: layer norms, root mean squares, groups of channels.

use super::numbers::{Numbers, floats, floats_mut, singles, singles_mut};
use super::place::Host;
use super::split::{each, part};
use crate::compute::{Done, Norm};
use crate::{Tensor, TensorError};

/// The factors, or what is added, of a row's numbers.
struct PerRow<'t> {
    numbers: Numbers<'t>,
    count: usize,
}

impl<'t> PerRow<'t> {
    fn new(tensor: Option<&'t Tensor>) -> Result<Option<Self>, TensorError> {
        tensor
            .map(|tensor| {
                let count = usize::try_from(tensor.count()).unwrap_or(0);
                Ok(Self { numbers: floats("a norm", tensor)?, count })
            })
            .transpose()
    }

    /// One for each number of a row.
    fn spread(&self, norm: Norm, row: usize, into: &mut [f32]) {
        if norm.run == 1 && self.count == norm.row {
            return self.numbers.load(0, into);
        }
        let first = row * (norm.row / norm.run);
        for (index, run) in into.chunks_mut(norm.run).enumerate() {
            run.fill(self.numbers.at((first + index) % self.count));
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "rows are far below 2^24 numbers")]
fn mean(sum: f32, count: usize) -> f32 {
    sum / count as f32
}

impl Host {
    pub(super) fn norm_rows(
        &self,
        norm: Norm,
        x: &Tensor,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        out: &mut Tensor,
        stats: &mut Tensor,
    ) -> Done {
        let from = floats("a norm", x)?;
        let (weight, bias) = (PerRow::new(weight)?, PerRow::new(bias)?);
        let target = floats_mut("a norm", out)?;
        let len = part(&self.crew, target.len(), norm.row);
        let rows = len / norm.row;
        let stats = singles_mut("a norm", stats)?.chunks_mut(rows * 2);
        let parts = target.chunks(len).into_iter().zip(stats).collect();
        each(&self.crew, parts, |index, (mut target, stats)| {
            let (mut room, mut spread) = (vec![0.0; norm.row], vec![0.0; norm.row]);
            for (local, stat) in stats.as_chunks_mut::<2>().0.iter_mut().enumerate() {
                let row = index * rows + local;
                target.fill_with(local * norm.row, norm.row, &mut room, |into| {
                    from.load(row * norm.row, into);
                    *stat = Self::normalize(norm, into);
                    if let Some(weight) = &weight {
                        weight.spread(norm, row, &mut spread);
                        into.iter_mut().zip(&spread).for_each(|(x, weight)| *x *= weight);
                    }
                    if let Some(bias) = &bias {
                        bias.spread(norm, row, &mut spread);
                        into.iter_mut().zip(&spread).for_each(|(x, bias)| *x += bias);
                    }
                });
            }
        });
        Ok(())
    }

    /// A row less its mean, if it is to be centred, times the inverse of its size; both are told.
    fn normalize(norm: Norm, row: &mut [f32]) -> [f32; 2] {
        let middle = if norm.centred { mean(row.iter().sum(), norm.row) } else { 0.0 };
        let squares: f32 = row.iter().map(|x| (x - middle) * (x - middle)).sum();
        let inverse = 1.0 / (mean(squares, norm.row) + norm.epsilon).sqrt();
        for x in row.iter_mut() {
            *x = (*x - middle) * inverse;
        }
        [middle, inverse]
    }

    pub(super) fn norm_rows_back(
        &self,
        norm: Norm,
        x: &Tensor,
        weight: Option<&Tensor>,
        stats: &Tensor,
        dy: &Tensor,
        dx: &mut Tensor,
    ) -> Done {
        let (from, back, weight) = (floats("a norm", x)?, floats("a norm", dy)?, PerRow::new(weight)?);
        let stats = singles("a norm", stats)?;
        let target = floats_mut("a norm", dx)?;
        let len = part(&self.crew, target.len(), norm.row);
        each(&self.crew, target.chunks(len), |index, mut target| {
            let mut room = vec![0.0; norm.row];
            let (mut hats, mut spread) = (vec![0.0; norm.row], vec![0.0; norm.row]);
            for local in 0..target.len() / norm.row {
                let row = index * (len / norm.row) + local;
                let [middle, inverse] = [stats[row * 2], stats[row * 2 + 1]];
                target.fill_with(local * norm.row, norm.row, &mut room, |into| {
                    back.load(row * norm.row, into);
                    if let Some(weight) = &weight {
                        weight.spread(norm, row, &mut spread);
                        into.iter_mut().zip(&spread).for_each(|(dy, weight)| *dy *= weight);
                    }
                    from.load(row * norm.row, &mut hats);
                    for x in &mut hats {
                        *x = (*x - middle) * inverse;
                    }
                    let along = mean(into.iter().zip(&hats).map(|(dy, hat)| dy * hat).sum(), norm.row);
                    let level = if norm.centred { mean(into.iter().sum(), norm.row) } else { 0.0 };
                    for (dy, hat) in into.iter_mut().zip(&hats) {
                        *dy = inverse * (*dy - level - hat * along);
                    }
                });
            }
        });
        Ok(())
    }

    pub(super) fn norm_weights_back(
        norm: Norm,
        x: &Tensor,
        stats: &Tensor,
        dy: &Tensor,
        dweight: Option<&mut Tensor>,
        dbias: Option<&mut Tensor>,
    ) -> Done {
        let (from, back) = (floats("a norm", x)?, floats("a norm", dy)?);
        let stats = singles("a norm", stats)?;
        let size = |tensor: &Option<&mut Tensor>| {
            tensor.as_ref().map_or(0, |tensor| usize::try_from(tensor.count()).unwrap_or(0))
        };
        let count = size(&dweight).max(size(&dbias));
        let (mut weights, mut biases) = (vec![0.0_f32; count], vec![0.0_f32; count]);
        let (mut hats, mut grads) = (vec![0.0; norm.row], vec![0.0; norm.row]);
        for (row, stat) in stats.as_chunks::<2>().0.iter().enumerate() {
            from.load(row * norm.row, &mut hats);
            back.load(row * norm.row, &mut grads);
            let first = row * (norm.row / norm.run);
            for (index, (hats, grads)) in hats.chunks(norm.run).zip(grads.chunks(norm.run)).enumerate() {
                let place = (first + index) % count;
                for (x, dy) in hats.iter().zip(grads) {
                    weights[place] += dy * (x - stat[0]) * stat[1];
                    biases[place] += dy;
                }
            }
        }
        for (tensor, sums) in [(dweight, weights), (dbias, biases)] {
            let Some(tensor) = tensor else { continue };
            let mut room = vec![0.0; count];
            floats_mut("a norm", tensor)?.change(0, count, &mut room, |into| {
                into.iter_mut().zip(&sums).for_each(|(into, sum)| *into += sum);
            });
        }
        Ok(())
    }
}
