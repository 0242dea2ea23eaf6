//! The host's side of [`Kernels`].
//!
//! Work is put on a stream like a copy: small work on an idle stream runs where it is asked for, the rest on the
//! stream's thread. What is behind the operands is pinned until it is done. A mapped file is refused: its bytes
//! move through the file, not through memory, and only copies do that.

use super::HostDevice;
use super::backing::Pin;
use super::device::STAGED_MAX;
use super::lane::Job;
use crate::kernels::check::{self, Conversion, Pattern, RowCopy};
use crate::kernels::expand::{self, Expand, ExpandShape, ExpandStored};
use crate::kernels::nearest::{self, Nearest, NearestRuns, NearestShape, NearestStored, Run};
use crate::kernels::reference::{self, Stored, StoredMut};
use crate::kernels::{Numbers, Rows, simd};
use crate::{Bytes, DeviceError, Kernels, Span, Stream};

/// An operation with all that it uses.
pub(super) enum Work {
    Rows { rows: RowCopy, source: Pin, target: Pin },
    Pattern { pattern: Pattern, target: Pin },
    Convert { conversion: Conversion, source: Stores<Pin>, target: Stores<Pin> },
    Blocks { how: MoveBlocks, index: Box<[u32]>, block: u64, source: Pin, target: Pin },
    Nearest(Box<NearestWork>),
    Expand(Box<ExpandWork>),
}

/// A search.
pub(super) struct NearestWork {
    shape: NearestShape,
    first: u32,
    rows: Pin,
    scales: Option<Pin>,
    queries: Pin,
    mask: Option<Pin>,
    lists: Pin,
    /// Which rows are looked at by which queries, where not all are by all.
    runs: Option<Runs>,
}

/// Runs of rows, and the queries that want them.
type Runs = (Box<[Run]>, Box<[u32]>);

/// An expansion.
pub(super) struct ExpandWork {
    shape: ExpandShape,
    levels: Pin,
    scales: Pin,
    matrix: Pin,
    offsets: Pin,
    target: Pin,
}

/// Numbers, and their scales if they have any.
pub(super) struct Stores<P> {
    numbers: P,
    scales: Option<P>,
}

/// A gather or a scatter.
type MoveBlocks = fn(&[u8], &[u32], u64, &mut [u8]);

impl Work {
    pub(super) fn run(self) {
        match self {
            Self::Rows { rows, source, mut target } => {
                reference::copy_rows(&rows, source.bytes_to_read(), target.bytes_to_write());
            }
            Self::Pattern { pattern, mut target } => fill_pattern(&pattern, target.bytes_to_write()),
            Self::Convert { conversion, source, mut target } => {
                let source = Stored {
                    numbers: source.numbers.bytes_to_read(),
                    scales: source.scales.as_ref().map_or(&[], Pin::bytes_to_read),
                };
                let target = StoredMut {
                    numbers: target.numbers.bytes_to_write(),
                    scales: target.scales.as_mut().map_or(&mut [], Pin::bytes_to_write),
                };
                simd::convert(&conversion, source, target);
            }
            Self::Blocks { how, index, block, source, mut target } => {
                how(source.bytes_to_read(), &index, block, target.bytes_to_write());
            }
            Self::Nearest(mut work) => work.run(),
            Self::Expand(mut work) => work.run(),
        }
    }
}

impl NearestWork {
    fn run(&mut self) {
        let stored = NearestStored {
            rows: self.rows.bytes_to_read(),
            scales: self.scales.as_ref().map_or(&[], Pin::bytes_to_read),
            queries: self.queries.bytes_to_read(),
            mask: self.mask.as_ref().map(Pin::bytes_to_read),
            first: self.first,
        };
        let lists = self.lists.bytes_to_write();
        match &self.runs {
            Some((runs, wants)) => {
                nearest::host::nearest_runs(&self.shape, &stored, (runs, wants), lists);
            }
            None => nearest::host::nearest(&self.shape, &stored, lists),
        }
    }
}

