//! Products in AMX tiles: sixteen rows with sixteen queries, 64 bytes at once; at best 1,024 products of bytes a cycle, or
//! half as many of numbers rounded to the upper halves of singles.
//!
//! The compiler's functions for these instructions are not stable, so they are written out. The tiles are only in use within
//! one call: they are configured at its start and released at its end, and the system keeps their contents for each thread
//! meanwhile. It must be asked for that once a process.

use std::arch::asm;
use std::arch::x86_64::{
    __cpuid_count, __m256i, _mm256_storeu_si256, _mm512_cvtneps_pbh, _mm512_maskz_loadu_ps, _xgetbv,
};
use std::sync::OnceLock;

use super::kernels::{GROUP, TILE};
use crate::BLOCK_ROWS;

/// Rows, and bytes of a row, of a tile.
const ROWS: usize = 16;
const STEP: usize = 64;

/// Whether the processor has tiles, and the system keeps them for this process. Asks once.
pub(crate) fn is_permitted() -> bool {
    static PERMITTED: OnceLock<bool> = OnceLock::new();
    *PERMITTED.get_or_init(|| has_tiles() && ask())
}

/// Whether the processor has tiles and products of bytes and halves in them, and the system has enabled their state.
fn has_tiles() -> bool {
    if !is_x86_feature_detected!("xsave") || __cpuid_count(0, 0).eax < 7 {
        return false;
    }
    let features = __cpuid_count(7, 0).edx;
    let (halves, tile, bytes) = (features >> 22 & 1, features >> 24 & 1, features >> 25 & 1);
    // Bit 27 of leaf 1: the system lets programs read which states it keeps.
    let readable = __cpuid_count(1, 0).ecx >> 27 & 1;
    if halves & tile & bytes & readable == 0 || !is_x86_feature_detected!("avx512bf16") {
        return false;
    }
    // SAFETY: the processor has the instruction, and the system has enabled it.
    let states = unsafe { kept_states() };
    states >> 17 & 3 == 3
}

/// Which states the system keeps.
///
/// # Safety
/// The processor has XSAVE and the system has enabled it.
#[target_feature(enable = "xsave")]
unsafe fn kept_states() -> u64 {
    // SAFETY: the caller has made sure.
    unsafe { _xgetbv(0) }
}

/// Asks Linux to keep the contents of tiles for this process. A sandbox that refuses leaves us with AVX-512.
#[cfg(target_os = "linux")]
fn ask() -> bool {
    const REQUEST: libc::c_long = 0x1023;
    const TILES: libc::c_long = 18;
    // SAFETY: a call without pointers, which changes nothing but what this process may use.
    unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST, TILES) == 0 }
}

/// Elsewhere nobody is known to have to be asked, or to answer.
#[cfg(not(target_os = "linux"))]
fn ask() -> bool {
    false
}

