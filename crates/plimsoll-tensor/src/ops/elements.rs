//! Number by number.

use crate::compute::{Binary, Unary};
use crate::grad::{Sink, Tape, Var};
use crate::layout::together;
use crate::{Dtype, Tensor, TensorError};

/// The outcome's kind of two operands': the wider, of two of 16 bits singles.
fn wider(one: Dtype, other: Dtype) -> Dtype {
    if one == other { one } else { Dtype::F32 }
}

pub(super) fn floats_only(what: &'static str, tensors: &[&Tensor]) -> Result<(), TensorError> {
    match tensors.iter().find(|tensor| !tensor.dtype().is_float()) {
        Some(tensor) => Err(TensorError::Dtype { what, wanted: "floats", found: tensor.dtype() }),
        None => Ok(()),
    }
}

/// Tensors of one operation are on one stage.
pub(super) fn one_stage(what: &'static str, tensors: &[&Tensor]) -> Result<(), TensorError> {
    let Some((first, rest)) = tensors.split_first() else { return Ok(()) };
    let stage = first.stage();
    for other in rest {
        let there = other.stage();
        if !there.is(&stage) {
            let (one, other) = (stage.place(), there.place());
            return Err(match one.zip(other) {
                Some((one, other)) => TensorError::Places { what, one, other },
                None => TensorError::Rehearsed { what },
            });
        }
    }
    Ok(())
}

pub(super) fn binary(op: Binary, x: &Tensor, y: &Tensor) -> Result<Tensor, TensorError> {
    binary_unless(false, op, x, y)
}

fn binary_unless(idle: bool, op: Binary, x: &Tensor, y: &Tensor) -> Result<Tensor, TensorError> {
    const WHAT: &str = "a function of two";
    floats_only(WHAT, &[x, y])?;
    one_stage(WHAT, &[x, y])?;
    let dims = together(&x.layout, &y.layout)?;
    let stage = x.stage();
    let mut out = stage.tensor(&dims, wider(x.dtype(), y.dtype()))?;
    let (x, y) = (x.broadcast(&dims)?, y.broadcast(&dims)?);
    if !idle {
        stage.run(|compute| compute.binary(op, &x, &y, &mut out))?;
    }
    Ok(out)
}

pub(super) fn affine(x: &Tensor, scale: f32, shift: f32) -> Result<Tensor, TensorError> {
    floats_only("scaling", &[x])?;
    let x = x.contiguous()?;
    let mut out = x.stage().tensor(&x.dims(), x.dtype())?;
    x.stage().run(|compute| compute.affine(&x, scale, shift, &mut out))?;
    Ok(out)
}

/// A tensor times the one number of another.
pub(super) fn scaled_by(x: &Tensor, number: &Tensor) -> Result<Tensor, TensorError> {
    binary(Binary::Mul, x, &number.cast(x.dtype())?)
}

/// A gradient summed over what its operand was repeated along.
pub(super) fn back_to(grad: Tensor, dims: &[usize]) -> Result<Tensor, TensorError> {
    let mut grad = grad;
    while grad.rank() > dims.len() {
        grad = super::reduce::sum(&grad, 0)?.reshape(&grad.dims()[1..])?;
    }
    for (index, dim) in dims.iter().enumerate() {
        if *dim == 1 && grad.dim(index) != 1 {
            grad = super::reduce::sum(&grad, index)?;
        }
    }
    Ok(grad)
}

