//! Products of rows with packed weights.

use plimsoll_device::programs::Argument::{Long, Words};
use plimsoll_device::programs::{Factor, Matrices, Multiply};

use super::flow::{Flow, address};
use super::inputs::{FEW, Forms, Inputs};
use super::matrix::DeviceMatrix;
use super::room::Piece;
use crate::TensorError;
use crate::compute::Done;
use crate::gpu::launch::{warps, word};
use crate::gpu::programs::Program::{Packed, Tiled};
use crate::packed::Packing;

const WHAT: &str = "products with packed weights";
/// Rows of weights that a block of threads has, and its threads, as in `packed.cu`; and as in `tiled.cu`.
const BLOCK: (usize, u32) = (8, 128);
const TILE: (usize, u32) = (16, 256);
/// Matrices in one launch at most.
const PARTS: usize = 3;
const PART_WORDS: usize = 14;

/// A matrix, and where its products go: a row of the piece for each row of inputs.
#[derive(Clone, Copy, Debug)]
pub struct To<'f> {
    /// The matrix.
    pub matrix: &'f DeviceMatrix,
    /// Where they go.
    pub out: &'f Piece,
    /// Whether they are added to what is there.
    pub add: bool,
}

/// Rows of inputs that are ready.
#[derive(Debug)]
pub struct Made<'i> {
    rows: usize,
    columns: usize,
    forms: Forms,
    of: Of<'i>,
}

#[derive(Debug)]
enum Of<'i> {
    Inputs(&'i Inputs),
    /// Rows of singles, and whose divisors what comes of them is to be multiplied by.
    Rows(&'i Piece, Option<&'i Inputs>),
}

impl<'i> Made<'i> {
    pub(super) const fn of(inputs: &'i Inputs, rows: usize, columns: usize, forms: Forms) -> Self {
        Self { rows, columns, forms, of: Of::Inputs(inputs) }
    }

    /// Rows of singles as they are, for products with singles. They came of inputs that may have been divided; what is added to
    /// something is then multiplied by that.
    pub const fn singles(rows: &'i Piece, count: usize, columns: usize, of: &Made<'i>) -> Self {
        let forms = Forms { singles: true, levels: false, halves: false, laid: false };
        Self { rows: count, columns, forms, of: Of::Rows(rows, of.divided()) }
    }

    /// The same of rows that nothing is to be multiplied by.
    pub const fn plain(rows: &'i Piece, count: usize, columns: usize) -> Self {
        let forms = Forms { singles: true, levels: false, halves: false, laid: false };
        Self { rows: count, columns, forms, of: Of::Rows(rows, None) }
    }

    /// By whose divisors what comes of it is to be multiplied, row by row, if it is.
    pub const fn divided(&self) -> Option<&'i Inputs> {
        match self.of {
            Of::Inputs(inputs) if self.forms.halves => Some(inputs),
            Of::Rows(_, divided) => divided,
            Of::Inputs(_) => None,
        }
    }

    fn piece_of_singles(&self) -> &'i Piece {
        match self.of {
            Of::Inputs(inputs) => &inputs.singles,
            Of::Rows(rows, _) => rows,
        }
    }

    /// `Ready` of `packed.cu`.
    pub(super) fn words(&self) -> Result<[u32; 10], TensorError> {
        let mut words = [0; 10];
        let count = self.rows * self.columns;
        match self.of {
            Of::Rows(rows, _) => address(&mut words, 0, rows.singles(WHAT, count)?),
            Of::Inputs(inputs) => {
                let bytes = |wanted: bool, bytes: usize| if wanted { bytes as u64 } else { 0 };
                let [levels, sides] = Inputs::few_bytes(self.rows, self.columns);
                let (levels, sides) = (bytes(self.forms.levels, levels), bytes(self.forms.levels, sides));
                let halves = bytes(self.forms.halves, 2 * count);
                address(&mut words, 0, inputs.singles.singles(WHAT, count)?);
                address(&mut words, 2, inputs.levels.at(WHAT, 0, levels)?);
                address(&mut words, 4, inputs.sides.at(WHAT, 0, sides)?);
                address(&mut words, 6, inputs.halves.at(WHAT, 0, halves)?);
                address(&mut words, 8, inputs.divided.singles(WHAT, self.rows)?);
            }
        }
        Ok(words)
    }
}

