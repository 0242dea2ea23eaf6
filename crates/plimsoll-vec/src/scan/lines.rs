//! Memory in whole cache lines, lent as numbers of any kind.
//!
//! A register of 64 bytes that is loaded across two lines costs two loads, and a tile of queries is loaded once for each
//! few rows: hence aligned.

/// What a processor fetches at once.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// Zeroed, aligned memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(Vec<Line>);

/// Numbers that any bytes are.
///
/// # Safety
/// Every pattern of bits is a value, and 64 is a multiple of the size and the alignment.
pub(crate) unsafe trait Plain: Copy {}

// SAFETY: integers and singles.
unsafe impl Plain for u8 {}
// SAFETY: as above.
unsafe impl Plain for i8 {}
// SAFETY: as above.
unsafe impl Plain for u16 {}
// SAFETY: as above.
unsafe impl Plain for i32 {}
// SAFETY: as above.
unsafe impl Plain for u64 {}
// SAFETY: as above.
unsafe impl Plain for f32 {}

impl Lines {
    /// At least so many bytes, all zero.
    pub(crate) fn new(bytes: usize) -> Self {
        Self(vec![Line([0; 64]); bytes.div_ceil(64)])
    }

    /// What that takes from the heap.
    pub(crate) fn bytes_for(bytes: usize) -> u64 {
        (bytes.div_ceil(64) as u64).saturating_mul(64)
    }

    /// All of it as numbers.
    pub(crate) fn of<T: Plain>(&self) -> &[T] {
        // SAFETY: the vector owns so many bytes, aligned to 64, initialized, and any bytes are a `T`.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * 64 / size_of::<T>()) }
    }

    /// All of it as numbers, to be written.
    pub(crate) fn of_mut<T: Plain>(&mut self) -> &mut [T] {
        let count = self.0.len() * 64 / size_of::<T>();
        // SAFETY: as in `of`, and borrowed for writing; any `T` is bytes.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), count) }
    }
}
