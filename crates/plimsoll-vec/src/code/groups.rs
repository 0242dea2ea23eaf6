//! Vectors as halves of bytes, one for each group of numbers: which of the group's sixteen words is nearest.
//!
//! Words are of vectors of length one, so that a vector's direction alone decides; its length stands beside. What matters in
//! a search is the product with a query, and the words of a row are short of it: a product with `z`, the words of the
//! vector `u`, is told as `⟨q, z⟩ / ⟨u, z⟩`, which is right on average over directions of `q`.

use super::{Codebooks, Layout, unit};
use crate::BLOCK_ROWS;
use crate::scan::{LOT, best_kernels};

/// Vectors on their way into blocks, a lot at a time: number after number, side by side, as the kernel wants them.
#[derive(Debug)]
pub(crate) struct Lot {
    columns: Vec<[f32; LOT]>,
    rows: Vec<(usize, f64)>,
}

impl Lot {
    /// Room for a lot.
    pub(crate) fn new(dimension: usize) -> Self {
        Self { columns: vec![[0.0; LOT]; dimension], rows: Vec::with_capacity(LOT) }
    }

    /// What it takes from the heap.
    pub(crate) fn bytes_for(dimension: usize) -> u64 {
        (dimension as u64 * 4).saturating_add(16).saturating_mul(LOT as u64)
    }

    /// Takes a vector that was shaped, for a row of the blocks; true when there is room for no other.
    pub(crate) fn push(&mut self, vector: &mut [f32], row: usize) -> bool {
        let at = self.rows.len();
        let length = direction(vector);
        for (column, x) in self.columns.iter_mut().zip(vector) {
            column[at] = *x;
        }
        self.rows.push((row, length));
        self.rows.len() == LOT
    }

    /// Writes codes and sides of what it has, and is empty.
    pub(crate) fn write(&mut self, books: &Codebooks, layout: Layout, blocks: &mut [u8]) {
        let kernels = best_kernels();
        let bytes = layout.block_bytes();
        let mut products = [0.0; LOT];
        let mut from = 0;
        for group in 0..books.groups() {
            let words = books.words(group);
            let columns = &self.columns[from..from + words.len()];
            let mut codes = [0; LOT];
            kernels.nearest(columns, words, &mut codes);
            from += words.len();
            for (at, ((row, _), code)) in self.rows.iter().zip(codes).enumerate() {
                let byte = &mut blocks[row / BLOCK_ROWS * bytes..][byte_at(row % BLOCK_ROWS, group)];
                *byte = if group % 2 == 0 { *byte & 0xf0 | code } else { *byte & 0x0f | code << 4 };
                for (column, word) in columns.iter().zip(words) {
                    products[at] += f64::from(column[at]) * f64::from(word[usize::from(code)]);
                }
            }
        }
        for ((row, length), product) in self.rows.drain(..).zip(products) {
            let block = &mut blocks[row / BLOCK_ROWS * bytes..][..bytes];
            if books.groups() % 2 == 1 {
                // Where there is no group stands a zero.
                block[byte_at(row % BLOCK_ROWS, books.groups())] &= 0x0f;
            }
            block[layout.side(row % BLOCK_ROWS)].copy_from_slice(&Gain::new(length, product).to_bytes());
        }
    }
}

/// Makes the length of a vector that was shaped one, and tells what it was. A rotation may pass the largest single, and then
/// what no single can tell.
pub(super) fn direction(vector: &mut [f32]) -> f64 {
    for x in vector.iter_mut() {
        *x = if x.is_nan() { 0.0 } else { x.clamp(f32::MIN, f32::MAX) };
    }
    unit(vector)
}

/// What stands beside a row's words: in four bytes the length of the vector, as the upper half of a single, and how many
/// times longer than its words it is in their direction, in parts of 16,384.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gain(u32);

impl Gain {
    /// The parts of one.
    const WHOLE: f64 = 16_384.0;

