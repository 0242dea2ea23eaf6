//! What can go wrong with tensors.

use plimsoll::Bytes;
use plimsoll::pool::LeaseError;
use plimsoll_device::DeviceError;

use crate::Dtype;

/// Why an operation was not done. Its inputs are as they were.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TensorError {
    /// More dimensions than a tensor has.
    #[error("a tensor has at most 6 dimensions, not {rank}; put some together with reshape")]
    Rank {
        /// How many were asked for.
        rank: usize,
    },
    /// Sizes whose product, or one of which, is too large.
    #[error("a tensor of {dims:?} is larger than any memory; look at the sizes")]
    TooLarge {
        /// The sizes.
        dims: Vec<usize>,
    },
    /// Sizes that do not go together.
    #[error("{what}: {why}")]
    Shape {
        /// The operation.
        what: &'static str,
        /// What does not fit.
        why: String,
    },
    /// A kind of number that an operation does not take.
    #[error("{what} takes {wanted}, not {found}")]
    Dtype {
        /// The operation.
        what: &'static str,
        /// What it takes.
        wanted: &'static str,
        /// What it was given.
        found: Dtype,
    },
    /// Numbers that are needed, of a tensor that never had any.
    #[error("{what}: this tensor was made in a rehearsal and has no numbers; make it again outside of one")]
    Rehearsed {
        /// The operation.
        what: &'static str,
    },
    /// A tensor that others share was to be changed without a copy.
    #[error("{what}: others share these numbers; change a copy of them")]
    Shared {
        /// The operation.
        what: &'static str,
    },
    /// Tensors of two stages in one operation.
    #[error("{what}: one tensor is at {one}, another at {other}; move one of them first")]
    Places {
        /// The operation.
        what: &'static str,
        /// Where one is.
        one: plimsoll::Place,
        /// Where another is.
        other: plimsoll::Place,
    },
    /// An operation that is not offered here.
    #[error("{what} is not offered at {place}; {instead}")]
    Unsupported {
        /// The operation.
        what: &'static str,
        /// Where.
        place: plimsoll::Place,
        /// What can be done.
        instead: &'static str,
    },
    /// Numbers outside of what they name.
    #[error("{what}: {found} is not below {limit}")]
    Index {
        /// The operation.
        what: &'static str,
        /// The number.
        found: u32,
        /// How many there are.
        limit: u64,
    },
    /// A rehearsal within a rehearsal, or a plan while one is being made.
    #[error("{0}")]
    Mode(&'static str),
    /// Another of those that add up together is gone.
    #[error(
        "another of those that learn together failed, and this one cannot go on without it; begin again from what was kept"
    )]
    Left,
    /// A plan that the memory does not hold.
    #[error("the plan needs {needed} in one piece: {why}")]
    Plan {
        /// What it needs.
        needed: Bytes,
        /// Why it cannot be had.
        why: LeaseError,
    },
    /// Memory was refused.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// A device did not do something.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

impl TensorError {
    pub(crate) const fn shape(what: &'static str, why: String) -> Self {
        Self::Shape { what, why }
    }
}
