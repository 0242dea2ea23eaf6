//! Products of matrices.

use super::elements::{floats_only, one_stage};
use crate::compute::{Done, Product};
use crate::grad::{Sink, Tape, Var};
use crate::stage::Stage;
use crate::{Dtype, Tensor, TensorError};

pub(super) const SET: Product = Product { factor: 1.0, keep: 0.0 };

/// As the stage multiplies it: made singles, unless it takes both as they are.
fn pair(stage: &Stage, x: &Tensor, y: &Tensor) -> Result<(Tensor, Tensor), TensorError> {
    if x.dtype() == y.dtype() && stage.multiplies(x.dtype()) {
        return Ok((as_it_lies(stage, x)?, as_it_lies(stage, y)?));
    }
    // A single meets a number of 16 bits as one of 16 bits, where those are multiplied: what is learned is kept in singles
    // and used in what flows.
    let dtype = if x.dtype() == y.dtype() || !stage.multiplies(Dtype::Bf16) {
        Dtype::F32
    } else if x.dtype() == Dtype::F32 {
        y.dtype()
    } else {
        x.dtype()
    };
    Ok((x.cast(dtype)?, y.cast(dtype)?))
}

/// Itself, or a copy where a library would not take it as it lies. The host takes it in any way.
fn as_it_lies(stage: &Stage, x: &Tensor) -> Result<Tensor, TensorError> {
    let any = !stage.multiplies(Dtype::Bf16);
    if any || crate::gpu::multiplies_as_it_lies(x) { Ok(x.clone()) } else { x.contiguous() }
}

/// `out = factor · x y + keep · out` of matrices, or of batches of them.
pub(super) fn into(how: Product, x: &Tensor, y: &Tensor, out: &mut Tensor) -> Done {
    let stage = x.stage();
    let (x, y) = pair(&stage, &batch_of_one(x)?, &batch_of_one(y)?)?;
    let as_factors = out.dtype() == x.dtype() && stage.multiplies(out.dtype());
    if out.dtype() == Dtype::F32 || as_factors {
        return onto(how, &x, &y, out);
    }
    // Of other numbers singles come, which are kept as they should be in a second step.
    let mut wide =
        if how.keep == 0.0 { stage.tensor(&out.dims(), Dtype::F32)? } else { out.copy(Dtype::F32)? };
    onto(how, &x, &y, &mut wide)?;
    stage.run(|compute| compute.copy(&wide, out))
}

fn onto(how: Product, x: &Tensor, y: &Tensor, out: &mut Tensor) -> Done {
    let (stage, dims) = (x.stage(), out.dims());
    if out.rank() == 3 {
        return stage.run(|compute| compute.matmul(how, x, y, out));
    }
    // The same numbers seen as a batch of one.
    let flat = out.layout;
    out.layout = flat.reshape(&[1, dims[0], dims[1]])?;
    let done = stage.run(|compute| compute.matmul(how, x, y, out));
    out.layout = flat;
    done
}

fn batch_of_one(x: &Tensor) -> Result<Tensor, TensorError> {
    let mut dims = vec![1; 3_usize.saturating_sub(x.rank())];
    dims.extend(x.dims());
    x.broadcast(&dims)
}

pub(super) fn product(x: &Tensor, y: &Tensor, dtype: Dtype) -> Result<Tensor, TensorError> {
    let mut out = x.stage().tensor(&[x.dim(0), y.dim(1)], dtype)?;
    into(SET, x, y, &mut out)?;
    Ok(out)
}

/// Rows, whatever dimensions there are before the last.
pub(super) fn rows(x: &Tensor) -> Result<Tensor, TensorError> {
    let x = x.contiguous()?;
    let width = x.dims().last().copied().unwrap_or(1);
    let count = usize::try_from(x.count()).unwrap_or(0);
    x.reshape(&[count.checked_div(width).unwrap_or(0), width])
}

impl Tape<'_> {
    /// Products of matrices: `[…, m, k]` by `[…, k, n]`, the same sizes before.
    pub fn matmul(&mut self, x: &Var, y: &Var) -> Result<Var, TensorError> {
        const WHAT: &str = "a product";
        floats_only(WHAT, &[&x.tensor, &y.tensor])?;
        one_stage(WHAT, &[&x.tensor, &y.tensor])?;
        let (left, right) = (x.dims(), y.dims());
        let (rank, fits) = (left.len(), left.len() == right.len() && left.len() >= 2);
        if !fits || left[..rank - 2] != right[..rank - 2] || left[rank - 1] != right[rank - 2] {
            let why =
                format!("{left:?} by {right:?}: the last size of one is to be the last but one of the other");
            return Err(TensorError::shape(WHAT, why));
        }
        let mut dims = left.clone();
        dims[rank - 1] = right[rank - 1];
        let (one, other) = (stacked(&x.tensor)?, stacked(&y.tensor)?);
        let out = batched(&one, &other, x.tensor.dtype())?.reshape(&dims)?;
        let (one_id, other_id) = (x.id, y.id);
        Ok(self.outcome(out, &[one_id, other_id], move || {
            Box::new(move |dy: Tensor, sink: &mut Sink<'_>| {
                let dy = stacked(&dy)?;
                if one_id.is_some() {
                    sink.give(one_id, batched(&dy, &other.transpose(1, 2)?, one.dtype())?.reshape(&left)?)?;
                }
                if other_id.is_none() {
                    return Ok(());
                }
                sink.give(other_id, batched(&one.transpose(1, 2)?, &dy, other.dtype())?.reshape(&right)?)
            })
        }))
    }
}

/// Matrices one behind the other.
fn stacked(x: &Tensor) -> Result<Tensor, TensorError> {
    let dims = x.dims();
    let rank = dims.len();
    let batch: usize = dims[..rank - 2].iter().product();
    let into = [batch, dims[rank - 2], dims[rank - 1]];
    match x.reshape(&into) {
        Ok(shared) => Ok(shared),
        Err(_) => x.contiguous()?.reshape(&into),
    }
}

fn batched(x: &Tensor, y: &Tensor, dtype: Dtype) -> Result<Tensor, TensorError> {
    let mut out = x.stage().tensor(&[x.dim(0), x.dim(1), y.dim(2)], dtype)?;
    into(SET, x, y, &mut out)?;
    Ok(out)
}

/// `out += x y`
pub(super) fn add_product(x: &Tensor, y: &Tensor, out: &mut Tensor) -> Done {
    into(Product { factor: 1.0, keep: 1.0 }, x, y, out)
}