    /// For a vector of this length, whose direction has this product with its words.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "held within two bytes")]
    fn new(length: f64, product: f64) -> Self {
        let turn = if product > 0.25 { (Self::WHOLE / product).round().min(65_535.0) } else { 65_535.0 };
        // Rounded, and never up to infinity.
        let bits = (length as f32).min(f32::MAX).to_bits().saturating_add(0x8000).min(0x7f7f_ffff);
        Self(bits & 0xffff_0000 | turn as u32)
    }

    fn to_bytes(self) -> [u8; 4] {
        self.0.to_le_bytes()
    }

    /// From a row's side.
    #[inline]
    pub(crate) fn read(side: [u8; 4]) -> Self {
        Self(u32::from_le_bytes(side))
    }

    /// The length and the turn as whole numbers: larger is more.
    #[inline]
    pub(crate) fn parts(self) -> [u32; 2] {
        [self.0 >> 16, self.0 & 0xffff]
    }

    /// Of such parts.
    #[inline]
    pub(crate) fn of([length, turn]: [u32; 2]) -> Self {
        Self(length << 16 | turn & 0xffff)
    }

    /// The length of the vector.
    #[inline]
    pub(crate) fn length(self) -> f64 {
        f64::from(f32::from_bits(self.0 & 0xffff_0000))
    }

    /// A product with the row's words times this stands for that with the vector.
    #[inline]
    pub(crate) fn factor(self) -> f64 {
        self.length() * (f64::from(self.0 & 0xffff) * (1.0 / Self::WHOLE))
    }
}

/// Where in a block the byte is that has a group of a row.
fn byte_at(row: usize, group: usize) -> usize {
    group / 2 * BLOCK_ROWS + row
}

/// A row's code of a group.
pub(crate) fn code_at(block: &[u8], row: usize, group: usize) -> usize {
    usize::from(block[byte_at(row, group)] >> (group % 2 * 4) & 15)
}

/// A row's side.
pub(crate) fn gain_at(layout: Layout, block: &[u8], row: usize) -> Gain {
    let side = &block[layout.side(row)];
    Gain::read([side[0], side[1], side[2], side[3]])
}

/// Reads a row's words.
pub(crate) fn words(books: &Codebooks, block: &[u8], row: usize, vector: &mut [f32]) {
    let mut numbers = vector.iter_mut();
    for group in 0..books.groups() {
        let code = code_at(block, row, group);
        for (words, number) in books.words(group).iter().zip(&mut numbers) {
            *number = words[code];
        }
    }
}

/// Reads the numbers back, still rotated: the nearest point in the direction of the words.
#[expect(clippy::cast_possible_truncation, reason = "the numbers are singles")]
pub(crate) fn read(books: &Codebooks, layout: Layout, block: &[u8], row: usize, vector: &mut [f32]) {
    words(books, block, row, vector);
    let gain = gain_at(layout, block, row);
    let (length, factor) = (gain.length(), gain.factor());
    let square: f64 = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
    // The factor is |x|² / ⟨x, z⟩; the nearest point has ⟨x, z⟩ / ⟨z, z⟩.
    let scale = if factor > 0.0 && square > 0.0 { length * length / (factor * square) } else { 0.0 };
    for x in vector {
        *x = (scale * f64::from(*x)) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gain_is_read_as_it_was_meant() {
        for (length, product) in
            [(1.0, 0.9), (1.0, 0.26), (0.0, 0.0), (1e-30, 0.5), (3e38, 0.99), (7.25, 1.0)]
        {
            let gain = Gain::read(Gain::new(length, product).to_bytes());
            assert!((gain.length() - length).abs() <= length / 256.0, "{length}: {}", gain.length());
            if product > 0.0 {
                let factor = gain.length() / product;
                assert!((gain.factor() - factor).abs() <= factor / 10_000.0, "{product}: {}", gain.factor());
            }
        }
        // What is larger than a single or turned away is held within what can be said.
        let gain = Gain::new(1e41, -0.5);
        assert!(gain.length() > 3.3e38 && gain.length() < 3.5e38 && gain.factor() < gain.length() * 4.0);
    }
}
