//! Vectors as halves of bytes, one for each group of numbers: which of the group's sixteen words is nearest.

use super::Codebooks;
use crate::BLOCK_ROWS;
use crate::scan::{LOT, best_kernels};

/// Vectors on their way into blocks, a lot at a time: number after number, side by side, as the kernel wants them.
#[derive(Debug)]
pub(crate) struct Lot {
    columns: Vec<[f32; LOT]>,
    rows: Vec<usize>,
}

impl Lot {
    /// Room for a lot.
    pub(crate) fn new(dimension: usize) -> Self {
        Self { columns: vec![[0.0; LOT]; dimension], rows: Vec::with_capacity(LOT) }
    }

    /// What it takes from the heap.
    pub(crate) fn bytes_for(dimension: usize) -> u64 {
        (dimension as u64 * 4).saturating_add(8).saturating_mul(LOT as u64)
    }

    /// Takes a vector that was shaped, for a row of the blocks; true when there is room for no other.
    pub(crate) fn push(&mut self, vector: &[f32], row: usize) -> bool {
        let at = self.rows.len();
        for (column, x) in self.columns.iter_mut().zip(vector) {
            column[at] = *x;
        }
        self.rows.push(row);
        self.rows.len() == LOT
    }

    /// Writes the codes of what it has, and is empty.
    pub(crate) fn write(&mut self, books: &Codebooks, block_bytes: usize, blocks: &mut [u8]) {
        let kernels = best_kernels();
        let mut from = 0;
        for group in 0..books.groups() {
            let words = books.words(group);
            let mut codes = [0; LOT];
            kernels.nearest(&self.columns[from..from + words.len()], words, &mut codes);
            from += words.len();
            for (row, code) in self.rows.iter().zip(codes) {
                let byte = &mut blocks[row / BLOCK_ROWS * block_bytes..][byte_at(row % BLOCK_ROWS, group)];
                *byte = if group % 2 == 0 { *byte & 0xf0 | code } else { *byte & 0x0f | code << 4 };
            }
        }
        if books.groups() % 2 == 1 {
            // Where there is no group stands a zero.
            for row in &self.rows {
                let at = byte_at(row % BLOCK_ROWS, books.groups());
                blocks[row / BLOCK_ROWS * block_bytes..][at] &= 0x0f;
            }
        }
        self.rows.clear();
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

/// Reads the numbers back, still rotated.
pub(crate) fn read(books: &Codebooks, block: &[u8], row: usize, vector: &mut [f32]) {
    let mut numbers = vector.iter_mut();
    for group in 0..books.groups() {
        let code = code_at(block, row, group);
        for (words, number) in books.words(group).iter().zip(&mut numbers) {
            *number = words[code];
        }
    }
}
