//! Mapped bytes in place. The one file of the holdings that needs `unsafe`.

use super::block::Block;

impl Block {
    /// The bytes in place, mapped or copied.
    ///
    /// # Safety
    /// While the slice is used, nobody writes to the mapped file and nobody makes it shorter: what is read would
    /// change under a shared borrow, or end the process. A copy ([`Keep::Copied`](super::Keep::Copied)) has no such
    /// condition. Files that are replaced by renaming, as package managers and model downloads do, are safe: the mapping
    /// keeps the old file.
    pub unsafe fn in_place(&self) -> &[u8] {
        if let Some(copied) = self.as_slice() {
            return copied;
        }
        let Some(region) = self.mapped() else {
            return &[];
        };
        match region.host() {
            Some(start) if !region.bytes().is_zero() => {
                // SAFETY: the region is mapped for reading over all its bytes as long as `self` owns it, which the
                // borrow ensures; the caller vouches that the file behind it neither changes nor shrinks.
                unsafe { std::slice::from_raw_parts(start.as_ptr(), region.bytes().as_usize()) }
            }
            _ => &[],
        }
    }
}
