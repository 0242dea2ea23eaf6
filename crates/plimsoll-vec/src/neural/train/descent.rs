//! Steps down the gradient of what comes back, with the rounding in between.
//!
//! The rounding has no gradient that is of use; it is passed over on the way back, as if it were not there, and is done on
//! the way forth (a straight-through estimate). Steps are Adam's, of a size in units of the weights' own.

use super::mill::{Mill, transpose};
use crate::neural::packed::Packed;
use crate::neural::{NeuralError, quantize};

/// Rows of a step.
pub(super) const BATCH: usize = 512;
/// The first steps are so long, in units of the root of the mean square of the weights; the last are of no length.
pub(super) const RATE: f64 = 0.001;
/// How long the gradient and its square are remembered.
const KEEP: (f32, f32) = (0.9, 0.999);

/// A matrix that learns.
#[derive(Debug)]
struct Learner {
    numbers: Vec<f32>,
    gradient: Vec<f32>,
    mean: Vec<f32>,
    square: Vec<f32>,
    /// The root of the mean square at the start.
    size: f64,
}

impl Learner {
    #[expect(clippy::cast_precision_loss, reason = "a mean")]
    fn new(numbers: Vec<f32>) -> Self {
        let count = numbers.len();
        let square: f64 = numbers.iter().map(|x| f64::from(*x).powi(2)).sum();
        let size = (square / count.max(1) as f64).sqrt();
        let zeros = || vec![0.0; count];
        Self { numbers, gradient: zeros(), mean: zeros(), square: zeros(), size }
    }

    /// One step; `step` counts from one.
    #[expect(clippy::cast_possible_truncation, reason = "the numbers are singles")]
    fn step(&mut self, rate: f64, step: i32) {
        let (first, second) = KEEP;
        let (mean_left, square_left) =
            (1.0 - f64::from(first).powi(step), 1.0 - f64::from(second).powi(step));
        let length = (rate * self.size * square_left.sqrt() / mean_left) as f32;
        let parts =
            self.numbers.iter_mut().zip(&self.gradient).zip(self.mean.iter_mut().zip(&mut self.square));
        for ((x, slope), (mean, square)) in parts {
            *mean = first * *mean + (1.0 - first) * slope;
            *square = second * *square + (1.0 - second) * slope * slope;
            *x -= length * *mean / (square.sqrt() + 1e-30);
        }
    }
}

/// Encoder and decoder while they learn, and the room for a batch.
#[derive(Debug)]
pub(super) struct Descent {
    dimension: usize,
    latent: usize,
    encoder: Learner,
    decoder: Learner,
    rate: f64,
    steps: i32,
    of: i32,
    room: Room,
}

#[derive(Debug)]
struct Room {
    centred: Vec<f32>,
    off: Vec<f32>,
    turned: Vec<f32>,
    latents: Vec<f32>,
    told: Vec<f32>,
    levels: Vec<i8>,
    encode: Packed,
    decode: Packed,
    back: Packed,
    batch_latents: Packed,
    batch_vectors: Packed,
}

impl Descent {
    /// From weights as they are, for so many steps, the first so long.
    pub(super) fn new(
        (encoder, decoder): (Vec<f32>, Vec<f32>),
        latent: usize,
        steps: usize,
        rate: f64,
    ) -> Self {
        let dimension = encoder.len() / latent;
        let room = Room {
            centred: vec![0.0; BATCH * dimension],
            off: vec![0.0; BATCH * dimension],
            turned: vec![0.0; BATCH * dimension],
            latents: vec![0.0; BATCH * latent],
            told: vec![0.0; BATCH * latent],
            levels: vec![0; latent],
            encode: Packed::new(latent, dimension),
            decode: Packed::new(dimension, latent),
            back: Packed::new(latent, dimension),
            batch_latents: Packed::new(latent, BATCH),
            batch_vectors: Packed::new(dimension, BATCH),
        };
        let (encoder, decoder) = (Learner::new(encoder), Learner::new(decoder));
        let of = i32::try_from(steps).unwrap_or(i32::MAX).max(1);
        Self { dimension, latent, encoder, decoder, rate, steps: 0, of, room }
    }

