//! Numbers of any kind of float, read and written as singles a piece at a time.

use ::half::slice::HalfFloatSliceExt;
use ::half::{bf16, f16};

use crate::cast::{numbers, numbers_mut};
use crate::{Dtype, Tensor, TensorError};

/// How many numbers are made singles at once: a few lines of the nearest cache.
pub(super) const PIECE: usize = 1024;

/// Numbers to be read.
#[derive(Clone, Copy)]
pub(super) enum Numbers<'n> {
    F32(&'n [f32]),
    F16(&'n [f16]),
    Bf16(&'n [bf16]),
}

/// Numbers to be written.
pub(super) enum NumbersMut<'n> {
    F32(&'n mut [f32]),
    F16(&'n mut [f16]),
    Bf16(&'n mut [bf16]),
}

/// A tensor's floats from its first on; how many there are is in its layout.
pub(super) fn floats<'t>(what: &'static str, tensor: &'t Tensor) -> Result<Numbers<'t>, TensorError> {
    let bytes = tensor.storage.bytes(what)?;
    let at = usize::try_from(tensor.offset).unwrap_or(usize::MAX);
    Ok(match tensor.dtype() {
        Dtype::F32 => Numbers::F32(&numbers(bytes)[at..]),
        Dtype::F16 => Numbers::F16(&numbers(bytes)[at..]),
        Dtype::Bf16 => Numbers::Bf16(&numbers(bytes)[at..]),
        found => return Err(TensorError::Dtype { what, wanted: "floats", found }),
    })
}

/// A tensor's floats for writing.
pub(super) fn floats_mut<'t>(
    what: &'static str,
    tensor: &'t mut Tensor,
) -> Result<NumbersMut<'t>, TensorError> {
    let (dtype, count) = (tensor.dtype(), usize::try_from(tensor.count()).unwrap_or(usize::MAX));
    let bytes = bytes_mut(what, tensor)?;
    Ok(match dtype {
        Dtype::F32 => NumbersMut::F32(&mut numbers_mut(bytes)[..count]),
        Dtype::F16 => NumbersMut::F16(&mut numbers_mut(bytes)[..count]),
        Dtype::Bf16 => NumbersMut::Bf16(&mut numbers_mut(bytes)[..count]),
        found => return Err(TensorError::Dtype { what, wanted: "floats", found }),
    })
}

/// A tensor's singles.
pub(super) fn singles<'t>(what: &'static str, tensor: &'t Tensor) -> Result<&'t [f32], TensorError> {
    let count = usize::try_from(tensor.count()).unwrap_or(usize::MAX);
    match floats(what, tensor)? {
        Numbers::F32(all) => Ok(&all[..count.min(all.len())]),
        _ => Err(TensorError::Dtype { what, wanted: "f32", found: tensor.dtype() }),
    }
}

/// A tensor's singles for writing.
pub(super) fn singles_mut<'t>(
    what: &'static str,
    tensor: &'t mut Tensor,
) -> Result<&'t mut [f32], TensorError> {
    let found = tensor.dtype();
    match floats_mut(what, tensor)? {
        NumbersMut::F32(all) => Ok(all),
        _ => Err(TensorError::Dtype { what, wanted: "f32", found }),
    }
}

/// A tensor's whole numbers.
pub(super) fn ids<'t>(what: &'static str, tensor: &'t Tensor) -> Result<&'t [u32], TensorError> {
    if tensor.dtype() != Dtype::U32 {
        return Err(TensorError::Dtype { what, wanted: "u32", found: tensor.dtype() });
    }
    let (at, count) = (tensor.offset, tensor.count());
    let range = usize::try_from(at).unwrap_or(0)..usize::try_from(at + count).unwrap_or(0);
    Ok(&numbers(tensor.storage.bytes(what)?)[range])
}

/// The bytes of a tensor that nobody shares, from its first number on.
pub(super) fn bytes_mut<'t>(what: &'static str, tensor: &'t mut Tensor) -> Result<&'t mut [u8], TensorError> {
    let from = usize::try_from(tensor.offset * tensor.dtype().bytes()).unwrap_or(usize::MAX);
    let storage = std::sync::Arc::get_mut(&mut tensor.storage).ok_or(TensorError::Shared { what })?;
    Ok(&mut storage.bytes_mut(what)?[from..])
}

impl Numbers<'_> {
    /// Some numbers as singles: where they lie if they are, through `room` otherwise.
    pub(super) fn piece<'p>(&'p self, from: usize, len: usize, room: &'p mut [f32]) -> &'p [f32] {
        if let Self::F32(all) = self {
            &all[from..from + len]
        } else {
            self.load(from, &mut room[..len]);
            &room[..len]
        }
    }

    /// Some numbers as singles, somewhere else.
    pub(super) fn load(&self, from: usize, into: &mut [f32]) {
        let range = from..from + into.len();
        match self {
            Self::F32(all) => into.copy_from_slice(&all[range]),
            Self::F16(all) => all[range].convert_to_f32_slice(into),
            Self::Bf16(all) => all[range].convert_to_f32_slice(into),
        }
    }

    /// One number.
    pub(super) fn at(&self, index: usize) -> f32 {
        match self {
            Self::F32(all) => all[index],
            Self::F16(all) => all[index].to_f32(),
            Self::Bf16(all) => all[index].to_f32(),
        }
    }
}

impl<'n> NumbersMut<'n> {
    /// Some of them.
    pub(super) fn part(self, from: usize, len: usize) -> Self {
        let range = from..from + len;
        match self {
            Self::F32(all) => Self::F32(&mut all[range]),
            Self::F16(all) => Self::F16(&mut all[range]),
            Self::Bf16(all) => Self::Bf16(&mut all[range]),
        }
    }

    /// Runs of `len` numbers, the last perhaps shorter.
    pub(super) fn chunks(self, len: usize) -> Vec<NumbersMut<'n>> {
        let len = len.max(1);
        match self {
            Self::F32(all) => all.chunks_mut(len).map(NumbersMut::F32).collect(),
            Self::F16(all) => all.chunks_mut(len).map(NumbersMut::F16).collect(),
            Self::Bf16(all) => all.chunks_mut(len).map(NumbersMut::Bf16).collect(),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::F32(all) => all.len(),
            Self::F16(all) => all.len(),
            Self::Bf16(all) => all.len(),
        }
    }

    /// Lets some numbers be written as singles: in place if they are, through `room` otherwise. They have no content.
    pub(super) fn fill_with(
        &mut self,
        from: usize,
        len: usize,
        room: &mut [f32],
        work: impl FnOnce(&mut [f32]),
    ) {
        let range = from..from + len;
        match self {
            Self::F32(all) => work(&mut all[range]),
            Self::F16(all) => {
                work(&mut room[..len]);
                all[range].convert_from_f32_slice(&room[..len]);
            }
            Self::Bf16(all) => {
                work(&mut room[..len]);
                all[range].convert_from_f32_slice(&room[..len]);
            }
        }
    }

    /// The same of numbers that have content, which is there as singles.
    pub(super) fn change(
        &mut self,
        from: usize,
        len: usize,
        room: &mut [f32],
        work: impl FnOnce(&mut [f32]),
    ) {
        match self {
            Self::F32(_) => {}
            Self::F16(all) => all[from..from + len].convert_to_f32_slice(&mut room[..len]),
            Self::Bf16(all) => all[from..from + len].convert_to_f32_slice(&mut room[..len]),
        }
        self.fill_with(from, len, room, work);
    }
}
