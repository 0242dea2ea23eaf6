//! Rows brought to one size.

use super::elements::{floats_only, one_stage};
use crate::compute::Norm;
use crate::grad::{Sink, Tape, Var};
use crate::{Dtype, Tensor, TensorError};

impl Tape<'_> {
    /// Divides rows by the root of the mean of their squares, and multiplies them by weights.
    pub fn rms_norm(&mut self, x: &Var, weight: Option<&Var>, epsilon: f32) -> Result<Var, TensorError> {
        let row = x.dims().last().copied().unwrap_or(1);
        self.norm(Norm { centred: false, row, run: 1, epsilon }, row, x, weight, None)
    }

    /// Brings rows to mean 0 and variance 1, multiplies them by weights and adds biases.
    pub fn layer_norm(
        &mut self,
        x: &Var,
        weight: Option<&Var>,
        bias: Option<&Var>,
        epsilon: f32,
    ) -> Result<Var, TensorError> {
        let row = x.dims().last().copied().unwrap_or(1);
        self.norm(Norm { centred: true, row, run: 1, epsilon }, row, x, weight, bias)
    }

    /// The same over groups of channels of `[n, channels, …]`, with a weight and a bias for each channel.
    pub fn group_norm(
        &mut self,
        x: &Var,
        groups: usize,
        weight: Option<&Var>,
        bias: Option<&Var>,
        epsilon: f32,
    ) -> Result<Var, TensorError> {
        let dims = x.dims();
        let channels = dims.get(1).copied().unwrap_or(0);
        if groups == 0 || channels == 0 || channels % groups != 0 {
            let why = format!("{groups} groups do not divide the channels of {dims:?}");
            return Err(TensorError::shape("a group norm", why));
        }
        let run: usize = dims[2..].iter().product();
        let norm = Norm { centred: true, row: channels / groups * run, run, epsilon };
        self.norm(norm, channels, x, weight, bias)
    }

    fn norm(
        &mut self,
        norm: Norm,
        weights: usize,
        x: &Var,
        weight: Option<&Var>,
        bias: Option<&Var>,
    ) -> Result<Var, TensorError> {
        const WHAT: &str = "a norm";
        let tensors: Vec<&Tensor> = [Some(x), weight, bias].into_iter().flatten().map(Var::tensor).collect();
        floats_only(WHAT, &tensors)?;
        one_stage(WHAT, &tensors)?;
        if let Some(other) = tensors[1..].iter().find(|tensor| tensor.dims() != [weights]) {
            let why = format!("{:?} has {weights} weights, not {:?}", x.dims(), other.dims());
            return Err(TensorError::shape(WHAT, why));
        }
        let owned = |var: Option<&Var>| var.map(|var| var.tensor.contiguous()).transpose();
        let (input, factors, shifts) = (x.tensor.contiguous()?, owned(weight)?, owned(bias)?);
        let rows = usize::try_from(input.count()).unwrap_or(0).checked_div(norm.row).unwrap_or(0);
        let stage = self.stage().clone();
        let mut out = stage.tensor(&input.dims(), input.dtype())?;
        let mut stats = stage.tensor(&[rows, 2], Dtype::F32)?;
        if rows > 0 {
            let (factors, shifts) = (factors.as_ref(), shifts.as_ref());
            stage.run(|compute| compute.norm(norm, &input, factors, shifts, &mut out, &mut stats))?;
        }
        drop(shifts);
        let ids = [x.id, weight.and_then(|var| var.id), bias.and_then(|var| var.id)];
        Ok(self.outcome(out, &ids, move || {
            Box::new(move |dy: Tensor, sink: &mut Sink<'_>| {
                let (dy, stage) = (dy.contiguous()?, dy.stage());
                let mut dx = stage.tensor(&input.dims(), input.dtype())?;
                // Sums over all rows: in singles, whatever weights are kept as.
                let sums = |id: Option<_>| id.map(|_| stage.zeros(&[weights], Dtype::F32)).transpose();
                let (mut dweight, mut dbias) = (sums(ids[1])?, sums(ids[2])?);
                if rows > 0 {
                    let (one, other) = (dweight.as_mut(), dbias.as_mut());
                    let factors = factors.as_ref();
                    stage.run(|compute| {
                        compute.norm_back(norm, &input, factors, &stats, &dy, &mut dx, one, other)
                    })?;
                }
                drop((input, stats, dy));
                for (id, grad) in [(ids[1], dweight), (ids[2], dbias)] {
                    if let Some(grad) = grad {
                        sink.give(id, grad)?;
                    }
                }
                sink.give(ids[0], dx)
            })
        }))
    }
}
