//! Bytes as the numbers that they are.

use ::half::slice::HalfFloatSliceExt;
use ::half::{bf16, f16};

use crate::{Dtype, TensorError};

/// Kinds of numbers of which any bytes are one, and that have no gaps.
pub(crate) trait Plain: Copy + Send + Sync + 'static {}

impl Plain for u8 {}
impl Plain for u16 {}
impl Plain for u32 {}
impl Plain for f32 {}
impl Plain for f16 {}
impl Plain for bf16 {}

/// The numbers in bytes that are aligned for them: what leases and slots begin with is.
pub(crate) fn numbers<T: Plain>(bytes: &[u8]) -> &[T] {
    // SAFETY: any bytes are such numbers (`Plain`); `align_to` keeps to the alignment.
    let (before, numbers, _) = unsafe { bytes.align_to::<T>() };
    assert!(before.is_empty(), "a tensor's bytes are aligned");
    numbers
}

/// The same for writing.
pub(crate) fn numbers_mut<T: Plain>(bytes: &mut [u8]) -> &mut [T] {
    // SAFETY: any bytes are such numbers, and such numbers any bytes (`Plain`); `align_to_mut` keeps to the alignment.
    let (before, numbers, _) = unsafe { bytes.align_to_mut::<T>() };
    assert!(before.is_empty(), "a tensor's bytes are aligned");
    numbers
}

/// The bytes of numbers, to be written.
pub(crate) fn bytes_of_mut<T: Plain>(numbers: &mut [T]) -> &mut [u8] {
    // SAFETY: any bytes are such numbers, which have no gaps (`Plain`), and bytes need no alignment.
    unsafe { numbers.align_to_mut().1 }
}

/// The bytes of numbers.
pub(crate) fn bytes_of<T: Plain>(numbers: &[T]) -> &[u8] {
    // SAFETY: such numbers have no gaps (`Plain`), and bytes need no alignment.
    unsafe { numbers.align_to().1 }
}

/// The bytes of singles kept otherwise: where they lie if they are, through `room` otherwise.
pub(crate) fn kept_as<'n>(
    what: &'static str,
    dtype: Dtype,
    numbers: &'n [f32],
    room: &'n mut Vec<u16>,
) -> Result<&'n [u8], TensorError> {
    room.resize(numbers.len(), 0);
    match dtype {
        Dtype::F32 => return Ok(bytes_of(numbers)),
        Dtype::F16 => numbers_mut::<f16>(bytes_of_mut(room)).convert_from_f32_slice(numbers),
        Dtype::Bf16 => numbers_mut::<bf16>(bytes_of_mut(room)).convert_from_f32_slice(numbers),
        found => return Err(TensorError::Dtype { what, wanted: "floats", found }),
    }
    Ok(bytes_of(room))
}
