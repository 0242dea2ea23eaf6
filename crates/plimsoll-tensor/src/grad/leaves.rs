//! What is learned, and its gradients.

use crate::compute::Done;
use crate::stage::Stage;
use crate::train::Together;
use crate::{Dtype, Tensor, TensorError};

/// Which of the tensors that are learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeafId(pub(crate) u32);

impl LeafId {
    /// Its place among the leaves.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The tensors that are learned, by name.
#[derive(Debug, Default)]
pub struct Leaves {
    names: Vec<String>,
    values: Vec<Tensor>,
}

impl Leaves {
    /// Adds one.
    pub fn add(&mut self, name: impl Into<String>, value: Tensor) -> LeafId {
        let id = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        self.names.push(name.into());
        self.values.push(value);
        LeafId(id)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// One's numbers.
    pub fn value(&self, leaf: LeafId) -> &Tensor {
        &self.values[leaf.index()]
    }

    /// One's numbers, to be changed.
    pub fn value_mut(&mut self, leaf: LeafId) -> &mut Tensor {
        &mut self.values[leaf.index()]
    }

    /// Each becomes the sum of what all that learn together have of it.
    pub(crate) fn sum(&mut self, together: &dyn Together) -> Done {
        together.sum(&mut self.values.iter_mut().collect::<Vec<_>>())
    }

    /// One's name.
    pub fn name(&self, leaf: LeafId) -> &str {
        &self.names[leaf.index()]
    }

    /// All, in the order in which they were added.
    pub fn all(&self) -> impl Iterator<Item = (LeafId, &str, &Tensor)> {
        let ids = (0..).map(LeafId);
        ids.zip(&self.names).zip(&self.values).map(|((id, name), value)| (id, name.as_str(), value))
    }
}

/// The gradients of leaves, in singles: added up in place over any number of passes, until they are cleared.
#[derive(Debug)]
pub struct Gradients {
    all: Vec<Tensor>,
}

impl Gradients {
    /// Zeros for each leaf.
    pub fn new(stage: &Stage, leaves: &Leaves) -> Result<Self, TensorError> {
        let zeros = leaves.values.iter().map(|value| stage.zeros(&value.dims(), Dtype::F32));
        Ok(Self { all: zeros.collect::<Result<_, _>>()? })
    }

    /// One leaf's.
    pub fn of(&self, leaf: LeafId) -> &Tensor {
        &self.all[leaf.index()]
    }

    pub(crate) fn of_mut(&mut self, leaf: LeafId) -> &mut Tensor {
        &mut self.all[leaf.index()]
    }

    /// Each becomes the sum of what all that learn together have of it.
    pub fn sum(&mut self, together: &dyn Together) -> Done {
        together.sum(&mut self.all.iter_mut().collect::<Vec<_>>())
    }

    /// All become zero.
    pub fn clear(&mut self) -> Done {
        for grad in &mut self.all {
            let stage = grad.stage();
            stage.run(|compute| compute.fill(grad, 0.0))?;
        }
        Ok(())
    }

    /// The root of the sum of all squares; infinite or not a number when any of them is. 0 in a rehearsal.
    pub fn size(&self) -> Result<f32, TensorError> {
        let Some(first) = self.all.first() else { return Ok(0.0) };
        let stage = first.stage();
        let mut sum = stage.zeros(&[1], Dtype::F32)?;
        for grad in &self.all {
            stage.run(|compute| compute.squares(grad, &mut sum))?;
        }
        Ok(sum.item()?.sqrt())
    }
}
