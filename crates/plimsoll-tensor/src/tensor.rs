//! Numbers in some shape, over storage that may be shared.

use std::fmt;
use std::sync::Arc;

use plimsoll::Bytes;

use crate::layout::Layout;
use crate::stage::{Stage, Storage};
use crate::{Dtype, TensorError};

/// Numbers in some shape, over storage that may be shared.
///
/// # What it is not
/// It knows nothing of gradients ([`Tape`](crate::Tape) does), and its content is undefined until something is written.
///
/// # Who owns what
/// Handles are cheap to clone and share their bytes, which are a lease of the stage's pool, or a place in the stage's
/// plan. What changes numbers in place takes `&mut` and copies first if others share them.
///
/// # Formula
/// A handle is 72 bytes and what its clones share 40, so a tensor costs at most 112 beyond its numbers and its lease;
/// numbers × [`Dtype::bytes`] are leased.
///
/// ```
/// use plimsoll_tensor::Stage;
/// # let engine = plimsoll::Engine::in_memory(plimsoll::Bytes::mib(64), "work")?;
/// # let pool = engine.account("work")?.scratch(plimsoll::Place::Host)?;
/// let stage = Stage::host(pool, 1);
/// let rows = stage.floats(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[2, 3])?;
/// let columns = rows.transpose(0, 1)?; // shares the numbers
/// assert_eq!(columns.to_vec()?, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Tensor {
    pub(crate) storage: Arc<Storage>,
    /// The first number, counted in numbers.
    pub(crate) offset: u64,
    pub(crate) layout: Layout,
    pub(crate) dtype: Dtype,
}

impl Tensor {
    pub(crate) fn over(storage: Arc<Storage>, layout: Layout, dtype: Dtype) -> Self {
        Self { storage, offset: 0, layout, dtype }
    }

    /// How its numbers are kept.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Its sizes.
    pub fn dims(&self) -> Vec<usize> {
        self.layout.sizes()
    }

    /// One of its sizes; 1 for a dimension that it does not have.
    pub fn dim(&self, index: usize) -> usize {
        self.layout.dims().get(index).map_or(1, |dim| *dim as usize)
    }

    /// How many dimensions it has.
    pub fn rank(&self) -> usize {
        self.layout.rank()
    }

    /// How many numbers it has.
    pub fn count(&self) -> u64 {
        self.layout.count()
    }

    /// The bytes of its numbers, each counted once, also where storage is shared or repeated.
    pub fn bytes(&self) -> Bytes {
        Bytes::new(self.count() * self.dtype.bytes())
    }

    /// The stage it was made on.
    pub fn stage(&self) -> Stage {
        self.storage.stage()
    }

    /// Whether its numbers lie one behind the other in order.
    pub fn is_contiguous(&self) -> bool {
        self.layout.is_contiguous()
    }

    /// Whether the two have the same bytes behind them.
    pub fn shares(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.storage, &other.storage)
    }

    /// What all handles to these numbers share, beyond the numbers and their lease, in bytes.
    pub const fn shared_overhead(&self) -> usize {
        2 * size_of::<usize>() + size_of::<Storage>()
    }

    /// Other sizes for the same numbers in the same order. Shares them, or says why it cannot.
    pub fn reshape(&self, dims: &[usize]) -> Result<Self, TensorError> {
        Ok(self.with(self.layout.reshape(dims)?, 0))
    }

    /// Dimensions in another order.
    pub fn permute(&self, order: &[usize]) -> Result<Self, TensorError> {
        Ok(self.with(self.layout.permute(order)?, 0))
    }

    /// Two dimensions exchanged.
    pub fn transpose(&self, one: usize, other: usize) -> Result<Self, TensorError> {
        let mut order: Vec<usize> = (0..self.rank()).collect();
        if one.max(other) >= self.rank() {
            self.layout.dim("transpose", one.max(other))?;
        }
        order.swap(one, other);
        self.permute(&order)
    }

    /// `len` entries of one dimension from `start` on.
    pub fn narrow(&self, dim: usize, start: usize, len: usize) -> Result<Self, TensorError> {
        self.slice(dim, start, len, 1)
    }

    /// Every `step`-th entry of one dimension, `len` of them, from `start` on.
    pub fn slice(&self, dim: usize, start: usize, len: usize, step: usize) -> Result<Self, TensorError> {
        let (layout, skipped) = self.layout.slice(dim, start, len, step)?;
        Ok(self.with(layout, skipped))
    }

    /// Dimensions of size 1, and ones that are missing in front, repeated without a copy.
    pub fn broadcast(&self, dims: &[usize]) -> Result<Self, TensorError> {
        Ok(self.with(self.layout.broadcast(dims)?, 0))
    }

    fn with(&self, layout: Layout, skipped: u64) -> Self {
        Self { storage: Arc::clone(&self.storage), offset: self.offset + skipped, layout, dtype: self.dtype }
    }

    /// The same numbers one behind the other: itself if they lie so, a copy otherwise.
    pub fn contiguous(&self) -> Result<Self, TensorError> {
        if self.is_contiguous() { Ok(self.clone()) } else { self.copy(self.dtype) }
    }

    /// The numbers kept in another way: itself if it is the same, a copy otherwise.
    pub fn cast(&self, dtype: Dtype) -> Result<Self, TensorError> {
        if dtype == self.dtype { Ok(self.clone()) } else { self.copy(dtype) }
    }

    /// A copy of its own, one number behind the other.
    pub fn copy(&self, dtype: Dtype) -> Result<Self, TensorError> {
        let stage = self.stage();
        let mut out = stage.tensor(&self.dims(), dtype)?;
        stage.run(|compute| compute.copy(self, &mut out))?;
        Ok(out)
    }

    /// Makes sure that nobody else shares the numbers and that they lie one behind the other, by a copy if need be: what
    /// changes them in place begins so.
    pub(crate) fn own(&mut self) -> Result<(), TensorError> {
        let whole = self.is_contiguous() && Arc::get_mut(&mut self.storage).is_some();
        if !whole {
            let copy = self.copy(self.dtype)?;
            // A rehearsal needs to know of the copy, but nothing that has numbers may become something that has none.
            if copy.storage.is_rehearsed() == self.storage.is_rehearsed() {
                *self = copy;
            }
        }
        Ok(())
    }

    /// Its numbers as singles, on the host. Waits for what computes them.
    pub fn to_vec(&self) -> Result<Vec<f32>, TensorError> {
        let stage = self.stage();
        let whole = self.contiguous()?;
        let mut into = vec![0.0; usize::try_from(self.count()).unwrap_or(0)];
        stage.run(|compute| compute.read(&whole, &mut into))?;
        Ok(into)
    }

    /// Its one number. In a rehearsal, where nothing is computed, it is 0.
    pub fn item(&self) -> Result<f32, TensorError> {
        if self.count() != 1 {
            return Err(TensorError::shape("item", format!("{} has not one number", self.layout)));
        }
        Ok(self.to_vec()?[0])
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor {} {:?} from {}", self.dtype, self.layout, self.offset)
    }
}
