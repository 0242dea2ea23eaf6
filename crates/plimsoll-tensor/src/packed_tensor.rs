//! Matrices of packed weights on a stage: frozen ones take a byte a number, or half of one.

use crate::packed::{PackedView, Packing, pack};
use crate::stage::Stage;
use crate::{Dtype, Tensor, TensorError};

/// A matrix whose weights are packed, and only read.
///
/// What is computed with it is computed with a copy as floats that lasts for one product, so that all of a model is never
/// there as floats.
#[derive(Clone, Debug)]
pub struct PackedTensor {
    bytes: Tensor,
    packing: Packing,
    rows: usize,
    columns: usize,
}

impl PackedTensor {
    /// A matrix that is made a row at a time: `row` gets which, and where its numbers go.
    pub fn made(
        stage: &Stage,
        packing: Packing,
        [rows, columns]: [usize; 2],
        mut row: impl FnMut(usize, &mut [f32]),
    ) -> Result<Self, TensorError> {
        let wrong = |error: crate::packed::PackedError| TensorError::shape("packing", error.to_string());
        let bytes = PackedView::bytes_of(packing, rows, columns).map_err(wrong)?;
        let mut tensor = stage.tensor(&[bytes], Dtype::U8)?;
        let row_bytes = bytes.checked_div(rows).unwrap_or(0);
        let (mut numbers, mut packed) = (vec![0.0; columns], vec![0; row_bytes]);
        stage.run(|compute| {
            for index in 0..rows {
                row(index, &mut numbers);
                pack(packing, &numbers, &mut packed).map_err(wrong)?;
                compute.write(&mut tensor, (index * row_bytes) as u64, &packed)?;
            }
            Ok(())
        })?;
        Ok(Self { bytes: tensor, packing, rows, columns })
    }

    /// How it is packed.
    pub const fn packing(&self) -> Packing {
        self.packing
    }

    /// Rows and columns.
    pub const fn dims(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    /// Its bytes, as they are stored.
    pub const fn stored(&self) -> &Tensor {
        &self.bytes
    }

    /// Room for one that is packed alike, with so many rows; its content is undefined.
    pub(crate) fn with_rows(&self, rows: usize) -> Result<Self, TensorError> {
        let bytes = PackedView::bytes_of(self.packing, rows, self.columns);
        let bytes = bytes.map_err(|error| TensorError::shape("packing", error.to_string()))?;
        Ok(Self { bytes: self.bytes.stage().tensor(&[bytes], Dtype::U8)?, rows, ..*self })
    }

    pub(crate) fn stored_mut(&mut self) -> &mut Tensor {
        &mut self.bytes
    }

    /// The same matrix on another stage: itself if that is where it is, a copy otherwise, as of any [`Tensor`].
    pub fn to(&self, stage: &Stage) -> Result<Self, TensorError> {
        Ok(Self { bytes: self.bytes.to(stage)?, ..*self })
    }

    /// A copy as floats.
    pub fn unpack(&self, dtype: Dtype) -> Result<Tensor, TensorError> {
        let stage = self.bytes.stage();
        let mut out = stage.tensor(&[self.rows, self.columns], dtype)?;
        stage.run(|compute| compute.unpack(self, &mut out))?;
        Ok(out)
    }
}
