//! A row from one block to another, as it is.

use super::Layout;
use crate::{BLOCK_ROWS, Codec};

impl Layout {
    /// Copies the code and side of a row into a row of another block. The row is that of a block in its two parts, of which
    /// the lower is empty but for codecs that have one; `into` is a whole block.
    pub(crate) fn copy_row(self, (upper, lower): (&[u8], &[u8]), row: usize, into: &mut [u8], to: usize) {
        let bytes = self.first_bytes();
        let mut at = 0;
        while at < bytes {
            let wide = self.word_bytes().min(bytes - at);
            let of = |row: usize| at * BLOCK_ROWS + row * wide;
            into[of(to)..][..wide].copy_from_slice(&upper[of(row)..][..wide]);
            at += wide;
        }
        into[self.side(to)].copy_from_slice(&upper[self.side(row)]);
        into[self.upper_bytes()..][self.lower(to)].copy_from_slice(&lower[self.lower(row)]);
    }

    /// What a row has in one piece of the first part: words of all rows stand side by side.
    fn word_bytes(self) -> usize {
        match self.codec() {
            Codec::Binary | Codec::Planes => 8,
            Codec::Pq2 | Codec::Pq4 | Codec::Pq8 => 1,
            Codec::F32 | Codec::F16 | Codec::Bf16 | Codec::Int8 | Codec::Int8Affine | Codec::Int4 => {
                self.first_bytes()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::tests::books;
    use crate::{Coder, Metric};

    #[test]
    fn a_row_that_was_copied_is_what_it_was_and_touches_no_other() {
        for codec in Codec::ALL {
            for dimension in [1, 3, 8, 63, 65, 130] {
                let books = books(codec, Metric::L2, dimension);
                let coder = Coder::with_books(codec, Metric::L2, dimension, books).unwrap();
                let layout = coder.layout();
                let number = |n: usize| f32::from(u8::try_from(n * 7919 % 211).unwrap()) - 100.0;
                let vectors: Vec<f32> = (0..BLOCK_ROWS * dimension).map(number).collect();
                let mut from = vec![0; layout.block_bytes()];
                coder.encode(&vectors, 0, &mut from).unwrap();
                let (upper, lower) = from.split_at(layout.upper_bytes());
                // All rows, the other way round.
                let mut into = vec![0; layout.block_bytes()];
                for row in 0..BLOCK_ROWS {
                    layout.copy_row((upper, lower), row, &mut into, BLOCK_ROWS - 1 - row);
                }
                let mut expected = vec![0; layout.block_bytes()];
                let turned: Vec<f32> = vectors.chunks(dimension).rev().flatten().copied().collect();
                coder.encode(&turned, 0, &mut expected).unwrap();
                assert_eq!(into, expected, "{codec}, {dimension}");
            }
        }
    }
}