impl ExpandWork {
    fn run(&mut self) {
        let stored = ExpandStored {
            levels: self.levels.bytes_to_read(),
            scales: self.scales.bytes_to_read(),
            matrix: self.matrix.bytes_to_read(),
            offsets: self.offsets.bytes_to_read(),
        };
        expand::on_host(&self.shape, &stored, self.target.bytes_to_write());
    }
}

/// Copies what is there already, in steps that stay within the first-level cache.
fn fill_pattern(pattern: &Pattern, target: &mut [u8]) {
    let mut done = pattern.unit.len().min(target.len());
    target[..done].copy_from_slice(&pattern.unit[..done]);
    while done < target.len() {
        let (from, to) = target.split_at_mut(done);
        let step = done.min(1 << 14).min(to.len());
        to[..step].copy_from_slice(&from[..step]);
        done += step;
    }
}

impl Kernels for HostDevice {
    fn copy_rows(&self, stream: Stream, source: Rows<'_>, target: Rows<'_>) -> Result<(), DeviceError> {
        let (from, to) = (self.operand(&source.span)?, self.result(&target.span)?);
        let rows = check::copy_rows(&source, &target)?;
        apart(&from, &to)?;
        self.put(stream, rows.rows * rows.row, Work::Rows { rows, source: from, target: to })
    }

    fn fill_pattern(&self, stream: Stream, target: Span<'_>, pattern: &[u8]) -> Result<(), DeviceError> {
        let to = self.result(&target)?;
        let pattern = check::fill_pattern(&target, pattern)?;
        self.put(stream, pattern.bytes, Work::Pattern { pattern, target: to })
    }

    fn convert(&self, stream: Stream, source: Numbers<'_>, target: Numbers<'_>) -> Result<(), DeviceError> {
        let from = Stores {
            numbers: self.operand(&source.span)?,
            scales: source.scales.map(|scales| self.operand(&scales.span)).transpose()?,
        };
        let to = Stores {
            numbers: self.result(&target.span)?,
            scales: target.scales.map(|scales| self.result(&scales.span)).transpose()?,
        };
        let conversion = check::convert(&source, &target)?;
        for input in [Some(&from.numbers), from.scales.as_ref(), to.scales.as_ref()].into_iter().flatten() {
            apart(input, &to.numbers)?;
        }
        if let Some(scales) = &to.scales {
            apart(&from.numbers, scales)?;
        }
        let bytes = source.span.bytes().max(target.span.bytes()).get();
        self.put(stream, bytes, Work::Convert { conversion, source: from, target: to })
    }

    fn gather(
        &self,
        stream: Stream,
        source: Span<'_>,
        index: &[u32],
        block: u64,
        target: Span<'_>,
    ) -> Result<(), DeviceError> {
        let (from, to) = (self.operand(&source)?, self.result(&target)?);
        check::gather(&source, index, block, &target)?;
        self.put_blocks(stream, reference::gather, index, block, from, to)
    }

    fn scatter(
        &self,
        stream: Stream,
        source: Span<'_>,
        index: &[u32],
        block: u64,
        target: Span<'_>,
    ) -> Result<(), DeviceError> {
        let (from, to) = (self.operand(&source)?, self.result(&target)?);
        check::scatter(&source, index, block, &target)?;
        self.put_blocks(stream, reference::scatter, index, block, from, to)
    }

    fn sum(&self, stream: Stream, source: Span<'_>) -> Result<u64, DeviceError> {
        let from = self.operand(&source)?;
        check::sum(&source)?;
        let _turn = self.lanes.get(stream)?.turn()?;
        Ok(simd::sum(from.bytes_to_read()))
    }

    fn nearest(&self, stream: Stream, ask: &Nearest<'_>) -> Result<(), DeviceError> {
        self.search(stream, ask, None)
    }

    fn searches_runs(&self) -> bool {
        true
    }

    fn nearest_runs(&self, stream: Stream, ask: &NearestRuns<'_>) -> Result<(), DeviceError> {
        self.search(stream, &ask.ask, Some(ask))
    }

    fn nearest_desk(&self, _shape: &NearestShape) -> Bytes {
        Bytes::ZERO
    }

    fn expands(&self) -> bool {
        true
    }

