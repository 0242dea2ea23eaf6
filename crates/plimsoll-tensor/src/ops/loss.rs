//! What predictions cost, without the logits of more than a few rows at once.

use super::elements::{floats_only, one_stage};
use super::product::{add_product, product, rows};
use crate::compute::IGNORED;
use crate::grad::{Sink, Tape, Var};
use crate::{Dtype, Tensor, TensorError};

/// Products are made in tiles of so many rows: a row more is a tile more.
const TILE: usize = 128;

/// The most bytes that logits have at once, unless one row has more.
const AT_ONCE: u64 = 64 << 20;

impl Tape<'_> {
    /// The mean cross-entropy of targets under `hidden weightᵀ`, over the rows whose target is not [`IGNORED`].
    ///
    /// Logits are made for some rows at a time, in one buffer, and turned into their gradient there, so that neither is
    /// ever whole; of a step's tape only the gradient of `hidden` is kept. `counted` says how many targets count: the
    /// host knows, and asking the device would wait for it.
    pub fn cross_entropy(
        &mut self,
        hidden: &Var,
        weight: &Var,
        targets: &Tensor,
        counted: usize,
    ) -> Result<Var, TensorError> {
        const WHAT: &str = "cross-entropy";
        floats_only(WHAT, &[&hidden.tensor, &weight.tensor])?;
        one_stage(WHAT, &[&hidden.tensor, &weight.tensor, targets])?;
        let (flat, targets) = (rows(&hidden.tensor)?, targets.contiguous()?);
        let (count, width, vocabulary) = (flat.dim(0), flat.dim(1), weight.tensor.dim(0));
        let fits = weight.dims() == [vocabulary, width] && targets.count() == count as u64;
        if !fits || targets.dtype() != Dtype::U32 || counted > count {
            let why = format!(
                "{:?}, {:?} and targets {targets:?} do not go together",
                hidden.dims(),
                weight.dims()
            );
            return Err(TensorError::shape(WHAT, why));
        }
        let targets = targets.reshape(&[count])?;
        #[expect(
            clippy::cast_precision_loss,
            reason = "fewer than 2^24 rows, or a mean that is not exact anyway"
        )]
        let share = 1.0 / counted.max(1) as f32;
        let at_once =
            usize::try_from(AT_ONCE / (vocabulary as u64 * 4).max(1)).unwrap_or(1).clamp(1, count.max(1));
        let at_once = if at_once > TILE { at_once / TILE * TILE } else { at_once };
        let stage = self.stage().clone();
        let wanted = self.wants(&[hidden.id, weight.id]);
        let scale = self.scale();
        let mut loss = stage.zeros(&[1], Dtype::F32)?;
        let mut dhidden = (wanted && hidden.id.is_some())
            .then(|| stage.tensor(&[count, width], flat.dtype()))
            .transpose()?;
        let mut dweight = (wanted && weight.id.is_some())
            .then(|| stage.zeros(&[vocabulary, width], Dtype::F32))
            .transpose()?;
        for from in (0..count).step_by(at_once) {
            let len = at_once.min(count - from);
            let part = flat.narrow(0, from, len)?;
            let mut logits = product(&part, &weight.tensor.transpose(0, 1)?, Dtype::F32)?;
            let of = targets.narrow(0, from, len)?;
            stage.run(|compute| compute.cross_entropy(share * scale, &of, &mut logits, &mut loss))?;
            if let Some(all) = &mut dhidden {
                let grad = product(&logits, &weight.tensor, flat.dtype())?;
                stage.run(|compute| compute.put([1, count, width], from, false, &grad, all))?;
            }
            if let Some(all) = &mut dweight {
                add_product(&logits.transpose(0, 1)?, &part, all)?;
            }
        }
        let loss = super::elements::affine(&loss, share, 0.0)?;
        let ids = [hidden.id, weight.id];
        let before = hidden.dims();
        Ok(self.outcome(loss, &ids, move || {
            Box::new(move |dy: Tensor, sink: &mut Sink<'_>| {
                // The gradients are there; what comes back is a number that they are multiplied by, and is as large already.
                let dy = super::elements::affine(&dy, 1.0 / scale, 0.0)?;
                for (id, grad) in ids.into_iter().zip([dhidden, dweight]) {
                    let Some(grad) = grad else { continue };
                    let grad = super::elements::scaled_by(&grad, &dy)?;
                    let grad = if id == ids[0] { grad.reshape(&before)? } else { grad };
                    sink.give(id, grad)?;
                }
                Ok(())
            })
        }))
    }
}

/// How many of these targets count.
pub fn counted(targets: &[u32]) -> usize {
    targets.iter().filter(|target| **target != IGNORED).count()
}
