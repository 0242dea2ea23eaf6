//! Products in AMX tiles: sixteen rows with sixteen queries, 64 places at once, 1,024 products a cycle at best.
//!
//! The compiler's functions for these instructions are not stable, so they are written out. The tiles are only in use within
//! one call: they are configured at its start and released at its end, and the system keeps their contents for each thread
//! meanwhile. It must be asked for that once a process.

use std::arch::asm;
use std::arch::x86_64::{__cpuid_count, _xgetbv};
use std::sync::OnceLock;

use super::kernels::{GROUP, TILE};
use crate::BLOCK_ROWS;

/// Rows, and bytes of a row, of a tile.
const ROWS: usize = 16;
const STEP: usize = 64;

/// Whether the processor has tiles of bytes, and the system keeps them for this process. Asks once.
pub(crate) fn is_permitted() -> bool {
    static PERMITTED: OnceLock<bool> = OnceLock::new();
    *PERMITTED.get_or_init(|| has_tiles() && ask())
}

/// Whether the processor has tiles and products of bytes in them, and the system has enabled their state.
fn has_tiles() -> bool {
    if !is_x86_feature_detected!("xsave") || __cpuid_count(0, 0).eax < 7 {
        return false;
    }
    let features = __cpuid_count(7, 0).edx;
    let (tile, bytes) = (features >> 24 & 1, features >> 25 & 1);
    // Bit 27 of leaf 1: the system lets programs read which states it keeps.
    let readable = __cpuid_count(1, 0).ecx >> 27 & 1;
    if tile & bytes & readable == 0 {
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
    let size = places * GROUP;
    let groups = packed.len() / size;
    assert!(levels.len() >= BLOCK_ROWS * places && places.is_multiple_of(STEP) && places > 0);
    assert!(groups > 0 && tiles.len() >= groups * TILE);
    // SAFETY: two rows of tiles and two groups are within what was checked; a last group without a fellow is multiplied
    // twice, into the same place. Shape is what the instruction reads.
    unsafe {
        asm!("ldtilecfg [{}]", in(reg) &raw const SHAPE, options(nostack, preserves_flags));
        for rows in (0..BLOCK_ROWS).step_by(2 * ROWS) {
            for group in (0..groups).step_by(2) {
                let fellow = (group + 1).min(groups - 1);
                multiply(
                    levels.as_ptr().add(rows * places),
                    places,
                    [packed.as_ptr().add(group * size), packed.as_ptr().add(fellow * size)],
                    [group, fellow].map(|group| tiles.as_mut_ptr().add(group * TILE + rows * GROUP)),
                );
            }
        }
        asm!("tilerelease", options(nomem, nostack, preserves_flags));
    }
}

/// 32 rows with two groups.
///
/// # Safety
/// The tiles are configured; the pointers are to 32 rows, two packed groups, and 32 rows of two tiles.
#[inline]
unsafe fn multiply(rows: *const u8, places: usize, packed: [*const i8; 2], tiles: [*mut i32; 2]) {
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
            "tdpbusd tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{second} + {line}*1]",
            "tdpbusd tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{below} + {stride}*1]",
            "tdpbusd tmm2, tmm5, tmm6",
            "tdpbusd tmm3, tmm5, tmm7",
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
            below = inout(reg) rows.add(ROWS * places) => _,
            first = inout(reg) packed[0] => _,
            second = inout(reg) packed[1] => _,
            steps = inout(reg) places / STEP => _,
            stride = in(reg) places,
            line = in(reg) 64_usize,
            to_first = in(reg) tiles[0],
            to_second = in(reg) tiles[1],
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}
