//! Singles as bytes, and bytes as singles.

/// The singles that lie in aligned bytes.
pub(super) fn floats_mut(bytes: &mut [u8]) -> &mut [f32] {
    // SAFETY: any four bytes are a single, and any single is four bytes.
    unsafe { bytes.align_to_mut().1 }
}

/// The bytes of singles.
pub(crate) fn bytes(floats: &[f32]) -> &[u8] {
    // SAFETY: any single is four bytes, and bytes need no alignment.
    unsafe { floats.align_to().1 }
}

/// Levels as bytes.
pub(super) fn levels(levels: &[i8]) -> &[u8] {
    // SAFETY: any byte is a byte, signed or not.
    unsafe { levels.align_to().1 }
}
