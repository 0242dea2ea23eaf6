//! The same numbers seen otherwise: nothing is computed, and but for [`Tape::cast`] and [`Tape::concat`] nothing leased.

use super::reduce::around;
use crate::grad::{Sink, Tape, Var};
use crate::{Dtype, Tensor, TensorError};

impl Tape<'_> {
    /// See [`Tensor::reshape`].
    pub fn reshape(&mut self, x: &Var, dims: &[usize]) -> Result<Var, TensorError> {
        let (out, before) = (x.tensor.reshape(dims)?, x.dims());
        let id = x.id;
        Ok(self.outcome(out, &[id], move || {
            Box::new(move |dy: Tensor, sink: &mut Sink<'_>| sink.give(id, dy.contiguous()?.reshape(&before)?))
        }))
    }

    /// See [`Tensor::permute`].
    pub fn permute(&mut self, x: &Var, order: &[usize]) -> Result<Var, TensorError> {
        let out = x.tensor.permute(order)?;
        let mut back = vec![0; order.len()];
        for (to, from) in order.iter().enumerate() {
            back[*from] = to;
        }
        let id = x.id;
        Ok(self.outcome(out, &[id], move || {
            Box::new(move |dy: Tensor, sink: &mut Sink<'_>| sink.give(id, dy.permute(&back)?))
        }))
    }

    /// See [`Tensor::transpose`].
    pub fn transpose(&mut self, x: &Var, one: usize, other: usize) -> Result<Var, TensorError> {
        let out = x.tensor.transpose(one, other)?;
        let id = x.id;
        Ok(self.outcome(out, &[id], move || {
            Box::new(move |dy: Tensor, sink: &mut Sink<'_>| sink.give(id, dy.transpose(one, other)?))
        }))
    }

    /// See [`Tensor::broadcast`].
    pub fn broadcast(&mut self, x: &Var, dims: &[usize]) -> Result<Var, TensorError> {
        let (out, before) = (x.tensor.broadcast(dims)?, x.dims());
        let id = x.id;
        Ok(self.outcome(out, &[id], move || {
            Box::new(move |dy: Tensor, sink: &mut Sink<'_>| {
                sink.give(id, super::elements::back_to(dy, &before)?)
            })
        }))
    }

    /// See [`Tensor::narrow`].
    pub fn narrow(&mut self, x: &Var, dim: usize, start: usize, len: usize) -> Result<Var, TensorError> {
        let out = x.tensor.narrow(dim, start, len)?;
        let sizes = around("narrow", &x.tensor, dim)?;
        let (id, before) = (x.id, x.dims());
        Ok(self.outcome(out, &[id], move || {
            Box::new(move |dy: Tensor, sink: &mut Sink<'_>| {
                let (dy, stage) = (dy.contiguous()?, dy.stage());
                let mut dx = stage.zeros(&before, dy.dtype())?;
                stage.run(|compute| compute.put(sizes, start, false, &dy, &mut dx))?;
                sink.give(id, dx)
            })
        }))
    }

    /// One behind the other along a dimension; otherwise they are of equal sizes.
    pub fn concat(&mut self, parts: &[Var], dim: usize) -> Result<Var, TensorError> {
        const WHAT: &str = "putting together";
        let first = parts.first().ok_or_else(|| TensorError::shape(WHAT, "there is nothing".to_owned()))?;
        let mut dims = first.dims();
        first.tensor.layout.dim(WHAT, dim)?;
        dims[dim] = 0;
        for part in parts {
            let fits = part
                .dims()
                .iter()
                .enumerate()
                .all(|(index, size)| index == dim || dims.get(index) == Some(size));
            if !fits || part.tensor.rank() != dims.len() || part.tensor.dtype() != first.tensor.dtype() {
                let why =
                    format!("{:?} does not fit behind {:?} along dimension {dim}", part.tensor, first.tensor);
                return Err(TensorError::shape(WHAT, why));
            }
            dims[dim] += part.tensor.dim(dim);
        }
        let mut out = self.stage().tensor(&dims, first.tensor.dtype())?;
        let sizes = around(WHAT, &out, dim)?;
        let (mut start, mut pieces) = (0, Vec::new());
        for part in parts {
            let piece = part.tensor.contiguous()?;
            self.stage().run(|compute| compute.put(sizes, start, false, &piece, &mut out))?;
            pieces.push((part.id, start, piece.dim(dim)));
            start += piece.dim(dim);
        }
        let ids: Vec<_> = parts.iter().map(|part| part.id).collect();
        Ok(self.outcome(out, &ids, move || {
            Box::new(move |dy: Tensor, sink: &mut Sink<'_>| {
                for (id, start, len) in pieces {
                    sink.give(id, dy.narrow(dim, start, len)?)?;
                }
                Ok(())
            })
        }))
    }

    /// See [`Tensor::cast`].
    pub fn cast(&mut self, x: &Var, dtype: Dtype) -> Result<Var, TensorError> {
        super::elements::floats_only("a cast", &[&x.tensor])?;
        let (out, before) = (x.tensor.cast(dtype)?, x.tensor.dtype());
        let id = x.id;
        Ok(self.outcome(out, &[id], move || {
            Box::new(move |dy: Tensor, sink: &mut Sink<'_>| sink.give(id, dy.cast(before)?))
        }))
    }

    /// See [`Tensor::contiguous`].
    pub fn contiguous(&mut self, x: &Var) -> Result<Var, TensorError> {
        let out = x.tensor.contiguous()?;
        let id = x.id;
        Ok(self
            .outcome(out, &[id], move || Box::new(move |dy: Tensor, sink: &mut Sink<'_>| sink.give(id, dy))))
    }
}