    /// What that takes from the heap, besides the weights that it begins with.
    pub(super) fn bytes_for(dimension: usize, latent: usize, threads: usize) -> u64 {
        let learners = 3 * 2 * dimension * latent * 4;
        let batch = BATCH * (3 * dimension + 2 * latent) * 4 + latent;
        (learners + batch) as u64
            + Packed::bytes_for(latent, dimension) * 2
            + Packed::bytes_for(dimension, latent)
            + Packed::bytes_for(latent, BATCH)
            + Packed::bytes_for(dimension, BATCH)
            + Mill::desk_bytes(threads, dimension.max(latent).max(BATCH))
    }

    /// Encoder and decoder as they are now.
    pub(super) fn weights(&self) -> (Vec<f32>, Vec<f32>) {
        (self.encoder.numbers.clone(), self.decoder.numbers.clone())
    }

    /// One step with at most [`BATCH`] rows.
    pub(super) fn step(&mut self, mill: &Mill, rows: &[f32], mean: &[f32]) -> Result<(), NeuralError> {
        self.forth(mill, rows, mean)?;
        self.slopes(mill)?;
        self.steps = self.steps.saturating_add(1);
        let done = f64::from(self.steps) / f64::from(self.of);
        // Down a quarter of a wave, so that the last steps settle.
        let rate = self.rate * 0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos());
        self.encoder.step(rate, self.steps);
        self.decoder.step(rate, self.steps);
        Ok(())
    }

    /// Codes a batch and reads it back; what comes back too much is left in `off`, over the number of rows.
    #[expect(clippy::cast_precision_loss, reason = "a mean")]
    fn forth(&mut self, mill: &Mill, rows: &[f32], mean: &[f32]) -> Result<(), NeuralError> {
        let (dimension, latent, room) = (self.dimension, self.latent, &mut self.room);
        // A batch that is not full ends in zeros, which come back as zeros and have no slope.
        room.centred[rows.len()..].fill(0.0);
        for (into, row) in room.centred.chunks_exact_mut(dimension).zip(rows.chunks_exact(dimension)) {
            for ((into, x), mean) in into.iter_mut().zip(row).zip(mean) {
                *into = x - mean;
            }
        }
        room.encode.set_columns(&self.encoder.numbers);
        mill.multiply(&room.centred, &room.encode, false, &mut room.latents)?;
        let each = room.latents.chunks_exact(latent).zip(room.told.chunks_exact_mut(latent));
        for (row, (numbers, told)) in each.enumerate() {
            let scale =
                quantize::levels(numbers, &mut room.levels).ok_or(NeuralError::TooLarge { vector: row })?;
            for (told, level) in told.iter_mut().zip(&room.levels) {
                *told = f32::from(*level) * scale;
            }
        }
        room.decode.set_columns(&self.decoder.numbers);
        mill.multiply(&room.told, &room.decode, false, &mut room.off)?;
        let share = 1.0 / (rows.len() / dimension).max(1) as f32;
        for (off, x) in room.off.iter_mut().zip(&room.centred) {
            *off = (*off - x) * share;
        }
        Ok(())
    }

    /// The slopes of the squared error, but for a factor that steps do not depend on.
    fn slopes(&mut self, mill: &Mill) -> Result<(), NeuralError> {
        let (dimension, latent, room) = (self.dimension, self.latent, &mut self.room);
        transpose(&room.off, dimension, &mut room.turned);
        room.batch_latents.set_rows(&room.told);
        mill.multiply(&room.turned, &room.batch_latents, false, &mut self.decoder.gradient)?;
        room.back.set_rows(&self.decoder.numbers);
        mill.multiply(&room.off, &room.back, false, &mut room.latents)?;
        let turned = &mut room.turned[..BATCH * latent];
        transpose(&room.latents, latent, turned);
        room.batch_vectors.set_rows(&room.centred);
        mill.multiply(turned, &room.batch_vectors, false, &mut self.encoder.gradient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::tests::normal;
    use crate::neural::tests::account;
    use plimsoll::{Bytes, Place};

    /// The squared error without rounding, by the formula.
    fn error(encoder: &[f32], decoder: &[f32], rows: &[f32], dimension: usize, latent: usize) -> f64 {
        let product = |matrix: &[f32], vector: &[f64]| -> Vec<f64> {
            let rows = matrix.chunks(vector.len());
            rows.map(|row| row.iter().zip(vector).map(|(a, b)| f64::from(*a) * b).sum()).collect()
        };
        let mut sum = 0.0;
        for row in rows.chunks(dimension) {
            let row: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
            let z = product(encoder, &row);
            assert_eq!(z.len(), latent);
            sum += product(decoder, &z).iter().zip(&row).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
        }
        sum * f64::from(u16::try_from(dimension).unwrap()) / f64::from(u32::try_from(rows.len()).unwrap())
    }

    #[test]
    fn slopes_are_those_of_the_error() {
        let (dimension, latent, count) = (12, 5, 70);
        let small =
            |seed| normal(seed, dimension * latent).into_iter().map(|x| x * 0.3).collect::<Vec<f32>>();
        let (encoder, decoder, rows) = (small(1), small(2), normal(3, count * dimension));
        let mill = Mill { pool: account(Bytes::mib(16)).scratch(Place::Host).unwrap(), threads: 2 };
        let mut descent = Descent::new((encoder.clone(), decoder.clone()), latent, 10, RATE);
        descent.forth(&mill, &rows, &[0.0; 12]).unwrap();
        descent.slopes(&mill).unwrap();
        for at in [0, 7, 31, 59] {
            for which in [true, false] {
                let moved = |by: f32| {
                    let (mut encoder, mut decoder) = (encoder.clone(), decoder.clone());
                    if which {
                        encoder[at] += by;
                    } else {
                        decoder[at] += by;
                    }
                    error(&encoder, &decoder, &rows, dimension, latent)
                };
                let expected = (moved(0.01) - moved(-0.01)) / 0.04;
                let slope = if which { &descent.encoder } else { &descent.decoder }.gradient[at];
                // Rounding is within a hundredth.
                assert!((f64::from(slope) - expected).abs() < 0.03, "{which} {at}: {slope} {expected}");
            }
        }
    }

    #[test]
    fn steps_bring_back_more() {
        let (dimension, latent) = (16, 4);
        // Vectors that four numbers can say.
        let (basis, said) = (normal(5, latent * dimension), normal(6, 512 * latent));
        let rows: Vec<f32> = said
            .chunks(latent)
            .flat_map(|z| {
                (0..dimension)
                    .map(|d| (0..latent).map(|l| z[l] * basis[l * dimension + d]).sum())
                    .collect::<Vec<f32>>()
            })
            .collect();
        let small =
            |seed| normal(seed, dimension * latent).into_iter().map(|x| x * 0.2).collect::<Vec<f32>>();
        let mill = Mill { pool: account(Bytes::mib(16)).scratch(Place::Host).unwrap(), threads: 1 };
        let mut descent = Descent::new((small(1), small(2)), latent, 400, 0.01);
        let now = |descent: &Descent| {
            let (encoder, decoder) = descent.weights();
            error(&encoder, &decoder, &rows, dimension, latent)
        };
        let before = now(&descent);
        for _ in 0..400 {
            descent.step(&mill, &rows, &[0.0; 16]).unwrap();
        }
        let after = now(&descent);
        assert!(after < before * 0.1, "{before} before, {after} after");
    }
}
