//! Products of matrices, by the device's library.

use plimsoll_device::programs::Argument::{Long, Single};
use plimsoll_device::programs::{Factor, Matrices, Multiply};

use super::operand::{Line, address, address_mut};
use super::place::Gpu;
use super::programs::Program::Elements;
use crate::compute::{Done, Product};
use crate::{Dtype, Tensor, TensorError};

const WHAT: &str = "a product";

const fn factor(dtype: Dtype) -> Option<Factor> {
    match dtype {
        Dtype::F32 => Some(Factor::F32),
        Dtype::F16 => Some(Factor::F16),
        Dtype::Bf16 => Some(Factor::Bf16),
        Dtype::U32 | Dtype::U8 => None,
    }
}

/// How matrices of a batch lie, if by rows or by columns.
fn matrices(tensor: &Tensor, address: u64) -> Result<Matrices, TensorError> {
    let size = |index: usize| tensor.dim(index) as u64;
    let stride = |index: usize| u64::from(tensor.layout.strides()[index]);
    let (rows, columns) = (size(1), size(2));
    let lies = |inner: u64, inner_stride: u64, outer: u64, outer_stride: u64| {
        let side_by_side = inner == 1 || inner_stride == 1;
        // How far the only row of a matrix lies from the next means nothing.
        let pitch = if outer == 1 { inner.max(1) } else { outer_stride };
        (side_by_side && pitch >= inner.max(1)).then_some(pitch)
    };
    let by_rows = lies(columns, stride(2), rows, stride(1)).map(|pitch| (false, pitch));
    let found = by_rows.or_else(|| lies(rows, stride(1), columns, stride(2)).map(|pitch| (true, pitch)));
    let factor = factor(tensor.dtype()).zip(found);
    let Some((factor, (by_columns, pitch))) = factor else {
        let why = format!("{tensor:?} lies neither by rows nor by columns; call contiguous() first");
        return Err(TensorError::shape(WHAT, why));
    };
    Ok(Matrices { address, factor, by_columns, pitch, apart: if size(0) == 1 { 0 } else { stride(0) } })
}

/// Whether a batch of matrices can be multiplied as it lies.
pub(crate) fn multiplies_as_it_lies(tensor: &Tensor) -> bool {
    tensor.rank() == 3 && matrices(tensor, 0).is_ok()
}

impl Gpu {
    pub(super) fn multiply(&self, how: Product, x: &Tensor, y: &Tensor, out: &mut Tensor) -> Done {
        let small = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
        let (batch, rows, columns, depth) = (out.dim(0), out.dim(1), out.dim(2), x.dim(2));
        if out.count() == 0 {
            return Ok(());
        }
        if depth == 0 {
            return self.keep_only(how.keep, out);
        }
        let fits = x.dtype() == y.dtype() && (out.dtype() == Dtype::F32 || out.dtype() == x.dtype());
        if !fits {
            return Err(TensorError::Dtype {
                what: WHAT,
                wanted: "operands of one kind and an outcome of it or of singles",
                found: out.dtype(),
            });
        }
        let to = address_mut(WHAT, out)?;
        let what = Multiply {
            sizes: [small(rows), small(columns), small(depth)],
            batch: small(batch),
            x: matrices(x, address(WHAT, x)?)?,
            y: matrices(y, address(WHAT, y)?)?,
            out: Matrices { pitch: columns as u64, by_columns: false, ..matrices(out, to)? },
            scale: how.factor,
            keep: how.keep,
            desk: self.desk.take(0)?,
        };
        self.launches.multiply(&what)
    }

    /// A sum of nothing.
    fn keep_only(&self, keep: f32, out: &mut Tensor) -> Done {
        if keep == 0.0 {
            return self.fill_all(out, 0.0);
        }
        let (count, line) = (out.count(), Line::of_mut(WHAT, out)?);
        let arguments = [line.argument(), Single(keep), Single(0.0), line.argument(), Long(count)];
        self.launches.over(Elements, "affine", count, &arguments)
    }
}