impl Flow {
    /// Multiplies inputs with up to three matrices. `spare` has room for the largest outcome that is added to something, where there are
    /// more than a few rows.
    pub fn multiply(&self, made: &Made<'_>, list: &[To<'_>], spare: &Piece) -> Done {
        let mut rows = list.iter();
        if list.len() > PARTS || rows.any(|to| to.matrix.columns() != made.columns) {
            let why = format!("{} matrices, and inputs of {} columns", list.len(), made.columns);
            return Err(TensorError::shape(WHAT, why));
        }
        match made.of {
            Of::Rows(rows, _) => self.hold([rows])?,
            Of::Inputs(inputs) => self.hold(inputs.pieces())?,
        }
        for to in list {
            self.hold(to.matrix.pieces().into_iter().chain([to.out, spare]))?;
        }
        if made.rows <= FEW { self.multiply_few(made, list) } else { self.multiply_many(made, list, spare) }
    }

    /// One launch for matrices of one packing, which is all of them but where a file's maker thought that one of three deserves more bits.
    fn multiply_few(&self, made: &Made<'_>, list: &[To<'_>]) -> Done {
        let mut of_one: Vec<To<'_>> = Vec::with_capacity(PARTS);
        for packing in Packing::ALL {
            of_one.clear();
            of_one.extend(list.iter().filter(|to| to.matrix.packing() == packing));
            if !of_one.is_empty() {
                self.multiply_alike(made, packing, &of_one)?;
            }
        }
        Ok(())
    }

    fn multiply_alike(&self, made: &Made<'_>, packing: Packing, list: &[To<'_>]) -> Done {
        let laid = made.forms.laid && packing.block_numbers() > 1;
        let (program, (rows_each, threads)) = if laid { (Tiled, TILE) } else { (Packed, BLOCK) };
        let small = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
        let mut words = [0; PARTS * PART_WORDS + 2];
        let mut first = 0;
        for (part, to) in words.chunks_exact_mut(PART_WORDS).zip(list) {
            let rows = to.matrix.rows();
            part[..8].copy_from_slice(&to.matrix.words(WHAT)?);
            address(part, 8, to.out.singles(WHAT, made.rows * rows)?);
            let share = if laid { 1 } else { share(packing, made.columns) };
            part[10..].copy_from_slice(&[small(first), small(rows), to.add.into(), small(share)]);
            first += rows.div_ceil(rows_each / share);
        }
        words[PARTS * PART_WORDS] = small(list.len());
        words[PARTS * PART_WORDS + 1] = small(made.rows);
        let (name, each) = entry(packing, made.rows, laid);
        let blocks = [small(first), small(made.rows.div_ceil(each)), 1];
        self.launches.launch(program, name, blocks, threads, &[Words(&words), Words(&made.words()?)])
    }

    fn multiply_many(&self, made: &Made<'_>, list: &[To<'_>], spare: &Piece) -> Done {
        let divided = made.divided().map_or(Ok(0), |inputs| inputs.divided.singles(WHAT, made.rows))?;
        for to in list {
            let count = made.rows * to.matrix.rows();
            let out = to.out.singles(WHAT, count)?;
            // What is to be multiplied before it is added goes elsewhere first.
            let apart = to.add && divided != 0;
            let into = if apart { spare.singles(WHAT, count)? } else { out };
            let keep = if to.add && !apart { 1.0 } else { 0.0 };
            if made.forms.halves {
                self.halved_product(made, to.matrix, (into, keep))?;
            } else {
                let x = (made.piece_of_singles().singles(WHAT, made.rows * made.columns)?, Factor::F32);
                let y = to.matrix.pieces()[0];
                let y = (y.at(WHAT, 0, y.bytes())?, to.matrix.rows(), Factor::F32);
                if to.matrix.packing() != Packing::F32 {
                    return Err(TensorError::shape(
                        WHAT,
                        "inputs that are singles, and other weights".to_owned(),
                    ));
                }
                self.library_product(made, (x, y), (into, to.matrix.rows(), keep))?;
            }
            if apart {
                self.add_rows(into, (made.rows, to.matrix.rows()), divided, out)?;
            }
        }
        Ok(())
    }

    /// Weights as halves, some rows after the other, and their products.
    fn halved_product(&self, made: &Made<'_>, matrix: &DeviceMatrix, (into, keep): (u64, f32)) -> Done {
        let Of::Inputs(inputs) = made.of else {
            return Err(TensorError::shape(WHAT, "halves of rows that were not made ready".to_owned()));
        };
        let x = (inputs.halves.at(WHAT, 0, 2 * (made.rows * made.columns) as u64)?, Factor::F16);
        let (rows, columns) = (matrix.rows(), matrix.columns());
        if matrix.packing() == Packing::F16 {
            let y = matrix.pieces()[0];
            let y = (y.at(WHAT, 0, y.bytes())?, rows, Factor::F16);
            return self.library_product(made, (x, y), (into, rows, keep));
        }
        let [_, (tile, bytes)] = self.desk()?;
        let step = usize::try_from(bytes / (2 * columns as u64)).unwrap_or(usize::MAX) / 8 * 8;
        if step == 0 {
            return Err(TensorError::shape(
                WHAT,
                format!("rows of {columns} numbers, longer than any model's"),
            ));
        }
        let words = matrix.words(WHAT)?;
        for first in (0..rows).step_by(step) {
            let some = step.min(rows - first);
            let count = (some * columns) as u64;
            if matrix.packing().block_numbers() > 1 {
                // A thread has a piece of sixteen numbers, or two of them.
                let threads = warps(columns / 16, 256);
                let blocks = [1, u32::try_from(some.min(usize::from(u16::MAX))).unwrap_or(1), 1];
                let arguments = [Words(&words), word(first), word(some), Long(tile)];
                self.launches.launch(Packed, "halve_quantized", blocks, threads, &arguments)?;
            } else {
                let arguments = [Words(&words), word(first), Long(count), Long(tile)];
                self.launches.over(Packed, "halve", count, &arguments)?;
            }
            let out = (into + 4 * first as u64, rows, keep);
            self.library_product(made, (x, (tile, some, Factor::F16)), out)?;
        }
        Ok(())
    }

    /// Inputs, a matrix's rows and where their products go: an address, and numbers from one row to the next.
    fn library_product(
        &self,
        made: &Made<'_>,
        ((x, inputs), (y, rows, weights)): ((u64, Factor), (u64, usize, Factor)),
        (out, pitch, keep): (u64, usize, f32),
    ) -> Done {
        let small = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
        let columns = made.columns as u64;
        let lies =
            |address, factor, by_columns, pitch| Matrices { address, factor, by_columns, pitch, apart: 0 };
        self.launches.multiply(&Multiply {
            sizes: [small(made.rows), small(rows), small(made.columns)],
            batch: 1,
            x: lies(x, inputs, false, columns),
            y: lies(y, weights, true, columns),
            out: lies(out, Factor::F32, false, pitch as u64),
            scale: 1.0,
            keep,
            desk: self.desk()?[0],
        })
    }
}

