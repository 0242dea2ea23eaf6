//! The instructions that kernels are written in, one set a processor.
//!
//! A kernel is one generic function; each set makes of it what its processor runs. The sets with fused multiply and add
//! (AVX-512, AVX2, NEON) keep the same 64 sums for a product of vectors and add them up in the same order, so they give
//! the same bits.

#![expect(clippy::inline_always, reason = "an instruction is compiled only within the function that has it")]

mod plain;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::Neon;
pub(crate) use plain::Plain;

/// What a processor does with several numbers at once.
///
/// # Safety
/// The functions may only be called where the processor has the instructions of the set, from a function that is compiled
/// for them, and with pointers to as many bytes as they read or write. No pointer need be aligned.
pub(crate) trait Wide {
    /// Singles, or 32-bit integers, at once.
    const LANES: usize;
    /// Singles.
    type F: Copy;
    /// 32-bit integers, or four times as many bytes.
    type I: Copy;

    /// Asks for a line of memory that will be wanted; any address will do.
    #[inline(always)]
    unsafe fn fetch(_from: *const u8) {}

    /// Zeros.
    unsafe fn zero() -> Self::F;
    /// The same in all lanes.
    unsafe fn splat(number: f32) -> Self::F;
    /// Singles from memory.
    unsafe fn load(from: *const f32) -> Self::F;
    /// Halves from memory. Infinities and NaN do not occur.
    unsafe fn load_f16(from: *const u8) -> Self::F;
    /// Upper halves of singles from memory.
    unsafe fn load_bf16(from: *const u8) -> Self::F;
    /// Singles to memory.
    unsafe fn store(to: *mut f32, number: Self::F);
    /// a + b.
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F;
    /// a − b.
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F;
    /// a · b.
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F;
    /// a · b + c, rounded once where the processor can.
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// All lanes: the upper half is added to the lower until one is left.
    unsafe fn sum(number: Self::F) -> f32;
    /// A bit for each lane where a is *not* above b: also where either is no number.
    unsafe fn not_above(a: Self::F, b: Self::F) -> u32;

    /// Zeros.
    unsafe fn zero_ints() -> Self::I;
    /// The same in all lanes.
    unsafe fn splat_ints(number: i32) -> Self::I;
    /// Integers, or bytes, from memory.
    unsafe fn load_ints(from: *const u8) -> Self::I;
    /// Integers, or bytes, to memory.
    unsafe fn store_ints(to: *mut u8, number: Self::I);
    /// a − b, of 32-bit integers, wrapping.
    unsafe fn sub_ints(a: Self::I, b: Self::I) -> Self::I;
    /// a + b, of 32-bit integers, wrapping.
    unsafe fn add_ints(a: Self::I, b: Self::I) -> Self::I;
    /// a − b, of bytes, wrapping.
    unsafe fn sub_bytes(a: Self::I, b: Self::I) -> Self::I;
    /// a + b, of bytes, wrapping.
    unsafe fn add_bytes(a: Self::I, b: Self::I) -> Self::I;
    /// a + b, of 16-bit integers, wrapping.
    unsafe fn add_halves(a: Self::I, b: Self::I) -> Self::I;
    /// a − b, of 16-bit integers, wrapping.
    unsafe fn sub_halves(a: Self::I, b: Self::I) -> Self::I;
    /// The upper byte of each 16 bits, moved down.
    unsafe fn shift_down(a: Self::I) -> Self::I;
    /// The lower byte of each 16 bits, moved up.
    unsafe fn shift_up(a: Self::I) -> Self::I;
    /// Sixteen bytes from memory, as [`look_up`](Self::look_up) wants them.
    unsafe fn load_table(from: *const u8) -> Self::I;
    /// For each byte of `at`, which is below 16, that byte of the table.
    unsafe fn look_up(table: Self::I, at: Self::I) -> Self::I;
    /// a ^ b.
    unsafe fn xor(a: Self::I, b: Self::I) -> Self::I;
    /// a & b.
    unsafe fn and(a: Self::I, b: Self::I) -> Self::I;
    /// The upper half of each byte.
    unsafe fn upper_nibbles(a: Self::I) -> Self::I;
    /// To each lane of `sum` the four products of its bytes: those of `a` from 0 on, those of `b` with a sign.
    unsafe fn dot(sum: Self::I, a: Self::I, b: Self::I) -> Self::I;
    /// All lanes.
    unsafe fn sum_lanes(number: Self::I) -> i32;
    /// As singles, rounded to the nearest.
    unsafe fn to_f(number: Self::I) -> Self::F;
}
