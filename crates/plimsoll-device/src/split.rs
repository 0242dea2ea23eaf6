//! The rule by which work that is too large for one piece is cut.

use std::ops::Range;

/// Cuts `bytes` into pieces of at most `limit`: every piece but the last is the largest multiple of `align` that
/// the limit allows.
///
/// What is above a device's largest allocation or binding is split by whoever asks for it; all of them split it
/// in this way, so that pieces that were made in one place are found again in another.
///
/// ```
/// use plimsoll_device::split;
/// let pieces: Vec<_> = split(1000, 300, 128).collect();
/// assert_eq!(pieces, [0..256, 256..512, 512..768, 768..1000]);
/// assert_eq!(split(0, 300, 128).count(), 0, "nothing is no pieces");
/// ```
///
/// # Panics
/// When `align` is zero or more than `limit`: both are facts of a device, and no piece could be made.
pub fn split(bytes: u64, limit: u64, align: u64) -> impl Iterator<Item = Range<u64>> {
    assert!(align > 0 && align <= limit, "pieces of at most {limit} bytes at multiples of {align}");
    let step = limit - limit % align;
    (0..bytes.div_ceil(step)).map(move |n| {
        let start = n * step;
        start..bytes.min(start.saturating_add(step))
    })
}
