//! One input, as products without a panel take it.

/// One input: as it is, or rounded in blocks of 32 or 256.
#[cfg_attr(
    not(target_arch = "x86_64"),
    expect(dead_code, reason = "the sets that read it are of another processor")
)]
pub(crate) struct One<'a> {
    pub(crate) singles: &'a [f32],
    pub(crate) bytes: &'a [i8],
    pub(crate) scales: &'a [f32],
    /// The sum of each 32 numbers, with the other sign; and of each 16.
    pub(crate) sums: &'a [i32],
    pub(crate) halves: &'a [i32],
}
