//! Rows of a table, and numbers that are dropped.

use super::elements::{floats_only, one_stage};
use crate::grad::{Sink, Tape, Var};
use crate::{Dtype, Tensor, TensorError};

impl Tape<'_> {
    /// The rows of `[rows, width]` that ids name: `[…ids, width]`.
    pub fn embedding(&mut self, table: &Var, ids: &Tensor) -> Result<Var, TensorError> {
        const WHAT: &str = "rows of a table";
        floats_only(WHAT, &[&table.tensor])?;
        one_stage(WHAT, &[&table.tensor, ids])?;
        if table.tensor.rank() != 2 || ids.dtype() != Dtype::U32 {
            let why = format!("{:?} are no ids of rows of {:?}", ids, table.tensor);
            return Err(TensorError::shape(WHAT, why));
        }
        let (rows, ids) = (table.tensor.contiguous()?, ids.contiguous()?);
        let mut dims = ids.dims();
        dims.push(rows.dim(1));
        let mut out = self.stage().tensor(&dims, rows.dtype())?;
        self.stage().run(|compute| compute.rows(&rows, &ids, &mut out))?;
        let (id, sizes) = (table.id, rows.dims());
        Ok(self.outcome(out, &[id], move || {
            Box::new(move |dy: Tensor, sink: &mut Sink<'_>| {
                let (dy, stage) = (dy.contiguous()?, dy.stage());
                if let Some(sum) = sink.in_place(id) {
                    return stage.run(|compute| compute.rows_back(&ids, &dy, sum));
                }
                let mut grad = stage.zeros(&sizes, Dtype::F32)?;
                stage.run(|compute| compute.rows_back(&ids, &dy, &mut grad))?;
                sink.give(id, grad)
            })
        }))
    }

    /// Drops numbers with probability `p` and makes up for it. Which are dropped follows from the seed, so that nothing is
    /// kept for the way back.
    pub fn dropout(&mut self, x: &Var, p: f32, seed: u64) -> Result<Var, TensorError> {
        const WHAT: &str = "dropout";
        floats_only(WHAT, &[&x.tensor])?;
        if !(0.0..1.0).contains(&p) {
            return Err(TensorError::shape(WHAT, format!("{p} is no probability below 1")));
        }
        if p == 0.0 {
            return Ok(x.clone());
        }
        let dropped = move |x: &Tensor| {
            let (x, stage) = (x.contiguous()?, x.stage());
            let mut out = stage.tensor(&x.dims(), x.dtype())?;
            stage.run(|compute| compute.dropout(seed, p, &x, &mut out))?;
            Ok::<_, TensorError>(out)
        };
        let id = x.id;
        let out = dropped(&x.tensor)?;
        Ok(self.outcome(out, &[id], move || {
            Box::new(move |dy: Tensor, sink: &mut Sink<'_>| sink.give(id, dropped(&dy)?))
        }))
    }
}
