//! Where in a block a thing is.

use std::ops::Range;

use crate::{BLOCK_ROWS, Codec};

/// The layout of a block of [`BLOCK_ROWS`] rows.
///
/// | codec | first | then | then |
/// |---|---|---|---|
/// | numbers, levels | the codes row after row | the sides | |
/// | `binary` | the signs, by words | the sides | |
/// | `planes` | the signs, by words | the sides | the three lower planes, row after row |
/// | `pq2`, `pq4`, `pq8` | the codes, by pairs of groups | the sides | |
///
/// *Signs by words*: the first eight bytes of all rows, then the second eight, and so on, and in the end what is left of
/// each row. So eight rows are compared at once and nothing is added up across a register. The part of a `planes` block
/// before its lower planes is its *upper* part ([`upper_bytes`](Self::upper_bytes)): it makes a column of its own where the
/// lower planes stay on disk.
///
/// *Codes by pairs of groups*: a byte of each of the 64 rows for the first two groups (the lower half the first's), then a
/// byte of each for the next two. So one instruction looks a group up for as many rows as a register has bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    codec: Codec,
    dimension: usize,
}

impl Layout {
    /// Of blocks of this codec.
    pub fn new(codec: Codec, dimension: usize) -> Self {
        Self { codec, dimension }
    }

    /// The code.
    pub fn codec(self) -> Codec {
        self.codec
    }

    /// Numbers in a vector.
    pub fn dimension(self) -> usize {
        self.dimension
    }

    /// A whole block.
    pub fn block_bytes(self) -> usize {
        self.codec.block_bytes(self.dimension)
    }

    /// What a row has of the first part: its whole code, or its signs.
    pub fn first_bytes(self) -> usize {
        match self.codec {
            Codec::Binary | Codec::Planes => self.dimension.div_ceil(8),
            _ => self.codec.code_bytes(self.dimension),
        }
    }

    /// The upper part of a block: all but the lower planes.
    pub fn upper_bytes(self) -> usize {
        (self.first_bytes() + self.codec.side_bytes()) * BLOCK_ROWS
    }

    /// The lower planes of a block; none but for `planes`.
    pub fn lower_bytes(self) -> usize {
        self.block_bytes() - self.upper_bytes()
    }

    /// The lower planes of one row.
    pub fn lower_row_bytes(self) -> usize {
        self.lower_bytes() / BLOCK_ROWS
    }

    /// The first part of a block.
    pub(crate) fn first(self) -> Range<usize> {
        0..self.first_bytes() * BLOCK_ROWS
    }

    /// A row's code, where codes lie row after row.
    pub(crate) fn code(self, row: usize) -> Range<usize> {
        let bytes = self.first_bytes();
        row * bytes..(row + 1) * bytes
    }

    /// A row's side.
    pub(crate) fn side(self, row: usize) -> Range<usize> {
        let bytes = self.codec.side_bytes();
        let at = self.first_bytes() * BLOCK_ROWS + row * bytes;
        at..at + bytes
    }

    /// A row's lower planes, within a block's lower part.
    pub(crate) fn lower(self, row: usize) -> Range<usize> {
        let bytes = self.lower_row_bytes();
        row * bytes..(row + 1) * bytes
    }
}

/// Where the byte `byte` of a row's signs is, in signs of `bytes` a row.
pub(crate) fn sign_at(bytes: usize, row: usize, byte: usize) -> usize {
    let word = byte / 8;
    let wide = (bytes - word * 8).min(8);
    word * 8 * BLOCK_ROWS + row * wide + byte % 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sign_byte_has_a_place_of_its_own() {
        for bytes in [1, 7, 8, 9, 12, 96, 97] {
            let mut places: Vec<usize> = (0..BLOCK_ROWS)
                .flat_map(|row| (0..bytes).map(move |byte| sign_at(bytes, row, byte)))
                .collect();
            places.sort_unstable();
            assert!(places.iter().copied().eq(0..bytes * BLOCK_ROWS), "{bytes}");
        }
    }

    #[test]
    fn the_parts_make_the_block() {
        for codec in Codec::ALL {
            for dimension in [1, 3, 8, 17, 64, 768, 769] {
                let layout = Layout::new(codec, dimension);
                assert_eq!(layout.side(BLOCK_ROWS - 1).end, layout.upper_bytes());
                let lower = if codec == Codec::Planes { layout.lower(BLOCK_ROWS - 1).end } else { 0 };
                assert_eq!(layout.upper_bytes() + lower, codec.block_bytes(dimension), "{codec} {dimension}");
            }
        }
    }
}
