//! Tensors that wait elsewhere for the way back.

use std::cell::RefCell;
use std::rc::Rc;

use crate::compute::Done;
use crate::stage::Stage;
use crate::{Tensor, TensorError};

/// Tensors that wait on another stage until a tape comes back to them.
///
/// The way back takes them in the opposite order. So whoever takes one sends for the one before it, which arrives while what
/// was taken is worked with: between a GPU and page-locked memory of the host that costs the link's time and nobody else's.
///
/// # Who owns what
/// Handles are cheap to clone and share what lies on it. It belongs to one step: what is left on it is given up with its
/// last handle.
#[derive(Clone, Debug)]
pub struct Shelf {
    here: Stage,
    away: Stage,
    lying: Rc<RefCell<Lying>>,
}

#[derive(Debug, Default)]
struct Lying {
    away: Vec<Vec<Tensor>>,
    /// What was sent for.
    coming: Option<Vec<Tensor>>,
}

impl Shelf {
    /// One that is elsewhere for what is computed here.
    pub fn new(here: &Stage, away: &Stage) -> Self {
        Self { here: here.clone(), away: away.clone(), lying: Rc::default() }
    }

    /// How many parts have inputs on it.
    pub fn len(&self) -> usize {
        let lying = self.lying.borrow();
        lying.away.len() + usize::from(lying.coming.is_some())
    }

    /// Whether nothing lies on it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts some tensors on top; their place.
    pub(super) fn put(&self, tensors: &[Tensor]) -> Result<usize, TensorError> {
        let away = tensors.iter().map(|tensor| tensor.to(&self.away)).collect::<Result<_, _>>()?;
        let mut lying = self.lying.borrow_mut();
        lying.away.push(away);
        Ok(lying.away.len() - 1)
    }

    /// Takes what lies on top, which has this place, and sends for what lies below it.
    pub(super) fn take(&self, place: usize) -> Result<Vec<Tensor>, TensorError> {
        let mut lying = self.lying.borrow_mut();
        if lying.coming.is_none() {
            self.send_for(&mut lying)?;
        }
        let taken = lying.coming.take();
        let taken = taken.filter(|_| lying.away.len() == place);
        let taken =
            taken.ok_or(TensorError::Mode("a shelf is emptied from its top; use one for each tape"))?;
        self.send_for(&mut lying)?;
        Ok(taken)
    }

    fn send_for(&self, lying: &mut Lying) -> Done {
        let Some(next) = lying.away.pop() else { return Ok(()) };
        lying.coming = Some(next.iter().map(|tensor| tensor.to(&self.here)).collect::<Result<_, _>>()?);
        Ok(())
    }
}
