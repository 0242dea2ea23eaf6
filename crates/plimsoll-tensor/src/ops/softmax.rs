//! Rows that sum to one.

use super::elements::floats_only;
use crate::grad::{Sink, Tape, Var};
use crate::{Tensor, TensorError};

impl Tape<'_> {
    /// Along the last dimension.
    pub fn softmax(&mut self, x: &Var) -> Result<Var, TensorError> {
        floats_only("softmax", &[&x.tensor])?;
        let input = x.tensor.contiguous()?;
        let row = input.dims().last().copied().unwrap_or(1);
        let mut out = self.stage().tensor(&input.dims(), input.dtype())?;
        self.stage().run(|compute| compute.softmax(row, &input, &mut out))?;
        drop(input);
        let (id, found) = (x.id, out.clone());
        Ok(self.outcome(out, &[id], move || {
            Box::new(move |dy: Tensor, sink: &mut Sink<'_>| {
                let (dy, stage) = (dy.contiguous()?, dy.stage());
                let mut dx = stage.tensor(&found.dims(), found.dtype())?;
                stage.run(|compute| compute.softmax_back(row, &found, &dy, &mut dx))?;
                sink.give(id, dx)
            })
        }))
    }
}
