//! Sums and largest numbers along a dimension.

use crate::compute::Reduce;
use crate::grad::{Sink, Tape, Var};
use crate::{Tensor, TensorError};

/// What is before a dimension, it, and what is behind it.
pub(super) fn around(what: &'static str, x: &Tensor, dim: usize) -> Result<[usize; 3], TensorError> {
    let middle = x.layout.dim(what, dim)?;
    let dims = x.dims();
    Ok([dims[..dim].iter().product(), middle, dims[dim + 1..].iter().product()])
}

fn reduce(op: Reduce, x: &Tensor, dim: usize) -> Result<Tensor, TensorError> {
    const WHAT: &str = "a reduction";
    super::elements::floats_only(WHAT, &[x])?;
    let sizes = around(WHAT, x, dim)?;
    if op == Reduce::Max && sizes[1] == 0 {
        return Err(TensorError::shape("a largest number", format!("dimension {dim} of {x:?} is empty")));
    }
    let x = x.contiguous()?;
    let mut dims = x.dims();
    dims[dim] = 1;
    let mut out = x.stage().tensor(&dims, x.dtype())?;
    x.stage().run(|compute| compute.reduce(op, sizes, &x, &mut out))?;
    Ok(out)
}

pub(super) fn sum(x: &Tensor, dim: usize) -> Result<Tensor, TensorError> {
    reduce(Reduce::Sum, x, dim)
}

impl Tape<'_> {
    /// Sums along a dimension, which stays, with one entry.
    pub fn sum(&mut self, x: &Var, dim: usize) -> Result<Var, TensorError> {
        let out = sum(&x.tensor, dim)?;
        let (id, dims) = (x.id, x.dims());
        Ok(self.outcome(out, &[id], move || {
            Box::new(move |dy: Tensor, sink: &mut Sink<'_>| sink.give(id, dy.broadcast(&dims)?))
        }))
    }

    /// Means along a dimension, which stays, with one entry.
    pub fn mean(&mut self, x: &Var, dim: usize) -> Result<Var, TensorError> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a mean of more than 2^24 numbers is not exact anyway"
        )]
        let count = x.tensor.layout.dim("a mean", dim)? as f32;
        let sum = self.sum(x, dim)?;
        self.affine(&sum, 1.0 / count, 0.0)
    }

    /// The sum of all numbers.
    pub fn sum_all(&mut self, x: &Var) -> Result<Var, TensorError> {
        let count = usize::try_from(x.tensor.count()).unwrap_or(usize::MAX);
        let flat = self.reshape(x, &[count])?;
        self.sum(&flat, 0)
    }

    /// The largest along a dimension, which stays, with one entry. Its gradient goes to the first of equal ones.
    pub fn max(&mut self, x: &Var, dim: usize) -> Result<Var, TensorError> {
        let sizes = around("a largest number", &x.tensor, dim)?;
        let out = reduce(Reduce::Max, &x.tensor, dim)?;
        let (id, input) = (x.id, x.tensor.clone());
        Ok(self.outcome(out, &[id], move || {
            Box::new(move |dy: Tensor, sink: &mut Sink<'_>| {
                let (input, dy) = (input.contiguous()?, dy.contiguous()?);
                let mut dx = dy.stage().tensor(&input.dims(), input.dtype())?;
                dy.stage().run(|compute| compute.max_back(sizes, &input, &dy, &mut dx))?;
                sink.give(id, dx)
            })
        }))
    }
}
