//! Where gradients go on the way back.

use super::leaves::{Gradients, LeafId};
use super::tape::VarId;
use crate::Tensor;
use crate::compute::Done;

/// What one operation keeps for the way back.
pub(crate) trait Backward {
    /// Gives the operation's inputs their gradients, of the outcome's gradient.
    fn back(self: Box<Self>, dy: Tensor, sink: &mut Sink<'_>) -> Done;
}

impl<F: FnOnce(Tensor, &mut Sink<'_>) -> Done> Backward for F {
    fn back(self: Box<Self>, dy: Tensor, sink: &mut Sink<'_>) -> Done {
        self(dy, sink)
    }
}

/// Where gradients go: to variables of the tape that are still before, or, of leaves, to where they add up.
pub(crate) struct Sink<'s> {
    pub(super) vars: &'s mut Vec<Option<Tensor>>,
    pub(super) leaves: &'s [Option<LeafId>],
    pub(super) gradients: &'s mut Gradients,
}

impl Sink<'_> {
    /// A variable's gradient grows by this.
    pub(crate) fn give(&mut self, var: Option<VarId>, grad: Tensor) -> Done {
        let Some(var) = var else { return Ok(()) };
        let stage = grad.stage();
        if let Some(leaf) = self.leaves[var.index()] {
            let into = self.gradients.of_mut(leaf);
            return stage.run(|compute| compute.add_into(into, &grad, 1.0));
        }
        match &mut self.vars[var.index()] {
            Some(sum) => {
                sum.own()?;
                stage.run(|compute| compute.add_into(sum, &grad, 1.0))
            }
            empty => {
                *empty = Some(grad);
                Ok(())
            }
        }
    }

    /// Where a variable's gradient adds up, if it does so in place: that of a leaf.
    pub(crate) fn in_place(&mut self, var: Option<VarId>) -> Option<&mut Tensor> {
        let leaf = self.leaves[var?.index()]?;
        Some(self.gradients.of_mut(leaf))
    }

    pub(crate) fn gradients(&mut self) -> &mut Gradients {
        self.gradients
    }

    /// Takes what a variable was given.
    pub(super) fn take(&mut self, var: VarId) -> Option<Tensor> {
        self.vars[var.index()].take()
    }
}
