//! The simulated side of [`Kernels`]: the checks, the reference, and time that it takes.
//!
//! A hollow device checks and counts, and that is all.

use std::ops::Range;

use super::SimDevice;
use super::backing::Side;
use super::faults::Call;
use super::work::{Op, Piece};
use crate::kernels::check::{self, Conversion, Pattern, RowCopy};
use crate::kernels::expand::{self, Expand, ExpandShape, ExpandStored};
use crate::kernels::nearest::{
    self, Measure, Nearest, NearestRuns, NearestShape, NearestStored, Run, Squares,
};
use crate::kernels::reference::{self, Stored, StoredMut};
use crate::kernels::{Numbers, Rows};
use crate::{Bytes, DeviceError, Kernels, Span, Stream};

/// An operation with all that it uses.
#[derive(Debug)]
pub(super) enum Work {
    Rows {
        rows: RowCopy,
        source: Piece,
        target: Piece,
    },
    Pattern {
        pattern: Pattern,
        target: Piece,
    },
    /// Each side's numbers, and its scales if it has any.
    Convert {
        conversion: Conversion,
        source: (Piece, Option<Piece>),
        target: (Piece, Option<Piece>),
    },
    Gather {
        index: Box<[u32]>,
        block: u64,
        source: Piece,
        target: Piece,
    },
    Scatter {
        index: Box<[u32]>,
        block: u64,
        source: Piece,
        target: Piece,
    },
    /// Rows, queries, lists and, where there are any, scales and mask.
    Nearest {
        shape: NearestShape,
        first: u32,
        rows: Piece,
        queries: Piece,
        lists: Piece,
        scales: Option<Piece>,
        mask: Option<Piece>,
        runs: Option<Runs>,
    },
    /// Rows and, where there are any, scales; and where squares go.
    Squares {
        shape: NearestShape,
        rows: Piece,
        scales: Option<Piece>,
        target: Piece,
    },
    /// Levels, scales, matrix and offsets; and where rows go.
    Expand {
        shape: ExpandShape,
        from: [Piece; 4],
        target: Piece,
    },
}

/// Which rows are looked at by which queries, where not all are by all.
#[derive(Debug)]
pub(super) struct Runs {
    runs: Box<[Run]>,
    wants: Box<[u32]>,
}

impl Work {
    pub(super) fn pieces(&self) -> [Option<&Piece>; 5] {
        match self {
            Self::Pattern { target, .. } => [Some(target), None, None, None, None],
            Self::Convert { source, target, .. } => {
                [Some(&source.0), Some(&target.0), source.1.as_ref(), target.1.as_ref(), None]
            }
            Self::Rows { source, target, .. }
            | Self::Gather { source, target, .. }
            | Self::Scatter { source, target, .. } => [Some(source), Some(target), None, None, None],
            Self::Expand { from: [levels, scales, matrix, offsets], target, .. } => {
                [Some(levels), Some(scales), Some(matrix), Some(offsets), Some(target)]
            }
            Self::Squares { rows, scales, target, .. } => {
                [Some(rows), Some(target), scales.as_ref(), None, None]
            }
            Self::Nearest { rows, queries, lists, scales, mask, .. } => {
                [Some(rows), Some(queries), Some(lists), scales.as_ref(), mask.as_ref()]
            }
        }
    }

    pub(super) fn run(self) {
        if self.pieces().into_iter().flatten().any(|piece| piece.backing.is_hollow()) {
            return;
        }
        match self {
            Self::Rows { rows, source, target } => {
                let mut bytes = target.bytes();
                reference::copy_rows(&rows, &source.bytes(), &mut bytes);
                // Row by row: what lies between them is not this operation's.
                for start in (0..rows.rows).map(|row| row * rows.target_pitch) {
                    target.put(start..start + rows.row, &bytes);
                }
            }
            Self::Pattern { pattern, target } => {
                let mut bytes = vec![0; target.len()];
                reference::fill_pattern(&pattern, &mut bytes);
                target.put_all(&bytes);
            }
            Self::Convert { conversion, source, target } => {
                let (numbers, scales) = (source.0.bytes(), source.1.as_ref().map(Piece::bytes));
                let source = Stored { numbers: &numbers, scales: scales.as_deref().unwrap_or_default() };
                let mut numbers = vec![0; target.0.len()];
                let mut scales = vec![0; target.1.as_ref().map_or(0, Piece::len)];
                let written = StoredMut { numbers: &mut numbers, scales: &mut scales };
                reference::convert(&conversion, source, written);
                target.0.put_all(&numbers);
                if let Some(piece) = &target.1 {
                    piece.put_all(&scales);
                }
            }
            Self::Gather { index, block, source, target } => {
                let mut bytes = vec![0; target.len()];
                reference::gather(&source.bytes(), &index, block, &mut bytes);
                target.put_all(&bytes);
            }
            Self::Scatter { index, block, source, target } => {
                let mut bytes = target.bytes();
                reference::scatter(&source.bytes(), &index, block, &mut bytes);
                for start in index.iter().map(|&named| u64::from(named) * block) {
                    target.put(start..start + block, &bytes);
                }
            }
            Self::Expand { shape, from, target } => {
                let [levels, scales, matrix, offsets] = from.map(|piece| piece.bytes());
                let stored =
                    ExpandStored { levels: &levels, scales: &scales, matrix: &matrix, offsets: &offsets };
                let mut bytes = vec![0; target.len()];
                expand::reference(&shape, &stored, &mut bytes);
                target.put_all(&bytes);
            }
            Self::Squares { shape, rows, scales, target } => squares(&shape, &rows, scales.as_ref(), &target),
            Self::Nearest { shape, first, rows, queries, lists, scales, mask, runs } => {
                let (rows, queries) = (rows.bytes(), queries.bytes());
                let (scales, mask) = (scales.as_ref().map(Piece::bytes), mask.as_ref().map(Piece::bytes));
                let stored = NearestStored {
                    rows: &rows,
                    scales: scales.as_deref().unwrap_or_default(),
                    queries: &queries,
                    mask: mask.as_deref(),
                    first,
                };
                let mut bytes = lists.bytes();
                match runs {
                    Some(Runs { runs, wants }) => {
                        nearest::reference_runs(&shape, &stored, (&runs, &wants), &mut bytes);
                    }
                    None => nearest::reference(&shape, &stored, &mut bytes),
                }
                lists.put_all(&bytes);
            }
        }
    }
}

