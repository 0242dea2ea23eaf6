//! Layers: rows by the rows of a matrix, which may be packed, and changes of low rank to it.

use super::elements::{floats_only, one_stage};
use super::product::{SET, into, product, rows};
use crate::compute::{Done, Product};
use crate::grad::{Sink, Tape, Var, VarId};
use crate::stage::Stage;
use crate::{Dtype, PackedTensor, Tensor, TensorError};

/// A layer's matrix.
#[derive(Clone, Debug)]
pub enum Weight {
    /// Floats, which may be learned.
    Floats(Var),
    /// Packed weights, which may not.
    Packed(PackedTensor),
}

impl From<&Var> for Weight {
    fn from(var: &Var) -> Self {
        Self::Floats(var.clone())
    }
}

/// Floats that are not learned.
impl From<Tensor> for Weight {
    fn from(tensor: Tensor) -> Self {
        Self::Floats(Var { tensor, id: None })
    }
}

impl From<PackedTensor> for Weight {
    fn from(packed: PackedTensor) -> Self {
        Self::Packed(packed)
    }
}

impl Weight {
    fn id(&self) -> Option<VarId> {
        match self {
            Self::Floats(var) => var.id,
            Self::Packed(_) => None,
        }
    }

    /// Room for a matrix that is kept alike, with so many rows; its content is undefined.
    pub(crate) fn with_rows(&self, rows: usize) -> Result<Self, TensorError> {
        match self {
            Self::Packed(packed) => packed.with_rows(rows).map(Self::Packed),
            Self::Floats(var) => {
                let [_, columns] = self.dims()?;
                Ok(Self::from(var.tensor.stage().tensor(&[rows, columns], var.tensor.dtype())?))
            }
        }
    }

    pub(crate) fn dims(&self) -> Result<[usize; 2], TensorError> {
        match self {
            Self::Packed(packed) => Ok(packed.dims()),
            Self::Floats(var) if var.tensor.rank() == 2 && var.tensor.dtype().is_float() => {
                Ok([var.tensor.dim(0), var.tensor.dim(1)])
            }
            Self::Floats(var) => {
                Err(TensorError::shape("a layer", format!("{:?} is no matrix of floats", var.tensor)))
            }
        }
    }

    /// The same matrix on another stage: itself if that is where it is, a copy otherwise. One that is learned stays.
    pub fn to(&self, stage: &Stage) -> Result<Self, TensorError> {
        match self {
            Self::Packed(packed) => Ok(Self::Packed(packed.to(stage)?)),
            Self::Floats(var) if var.id.is_none() => Ok(Self::from(var.tensor.to(stage)?)),
            Self::Floats(_) => Ok(self.clone()),
        }
    }

    pub(crate) fn stored_mut(&mut self) -> &mut Tensor {
        match self {
            Self::Floats(var) => &mut var.tensor,
            Self::Packed(packed) => packed.stored_mut(),
        }
    }

    pub(crate) fn stored(&self) -> &Tensor {
        match self {
            Self::Floats(var) => &var.tensor,
            Self::Packed(packed) => packed.stored(),
        }
    }

    /// As floats, for one product: of `dtype` if they are packed.
    fn floats(&self, dtype: Dtype) -> Result<Tensor, TensorError> {
        match self {
            Self::Floats(var) => Ok(var.tensor.clone()),
            Self::Packed(packed) => packed.unpack(dtype),
        }
    }
}

/// The same sizes but for the last.
fn with_width(dims: &[usize], width: usize) -> Vec<usize> {
    let mut dims = dims.to_vec();
    if let Some(last) = dims.last_mut() {
        *last = width;
    }
    dims
}

/// A gradient of weights: added where it adds up, if that is in place.
pub(super) fn weigh(sink: &mut Sink<'_>, id: Option<VarId>, factor: f32, dy: &Tensor, x: &Tensor) -> Done {
    if id.is_none() {
        return Ok(());
    }
    let dy = dy.transpose(0, 1)?;
    if let Some(sum) = sink.in_place(id) {
        return into(Product { factor, keep: 1.0 }, &dy, x, sum);
    }
    let mut grad = x.stage().tensor(&[dy.dim(0), x.dim(1)], x.dtype())?;
    into(Product { factor, keep: 0.0 }, &dy, x, &mut grad)?;
    sink.give(id, grad)
}

