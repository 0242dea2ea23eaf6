//! Heads turned by their positions.

use super::elements::{floats_only, one_stage};
use crate::compute::Rotation;
use crate::grad::{Sink, Tape, Var};
use crate::{Dtype, Tensor, TensorError};

fn turned(rotation: Rotation, back: bool, x: &Tensor, frequencies: &Tensor) -> Result<Tensor, TensorError> {
    let (x, stage) = (x.contiguous()?, x.stage());
    let mut out = stage.tensor(&x.dims(), x.dtype())?;
    stage.run(|compute| compute.rope(rotation, back, &x, frequencies, &mut out))?;
    Ok(out)
}

impl Tape<'_> {
    /// Turns the heads of `[batch, rows, heads, width]`. Nothing is kept for the way back.
    pub fn rope(&mut self, x: &Var, frequencies: &Tensor, rotation: Rotation) -> Result<Var, TensorError> {
        const WHAT: &str = "a rotation";
        floats_only(WHAT, &[&x.tensor])?;
        one_stage(WHAT, &[&x.tensor, frequencies])?;
        let pairs = frequencies.count();
        let fits = frequencies.dtype() == Dtype::F32 && frequencies.rank() == 1;
        if !fits || x.tensor.rank() != 4 || 2 * pairs > x.tensor.dim(3) as u64 {
            let why =
                format!("{frequencies:?} does not turn {:?}: [batch, rows, heads, width] is meant", x.tensor);
            return Err(TensorError::shape(WHAT, why));
        }
        let frequencies = frequencies.contiguous()?;
        let out = turned(rotation, false, &x.tensor, &frequencies)?;
        let id = x.id;
        Ok(self.outcome(out, &[id], move || {
            Box::new(move |dy: Tensor, sink: &mut Sink<'_>| {
                sink.give(id, turned(rotation, true, &dy, &frequencies)?)
            })
        }))
    }
}