/// How the eight tiles are cut: each sixteen rows of 64 bytes.
#[repr(C, align(64))]
struct Shape {
    palette: u8,
    start: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

static SHAPE: Shape = Shape {
    palette: 1,
    start: 0,
    reserved: [0; 14],
    row_bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

/// Products of a block of unpacked levels with groups of queries, as many as `packed` has.
///
/// # Safety
/// [`is_permitted`].
pub(crate) unsafe fn tile_levels(levels: &[u8], places: usize, packed: &[i8], tiles: &mut [i32]) {
    let groups = packed.len() / (places * GROUP);
    assert!(levels.len() >= BLOCK_ROWS * places && places.is_multiple_of(STEP) && places > 0);
    assert!(groups > 0 && tiles.len() >= groups * TILE);
    // SAFETY: checked just now; the caller has permission.
    unsafe {
        tile::<false>(levels.as_ptr(), places, packed.as_ptr().cast(), groups, tiles.as_mut_ptr().cast());
    }
}

/// Products of a block of rounded numbers (the upper halves of singles) with groups of queries, as many as `packed` has.
/// `wide` numbers are a row, in whole steps of 32.
///
/// # Safety
/// [`is_permitted`].
pub(crate) unsafe fn tile_halves(rows: &[u16], wide: usize, packed: &[u16], tiles: &mut [f32]) {
    let groups = packed.len() / (wide * GROUP);
    assert!(rows.len() >= BLOCK_ROWS * wide && (wide * 2).is_multiple_of(STEP) && wide > 0);
    assert!(groups > 0 && tiles.len() >= groups * TILE);
    // SAFETY: checked just now; the caller has permission.
    unsafe {
        tile::<true>(
            rows.as_ptr().cast(),
            wide * 2,
            packed.as_ptr().cast(),
            groups,
            tiles.as_mut_ptr().cast(),
        );
    }
}

/// Rounds a block of singles, as they may lie, to their upper halves; rows are filled with zeros up to `wide` numbers.
///
/// # Safety
/// The processor has AVX-512 with BF16.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(crate) unsafe fn narrow(singles: &[u8], dimension: usize, wide: usize, halves: &mut [u16]) {
    assert!(
        singles.len() >= BLOCK_ROWS * dimension * 4 && halves.len() >= BLOCK_ROWS * wide && wide >= dimension
    );
    for row in 0..BLOCK_ROWS {
        let mut at = 0;
        while at < wide {
            let left = dimension.saturating_sub(at).min(16);
            let mask = u16::try_from((1_u32 << left) - 1).unwrap_or(u16::MAX);
            // SAFETY: only numbers of the row are read, by the mask; sixteen places are within the wide row.
            unsafe {
                let from = singles.as_ptr().add((row * dimension + at) * 4);
                let x = _mm512_maskz_loadu_ps(mask, from.cast());
                let rounded: __m256i = std::mem::transmute(_mm512_cvtneps_pbh(x));
                _mm256_storeu_si256(halves.as_mut_ptr().add(row * wide + at).cast(), rounded);
            }
            at += 16;
        }
    }
}

/// Products of 64 rows of `bytes` each with packed groups.
///
/// # Safety
/// The tiles may be used, and all pointers are to as much as that.
unsafe fn tile<const HALVES: bool>(
    rows: *const u8,
    bytes: usize,
    packed: *const u8,
    groups: usize,
    tiles: *mut u8,
) {
    let (size, tile_bytes) = (bytes * GROUP, TILE * 4);
    // SAFETY: two rows of tiles and two groups are within what the caller vouches for; a last group without a fellow is
    // multiplied twice, into the same place. Shape is what the instruction reads.
    unsafe {
        asm!("ldtilecfg [{}]", in(reg) &raw const SHAPE, options(nostack, preserves_flags));
        for first in (0..BLOCK_ROWS).step_by(2 * ROWS) {
            for group in (0..groups).step_by(2) {
                let fellow = (group + 1).min(groups - 1);
                let from = rows.add(first * bytes);
                let packed = [packed.add(group * size), packed.add(fellow * size)];
                let to = [group, fellow].map(|group| tiles.add(group * tile_bytes + first * GROUP * 4));
                if HALVES { halves(from, bytes, packed, to) } else { levels(from, bytes, packed, to) }
            }
        }
        asm!("tilerelease", options(nomem, nostack, preserves_flags));
    }
}

/// 32 rows with two groups, by one instruction of products.
macro_rules! multiply {
    ($name:ident, $product:literal) => {
        /// # Safety
        /// The tiles are configured; the pointers are to 32 rows, two packed groups, and 32 rows of two tiles.
        #[inline]
        unsafe fn $name(rows: *const u8, bytes: usize, packed: [*const u8; 2], tiles: [*mut u8; 2]) {
            // SAFETY: the caller's. The tile registers are nobody else's.
            unsafe {
                asm!(
                    "tilezero tmm0",
                    "tilezero tmm1",
                    "tilezero tmm2",
                    "tilezero tmm3",
                    "2:",
                    "tileloadd tmm4, [{upper} + {stride}*1]",
                    "tileloadd tmm6, [{first} + {line}*1]",
                    concat!($product, " tmm0, tmm4, tmm6"),
                    "tileloadd tmm7, [{second} + {line}*1]",
                    concat!($product, " tmm1, tmm4, tmm7"),
                    "tileloadd tmm5, [{below} + {stride}*1]",
                    concat!($product, " tmm2, tmm5, tmm6"),
                    concat!($product, " tmm3, tmm5, tmm7"),
                    "add {upper}, 64",
                    "add {below}, 64",
                    "add {first}, 1024",
                    "add {second}, 1024",
                    "dec {steps}",
                    "jnz 2b",
                    "tilestored [{to_first} + {line}*1], tmm0",
                    "tilestored [{to_second} + {line}*1], tmm1",
                    "tilestored [{to_first} + {line}*1 + 1024], tmm2",
                    "tilestored [{to_second} + {line}*1 + 1024], tmm3",
                    upper = inout(reg) rows => _,
                    below = inout(reg) rows.add(ROWS * bytes) => _,
                    first = inout(reg) packed[0] => _,
                    second = inout(reg) packed[1] => _,
                    steps = inout(reg) bytes / STEP => _,
                    stride = in(reg) bytes,
                    line = in(reg) 64_usize,
                    to_first = in(reg) tiles[0],
                    to_second = in(reg) tiles[1],
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
            }
        }
    };
}

multiply!(levels, "tdpbusd");
multiply!(halves, "tdpbf16ps");
