//! Rows of results whose columns are written by several threads.

use std::marker::PhantomData;

/// Rows of so many numbers; threads write columns that are apart.
#[derive(Debug)]
pub(super) struct Spread<'a> {
    numbers: *mut f32,
    rows: usize,
    columns: usize,
    borrowed: PhantomData<&'a mut [f32]>,
}

// SAFETY: it is a mutable borrow of numbers; that threads write none of them twice is what `write` demands.
unsafe impl Send for Spread<'_> {}
// SAFETY: as above.
unsafe impl Sync for Spread<'_> {}

impl<'a> Spread<'a> {
    pub(super) fn new(numbers: &'a mut [f32], columns: usize) -> Self {
        let rows = numbers.len().checked_div(columns).unwrap_or(0);
        Self { numbers: numbers.as_mut_ptr(), rows, columns, borrowed: PhantomData }
    }

    /// Writes `wide` columns from `first` on of all rows, from rows that are `stride` apart.
    ///
    /// # Safety
    /// Nobody else writes these columns at the same time.
    #[inline(always)]
    pub(super) unsafe fn write(&self, first: usize, wide: usize, from: &[f32], stride: usize) {
        assert!(first + wide <= self.columns && wide <= stride && from.len() >= self.rows * stride);
        for row in 0..self.rows {
            // SAFETY: within the numbers that are borrowed, and within `from`, as was just checked.
            unsafe {
                let to = self.numbers.add(row * self.columns + first);
                std::ptr::copy_nonoverlapping(from.as_ptr().add(row * stride), to, wide);
            }
        }
    }
}