impl Tape<'_> {
    /// A function of each number.
    pub fn unary(&mut self, op: Unary, x: &Var) -> Result<Var, TensorError> {
        const WHAT: &str = "a function of numbers";
        floats_only(WHAT, &[x.tensor()])?;
        let input = x.tensor.contiguous()?;
        let mut out = self.stage().tensor(&input.dims(), input.dtype())?;
        self.stage().run(|compute| compute.unary(op, &input, &mut out))?;
        let id = x.id;
        Ok(self.outcome(out, &[id], move || {
            Box::new(move |dy: Tensor, sink: &mut Sink<'_>| {
                let dy = dy.contiguous()?;
                let mut dx = dy.stage().tensor(&input.dims(), input.dtype())?;
                dy.stage().run(|compute| compute.unary_back(op, &input, &dy, &mut dx))?;
                sink.give(id, dx)
            })
        }))
    }

    /// `scale · x + shift`
    pub fn affine(&mut self, x: &Var, scale: f32, shift: f32) -> Result<Var, TensorError> {
        let out = affine(&x.tensor, scale, shift)?;
        let id = x.id;
        Ok(self.outcome(out, &[id], move || {
            Box::new(move |dy: Tensor, sink: &mut Sink<'_>| sink.give(id, affine(&dy, scale, 0.0)?))
        }))
    }

    /// `x + y`, with sizes of 1 repeated.
    pub fn add(&mut self, x: &Var, y: &Var) -> Result<Var, TensorError> {
        self.linear_pair(Binary::Add, x, y, 1.0)
    }

    /// `x − y`, with sizes of 1 repeated.
    pub fn sub(&mut self, x: &Var, y: &Var) -> Result<Var, TensorError> {
        self.linear_pair(Binary::Sub, x, y, -1.0)
    }

    fn linear_pair(&mut self, op: Binary, x: &Var, y: &Var, sign: f32) -> Result<Var, TensorError> {
        let out = binary_unless(self.is_idle(), op, &x.tensor, &y.tensor)?;
        let (one, other) = ((x.id, x.dims()), (y.id, y.dims()));
        Ok(self.last_outcome(out, &[x.id, y.id], move || {
            Box::new(move |dy: Tensor, sink: &mut Sink<'_>| {
                if other.0.is_some() {
                    let signed = if sign < 0.0 { affine(&dy, sign, 0.0)? } else { dy.clone() };
                    sink.give(other.0, back_to(signed, &other.1)?)?;
                }
                if one.0.is_some() { sink.give(one.0, back_to(dy, &one.1)?) } else { Ok(()) }
            })
        }))
    }

    /// `x · y`, with sizes of 1 repeated.
    pub fn mul(&mut self, x: &Var, y: &Var) -> Result<Var, TensorError> {
        let out = binary(Binary::Mul, &x.tensor, &y.tensor)?;
        let (one, other) = (x.id, y.id);
        // Each side is needed for the other's gradient only.
        let (x, y) = ((x.dims(), other.map(|_| x.tensor.clone())), (y.dims(), one.map(|_| y.tensor.clone())));
        Ok(self.outcome(out, &[one, other], move || {
            Box::new(move |dy: Tensor, sink: &mut Sink<'_>| {
                if let Some(y) = &y.1 {
                    sink.give(one, back_to(binary(Binary::Mul, &dy, y)?, &x.0)?)?;
                }
                match &x.1 {
                    Some(x) => sink.give(other, back_to(binary(Binary::Mul, &dy, x)?, &y.0)?),
                    None => Ok(()),
                }
            })
        }))
    }

    /// `x / y`, with sizes of 1 repeated.
    pub fn div(&mut self, x: &Var, y: &Var) -> Result<Var, TensorError> {
        let out = binary(Binary::Div, &x.tensor, &y.tensor)?;
        let (one, other) = (x.id, y.id);
        let (dims, below) = (x.dims(), y.tensor.clone());
        let found = out.clone();
        Ok(self.outcome(out, &[one, other], move || {
            Box::new(move |dy: Tensor, sink: &mut Sink<'_>| {
                let dx = binary(Binary::Div, &dy, &below)?;
                if other.is_some() {
                    let dy = affine(&binary(Binary::Mul, &dx, &found)?, -1.0, 0.0)?;
                    sink.give(other, back_to(dy, &below.dims())?)?;
                }
                if one.is_some() { sink.give(one, back_to(dx, &dims)?) } else { Ok(()) }
            })
        }))
    }

    /// `silu(gate) · x`, in one pass and with nothing kept but the two.
    pub fn gated(&mut self, gate: &Var, x: &Var) -> Result<Var, TensorError> {
        const WHAT: &str = "a gate";
        floats_only(WHAT, &[&gate.tensor, &x.tensor])?;
        one_stage(WHAT, &[&gate.tensor, &x.tensor])?;
        if gate.dims() != x.dims() || gate.tensor.dtype() != x.tensor.dtype() {
            let why = format!("the gate is {:?}, what it lets through {:?}", gate.tensor, x.tensor);
            return Err(TensorError::shape(WHAT, why));
        }
        let (open, through) = (gate.tensor.contiguous()?, x.tensor.contiguous()?);
        let mut out = self.stage().tensor(&open.dims(), open.dtype())?;
        self.stage().run(|compute| compute.gated(&open, &through, &mut out))?;
        let (one, other) = (gate.id, x.id);
        Ok(self.outcome(out, &[one, other], move || {
            Box::new(move |dy: Tensor, sink: &mut Sink<'_>| {
                let dy = dy.contiguous()?;
                let stage = dy.stage();
                let mut dgate = stage.tensor(&open.dims(), open.dtype())?;
                let mut dx = stage.tensor(&open.dims(), open.dtype())?;
                stage.run(|compute| compute.gated_back(&open, &through, &dy, &mut dgate, &mut dx))?;
                drop((open, through, dy));
                sink.give(one, dgate)?;
                sink.give(other, dx)
            })
        }))
    }
}
