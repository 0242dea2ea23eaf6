//! Counts of bits: signs against signs, and against the bit planes of a query's levels.

pub(super) use super::planes::product;
use crate::BLOCK_ROWS;
use crate::code::LEVEL_BYTES;

/// Signs of a block, by words, against one query.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignRows<'a> {
    /// The signs of the block.
    pub signs: &'a [u8],
    /// Bytes of a row.
    pub bytes: usize,
    /// For each word the query's words, one a plane: all the first bits, …; the last plane counts less than nothing.
    pub planes: &'a [u64],
    /// How many planes, at most 8.
    pub count: usize,
    /// The signs that will be asked for next, or none: they lie apart, where the processor would not look ahead.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "only registers of x86 ask ahead"))]
    pub next: &'a [u8],
}

impl SignRows<'_> {
    fn check(&self) {
        assert!(self.signs.len() >= BLOCK_ROWS * self.bytes && (1..=8).contains(&self.count));
        assert!(self.planes.len() >= self.bytes.div_ceil(8) * self.count);
    }

    /// The 64 rows' words; those that are not whole are filled with zeros.
    #[inline(always)]
    fn words(&self, word: usize) -> [u64; BLOCK_ROWS] {
        let wide = (self.bytes - word * 8).min(8);
        let from = &self.signs[word * 8 * BLOCK_ROWS..];
        std::array::from_fn(|row| {
            let mut bytes = [0; 8];
            bytes[..wide].copy_from_slice(&from[row * wide..][..wide]);
            u64::from_le_bytes(bytes)
        })
    }
}

/// For each row the sum of the query's levels where its sign is set.
#[inline(always)]
pub(super) fn weigh(rows: &SignRows, sums: &mut [i32; BLOCK_ROWS]) {
    rows.check();
    sums.fill(0);
    for word in 0..rows.bytes.div_ceil(8) {
        let words = rows.words(word);
        let planes = &rows.planes[word * rows.count..][..rows.count];
        for (sum, bits) in sums.iter_mut().zip(&words) {
            for (plane, mask) in planes.iter().enumerate() {
                let count = (bits & mask).count_ones().cast_signed() << plane;
                *sum += if plane + 1 == rows.count { -count } else { count };
            }
        }
    }
}

/// For each row how many signs differ from the query's.
#[inline(always)]
pub(super) fn differ(rows: &SignRows, sums: &mut [i32; BLOCK_ROWS]) {
    rows.check();
    sums.fill(0);
    for word in 0..rows.bytes.div_ceil(8) {
        let words = rows.words(word);
        for (sum, bits) in sums.iter_mut().zip(&words) {
            *sum += (bits ^ rows.planes[word * rows.count]).count_ones().cast_signed();
        }
    }
}

/// Eight bits as eight bytes of 0 and 1.
const fn spread(bits: u8) -> u64 {
    let mut bytes = 0;
    let mut at = 0;
    while at < 8 {
        bytes |= ((bits >> at & 1) as u64) << (8 * at);
        at += 1;
    }
    bytes
}

const SPREAD: [u64; 256] = {
    let mut table = [0; 256];
    let mut bits = 0;
    while bits < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        let byte = bits as u8;
        table[bits] = spread(byte);
        bits += 1;
    }
    table
};

/// Unpacks the levels of a block: 0 and 2 where there are no lower planes, else what the four bits stand for.
#[inline(always)]
pub(super) fn unpack(signs: &[u8], bytes: usize, lower: &[u8], places: usize, levels: &mut [u8]) {
    for (row, levels) in levels.chunks_exact_mut(places).enumerate().take(BLOCK_ROWS) {
        let lower = if lower.is_empty() { lower } else { &lower[row * 3 * bytes..][..3 * bytes] };
        unpack_row(&signs[..bytes * BLOCK_ROWS], row, lower, levels);
    }
}