/// The rows of `x`, where they meet the rows of a matrix.
fn meeting(x: &Var, weight: &Weight) -> Result<Tensor, TensorError> {
    const WHAT: &str = "a layer";
    floats_only(WHAT, &[&x.tensor])?;
    one_stage(WHAT, &[&x.tensor, weight.stored()])?;
    let dims = weight.dims()?;
    if x.dims().last() != Some(&dims[1]) {
        let why = format!("rows of {:?} do not meet rows of {dims:?}", x.dims());
        return Err(TensorError::shape(WHAT, why));
    }
    rows(&x.tensor)
}

impl Tape<'_> {
    /// Rows by the rows of a matrix: `x Wᵀ`, `x` being `[…, inner]` and `W` `[outer, inner]`.
    pub fn linear(&mut self, x: &Var, weight: impl Into<Weight>) -> Result<Var, TensorError> {
        let weight = weight.into();
        let flat = meeting(x, &weight)?;
        let [outer, _] = weight.dims()?;
        let mut out = self.stage().tensor(&[flat.dim(0), outer], flat.dtype())?;
        if !self.is_idle() {
            into(SET, &flat, &weight.floats(flat.dtype())?.transpose(0, 1)?, &mut out)?;
        }
        let before = x.dims();
        let out = out.reshape(&with_width(&before, outer))?;
        let (id, weight_id) = (x.id, weight.id());
        // Inputs are needed for the weights' gradient only.
        let kept = weight_id.map(|_| flat);
        Ok(self.last_outcome(out, &[id, weight_id], move || {
            Box::new(move |dy: Tensor, sink: &mut Sink<'_>| {
                let dy = rows(&dy)?;
                if let Some(kept) = &kept {
                    weigh(sink, weight_id, 1.0, &dy, kept)?;
                }
                drop(kept);
                if id.is_none() {
                    return Ok(());
                }
                let dx = product(&dy, &weight.floats(dy.dtype())?, dy.dtype())?;
                sink.give(id, dx.reshape(&before)?)
            })
        }))
    }

    /// A layer with a change of low rank: `x Wᵀ + scale · (x Aᵀ) Bᵀ`, `A` being `[rank, inner]` and `B` `[outer, rank]`.
    /// It is one operation so that nothing as wide as the layer is made twice: the change is added in place.
    pub fn linear_low_rank(
        &mut self,
        x: &Var,
        weight: impl Into<Weight>,
        down: &Var,
        up: &Var,
        scale: f32,
    ) -> Result<Var, TensorError> {
        let weight = weight.into();
        let flat = meeting(x, &weight)?;
        let ([outer, inner], rank) = (weight.dims()?, down.tensor.dim(0));
        if down.dims() != [rank, inner] || up.dims() != [outer, rank] {
            let why = format!("{:?} and {:?} are no change of {outer} by {inner}", down.dims(), up.dims());
            return Err(TensorError::shape("a change of low rank", why));
        }
        let low = product(&flat, &down.tensor.transpose(0, 1)?, flat.dtype())?;
        let mut out = self.stage().tensor(&[flat.dim(0), outer], flat.dtype())?;
        if !self.is_idle() {
            into(SET, &flat, &weight.floats(flat.dtype())?.transpose(0, 1)?, &mut out)?;
            into(Product { factor: scale, keep: 1.0 }, &low, &up.tensor.transpose(0, 1)?, &mut out)?;
        }
        let before = x.dims();
        let out = out.reshape(&with_width(&before, outer))?;
        let ids = (x.id, down.id, up.id);
        let (down, up) = (down.tensor.clone(), up.tensor.clone());
        Ok(self.last_outcome(out, &[ids.0, ids.1, ids.2], move || {
            Box::new(move |dy: Tensor, sink: &mut Sink<'_>| {
                let dy = rows(&dy)?;
                weigh(sink, ids.2, scale, &dy, &low)?;
                drop(low);
                let mut dlow = dy.stage().tensor(&[dy.dim(0), rank], dy.dtype())?;
                into(Product { factor: scale, keep: 0.0 }, &dy, &up, &mut dlow)?;
                weigh(sink, ids.1, 1.0, &dlow, &flat)?;
                drop(flat);
                if ids.0.is_none() {
                    return Ok(());
                }
                let mut dx = product(&dy, &weight.floats(dy.dtype())?, dy.dtype())?;
                drop(dy);
                into(Product { factor: 1.0, keep: 1.0 }, &dlow, &down, &mut dx)?;
                sink.give(ids.0, dx.reshape(&before)?)
            })
        }))
    }
}