/// How many warps share the columns of a row: as many as have all that they read of it on the way at once, up to a block's.
fn share(packing: Packing, columns: usize) -> usize {
    let each = if packing.block_numbers() > 1 { 2048 } else { 512 };
    columns.div_ceil(each).next_power_of_two().min(4)
}

/// The kernel for so many inputs, and how many it takes at once.
fn entry(packing: Packing, rows: usize, laid: bool) -> (&'static str, usize) {
    let sizes: &[usize] = if laid { &[8, 16, 32] } else { &[1, 2, 4, 8] };
    // Quantized weights that are multiplied by more than two inputs are laid out.
    let names: &[&'static str] = match (packing, laid) {
        (Packing::F32, _) => &["f32_1", "f32_2", "f32_4", "f32_8"],
        (Packing::F16, _) => &["f16_1", "f16_2", "f16_4", "f16_8"],
        (Packing::Bf16, _) => &["bf16_1", "bf16_2", "bf16_4", "bf16_8"],
        (Packing::Q8_0, false) => &["q8_0_1", "q8_0_2"],
        (Packing::Q4_0, false) => &["q4_0_1", "q4_0_2"],
        (Packing::Q4K, false) => &["q4_k_1", "q4_k_2"],
        (Packing::Q5K, false) => &["q5_k_1", "q5_k_2"],
        (Packing::Q6K, false) => &["q6_k_1", "q6_k_2"],
        (Packing::Q8_0, true) => &["q8_0_8", "q8_0_16", "q8_0_32"],
        (Packing::Q4_0, true) => &["q4_0_8", "q4_0_16", "q4_0_32"],
        (Packing::Q4K, true) => &["q4_k_8", "q4_k_16", "q4_k_32"],
        (Packing::Q5K, true) => &["q5_k_8", "q5_k_16", "q5_k_32"],
        (Packing::Q6K, true) => &["q6_k_8", "q6_k_16", "q6_k_32"],
    };
    let fits = sizes.iter().position(|size| *size >= rows).unwrap_or(usize::MAX);
    let which = fits.min(names.len() - 1);
    (names[which], sizes[which])
}