/// The same for one row, with the signs of its block and its own lower planes.
#[inline(always)]
fn unpack_row(signs: &[u8], row: usize, lower: &[u8], levels: &mut [u8]) {
    let bytes = signs.len() / BLOCK_ROWS;
    for (byte, eight) in levels.chunks_exact_mut(8).take(bytes).enumerate() {
        if lower.is_empty() {
            let sign = SPREAD[usize::from(signs[crate::code::sign_at(bytes, row, byte)])];
            eight.copy_from_slice(&(sign << 1).to_le_bytes());
        } else {
            eight.copy_from_slice(&eight_levels(signs, row, lower, byte));
        }
    }
}

/// What the four bits of eight numbers of a row stand for.
#[inline(always)]
pub(super) fn eight_levels(signs: &[u8], row: usize, lower: &[u8], byte: usize) -> [u8; 8] {
    let bytes = signs.len() / BLOCK_ROWS;
    let sign = SPREAD[usize::from(signs[crate::code::sign_at(bytes, row, byte)])];
    let plane = |plane: usize| SPREAD[usize::from(lower[plane * bytes + byte])];
    let codes = sign << 3 | plane(0) << 2 | plane(1) << 1 | plane(2);
    codes.to_le_bytes().map(|code| LEVEL_BYTES[usize::from(code & 15)])
}