fn squares(shape: &NearestShape, rows: &Piece, scales: Option<&Piece>, target: &Piece) {
    let (rows, scales) = (rows.bytes(), scales.map(Piece::bytes).unwrap_or_default());
    let stored = NearestStored { rows: &rows, scales: &scales, queries: &[], mask: None, first: 0 };
    let mut bytes = vec![0; target.len()];
    nearest::reference_squares(shape, &stored, &mut bytes);
    target.put_all(&bytes);
}

impl Piece {
    fn len(&self) -> usize {
        Bytes::new(self.part.end - self.part.start).as_usize()
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len()];
        // What was checked when it was put there stays backed: `decommit` refuses what is in use.
        let _ = self.backing.read(&self.part, Side::Device, &mut bytes);
        bytes
    }

    fn put_all(&self, bytes: &[u8]) {
        self.put(0..bytes.len() as u64, bytes);
    }

    /// A part of the piece's new bytes.
    fn put(&self, part: Range<u64>, bytes: &[u8]) {
        let new = &bytes[Bytes::new(part.start).as_usize()..Bytes::new(part.end).as_usize()];
        let part = self.part.start + part.start..self.part.start + part.end;
        let _ = self.backing.write(&part, Side::Device, new);
    }
}

impl Kernels for SimDevice {
    fn copy_rows(&self, stream: Stream, source: Rows<'_>, target: Rows<'_>) -> Result<(), DeviceError> {
        let (from, to) = (self.operand(stream, &source.span)?, self.result(stream, &target.span)?);
        let rows = check::copy_rows(&source, &target)?;
        self.kernel(stream, rows.rows * rows.row, Work::Rows { rows, source: from, target: to })
    }

    fn fill_pattern(&self, stream: Stream, target: Span<'_>, pattern: &[u8]) -> Result<(), DeviceError> {
        let to = self.result(stream, &target)?;
        let pattern = check::fill_pattern(&target, pattern)?;
        self.kernel(stream, pattern.bytes, Work::Pattern { pattern, target: to })
    }

    fn convert(&self, stream: Stream, source: Numbers<'_>, target: Numbers<'_>) -> Result<(), DeviceError> {
        let from = (
            self.operand(stream, &source.span)?,
            source.scales.map(|scales| self.operand(stream, &scales.span)).transpose()?,
        );
        let to = (
            self.result(stream, &target.span)?,
            target.scales.map(|scales| self.result(stream, &scales.span)).transpose()?,
        );
        let conversion = check::convert(&source, &target)?;
        let bytes = source.span.bytes().max(target.span.bytes()).get();
        self.kernel(stream, bytes, Work::Convert { conversion, source: from, target: to })
    }

    fn gather(
        &self,
        stream: Stream,
        source: Span<'_>,
        index: &[u32],
        block: u64,
        target: Span<'_>,
    ) -> Result<(), DeviceError> {
        let (from, to) = (self.operand(stream, &source)?, self.result(stream, &target)?);
        check::gather(&source, index, block, &target)?;
        let bytes = target.bytes().get();
        self.kernel(stream, bytes, Work::Gather { index: index.into(), block, source: from, target: to })
    }

    fn scatter(
        &self,
        stream: Stream,
        source: Span<'_>,
        index: &[u32],
        block: u64,
        target: Span<'_>,
    ) -> Result<(), DeviceError> {
        let (from, to) = (self.operand(stream, &source)?, self.result(stream, &target)?);
        check::scatter(&source, index, block, &target)?;
        let bytes = source.bytes().get();
        self.kernel(stream, bytes, Work::Scatter { index: index.into(), block, source: from, target: to })
    }

