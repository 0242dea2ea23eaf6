//! Signs looked up by sixes, where one instruction looks up bytes in a table of 64.
//!
//! Of each word of 64 signs ten groups are of six and one is of four, so no group lies across words. A byte a row says which
//! of 64 sums a group adds (its upper two bits count for nothing). Two thirds of the steps that fours take.

/// Groups of a word.
pub(crate) const GROUPS: usize = 11;
/// Signs of a group, but for the last of a word.
pub(crate) const SIGNS: usize = 6;
/// Sums that a table says.
pub(crate) const WORDS: usize = 64;
/// Two blocks, turned, against the tables of some queries.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "only x86 looks up by sixes"))]
pub(crate) struct SixRows<'a> {
    /// Of each block: for each group a byte a row.
    pub codes: [&'a [u8]; 2],
    /// Words of a row's signs.
    pub words: usize,
    /// The queries' tables, one query after the other.
    pub tables: &'a [u8],
    /// From query to query.
    pub stride: usize,
}

#[cfg(target_arch = "x86_64")]
pub(super) mod avx512 {
    #[allow(
        clippy::wildcard_imports,
        reason = "the names are those of the instructions; not found where tests are built"
    )]
    use std::arch::x86_64::*;

    use super::super::groups::TableSums;
    use super::super::planes::words_of;
    use super::{GROUPS, SIGNS, SixRows, WORDS};
    use crate::BLOCK_ROWS;

    /// Words of signs whose sums fit sixteen bits, as entries are at most 42.
    const WORDS_MOST: usize = 128;
    /// Groups whose entries add up within a byte.
    const IN_A_BYTE: usize = 6;

    /// Signs that lie by words, turned: for each group a byte of each of the 64 rows.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")]
    pub(crate) fn turn(signs: &[u8], bytes: usize, turned: &mut [u8]) {
        let words = bytes.div_ceil(8);
        assert!(signs.len() >= bytes * BLOCK_ROWS && turned.len() >= words * GROUPS * BLOCK_ROWS);
        // Within a register of eight rows: all first bytes, all second bytes, and so on.
        let order = bytes_of(|at| at % 8 * 8 + at / 8);
        let shifts = [bytes_of(|at| at % 8 * SIGNS), bytes_of(|at| (at % 8 + 8).min(GROUPS - 1) * SIGNS)];
        for word in 0..words {
            let rest;
            let from = if (word + 1) * 8 <= bytes {
                &signs[word * 8 * BLOCK_ROWS..][..8 * BLOCK_ROWS]
            } else {
                rest = words_of(signs, bytes, word);
                rest.as_flattened()
            };
            for (part, shifts) in shifts.into_iter().enumerate() {
                let rows: [__m512i; 8] = std::array::from_fn(|eight| {
                    // SAFETY: the eighth part of a word of all rows.
                    let rows = unsafe { _mm512_loadu_si512(from.as_ptr().add(eight * 64).cast()) };
                    _mm512_permutexvar_epi8(order, _mm512_multishift_epi64_epi8(shifts, rows))
                });
                let count = if part == 0 { 8 } else { GROUPS - 8 };
                for (group, column) in eights(&rows).into_iter().take(count).enumerate() {
                    let to = &mut turned[(word * GROUPS + part * 8 + group) * BLOCK_ROWS..][..BLOCK_ROWS];
                    // SAFETY: 64 bytes.
                    unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), column) };
                }
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn bytes_of(byte: impl Fn(usize) -> usize) -> __m512i {
        let bytes: [u8; 64] = std::array::from_fn(|at| u8::try_from(byte(at)).unwrap_or_default());
        // SAFETY: 64 bytes.
        unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
    }

    /// Eight registers of eight words, turned: the first has the first word of each.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    fn eights(rows: &[__m512i; 8]) -> [__m512i; 8] {
        // Words 0, 2, 4, 6 of two rows at once, and 1, 3, 5, 7.
        let even = [0, 2, 4, 6].map(|row| _mm512_unpacklo_epi64(rows[row], rows[row + 1]));
        let odd = [0, 2, 4, 6].map(|row| _mm512_unpackhi_epi64(rows[row], rows[row + 1]));
        let quarters = |of: [__m512i; 4]| {
            let first = _mm512_shuffle_i64x2::<0x88>(of[0], of[1]);
            let second = _mm512_shuffle_i64x2::<0x88>(of[2], of[3]);
            let third = _mm512_shuffle_i64x2::<0xdd>(of[0], of[1]);
            let fourth = _mm512_shuffle_i64x2::<0xdd>(of[2], of[3]);
            [
                _mm512_shuffle_i64x2::<0x88>(first, second),
                _mm512_shuffle_i64x2::<0x88>(third, fourth),
                _mm512_shuffle_i64x2::<0xdd>(first, second),
                _mm512_shuffle_i64x2::<0xdd>(third, fourth),
            ]
        };
        let (even, odd) = (quarters(even), quarters(odd));
        std::array::from_fn(|at| if at % 2 == 0 { even[at / 2] } else { odd[at / 2] })
    }

    /// The sums of all rows of both blocks for `Q` queries.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")]
    #[expect(
        clippy::needless_range_loop,
        reason = "iterators over registers are not always made part of the loop"
    )]
    pub(crate) fn look_up<const Q: usize>(rows: &SixRows, sums: &mut [[TableSums; 2]]) {
        let bytes = rows.words * GROUPS * WORDS;
        assert!(rows.words <= WORDS_MOST && rows.codes.iter().all(|codes| codes.len() >= bytes));
        assert!(
            rows.stride >= bytes && rows.tables.len() >= (Q - 1) * rows.stride + bytes && sums.len() >= Q
        );
        let mut apart = [[[_mm512_setzero_si512(); 2]; 2]; Q];
        let mut at = 0;
        for _ in 0..rows.words {
            for groups in [IN_A_BYTE, GROUPS - IN_A_BYTE] {
                let mut within = [[_mm512_setzero_si512(); 2]; Q];
                for _ in 0..groups {
                    // SAFETY: a register of each block and table, as many as there are groups of words, which was checked.
                    unsafe {
                        let codes = [
                            _mm512_loadu_si512(rows.codes[0].as_ptr().add(at).cast()),
                            _mm512_loadu_si512(rows.codes[1].as_ptr().add(at).cast()),
                        ];
                        for query in 0..Q {
                            let table =
                                _mm512_loadu_si512(rows.tables.as_ptr().add(query * rows.stride + at).cast());
                            for block in 0..2 {
                                let adds = _mm512_permutexvar_epi8(codes[block], table);
                                within[query][block] = _mm512_add_epi8(within[query][block], adds);
                            }
                        }
                    }
                    at += WORDS;
                }
                for query in 0..Q {
                    for block in 0..2 {
                        let [all, odd] = &mut apart[query][block];
                        *all = _mm512_add_epi16(*all, within[query][block]);
                        *odd = _mm512_add_epi16(*odd, _mm512_srli_epi16::<8>(within[query][block]));
                    }
                }
            }
        }
        for query in 0..Q {
            for block in 0..2 {
                let [all, odd] = apart[query][block];
                // The odd bytes were added 256 times.
                let even = _mm512_sub_epi16(all, _mm512_slli_epi16::<8>(odd));
                let sums = &mut sums[query][block];
                // SAFETY: thirty-two sums of sixteen bits each.
                unsafe {
                    _mm512_storeu_si512(sums.even.as_mut_ptr().cast(), even);
                    _mm512_storeu_si512(sums.odd.as_mut_ptr().cast(), odd);
                }
                sums.least = least(_mm512_min_epu16(even, odd));
            }
        }
    }

    /// The least of thirty-two.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    fn least(all: __m512i) -> u16 {
        let sixteen = _mm256_min_epu16(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64::<1>(all));
        let eight = _mm_min_epu16(_mm256_castsi256_si128(sixteen), _mm256_extracti128_si256::<1>(sixteen));
        let least = _mm_extract_epi16::<0>(_mm_minpos_epu16(eight));
        u16::try_from(least).unwrap_or(u16::MAX)
    }
}
