//! One stream, and what is put on it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use plimsoll_device::programs::Argument::{Long, Single, Word, Words};
use plimsoll_device::{Device, DeviceError, Fence, Programs, Stream};

use super::inputs::{Forms, Inputs, Rows};
use super::matrix::DeviceMatrix;
use super::products::Made;
use super::room::{Held, Piece};
use super::streams;
use crate::TensorError;
use crate::compute::Done;
use crate::gpu::desk;
use crate::gpu::launch::{EACH, Launches, blocks, warps, word};
use crate::gpu::operand::halves;
use crate::gpu::programs::Program::Packed;

/// The first generation that has what these programs use.
const LEAST: (u32, u32) = (8, 0);
/// Weights that are made halves at a time.
pub(super) const TILE: u64 = 64 << 20;
/// Work that takes longer has failed.
const LONGEST: Duration = Duration::from_mins(2);

/// What is put on one stream of a device, in order. Nobody waits but who fetches or finishes.
///
/// Rooms whose pieces were used are kept until a wait has shown that the device is done with them.
pub struct Flow {
    pub(super) launches: Launches,
    pub(super) device: Arc<dyn Device>,
    stream: Stream,
    desk: Piece,
    using: Mutex<Vec<Arc<Held>>>,
}

impl Flow {
    /// What the desk takes: the device's library works in a part of it, and weights are made halves in the rest. A flow that multiplies
    /// no more than a few rows needs none.
    pub const DESK: u64 = desk::FIRST.get() + TILE;

    /// Whether a device has what these programs use.
    pub fn offered(device: &Arc<dyn Device>) -> Result<(), DeviceError> {
        programs_of(device).map(drop)
    }

    /// A stream of a device, with a desk there.
    pub fn open(device: &Arc<dyn Device>, desk: Piece) -> Result<Self, TensorError> {
        let programs = programs_of(device)?;
        let stream = streams::take(device)?;
        let launches = Launches::new(Arc::clone(device), stream);
        let flow = Self { launches, device: Arc::clone(device), stream, desk, using: Mutex::default() };
        if flow.desk.bytes() > 0 {
            programs.ready_to_multiply(stream)?;
        }
        let desk = flow.desk.clone();
        flow.hold([&desk])?;
        Ok(flow)
    }

    /// Where it is.
    pub const fn device(&self) -> &Arc<dyn Device> {
        &self.device
    }