    fn sum(&self, stream: Stream, source: Span<'_>) -> Result<u64, DeviceError> {
        let from = self.operand(stream, &source)?;
        let bytes = check::sum(&source)?;
        self.strike(Call::Kernel, "a kernel")?;
        self.pause(stream, Bytes::new(bytes))?;
        self.counters.kernels.add(1);
        Ok(if from.backing.is_hollow() { 0 } else { reference::sum(&from.bytes()) })
    }

    fn nearest(&self, stream: Stream, ask: &Nearest<'_>) -> Result<(), DeviceError> {
        self.search(stream, ask, None)
    }

    fn searches_runs(&self) -> bool {
        self.settings.runs
    }

    fn nearest_runs(&self, stream: Stream, ask: &NearestRuns<'_>) -> Result<(), DeviceError> {
        if !self.settings.runs {
            let device = self.facts.name.clone();
            return Err(DeviceError::Unsupported { device, what: "search runs of rows; search all of them" });
        }
        self.search(stream, &ask.ask, Some(ask))
    }

    fn nearest_desk(&self, _shape: &NearestShape) -> Bytes {
        Bytes::ZERO
    }

    fn wants_squares(&self, shape: &NearestShape) -> bool {
        shape.measure != Measure::Hamming
    }

    fn squares(&self, stream: Stream, ask: &Squares<'_>) -> Result<(), DeviceError> {
        let rows = self.operand(stream, &ask.rows)?;
        let scales = ask.scales.map(|span| self.operand(stream, &span)).transpose()?;
        let target = self.result(stream, &ask.target)?;
        let shape = nearest::check_squares(ask)?;
        self.kernel(stream, shape.rows_bytes(), Work::Squares { shape, rows, scales, target })
    }

    fn expands(&self) -> bool {
        true
    }

    fn expand(&self, stream: Stream, ask: &Expand<'_>) -> Result<(), DeviceError> {
        let piece = |span: &Span<'_>| self.operand(stream, span);
        let from = [piece(&ask.levels)?, piece(&ask.scales)?, piece(&ask.matrix)?, piece(&ask.offsets)?];
        let (target, _) = (self.result(stream, &ask.target)?, self.result(stream, &ask.desk)?);
        let shape = expand::check(ask, self.expand_desk(&ask.shape))?;
        if shape.is_empty() {
            return Ok(());
        }
        self.kernel(stream, shape.target_bytes(), Work::Expand { shape, from, target })
    }
}

impl SimDevice {
    /// What an operation reads.
    fn operand(&self, stream: Stream, span: &Span<'_>) -> Result<Piece, DeviceError> {
        self.here()?;
        self.work.knows(stream)?;
        self.piece(span)
    }

    /// What an operation writes.
    fn result(&self, stream: Stream, span: &Span<'_>) -> Result<Piece, DeviceError> {
        self.operand(stream, span)?;
        self.target(span)
    }

    /// A search, among runs or all rows.
    fn search(
        &self,
        stream: Stream,
        ask: &Nearest<'_>,
        among: Option<&NearestRuns<'_>>,
    ) -> Result<(), DeviceError> {
        let (rows, queries) = (self.operand(stream, &ask.rows)?, self.operand(stream, &ask.queries)?);
        let scales = ask.scales.map(|span| self.operand(stream, &span)).transpose()?;
        let mask = ask.mask.map(|span| self.operand(stream, &span)).transpose()?;
        let _squares = ask.squares.map(|span| self.operand(stream, &span)).transpose()?;
        let (lists, _) = (self.result(stream, &ask.lists)?, self.result(stream, &ask.desk)?);
        let shape = ask.shape;
        let (nothing, bytes) = if let Some(among) = among {
            let shape = nearest::check_runs(among, Bytes::ZERO)?;
            let rows = among.runs.iter().map(|run| u64::from(run.rows())).sum::<u64>();
            (shape.is_empty(), rows * ask.shape.row_bytes())
        } else {
            let shape = nearest::check(ask, Bytes::ZERO)?;
            (shape.is_empty(), shape.rows_bytes())
        };
        if nothing {
            return Ok(());
        }
        let runs = among.map(|among| Runs { runs: among.runs.into(), wants: among.wants.into() });
        let work = Work::Nearest { shape, first: ask.first, rows, queries, lists, scales, mask, runs };
        self.kernel(stream, bytes, work)
    }

    fn kernel(&self, stream: Stream, bytes: u64, work: Work) -> Result<(), DeviceError> {
        self.strike(Call::Kernel, "a kernel")?;
        self.work.put(stream, Op::Kernel(work), self.takes(Bytes::new(bytes)))?;
        self.counters.kernels.add(1);
        Ok(())
    }
}
