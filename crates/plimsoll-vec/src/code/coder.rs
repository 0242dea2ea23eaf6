//! The coder: vectors to blocks and back.

use std::ops::Range;
use std::sync::Arc;

use super::groups::{self, Lot};
use super::planes::Planes;
use super::{CodeError, Codebooks, Layout, Shape, check, levels, numbers, planes};
use crate::{BLOCK_ROWS, Codec, Metric};

/// The most numbers a vector may have: the sum of so many products of bytes is still a 32-bit integer.
pub const DIMENSION_MAX: usize = 65_536;

/// Brings vectors into blocks, and back.
///
/// It does not keep anything but what it was made for; the blocks are the caller's. Under [`Metric::Cosine`] vectors
/// come back with length one; codes of few bits come back as the nearest that the code can say.
///
/// ```
/// use plimsoll_vec::{Codec, Coder, Layout, Metric};
///
/// let coder = Coder::new(Codec::Int8, Metric::L2, 3)?;
/// let mut blocks = vec![0; Layout::new(Codec::Int8, 3).block_bytes()];
/// coder.encode(&[1.0, -2.0, 0.5, 3.0, 0.0, -1.0], 0, &mut blocks)?;
/// let mut back = [0.0; 3];
/// coder.decode(&blocks, 1..2, &mut back)?;
/// assert!((back[0] - 3.0).abs() < 0.02);
/// # Ok::<(), plimsoll_vec::CodeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Coder {
    layout: Layout,
    shape: Shape,
    books: Option<Arc<Codebooks>>,
}

impl Coder {
    /// For vectors of this kind, of a codec that learns nothing.
    pub fn new(codec: Codec, metric: Metric, dimension: usize) -> Result<Self, CodeError> {
        Self::with_books(codec, metric, dimension, None)
    }

    /// For vectors of this kind, with what the codec has learnt if it learns.
    pub fn with_books(
        codec: Codec,
        metric: Metric,
        dimension: usize,
        books: Option<Arc<Codebooks>>,
    ) -> Result<Self, CodeError> {
        check(codec, metric, dimension)?;
        match &books {
            Some(books) => books.fit(codec, metric, dimension)?,
            None if codec.group().is_some() => return Err(CodeError::Untrained { codec }),
            None => {}
        }
        Ok(Self { layout: Layout::new(codec, dimension), shape: Shape::new(codec, metric), books })
    }

    /// What coding takes from the heap meanwhile.
    pub fn scratch_bytes(codec: Codec, dimension: usize) -> u64 {
        let lot = if codec.group().is_some() { Lot::bytes_for(dimension) } else { 0 };
        lot.saturating_add(dimension as u64 * 4)
    }

    /// Where things are in a block.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Codes vectors as the rows from `first_row` on of `blocks`. Other rows of the blocks stay as they are. At an error
    /// some of the rows may be written already.
    pub fn encode(&self, vectors: &[f32], first_row: usize, blocks: &mut [u8]) -> Result<(), CodeError> {
        let dimension = self.layout.dimension();
        let count = whole(vectors, dimension)?;
        let rows = first_row..first_row.saturating_add(count);
        self.check_blocks(blocks, &rows)?;
        let mut shaped = vec![0.0; dimension];
        let mut lot = self.books.as_deref().map(|books| (books, Lot::new(dimension)));
        for (vector, (row, numbers)) in rows.zip(vectors.chunks_exact(dimension)).enumerate() {
            finite(vector, numbers)?;
            shaped.copy_from_slice(numbers);
            if !self.shape.apply(&mut shaped) {
                return Err(CodeError::NoDirection { vector });
            }
            if let Some((books, lot)) = &mut lot {
                if lot.push(&mut shaped, row) {
                    lot.write(books, self.layout, blocks);
                }
                continue;
            }
            let block = self.block_mut(blocks, row);
            self.write(&shaped, row % BLOCK_ROWS, block).map_err(|component| CodeError::TooLarge {
                vector,
                component,
                value: numbers[component],
                codec: self.layout.codec(),
            })?;
        }
        if let Some((books, lot)) = &mut lot {
            lot.write(books, self.layout, blocks);
        }
        Ok(())
    }