/// Up to eight bytes, the rest zero.
///
/// # Safety
/// `wide` bytes can be read.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) unsafe fn word_at(from: *const u8, wide: usize) -> u64 {
    // SAFETY: the caller's.
    unsafe {
        if wide == 8 {
            return from.cast::<u64>().read_unaligned();
        }
        let mut word = 0;
        for at in 0..wide {
            word |= u64::from(*from.add(at)) << (8 * at);
        }
        word
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2 {
    //! Four rows at once: a register has a word of each. There is no instruction that counts the bits of a register, so those
    //! of half bytes are looked up.

    #[allow(
        clippy::wildcard_imports,
        reason = "the names are those of the instructions; not found where tests are built"
    )]
    use std::arch::x86_64::*;

    pub(crate) use super::super::planes::avx2::product;
    use super::{SignRows, word_at};
    use crate::BLOCK_ROWS;
    use crate::code::LEVEL_BYTES;

    /// Words whose bits can be counted in bytes before these are full.
    const WORDS: usize = 31;

    /// As [`super::weigh`].
    #[target_feature(enable = "popcnt,avx2,bmi1,bmi2")]
    pub(crate) fn weigh(rows: &SignRows, sums: &mut [i32; BLOCK_ROWS]) {
        rows.check();
        match rows.count {
            4 => counts::<4, false>(rows, sums),
            8 => counts::<8, false>(rows, sums),
            _ => super::weigh(rows, sums),
        }
    }

    /// As [`super::differ`].
    #[target_feature(enable = "popcnt,avx2,bmi1,bmi2")]
    pub(crate) fn differ(rows: &SignRows, sums: &mut [i32; BLOCK_ROWS]) {
        rows.check();
        if rows.count == 1 { counts::<1, true>(rows, sums) } else { super::differ(rows, sums) }
    }

    #[inline]
    #[target_feature(enable = "popcnt,avx2,bmi1,bmi2")]
    fn counts<const PLANES: usize, const DIFFER: bool>(rows: &SignRows, sums: &mut [i32; BLOCK_ROWS]) {
        let whole = rows.bytes / 8;
        let rest = if rows.bytes.is_multiple_of(8) { [0; BLOCK_ROWS] } else { rows.words(whole) };
        let words = rows.bytes.div_ceil(8);
        for four in 0..BLOCK_ROWS / 4 {
            let mut apart = [_mm256_setzero_si256(); PLANES];
            for first in (0..words).step_by(WORDS) {
                let mut counted = [_mm256_setzero_si256(); PLANES];
                for word in first..words.min(first + WORDS) {
                    let ahead = (word * BLOCK_ROWS + four * 4) * 8;
                    // SAFETY: four words of this block, which was checked, or of the copy.
                    let bits = unsafe {
                        if word < whole {
                            _mm256_loadu_si256(rows.signs.as_ptr().add(ahead).cast())
                        } else {
                            _mm256_loadu_si256(rest.as_ptr().add(four * 4).cast())
                        }
                    };
                    if ahead < rows.next.len() {
                        // SAFETY: within the slice; and a prefetch reads nothing.
                        unsafe { _mm_prefetch::<_MM_HINT_T0>(rows.next.as_ptr().add(ahead).cast()) };
                    }
                    let planes = &rows.planes[word * PLANES..][..PLANES];
                    for (counted, mask) in counted.iter_mut().zip(planes) {
                        *counted = _mm256_add_epi8(*counted, bits_of_bytes::<DIFFER>(bits, *mask));
                    }
                }
                for (apart, counted) in apart.iter_mut().zip(counted) {
                    *apart = _mm256_add_epi64(*apart, _mm256_sad_epu8(counted, _mm256_setzero_si256()));
                }
            }
            // Horner's way, from the last plane, which counts less than nothing.
            let mut sum = apart[PLANES - 1];
            if PLANES > 1 {
                sum = _mm256_sub_epi64(_mm256_setzero_si256(), sum);
                for plane in apart[..PLANES - 1].iter().rev() {
                    sum = _mm256_add_epi64(_mm256_add_epi64(sum, sum), *plane);
                }
            }
            let mut four_sums = [0_i64; 4];
            // SAFETY: four integers of 64 bits.
            unsafe { _mm256_storeu_si256(four_sums.as_mut_ptr().cast(), sum) };
            for (sum, wide) in sums[four * 4..].iter_mut().zip(four_sums) {
                #[expect(clippy::cast_possible_truncation, reason = "at most 2^8 times the bits of a row")]
                let narrow = wide as i32;
                *sum = narrow;
            }
        }
    }

    /// How many bits each byte of `bits` has in common with the mask, or has not like it.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn bits_of_bytes<const DIFFER: bool>(bits: __m256i, mask: u64) -> __m256i {
        let mask = _mm256_set1_epi64x(mask.cast_signed());
        let kept = if DIFFER { _mm256_xor_si256(bits, mask) } else { _mm256_and_si256(bits, mask) };
        let half = _mm256_set1_epi8(15);
        let table =
            _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
        let lower = _mm256_shuffle_epi8(table, _mm256_and_si256(kept, half));
        let upper = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16::<4>(kept), half));
        _mm256_add_epi8(lower, upper)
    }

    /// As [`super::unpack`].
    #[target_feature(enable = "popcnt,avx2,bmi1,bmi2")]
    pub(crate) fn unpack(signs: &[u8], bytes: usize, lower: &[u8], places: usize, levels: &mut [u8]) {
        assert!(signs.len() >= bytes * BLOCK_ROWS && levels.len() >= places * BLOCK_ROWS);
        assert!(places >= bytes.next_multiple_of(8) * 8);
        assert!(lower.is_empty() || lower.len() >= bytes * 3 * BLOCK_ROWS);
        // SAFETY: sixteen bytes.
        let table = _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(LEVEL_BYTES.as_ptr().cast()) });
        for row in 0..BLOCK_ROWS {
            for word in 0..bytes.div_ceil(8) {
                // A word of the row's signs or of a plane; the last may not be whole.
                let wide = (bytes - word * 8).min(8);
                // SAFETY: words of these rows, whose lengths were checked.
                let (sign, under) = unsafe {
                    let sign = word_at(signs.as_ptr().add(word * 8 * BLOCK_ROWS + row * wide), wide);
                    let plane = |plane: usize| {
                        word_at(lower.as_ptr().add((row * 3 + plane) * bytes + word * 8), wide)
                    };
                    (sign, (!lower.is_empty()).then(|| [plane(0), plane(1), plane(2)]))
                };
                for half in 0..2 {
                    let eights = match under {
                        None => spread::<2>(sign, half),
                        Some([first, second, third]) => {
                            let upper = _mm256_or_si256(spread::<8>(sign, half), spread::<4>(first, half));
                            let below = _mm256_or_si256(spread::<2>(second, half), spread::<1>(third, half));
                            _mm256_shuffle_epi8(table, _mm256_or_si256(upper, below))
                        }
                    };
                    // SAFETY: places are whole words of 64, as many as these; lengths were checked.
                    unsafe {
                        let to = levels.as_mut_ptr().add(row * places + word * 64 + half * 32);
                        _mm256_storeu_si256(to.cast(), eights);
                    }
                }
            }
        }
    }

    /// The 32 bits of a half of a word as bytes: `ONE` where they are set, else 0.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(crate) fn spread<const ONE: i8>(word: u64, half: usize) -> __m256i {
        #[expect(clippy::cast_possible_truncation, reason = "the half that is wanted")]
        let bits = _mm256_set1_epi32(((word >> (32 * half)) as u32).cast_signed());
        let byte_of = _mm256_setr_epi64x(
            0x0000_0000_0000_0000,
            0x0101_0101_0101_0101,
            0x0202_0202_0202_0202,
            0x0303_0303_0303_0303,
        );
        let bit_of = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64.cast_signed());
        let alone = _mm256_and_si256(_mm256_shuffle_epi8(bits, byte_of), bit_of);
        _mm256_and_si256(_mm256_cmpeq_epi8(alone, bit_of), _mm256_set1_epi8(ONE))
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) mod avx512 {
    //! Eight rows at once: a register has a word of each.

    #[allow(
        clippy::wildcard_imports,
        reason = "the names are those of the instructions; not found where tests are built"
    )]
    use std::arch::x86_64::*;

    pub(crate) use super::super::planes::avx512::product;
    use super::{SignRows, word_at};
    use crate::BLOCK_ROWS;
    use crate::code::LEVEL_BYTES;

    /// As [`super::weigh`].
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq")]
    pub(crate) fn weigh(rows: &SignRows, sums: &mut [i32; BLOCK_ROWS]) {
        rows.check();
        match rows.count {
            4 => counts::<4, 4, false>(rows, sums),
            8 => counts::<8, 2, false>(rows, sums),
            _ => super::weigh(rows, sums),
        }
    }

    /// As [`super::differ`].
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq")]
    pub(crate) fn differ(rows: &SignRows, sums: &mut [i32; BLOCK_ROWS]) {
        rows.check();
        if rows.count == 1 { counts::<1, 8, true>(rows, sums) } else { super::differ(rows, sums) }
    }

    /// `ROWS` registers of eight rows are worked on at once: so lines that lie together are asked for together, and each word of
    /// the query is spread once for all of them.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq")]
    #[expect(
        clippy::needless_range_loop,
        reason = "iterators over registers are not always made part of the loop"
    )]
    fn counts<const PLANES: usize, const ROWS: usize, const DIFFER: bool>(
        rows: &SignRows,
        sums: &mut [i32; BLOCK_ROWS],
    ) {
        let whole = rows.bytes / 8;
        let rest = if rows.bytes.is_multiple_of(8) { [0; BLOCK_ROWS] } else { rows.words(whole) };
        for first in (0..BLOCK_ROWS).step_by(ROWS * 8) {
            let mut apart = [[_mm512_setzero_si512(); PLANES]; ROWS];
            for word in 0..rows.bytes.div_ceil(8) {
                let mut bits = [_mm512_setzero_si512(); ROWS];
                for eight in 0..ROWS {
                    let row = first + eight * 8;
                    // SAFETY: eight words of this block, which was checked, or of the copy.
                    bits[eight] = unsafe {
                        if word < whole {
                            _mm512_loadu_si512(rows.signs.as_ptr().add((word * BLOCK_ROWS + row) * 8).cast())
                        } else {
                            _mm512_loadu_si512(rest.as_ptr().add(row).cast())
                        }
                    };
                    let ahead = (word * BLOCK_ROWS + row) * 8;
                    if ahead < rows.next.len() {
                        // SAFETY: within the slice; and a prefetch reads nothing.
                        unsafe { _mm_prefetch::<_MM_HINT_T0>(rows.next.as_ptr().add(ahead).cast()) };
                    }
                }
                for plane in 0..PLANES {
                    // SAFETY: so many words were checked.
                    let mask = unsafe { *rows.planes.get_unchecked(word * PLANES + plane) };
                    let mask = _mm512_set1_epi64(mask.cast_signed());
                    for eight in 0..ROWS {
                        let bits = bits[eight];
                        let kept =
                            if DIFFER { _mm512_xor_si512(bits, mask) } else { _mm512_and_si512(bits, mask) };
                        apart[eight][plane] =
                            _mm512_add_epi64(apart[eight][plane], _mm512_popcnt_epi64(kept));
                    }
                }
            }
            for eight in 0..ROWS {
                let apart = &apart[eight];
                // Horner's way, from the last plane, which counts less than nothing.
                let mut sum = apart[PLANES - 1];
                if PLANES > 1 {
                    sum = _mm512_sub_epi64(_mm512_setzero_si512(), sum);
                    for plane in 2..=PLANES {
                        sum = _mm512_add_epi64(_mm512_add_epi64(sum, sum), apart[PLANES - plane]);
                    }
                }
                let part: &mut [i32] = &mut sums[first + eight * 8..][..8];
                // SAFETY: eight integers of 32 bits.
                unsafe { _mm256_storeu_si256(part.as_mut_ptr().cast(), _mm512_cvtepi64_epi32(sum)) };
            }
        }
    }

    /// As [`super::unpack`].
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    pub(crate) fn unpack(signs: &[u8], bytes: usize, lower: &[u8], places: usize, levels: &mut [u8]) {
        assert!(signs.len() >= bytes * BLOCK_ROWS && levels.len() >= places * BLOCK_ROWS);
        assert!(places >= bytes * 8 && (lower.is_empty() || lower.len() >= bytes * 3 * BLOCK_ROWS));
        let whole = bytes / 8;
        // SAFETY: sixteen bytes.
        let table = _mm512_broadcast_i32x4(unsafe { _mm_loadu_si128(LEVEL_BYTES.as_ptr().cast()) });
        for row in 0..BLOCK_ROWS {
            for word in 0..bytes.div_ceil(8) {
                // A word of the row's signs or of a plane; the last may not be whole.
                let wide = if word < whole { 8 } else { bytes - word * 8 };
                let sign_at = word * 8 * BLOCK_ROWS + row * wide;
                // SAFETY: words of these rows, whose lengths were checked; places are whole words, as many as these.
                unsafe {
                    let sign = word_at(signs.as_ptr().add(sign_at), wide);
                    let x = if lower.is_empty() {
                        _mm512_maskz_set1_epi8(sign, 2)
                    } else {
                        let plane = lower.as_ptr().add(row * 3 * bytes + word * 8);
                        let x = _mm512_maskz_set1_epi8(sign, 8);
                        let x = _mm512_mask_add_epi8(x, word_at(plane, wide), x, _mm512_set1_epi8(4));
                        let x =
                            _mm512_mask_add_epi8(x, word_at(plane.add(bytes), wide), x, _mm512_set1_epi8(2));
                        let x = _mm512_mask_add_epi8(
                            x,
                            word_at(plane.add(2 * bytes), wide),
                            x,
                            _mm512_set1_epi8(1),
                        );
                        _mm512_shuffle_epi8(table, x)
                    };
                    _mm512_storeu_si512(levels.as_mut_ptr().add(row * places + word * 64).cast(), x);
                }
            }
        }
    }
}
