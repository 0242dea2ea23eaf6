//! A layer's frozen matrices, wherever they are kept.

use plimsoll_tensor::packed::Packing;
use plimsoll_tensor::{Divided, Division, Dtype, PackedTensor, Stage, Tensor, TensorError, Together, Weight};

use super::homes::{Home, Stages};

/// A layer's matrices, in the order of [`Projection::ALL`](super::Projection::ALL).
#[derive(Debug)]
pub(super) enum Matrices {
    /// Where it is computed, or elsewhere, from where they come whole.
    Whole(Vec<Weight>),
    /// A part of each, where it is computed.
    Divided(Vec<Divided>),
}

impl Matrices {
    /// All of them on a stage: themselves if they are there whole.
    pub(super) fn on(
        &self,
        here: &Stage,
        together: Option<&dyn Together>,
    ) -> Result<Vec<Weight>, TensorError> {
        match self {
            Self::Whole(all) => all.iter().map(|weight| weight.to(here)).collect(),
            Self::Divided(all) => Divided::gather(all, together),
        }
    }
}

/// What matrices are made of and how they are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeptAs {
    pub(super) dtype: Dtype,
    /// If they are packed.
    pub(super) packing: Option<Packing>,
}

impl KeptAs {
    /// A matrix on a stage, made a row at a time: `row` gets which, and where its numbers go.
    pub(super) fn matrix(
        self,
        stage: &Stage,
        sides: [usize; 2],
        row: impl FnMut(usize, &mut [f32]),
    ) -> Result<Weight, TensorError> {
        match self.packing {
            Some(packing) => Ok(PackedTensor::made(stage, packing, sides, row)?.into()),
            None => Ok(self.floats(stage, sides, row)?.into()),
        }
    }

    /// The same, never packed.
    pub(super) fn floats(
        self,
        stage: &Stage,
        [rows, columns]: [usize; 2],
        mut row: impl FnMut(usize, &mut [f32]),
    ) -> Result<Tensor, TensorError> {
        let mut numbers = vec![0.0; columns];
        let mut have = usize::MAX;
        stage.made(&[rows, columns], self.dtype, |from, into| {
            let mut at = from;
            let mut rest = into;
            while !rest.is_empty() {
                let (number, within) = (at / columns, at % columns);
                if have != number {
                    row(number, &mut numbers);
                    have = number;
                }
                let len = (columns - within).min(rest.len());
                let (piece, behind) = rest.split_at_mut(len);
                piece.copy_from_slice(&numbers[within..within + len]);
                (rest, at) = (behind, at + len);
            }
        })
    }

    /// A layer's matrices at a home. Each has its sides, and is made a row at a time.
    pub(super) fn layer<R: FnMut(usize, &mut [f32])>(
        self,
        stages: &Stages,
        home: Home,
        matrices: impl Iterator<Item = ([usize; 2], R)>,
    ) -> Result<Matrices, TensorError> {
        let stage = stages.of(home == Home::Away)?;
        if home != Home::Divided {
            let all = matrices.map(|(sides, row)| self.matrix(stage, sides, row));
            return Ok(Matrices::Whole(all.collect::<Result<_, _>>()?));
        }
        let all = matrices.map(|([rows, columns], mut row)| {
            let division = Division::new(rows, stages.share);
            let part = self.matrix(stage, [division.rows(), columns], |of_part, into| {
                row(division.row(of_part), into);
            })?;
            Divided::new(part, division)
        });
        Ok(Matrices::Divided(all.collect::<Result<_, _>>()?))
    }
}