    fn expand(&self, stream: Stream, ask: &Expand<'_>) -> Result<(), DeviceError> {
        let (levels, scales) = (self.operand(&ask.levels)?, self.operand(&ask.scales)?);
        let (matrix, offsets) = (self.operand(&ask.matrix)?, self.operand(&ask.offsets)?);
        let (target, _) = (self.result(&ask.target)?, self.result(&ask.desk)?);
        let shape = expand::check(ask, self.expand_desk(&ask.shape))?;
        for input in [&levels, &scales, &matrix, &offsets] {
            apart(input, &target)?;
        }
        if shape.is_empty() {
            return self.lanes.get(stream).map(drop);
        }
        let bytes = shape.target_bytes().saturating_mul(u64::from(shape.depth));
        let work = ExpandWork { shape, levels, scales, matrix, offsets, target };
        self.put(stream, bytes, Work::Expand(Box::new(work)))
    }
}

impl HostDevice {
    /// What an operation reads.
    fn operand(&self, span: &Span<'_>) -> Result<Pin, DeviceError> {
        if self.backing(span.region())?.is_file() {
            return Err(DeviceError::Unsupported {
                device: self.facts.name.clone(),
                what: "operate on a mapped file in place; copy the part into memory first",
            });
        }
        self.pin(span)
    }

    /// What an operation writes.
    fn result(&self, span: &Span<'_>) -> Result<Pin, DeviceError> {
        self.backing(span.region())?.may_write()?;
        self.operand(span)
    }

    /// A search, among runs or all rows.
    fn search(
        &self,
        stream: Stream,
        ask: &Nearest<'_>,
        among: Option<&NearestRuns<'_>>,
    ) -> Result<(), DeviceError> {
        let (rows, queries) = (self.operand(&ask.rows)?, self.operand(&ask.queries)?);
        let scales = ask.scales.map(|span| self.operand(&span)).transpose()?;
        let mask = ask.mask.map(|span| self.operand(&span)).transpose()?;
        let _squares = ask.squares.map(|span| self.operand(&span)).transpose()?;
        let (lists, _) = (self.result(&ask.lists)?, self.result(&ask.desk)?);
        let shape = ask.shape;
        let (nothing, looks) = if let Some(among) = among {
            let shape = nearest::check_runs(among, Bytes::ZERO)?;
            (shape.is_empty(), shape.looks)
        } else {
            let shape = nearest::check(ask, Bytes::ZERO)?;
            (shape.is_empty(), u64::from(shape.rows) * u64::from(shape.queries))
        };
        for input in [Some(&rows), Some(&queries), scales.as_ref(), mask.as_ref()].into_iter().flatten() {
            apart(input, &lists)?;
        }
        if nothing {
            return self.lanes.get(stream).map(drop);
        }
        let bytes = looks.saturating_mul(shape.row_bytes());
        let runs = among.map(|among| (among.runs.into(), among.wants.into()));
        let work = NearestWork { shape, first: ask.first, rows, scales, queries, mask, lists, runs };
        self.put(stream, bytes, Work::Nearest(Box::new(work)))
    }

    fn put(&self, stream: Stream, bytes: u64, work: Work) -> Result<(), DeviceError> {
        let inline = Bytes::new(bytes) <= self.settings.inline;
        self.lanes.get(stream)?.submit(Job::Kernel(work), inline)
    }

    /// An index that is too long to be kept is used here, when all earlier work is done.
    fn put_blocks(
        &self,
        stream: Stream,
        how: MoveBlocks,
        index: &[u32],
        block: u64,
        source: Pin,
        mut target: Pin,
    ) -> Result<(), DeviceError> {
        apart(&source, &target)?;
        if size_of_val(index) > STAGED_MAX {
            let _turn = self.lanes.get(stream)?.turn()?;
            how(source.bytes_to_read(), index, block, target.bytes_to_write());
            return Ok(());
        }
        let bytes = index.len() as u64 * block;
        self.put(stream, bytes, Work::Blocks { how, index: index.into(), block, source, target })
    }
}

/// The spans of two regions are apart by their numbers, and this is so by their addresses.
fn apart(source: &Pin, target: &Pin) -> Result<(), DeviceError> {
    if source.overlaps(target) { Err(DeviceError::Overlap) } else { Ok(()) }
}
