//! Products of matrices.

use gemm::Parallelism;

use super::numbers::{singles, singles_mut};
use super::place::Host;
use super::split::each;
use crate::compute::{Done, Product};
use crate::{Tensor, TensorError};

/// A matrix somewhere in a slice.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'m> {
    numbers: &'m [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'m> Matrix<'m> {
    /// The slice starts with the first number, and has the last.
    pub(super) fn new(
        numbers: &'m [f32],
        [rows, columns]: [usize; 2],
        [row_stride, column_stride]: [usize; 2],
    ) -> Self {
        let last = rows.saturating_sub(1) * row_stride + columns.saturating_sub(1) * column_stride;
        assert!(rows == 0 || columns == 0 || last < numbers.len(), "a matrix lies within its numbers");
        Self { numbers, rows, columns, row_stride, column_stride }
    }

    pub(super) fn turned(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    fn rows(self, from: usize, rows: usize) -> Self {
        let start = (from * self.row_stride).min(self.numbers.len());
        Self { numbers: &self.numbers[start..], rows, ..self }
    }
}

/// `out = factor · x y + keep · out`, where rows of `out` lie `pitch` apart. One thread.
pub(super) fn product(x: Matrix<'_>, y: Matrix<'_>, out: &mut [f32], pitch: usize, product: Product) {
    assert_eq!(x.columns, y.rows, "the inner sizes of a product are equal");
    let (rows, columns, depth) = (x.rows, y.columns, x.columns);
    if rows == 0 || columns == 0 {
        return;
    }
    assert!((rows - 1) * pitch + columns <= out.len(), "a product lies within its room");
    let stride = usize::cast_signed;
    // SAFETY: both matrices lie within their slices (`Matrix::new`, and `rows` keeps to it), the outcome in its own, as was
    // just made sure of; a mutable slice overlaps with nothing.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            depth,
            out.as_mut_ptr(),
            1,
            stride(pitch),
            product.keep != 0.0,
            x.numbers.as_ptr(),
            stride(x.column_stride),
            stride(x.row_stride),
            y.numbers.as_ptr(),
            stride(y.column_stride),
            stride(y.row_stride),
            product.keep,
            product.factor,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

impl Host {
    pub(super) fn multiply(&self, how: Product, x: &Tensor, y: &Tensor, out: &mut Tensor) -> Done {
        let (batch, rows, columns) = (out.dim(0), out.dim(1), out.dim(2));
        let (left, right) = (View::new(x)?, View::new(y)?);
        let target = singles_mut("a product", out)?;
        if rows == 0 || columns == 0 {
            return Ok(());
        }
        // Rows that a thread multiplies at once: all, if there are batches enough to go round.
        let share = if batch >= self.crew.threads() { rows } else { rows.div_ceil(self.crew.threads()) };
        let mut parts = Vec::new();
        for (index, target) in target.chunks_mut(rows * columns).enumerate() {
            parts.extend(
                target
                    .chunks_mut(share * columns)
                    .enumerate()
                    .map(|(part, into)| (index, part * share, into)),
            );
        }
        each(&self.crew, parts, |_, (index, from, into)| {
            let rows = into.len() / columns;
            product(left.matrix(index).rows(from, rows), right.matrix(index), into, columns, how);
        });
        Ok(())
    }
}

/// Matrices of a batch.
struct View<'t> {
    numbers: &'t [f32],
    dims: [usize; 3],
    strides: [usize; 3],
}

impl<'t> View<'t> {
    fn new(tensor: &'t Tensor) -> Result<Self, TensorError> {
        let at = |of: &[u32]| [0, 1, 2].map(|index| of[index] as usize);
        // Of a view of any layout, so its count does not say how far it reaches.
        let numbers = match super::numbers::floats("a product", tensor)? {
            super::numbers::Numbers::F32(all) => all,
            _ => singles("a product", tensor)?,
        };
        Ok(Self { numbers, dims: at(tensor.layout.dims()), strides: at(tensor.layout.strides()) })
    }

    fn matrix(&self, index: usize) -> Matrix<'t> {
        let [_, rows, columns] = self.dims;
        let numbers = &self.numbers[(index * self.strides[0]).min(self.numbers.len())..];
        Matrix::new(numbers, [rows, columns], [self.strides[1], self.strides[2]])
    }
}