    /// Reads rows back.
    pub fn decode(&self, blocks: &[u8], rows: Range<usize>, into: &mut [f32]) -> Result<(), CodeError> {
        let dimension = self.layout.dimension();
        self.check_blocks(blocks, &rows)?;
        let numbers = rows.len().saturating_mul(dimension);
        if numbers != into.len() {
            return Err(CodeError::Target { numbers, places: into.len() });
        }
        let bytes = self.layout.block_bytes();
        for (row, vector) in rows.zip(into.chunks_exact_mut(dimension)) {
            let block = &blocks[row / BLOCK_ROWS * bytes..][..bytes];
            self.read(block, row % BLOCK_ROWS, vector);
            self.shape.undo(vector);
        }
        Ok(())
    }

    fn check_blocks(&self, blocks: &[u8], rows: &Range<usize>) -> Result<(), CodeError> {
        let bytes = self.layout.block_bytes();
        if rows.start > rows.end
            || !blocks.len().is_multiple_of(bytes)
            || rows.end.div_ceil(BLOCK_ROWS) > blocks.len() / bytes
        {
            return Err(CodeError::Blocks { from: rows.start, to: rows.end, bytes: blocks.len() });
        }
        Ok(())
    }

    fn block_mut<'a>(&self, blocks: &'a mut [u8], row: usize) -> &'a mut [u8] {
        let bytes = self.layout.block_bytes();
        &mut blocks[row / BLOCK_ROWS * bytes..][..bytes]
    }

    fn write(&self, vector: &[f32], row: usize, block: &mut [u8]) -> Result<(), usize> {
        let codec = self.layout.codec();
        match codec {
            Codec::F32 | Codec::F16 | Codec::Bf16 => {
                return numbers::write(codec, vector, &mut block[self.layout.code(row)]);
            }
            Codec::Int8 | Codec::Int8Affine | Codec::Int4 => {
                let (front, sides) = block.split_at_mut(self.layout.first().end);
                let side = self.layout.side(row);
                let at = side.start - front.len();
                levels::write(
                    codec,
                    vector,
                    &mut front[self.layout.code(row)],
                    &mut sides[at..at + side.len()],
                );
            }
            Codec::Binary | Codec::Planes => {
                let (upper, lower) = block.split_at_mut(self.layout.upper_bytes());
                let (signs, sides) = upper.split_at_mut(self.layout.first().end);
                let side = self.layout.side(row);
                let at = side.start - signs.len();
                let lower = &mut lower[self.layout.lower(row)];
                Planes { signs, row, side: &mut sides[at..at + side.len()], lower }.write(vector);
            }
            // By the lot.
            Codec::Pq2 | Codec::Pq4 | Codec::Pq8 => {}
        }
        Ok(())
    }

    fn read(&self, block: &[u8], row: usize, vector: &mut [f32]) {
        let codec = self.layout.codec();
        match codec {
            Codec::F32 | Codec::F16 | Codec::Bf16 => {
                numbers::read(codec, &block[self.layout.code(row)], vector);
            }
            Codec::Int8 | Codec::Int8Affine | Codec::Int4 => {
                levels::read(codec, &block[self.layout.code(row)], &block[self.layout.side(row)], vector);
            }
            Codec::Binary | Codec::Planes => {
                let (upper, lower) = block.split_at(self.layout.upper_bytes());
                let signs = &upper[self.layout.first()];
                let lower = &lower[self.layout.lower(row)];
                planes::read(signs, row, &upper[self.layout.side(row)], lower, vector);
            }
            Codec::Pq2 | Codec::Pq4 | Codec::Pq8 => {
                if let Some(books) = &self.books {
                    groups::read(books, self.layout, block, row, vector);
                }
            }
        }
    }
}

/// How many vectors these are.
pub(crate) fn whole(vectors: &[f32], dimension: usize) -> Result<usize, CodeError> {
    if vectors.len().is_multiple_of(dimension) {
        Ok(vectors.len() / dimension)
    } else {
        Err(CodeError::Ragged { numbers: vectors.len(), dimension })
    }
}

/// Refuses what is no number.
pub(crate) fn finite(vector: usize, numbers: &[f32]) -> Result<(), CodeError> {
    // All of them at once, which registers do; then which one, where one is not.
    if numbers.iter().fold(true, |all, x| all & x.is_finite()) {
        return Ok(());
    }
    let component = numbers.iter().position(|x| !x.is_finite()).unwrap_or_default();
    Err(CodeError::NotFinite { vector, component, value: numbers[component] })
}
