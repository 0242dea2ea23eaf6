//! Matrices of layers that are elsewhere or divided, brought one layer ahead.

use plimsoll_tensor::{TensorError, Weight};

/// The matrices of the layer that is computed with, and of the next, where those are not here whole.
#[derive(Debug, Default)]
pub(super) struct Conveyor {
    now: Option<(usize, Vec<Weight>)>,
    next: Option<(usize, Vec<Weight>)>,
}

impl Conveyor {
    /// The matrices of a layer, here; and sends for those of the layer that follows, if one does. `come` sends for a layer's.
    pub(super) fn bring(
        &mut self,
        layer: usize,
        following: Option<usize>,
        come: impl Fn(usize) -> Result<Vec<Weight>, TensorError>,
    ) -> Result<&[Weight], TensorError> {
        let come = |layer: usize| come(layer).map(|all| Some((layer, all)));
        let is = |held: &Option<(usize, Vec<Weight>)>, layer: usize| {
            held.as_ref().is_some_and(|(have, _)| *have == layer)
        };
        if !is(&self.now, layer) {
            // What was computed with goes before anything else comes.
            self.now = None;
            self.now = if is(&self.next, layer) { self.next.take() } else { come(layer)? };
        }
        match following {
            Some(following) if !is(&self.next, following) => {
                self.next = None;
                self.next = come(following)?;
            }
            Some(_) => {}
            None => self.next = None,
        }
        Ok(self.now.as_ref().map_or(&[], |(_, all)| all))
    }

    /// Nothing of it stays here.
    pub(super) fn clear(&mut self) {
        (self.now, self.next) = (None, None);
    }
}