    /// Keeps what an operation uses, and refuses what is somewhere else.
    pub(super) fn hold<'p>(&self, pieces: impl IntoIterator<Item = &'p Piece>) -> Done {
        let mut using = self.using.lock().unwrap_or_else(PoisonError::into_inner);
        for piece in pieces {
            let held = piece.held();
            if using.iter().any(|one| Arc::ptr_eq(one, held)) {
                continue;
            }
            if !held.is_on(&self.device) {
                return Err(TensorError::shape("a flow", "a piece of another device's room".to_owned()));
            }
            using.push(Arc::clone(held));
        }
        Ok(())
    }

    /// What was used since everything was waited for.
    pub(super) fn rooms(&self) -> Vec<Arc<Held>> {
        self.using.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Brings bytes to a piece. Returns when they have been read.
    pub fn bring(&self, to: &Piece, at: u64, bytes: &[u8]) -> Done {
        self.hold([to])?;
        self.launches.bring(bytes, to.at("bringing", at, bytes.len() as u64)?)
    }

    /// Copies a piece to page-locked memory of the host, when all before is done. Both are kept until then.
    pub fn put_away(&self, from: &Piece, to: &Piece) -> Done {
        const WHAT: &str = "copying to page-locked memory";
        if !to.held().is_pinned() {
            return Err(TensorError::shape(WHAT, "a piece that is not there".to_owned()));
        }
        self.hold([from])?;
        self.using.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(to.held()));
        let bytes = to.bytes();
        self.launches.move_bytes(from.at(WHAT, 0, bytes)?, to.at(WHAT, 0, bytes)?, bytes)
    }

    /// A fence behind all that was put here so far.
    pub(super) fn behind(&self) -> Result<Fence, TensorError> {
        Ok(self.device.fence(self.stream)?)
    }

    /// What is put here from now on begins when a fence of another stream is signalled. Nobody waits.
    pub(super) fn follow(&self, fence: Fence) -> Done {
        Ok(self.launches.programs()?.follow(self.stream, fence)?)
    }

    /// Copies singles of a piece to the host, from its beginning on, when all before is done.
    pub fn fetch(&self, from: &Piece, into: &mut [f32]) -> Done {
        self.fetch_from(from, 0, into)
    }

    /// The same from one of its singles on.
    pub fn fetch_from(&self, from: &Piece, first: usize, into: &mut [f32]) -> Done {
        self.hold([from])?;
        let at = from.at("fetching", 4 * first as u64, size_of_val(into) as u64)?;
        self.launches.fetch_singles(at, into)?;
        self.let_go();
        Ok(())
    }

    /// Waits until all is done.
    pub fn finish(&self) -> Done {
        let fence: Fence = self.device.fence(self.stream)?;
        self.device.wait(fence, LONGEST)?;
        self.let_go();
        Ok(())
    }

    /// Everything was waited for: rooms need not be kept, but for the desk's.
    pub(super) fn let_go(&self) {
        let desk = self.desk.held();
        self.using.lock().unwrap_or_else(PoisonError::into_inner).retain(|held| Arc::ptr_eq(held, desk));
    }

    /// The desk's two parts: what the library works in, and a tile of weights as halves.
    pub(super) fn desk(&self) -> Result<[(u64, u64); 2], TensorError> {
        const WHAT: &str = "products of many rows";
        let (first, tile) = (desk::FIRST.get(), TILE);
        Ok([(self.desk.at(WHAT, 0, first)?, first), (self.desk.at(WHAT, first, tile)?, tile)])
    }

    /// Rows of a matrix as singles: those whose numbers stand, as words, in a piece from so many bytes on.
    pub fn take(&self, table: &DeviceMatrix, ids: (&Piece, u64), count: usize, out: &Piece) -> Done {
        const WHAT: &str = "rows of a table";
        self.hold(table.pieces().into_iter().chain([ids.0, out]))?;
        let words = table.words(WHAT)?;
        let ids = ids.0.at(WHAT, ids.1, 4 * count as u64)?;
        let to = out.singles(WHAT, count * table.columns())?;
        let threads = warps(table.columns(), 256);
        self.launches.launch(Packed, "take", blocks(count), threads, &[Words(&words), Long(ids), Long(to)])
    }

    /// Makes rows of inputs ready for products with these matrices.
    pub fn ready<'i>(
        &self,
        from: Rows<'_>,
        rows: usize,
        matrices: &[&DeviceMatrix],
        out: &'i Inputs,
    ) -> Result<Made<'i>, TensorError> {
        const WHAT: &str = "making inputs ready";
        let columns = matrices.first().map_or(0, |matrix| matrix.columns());
        let other = matrices.iter().any(|matrix| matrix.columns() != columns);
        if other || rows > out.rows || columns > out.columns {
            let why = format!("{rows} rows of {columns} in room for {} of {}", out.rows, out.columns);
            return Err(TensorError::shape(WHAT, why));
        }
        let forms = Forms::of(rows, &matrices.iter().map(|matrix| matrix.packing()));
        let made = Made::of(out, rows, columns, forms);
        let count = rows * columns;
        let (mut y, mut chosen, mut divided, mut epsilon) = (0, 0, 0, 0.0);
        let (source, x) = match from {
            Rows::Plain(piece) => (0, piece),
            Rows::Normalized { rows: piece, weights, epsilon: least, chosen: some } => {
                self.hold([weights])?;
                (y, epsilon) = (weights.singles(WHAT, columns)?, least);
                if let Some((piece, at)) = some {
                    self.hold([piece])?;
                    chosen = piece.at(WHAT, at, 4 * rows as u64)?;
                }
                (1, piece)
            }
            Rows::Gated { gate, up, divided: by } => {
                self.hold([up])?;
                y = up.singles(WHAT, count)?;
                divided = if by { out.divided.singles(WHAT, rows)? } else { 0 };
                (2, gate)
            }
        };
        self.hold(out.pieces().into_iter().chain([x]))?;
        let x = if chosen == 0 { x.singles(WHAT, count)? } else { x.singles(WHAT, columns)? };
        let arguments = [
            Word(source),
            Word(forms.bits()),
            word(columns),
            Long(chosen),
            Long(x),
            Long(y),
            Long(divided),
            Single(epsilon),
            Words(&made.words()?),
        ];
        // Several blocks have a row where nothing has to be known of all of it.
        let whole = forms.halves || source == 1;
        let threads = warps(columns.div_ceil(4), if whole { 1024 } else { EACH });
        let [rows, ..] = blocks(rows);
        let parts = if whole { 1 } else { columns.div_ceil(4 * EACH as usize) };
        let over = [rows, u32::try_from(parts).unwrap_or(1), 1];
        self.launches.launch(Packed, "ready", over, threads, &arguments)?;
        Ok(made)
    }

    /// Adds rows to rows; `divided` by what inputs were, if they were.
    pub(super) fn add_rows(&self, x: u64, (rows, columns): (usize, usize), divided: u64, into: u64) -> Done {
        let count = (rows * columns) as u64;
        let arguments = [Long(count), word(columns), Long(x), Long(divided), Long(into)];
        self.launches.spread(Packed, "add_rows", count, &arguments)
    }
}

fn programs_of(device: &Arc<dyn Device>) -> Result<&dyn Programs, DeviceError> {
    let programs = device.programs().filter(|programs| programs.capability() >= LEAST);
    programs.ok_or_else(|| DeviceError::Unsupported {
        device: device.facts().name.clone(),
        what: "decode; compute on the host, or on a GPU of CUDA from compute capability 8.0 on",
    })
}

/// An address as two words.
pub(super) fn address(words: &mut [u32], at: usize, address: u64) {
    words[at..at + 2].copy_from_slice(&halves(address));
}

impl Drop for Flow {
    fn drop(&mut self) {
        // A device that is lost runs nothing any more.
        if self.finish().is_ok() {
            streams::give_back(&self.device, self.stream);
        }
    }
}

impl std::fmt::Debug for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flow").field("device", &self.device.facts().place).finish_non_exhaustive()
    }
}
