//! The few operations that every device does on memory itself, and the one reference they are held to.
//!
//! A kernel is written up to three times: for the host (`std::arch`, with a plain Rust path), in CUDA C and in
//! WGSL. What it means is written once, in plain Rust, in [`mod@reference`]; the conformance suite compares every
//! back end with it, to the bit unless [`tolerance`] gives room. What its arguments must be is checked once, too,
//! in [`check`]: a back end begins each operation with the check and works with what it returns.
//!
//! # Order and rules
//! Operations are put on a stream like copies. Spans may belong to the device itself or to another device whose
//! memory it reaches (page-locked host memory, from CUDA); anything else is [`DeviceError::WrongDevice`].
//! Source and target must not overlap, nor may their spans where rows of one lie between rows of the other.
//! Every operand starts at a multiple of [`OPERAND_ALIGN`] bytes, which every lease does; only rows to be copied
//! may start at any byte, as a part of a matrix does. Sizes may be odd where it is not said otherwise. An operand
//! of no bytes is no work, wherever it starts. Nothing outside the target is written.

pub mod check;
pub mod expand;
pub mod nearest;
mod number;
pub mod reference;
#[cfg(unix)]
pub(crate) mod simd;
pub mod tolerance;

#[cfg(test)]
mod tests;

use crate::{Bytes, DeviceError, Span, Stream};

use expand::{Expand, ExpandShape};
use nearest::{Nearest, NearestRuns, NearestShape, RunsShape, Squares};
pub use number::{Number, Numbers, Rows, Scales};

/// Where operands start, and what blocks are multiples of: the width of the widest load.
pub const OPERAND_ALIGN: u64 = 16;

/// Operations on memory, each put on a stream.
pub trait Kernels: Send + Sync {
    /// Copies rows from one pitch to another. Both sides have equally many rows of one size.
    fn copy_rows(&self, stream: Stream, source: Rows<'_>, target: Rows<'_>) -> Result<(), DeviceError>;

    /// Repeats a pattern of 1, 2, 4, 8 or 16 bytes through the target, whose size is a multiple of it.
    fn fill_pattern(&self, stream: Stream, target: Span<'_>, pattern: &[u8]) -> Result<(), DeviceError>;

    /// Converts numbers, rounding to nearest, ties to even. Between two scaled kinds is
    /// [`DeviceError::BadOperation`]; go through floats.
    ///
    /// To a scaled kind: the scale of a group is its largest finite magnitude over 127 (or 7), and each number
    /// is divided by it, rounded and clamped; infinities become the extremes, NaN becomes zero, and a group of
    /// zeros has the scale zero. From one: each integer times its scale. [`tolerance`] says how exactly.
    fn convert(&self, stream: Stream, source: Numbers<'_>, target: Numbers<'_>) -> Result<(), DeviceError>;

    /// Collects blocks: block `n` of the target is block `index[n]` of the source. `block` is a multiple of
    /// [`OPERAND_ALIGN`]; both spans are whole numbers of blocks. The index is read before this returns.
    fn gather(
        &self,
        stream: Stream,
        source: Span<'_>,
        index: &[u32],
        block: u64,
        target: Span<'_>,
    ) -> Result<(), DeviceError>;

    /// Spreads blocks: block `index[n]` of the target becomes block `n` of the source. A block named twice is
    /// [`DeviceError::BadOperation`]. Otherwise as [`gather`](Self::gather).
    fn scatter(
        &self,
        stream: Stream,
        source: Span<'_>,
        index: &[u32],
        block: u64,
        target: Span<'_>,
    ) -> Result<(), DeviceError>;

    /// A sum for checking that bytes are where they should be, after all work already on the stream. Waits for
    /// it. The bytes are taken as 32-bit words `w[0..]`, the last one filled up with zeros; the low half is
    /// Σ w\[i\] and the high half Σ w\[i\]·(2i+1), both modulo 2³², so that exchanged words are seen too.
    fn sum(&self, stream: Stream, source: Span<'_>) -> Result<u64, DeviceError>;

    /// Puts rows into the lists of the queries that they are nearest to: afterwards a list has the least
    /// [`Key`](nearest::Key)s of those that it had and of the rows that the mask lets be found, in order. Where there are
    /// fewer than `k`, the places behind them are [`NONE`](nearest::Key::NONE). A row whose score is infinite or not
    /// a number is near nothing. [`nearest`] says what a score is, and how exact.
    fn nearest(&self, stream: Stream, ask: &Nearest<'_>) -> Result<(), DeviceError>;

    /// How much memory such a search works in. It is enough for fewer rows and fewer queries, too, and where squares are
    /// given: who searches in parts asks for the longest.
    fn nearest_desk(&self, shape: &NearestShape) -> Bytes;

    /// Whether [`nearest_runs`](Self::nearest_runs) is offered.
    fn searches_runs(&self) -> bool {
        false
    }

    /// The same among runs of rows, each for some of the queries: afterwards a list has the least keys of those that it had
    /// and of the rows of runs that its query wants and the mask lets be found. Scores are those of
    /// [`nearest`](Self::nearest) to the bit.
    fn nearest_runs(&self, _stream: Stream, _ask: &NearestRuns<'_>) -> Result<(), DeviceError> {
        let device = "the device".to_owned();
        Err(DeviceError::Unsupported { device, what: "search runs of rows; search all of them" })
    }

    /// How much memory that works in. Enough for fewer of everything, too.
    fn nearest_runs_desk(&self, _shape: &RunsShape) -> Bytes {
        Bytes::ZERO
    }

    /// Whether searches of such rows are quicker where [`squares`](Self::squares) of them are given. Then it is worth keeping
    /// those of rows that stay.
    fn wants_squares(&self, _shape: &NearestShape) -> bool {
        false
    }

    /// Writes the squares of rows, Σ x² each, for searches to come. [`nearest::squares_found`] says how exactly.
    fn squares(&self, _stream: Stream, _ask: &Squares<'_>) -> Result<(), DeviceError> {
        let device = "the device".to_owned();
        Err(DeviceError::Unsupported {
            device,
            what: "keep squares of rows, and needs none; search without them",
        })
    }

    /// Whether [`expand`](Self::expand) is offered.
    fn expands(&self) -> bool {
        false
    }

    /// Multiplies rows of levels by a matrix: number `d` of a row becomes its scale times Σ level\[l\] · matrix\[d\]\[l\],
    /// and an offset for each `d`. [`expand::found`] says how exactly.
    fn expand(&self, _stream: Stream, _ask: &Expand<'_>) -> Result<(), DeviceError> {
        let device = "the device".to_owned();
        Err(DeviceError::Unsupported {
            device,
            what: "expand rows; do it on the host, or on a GPU through CUDA",
        })
    }

    /// How much memory that works in.
    fn expand_desk(&self, _shape: &ExpandShape) -> Bytes {
        Bytes::ZERO
    }
}
