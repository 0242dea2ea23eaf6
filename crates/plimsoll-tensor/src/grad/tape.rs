//! What was done, in order.

use super::leaves::{Gradients, LeafId, Leaves};
use super::sink::{Backward, Sink};
use crate::compute::Done;
use crate::stage::Stage;
use crate::{Dtype, Tensor, TensorError};

/// A variable's number on its tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VarId(u32);

impl VarId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A tensor on a tape. It has a gradient if a leaf went into it.
#[derive(Clone, Debug)]
pub struct Var {
    pub(crate) tensor: Tensor,
    pub(crate) id: Option<VarId>,
}

impl Var {
    /// Its numbers.
    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    /// Its numbers, when nothing else of it is wanted any more.
    pub fn into_tensor(self) -> Tensor {
        self.tensor
    }

    /// Its sizes.
    pub fn dims(&self) -> Vec<usize> {
        self.tensor.dims()
    }

    /// Whether it will have a gradient.
    pub fn has_gradient(&self) -> bool {
        self.id.is_some()
    }
}

/// What was done, in order, and what the way back needs of it.
///
/// # Who owns what
/// An entry keeps what its way back needs and nothing else; what a caller drops and no entry needs is gone at once. The way
/// back consumes the tape, last entry first, and each gives up what it kept.
///
/// ```
/// use plimsoll_tensor::{Gradients, Leaves, Stage, Tape};
/// # let engine = plimsoll::Engine::in_memory(plimsoll::Bytes::mib(64), "work")?;
/// # let pool = engine.account("work")?.scratch(plimsoll::Place::Host)?;
/// let stage = Stage::host(pool, 1);
/// let mut leaves = Leaves::default();
/// let weight = leaves.add("weight", stage.floats(&[3.0], &[1])?);
/// let mut gradients = Gradients::new(&stage, &leaves)?;
/// let mut tape = Tape::new(&stage);
/// let x = tape.leaf(&leaves, weight);
/// let y = tape.mul(&x, &x)?;
/// tape.backward(&y, 1.0, &mut gradients)?;
/// assert_eq!(gradients.of(weight).to_vec()?, [6.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Tape<'m> {
    stage: Stage,
    records: bool,
    /// Whether what is done here was done before.
    pub(super) again: bool,
    /// Whether only others look at what is done now.
    pub(super) last: bool,
    /// How many times as large gradients are that are made on the way there.
    pub(super) scale: f32,
    entries: Vec<Entry<'m>>,
    /// For each variable the leaf that it is, if it is one.
    leaves: Vec<Option<LeafId>>,
}

struct Entry<'m> {
    of: VarId,
    back: Box<dyn Backward + 'm>,
}

impl<'m> Tape<'m> {
    /// An empty one.
    pub fn new(stage: &Stage) -> Self {
        Self {
            stage: stage.clone(),
            records: true,
            again: false,
            last: false,
            scale: 1.0,
            entries: Vec::new(),
            leaves: Vec::new(),
        }
    }

    /// One that writes nothing down: for what needs no gradient.
    pub fn without_gradients(stage: &Stage) -> Self {
        Self { records: false, ..Self::new(stage) }
    }

    /// The same where gradients are to flow so many times as large as they are: those that are made on the way there, as of a
    /// [cross-entropy](Self::cross_entropy), are made as large at once. Whoever goes [back](Self::backward) gives the scale.
    #[must_use]
    pub fn scaled(mut self, scale: f32) -> Self {
        self.scale = scale;
        self
    }

    /// How many times as large gradients are made on the way there.
    pub(crate) const fn scale(&self) -> f32 {
        self.scale
    }

    /// Where it computes.
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// How many operations are written down.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A tensor that needs no gradient.
    pub fn constant(&self, tensor: &Tensor) -> Var {
        Var { tensor: tensor.clone(), id: None }
    }

    /// One of the tensors that are learned.
    pub fn leaf(&mut self, leaves: &Leaves, leaf: LeafId) -> Var {
        let tensor = leaves.value(leaf).clone();
        let id = self.records.then(|| self.number(Some(leaf)));
        Var { tensor, id }
    }

