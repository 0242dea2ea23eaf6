//! Rows as bytes, and what their numbers are.

use half::f16;

use super::ask::{BLOCK, Measure, NearestShape};
use super::form::Form;
use super::runs::Run;
use crate::kernels::Number;
use crate::kernels::reference::{float, integer, scale};

/// What is searched, as bytes.
#[derive(Clone, Copy, Debug)]
pub struct NearestStored<'b> {
    /// The rows.
    pub rows: &'b [u8],
    /// Their scales or sides; empty for those that have none.
    pub scales: &'b [u8],
    /// The queries.
    pub queries: &'b [u8],
    /// Which rows may be found.
    pub mask: Option<&'b [u8]>,
    /// The number of the first row.
    pub first: u32,
}

/// A row as it is compared.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub numbers: Vec<f64>,
    /// The square of its length, where that is said apart from its numbers.
    pub square: Option<f64>,
}

impl NearestStored<'_> {
    /// Whether a row may be found.
    pub fn is_live(&self, row: usize) -> bool {
        self.mask.is_none_or(|mask| mask[row / 8] >> (row % 8) & 1 == 1)
    }

    /// The rows of a run that may be found: the number of each, and which it is.
    pub(super) fn of_run(&self, run: &Run) -> impl Iterator<Item = (u32, usize)> {
        let numbered = (run.first..).zip(run.begin as usize..run.end as usize);
        numbered.filter(|(number, _)| self.is_live(number.saturating_sub(self.first) as usize))
    }

    /// A row's numbers. Of signs that are counted, one and none.
    pub(super) fn row(&self, shape: &NearestShape, row: usize) -> Row {
        let dimension = shape.dimension as usize;
        let mut numbers = vec![0.0; dimension];
        let square = self.decode(shape, row, &mut numbers);
        Row { numbers: numbers.into_iter().map(f64::from).collect(), square: square.map(f64::from) }
    }

    /// The same in singles, as back ends have it; the length's square, not the square of what is said of it.
    pub(super) fn decode(&self, shape: &NearestShape, row: usize, into: &mut [f32]) -> Option<f32> {
        let first = row * into.len();
        match shape.form {
            Form::F32 | Form::F16 | Form::Bf16 => {
                let number = shape.form.number().unwrap_or(Number::F32);
                for (at, value) in (first..).zip(into) {
                    *value = float(number, self.rows, at);
                }
            }
            Form::Int8 => {
                let scale = scale(self.scales, row);
                for (at, value) in (first..).zip(into) {
                    *value = integer(Number::Int8, self.rows, at) * scale;
                }
            }
            Form::Level8 | Form::Level4 => {
                let (low, step) = (scale(self.scales, row * 2), scale(self.scales, row * 2 + 1));
                let codes = &self.rows[row * index(shape.row_bytes())..][..index(shape.row_bytes())];
                for (at, value) in into.iter_mut().enumerate() {
                    *value = step.mul_add(f32::from(level(shape.form, codes, at)), low);
                }
            }
            Form::Sign => return self.signs(shape, row, into),
        }
        None
    }

    #[expect(clippy::cast_precision_loss, reason = "at most 65,536")]
    fn signs(&self, shape: &NearestShape, row: usize, into: &mut [f32]) -> Option<f32> {
        let bytes = index(shape.row_bytes());
        let counted = shape.measure == Measure::Hamming;
        let (length, worth) = if counted {
            (0.0, 0.0)
        } else {
            let side = &self.scales[row * 8..row * 8 + 8];
            let length = scale(side, 0);
            let factor = f16::from_le_bytes([side[4], side[5]]).to_f32();
            (length, factor * (length / (shape.dimension as f32).sqrt()))
        };
        for (at, value) in into.iter_mut().enumerate() {
            let set = self.rows[sign_at(bytes, row, at / 8)] >> (at % 8) & 1 == 1;
            *value = match (counted, set) {
                (true, set) => f32::from(u8::from(set)),
                (false, true) => worth,
                (false, false) => -worth,
            };
        }
        (!counted).then_some(length * length)
    }

    /// The rows that may be found: their keys and numbers.
    pub(super) fn live(&self, shape: &NearestShape) -> Vec<(u32, Row)> {
        (self.first..)
            .zip(0..shape.rows as usize)
            .filter(|(_, row)| self.is_live(*row))
            .map(|(number, row)| (number, self.row(shape, row)))
            .collect()
    }

    /// A query's numbers; where signs are counted, one and none.
    pub(super) fn query(&self, shape: &NearestShape, query: usize) -> Vec<f64> {
        let dimension = shape.dimension as usize;
        let number = |at| f64::from(asked(shape.measure, float(Number::F32, self.queries, at)));
        (query * dimension..(query + 1) * dimension).map(number).collect()
    }
}

/// A number of a query as it is compared.
pub(super) fn asked(measure: Measure, number: f32) -> f32 {
    match measure {
        Measure::Hamming => f32::from(u8::from(!number.is_sign_negative())),
        Measure::Distance | Measure::Product => number,
    }
}

/// Level `at` of a row.
fn level(form: Form, codes: &[u8], at: usize) -> u8 {
    match form {
        Form::Level4 if at < codes.len() => codes[at] & 15,
        Form::Level4 => codes[at - codes.len()] >> 4,
        _ => codes[at],
    }
}

/// Where byte `byte` of a row's signs is, of `bytes` a row.
pub fn sign_at(bytes: usize, row: usize, byte: usize) -> usize {
    let rows = index(BLOCK);
    let word = byte / 8;
    let wide = (bytes - word * 8).min(8);
    row / rows * rows * bytes + word * 8 * rows + row % rows * wide + byte % 8
}

fn index(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
