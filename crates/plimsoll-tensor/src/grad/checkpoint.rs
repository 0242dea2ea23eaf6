//! Parts of a tape that are forgotten and computed again.

use super::shelf::Shelf;
use super::sink::{Backward, Sink};
use super::tape::{Tape, Var, VarId};
use crate::compute::Done;
use crate::stage::Stage;
use crate::{Tensor, TensorError};

/// A part of a model, from some variables to one.
type Part<'m> = Box<dyn Fn(&mut Tape<'m>, &[Var]) -> Result<Var, TensorError> + 'm>;

impl<'m> Tape<'m> {
    /// Does a part of a model and keeps nothing of it but its inputs: on the way back it is done again. It has to do the
    /// same both times.
    pub fn checkpoint(
        &mut self,
        inputs: &[Var],
        part: impl Fn(&mut Tape<'m>, &[Var]) -> Result<Var, TensorError> + 'm,
    ) -> Result<Var, TensorError> {
        self.forgotten(inputs, None, part)
    }

    /// The same with the inputs on a [`Shelf`] until then, so that nothing of the part stays here. They leave while the part
    /// is done, and are back one part before they are needed.
    pub fn checkpoint_away(
        &mut self,
        waiting: &Shelf,
        inputs: &[Var],
        part: impl Fn(&mut Tape<'m>, &[Var]) -> Result<Var, TensorError> + 'm,
    ) -> Result<Var, TensorError> {
        self.forgotten(inputs, Some(waiting), part)
    }

    fn forgotten(
        &mut self,
        inputs: &[Var],
        waiting: Option<&Shelf>,
        part: impl Fn(&mut Tape<'m>, &[Var]) -> Result<Var, TensorError> + 'm,
    ) -> Result<Var, TensorError> {
        if !self.records() {
            return part(self, inputs);
        }
        let ids = inputs.iter().map(|input| input.id).collect();
        let tensors: Vec<Tensor> = inputs.iter().map(|input| input.tensor.clone()).collect();
        let kept = match waiting {
            None => Kept::Here(tensors),
            Some(waiting) => Kept::Away { place: waiting.put(&tensors)?, waiting: waiting.clone() },
        };
        let found = {
            let mut once = Tape::without_gradients(self.stage());
            let blind: Vec<Var> = inputs.iter().map(|input| once.constant(input.tensor())).collect();
            part(&mut once, &blind)?.into_tensor()
        };
        let stage = self.stage().clone();
        // A leaf within the part is seen only when it is done again, so that whether there is a way back is not known here:
        // there is one.
        Ok(self.entry(found, Box::new(Again { stage, scale: self.scale, ids, kept, part: Box::new(part) })))
    }

    /// Whether what is done here was done before: a part that was forgotten.
    pub fn does_again(&self) -> bool {
        self.again
    }
}

/// Where a part's inputs are until it is done again.
enum Kept {
    Here(Vec<Tensor>),
    Away { place: usize, waiting: Shelf },
}

impl Kept {
    fn back(self) -> Result<Vec<Tensor>, TensorError> {
        match self {
            Self::Here(tensors) => Ok(tensors),
            Self::Away { place, waiting } => waiting.take(place),
        }
    }
}

impl Tape<'_> {
    /// Does products and sums at the end of a [part](Self::checkpoint), whose outcome only others look at: when the part is
    /// done again, they are written down and not computed.
    ///
    /// # Panics
    /// When something else is done in it: its way back might need what was not computed.
    pub fn last_of_part<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, TensorError>,
    ) -> Result<T, TensorError> {
        let before = std::mem::replace(&mut self.last, true);
        let done = work(self);
        self.last = before;
        done
    }
}

struct Again<'m> {
    stage: Stage,
    scale: f32,
    ids: Vec<Option<VarId>>,
    kept: Kept,
    part: Part<'m>,
}

impl Backward for Again<'_> {
    fn back(self: Box<Self>, dy: Tensor, sink: &mut Sink<'_>) -> Done {
        let Self { stage, scale, ids: outer, kept, part } = *self;
        let mut tape = Tape::new(&stage).scaled(scale);
        tape.again = true;
        let inputs = kept.back()?.into_iter().zip(&outer);
        let again: Vec<Var> = inputs.map(|(input, id)| tape.input(input, id.is_some())).collect();
        let found = part(&mut tape, &again)?;
        let inner: Vec<Option<VarId>> = again.iter().map(|input| input.id).collect();
        drop(again);
        let from = found.id;
        drop(found);
        let mut given = tape.backward_from(from, dy, sink.gradients())?;
        for (inner, outer) in inner.into_iter().zip(outer) {
            let grad = inner.and_then(|inner| given[inner.index()].take());
            if let Some(grad) = grad {
                sink.give(outer, grad)?;
            }
        }
        Ok(())
    }
}