    /// An input whose gradient somebody else wants: where a part of a tape begins.
    pub(super) fn input(&mut self, tensor: Tensor, wanted: bool) -> Var {
        let id = (self.records && wanted).then(|| self.number(None));
        Var { tensor, id }
    }

    fn number(&mut self, leaf: Option<LeafId>) -> VarId {
        self.leaves.push(leaf);
        VarId(u32::try_from(self.leaves.len() - 1).unwrap_or(u32::MAX))
    }

    pub(super) fn records(&self) -> bool {
        self.records
    }

    /// Whether an outcome of these would have a way back.
    pub(crate) fn wants(&self, inputs: &[Option<VarId>]) -> bool {
        self.records && inputs.iter().any(Option::is_some)
    }

    /// Whether an outcome that its own way back does not need is not computed now.
    pub(crate) fn is_idle(&self) -> bool {
        self.last && self.again
    }

    /// An outcome, and its way back if any of the inputs has one.
    pub(crate) fn outcome(
        &mut self,
        tensor: Tensor,
        inputs: &[Option<VarId>],
        back: impl FnOnce() -> Box<dyn Backward + 'm>,
    ) -> Var {
        assert!(!self.last, "the last of a part are products and sums");
        self.last_outcome(tensor, inputs, back)
    }

    /// The same of an operation that looks whether it [is idle](Self::is_idle).
    pub(crate) fn last_outcome(
        &mut self,
        tensor: Tensor,
        inputs: &[Option<VarId>],
        back: impl FnOnce() -> Box<dyn Backward + 'm>,
    ) -> Var {
        if !self.wants(inputs) {
            return Var { tensor, id: None };
        }
        self.entry(tensor, back())
    }

    /// An outcome with a way back.
    pub(super) fn entry(&mut self, tensor: Tensor, back: Box<dyn Backward + 'm>) -> Var {
        let of = self.number(None);
        self.entries.push(Entry { of, back });
        Var { tensor, id: Some(of) }
    }

    /// Goes back from a number, `scale` times, and adds to the gradients of all leaves that went into it.
    pub fn backward(self, loss: &Var, scale: f32, into: &mut Gradients) -> Done {
        if loss.tensor.count() != 1 {
            let why = format!("a gradient is of one number, not of {:?}; sum it first", loss.dims());
            return Err(TensorError::shape("backward", why));
        }
        let dtype = if loss.tensor.dtype().is_float() { loss.tensor.dtype() } else { Dtype::F32 };
        let seed = self.stage.full(scale, &loss.dims(), dtype)?;
        self.backward_from(loss.id, seed, into).map(drop)
    }

    /// The same from an outcome of any sizes, whose gradient somebody has.
    pub fn backward_with(self, out: &Var, grad: Tensor, into: &mut Gradients) -> Done {
        if grad.dims() != out.dims() {
            let why = format!("{:?} is no gradient of {:?}: sizes differ", grad.dims(), out.dims());
            return Err(TensorError::shape("backward", why));
        }
        self.backward_from(out.id, grad, into).map(drop)
    }

    /// Goes back from an outcome with its gradient; what inputs were given stands in the answer, by number.
    pub(super) fn backward_from(
        self,
        from: Option<VarId>,
        grad: Tensor,
        into: &mut Gradients,
    ) -> Result<Vec<Option<Tensor>>, TensorError> {
        let mut vars: Vec<Option<Tensor>> = vec![None; self.leaves.len()];
        let Some(id) = from else { return Ok(vars) };
        let mut sink = Sink { vars: &mut vars, leaves: &self.leaves, gradients: into };
        sink.give(Some(id), grad)?;
        for entry in self.entries.into_iter().rev() {
            // An outcome that nothing was made of, or nothing that counts, has none.
            let Some(dy) = sink.take(entry.of) else { continue };
            entry.back.back(dy, &mut sink)?;
        }
        Ok(vars)
    }
}

impl std::fmt::Debug for Tape<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tape").field("entries", &self.entries.len()).finish_non_exhaustive()
    }
}
