//! Tensors as launches know them: addresses, kinds, and how numbers lie.

use std::sync::Arc;

use plimsoll_device::programs::Argument;

use crate::layout::MAX_RANK;
use crate::{Dtype, Tensor, TensorError};

/// The width of the widest access.
const WIDE: u64 = 16;

/// Numbers one behind the other: `Line` of `numbers.cuh`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    words: [u32; 4],
}

/// Numbers in any layout: `View` of `numbers.cuh`.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    words: [u32; 16],
}

const fn kind(dtype: Dtype) -> u32 {
    match dtype {
        Dtype::F32 => 0,
        Dtype::F16 => 1,
        Dtype::Bf16 => 2,
        Dtype::U32 => 3,
        Dtype::U8 => 4,
    }
}

/// An address or a long count, as two words.
pub(super) const fn halves(long: u64) -> [u32; 2] {
    #[expect(clippy::cast_possible_truncation, reason = "the low half, then the high one")]
    [long as u32, (long >> 32) as u32]
}

/// Where a tensor's first number is.
pub(super) fn address(what: &'static str, tensor: &Tensor) -> Result<u64, TensorError> {
    Ok(tensor.storage.address(what)? + tensor.offset * tensor.dtype().bytes())
}

/// The same of one that is written: nobody else has a handle to it.
pub(super) fn address_mut(what: &'static str, tensor: &mut Tensor) -> Result<u64, TensorError> {
    if Arc::get_mut(&mut tensor.storage).is_none() {
        return Err(TensorError::Shared { what });
    }
    Ok(tensor.storage.address_mut(what)? + tensor.offset * tensor.dtype().bytes())
}

fn floats(what: &'static str, tensor: &Tensor) -> Result<(), TensorError> {
    if tensor.dtype().is_float() {
        return Ok(());
    }
    Err(TensorError::Dtype { what, wanted: "floats", found: tensor.dtype() })
}

impl Line {
    /// Floats at an address.
    pub(super) const fn at(address: u64, dtype: Dtype) -> Self {
        let [low, high] = halves(address);
        Self { words: [low, high, kind(dtype), address.is_multiple_of(WIDE) as u32] }
    }

    /// No numbers: what a kernel has that is not given.
    pub(super) const NONE: Self = Self { words: [0; 4] };

    /// A tensor's floats.
    pub(super) fn of(what: &'static str, tensor: &Tensor) -> Result<Self, TensorError> {
        floats(what, tensor)?;
        Ok(Self::at(address(what, tensor)?, tensor.dtype()))
    }

    /// A tensor's floats, or none.
    pub(super) fn of_any(what: &'static str, tensor: Option<&Tensor>) -> Result<Self, TensorError> {
        tensor.map_or(Ok(Self::NONE), |tensor| Self::of(what, tensor))
    }

    /// A tensor's floats, to be written.
    pub(super) fn of_mut(what: &'static str, tensor: &mut Tensor) -> Result<Self, TensorError> {
        floats(what, tensor)?;
        Ok(Self::at(address_mut(what, tensor)?, tensor.dtype()))
    }

    pub(super) const fn argument(&self) -> Argument<'_> {
        Argument::Words(&self.words)
    }
}

impl View {
    /// A tensor's numbers, dimensions put together where they lie in one piece.
    pub(super) fn of(what: &'static str, tensor: &Tensor) -> Result<Self, TensorError> {
        let mut kept: [(u32, u32); MAX_RANK] = [(1, 0); MAX_RANK];
        let mut rank = 0_usize;
        for (dim, stride) in tensor.layout.dims().iter().zip(tensor.layout.strides()) {
            if *dim == 1 {
                continue;
            }
            let last = rank.checked_sub(1).map(|last| kept[last]);
            match last {
                Some((before, apart)) if u64::from(apart) == u64::from(*dim) * u64::from(*stride) => {
                    let whole = before.checked_mul(*dim).ok_or_else(|| Self::too_many(tensor))?;
                    kept[rank - 1] = (whole, *stride);
                }
                _ => {
                    kept[rank] = (*dim, *stride);
                    rank += 1;
                }
            }
        }
        if rank == 0 {
            (kept[0], rank) = ((1, 1), 1);
        }
        if rank > 1 && tensor.count() > u64::from(u32::MAX) {
            return Err(Self::too_many(tensor));
        }
        let Line { words: [low, high, kind, aligned] } = Line::at(address(what, tensor)?, tensor.dtype());
        let (inner, outer) = (kept[rank - 1], &kept[..rank - 1]);
        let eights = inner.1 == 1
            && (rank == 1 || inner.0.is_multiple_of(8))
            && outer.iter().all(|(_, stride)| stride.is_multiple_of(8));
        let mut words = [0; 16];
        words[..4].copy_from_slice(&[low, high, kind, aligned & u32::from(eights)]);
        let (dims, strides) = words[4..].split_at_mut(MAX_RANK);
        dims.fill(1);
        for (index, (dim, stride)) in kept[..rank].iter().enumerate() {
            dims[MAX_RANK - rank + index] = *dim;
            strides[MAX_RANK - rank + index] = *stride;
        }
        Ok(Self { words })
    }

    fn too_many(tensor: &Tensor) -> TensorError {
        TensorError::TooLarge { dims: tensor.dims() }
    }

    pub(super) const fn argument(&self) -> Argument<'_> {
        Argument::Words(&self.words)
    }
}
