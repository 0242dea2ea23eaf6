//! Matrices of layers that are elsewhere, brought one layer ahead.

use plimsoll_tensor::{Stage, TensorError, Weight};

/// The matrices of the layer that is computed with, and of the next, where those are kept elsewhere.
#[derive(Debug, Default)]
pub(super) struct Conveyor {
    now: Option<(usize, Vec<Weight>)>,
    next: Option<(usize, Vec<Weight>)>,
}

impl Conveyor {
    /// The matrices of a layer, here; and sends for those of the layer that follows, if one does. `of` are a layer's
    /// matrices where they are kept.
    pub(super) fn bring<'w>(
        &mut self,
        here: &Stage,
        layer: usize,
        following: Option<usize>,
        of: impl Fn(usize) -> &'w [Weight],
    ) -> Result<&[Weight], TensorError> {
        let come = |layer: usize| -> Result<_, TensorError> {
            let all = of(layer).iter().map(|weight| weight.to(here)).collect::<Result<_, _>>()?;
            Ok(Some((layer, all)))
        };
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
