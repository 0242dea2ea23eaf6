//! The operations of [`Kernels`] on this device.

use plimsoll_device::kernels::check;
use plimsoll_device::kernels::nearest::{Nearest, NearestShape};
use plimsoll_device::kernels::{Number, Numbers, Rows};
use plimsoll_device::{Bytes, DeviceError, Kernels, Span, Stream};

use super::moves::fill;
use super::nearest::desk_bytes;
use super::programs::{Program, Window, word};
use crate::backing::Part;
use crate::device::GpuDevice;

impl Kernels for GpuDevice {
    fn copy_rows(&self, stream: Stream, source: Rows<'_>, target: Rows<'_>) -> Result<(), DeviceError> {
        let (from, to) = (self.part(&source.span)?, self.part(&target.span)?);
        let rows = check::copy_rows(&source, &target)?;
        let mut turn = self.turn(stream)?;
        if rows.is_empty() {
            return Ok(());
        }
        let (source, target) = (Window::over(&from), Window::over(&to));
        let all = [from.offset, to.offset, rows.row, rows.source_pitch, rows.target_pitch];
        let whole = |unit: u64| all.iter().all(|n| n % unit == 0);
        let (program, unit) = match () {
            () if whole(16) => (Program::RowsUnits, 16),
            () if whole(4) => (Program::RowsWords, 4),
            () => (Program::RowsBytes, 1),
        };
        let of = |bytes: u64| word(bytes) / unit;
        let arguments = [
            source.lead(unit),
            target.lead(unit),
            of(rows.row),
            word(rows.rows),
            // The pitch of a single row may be anything.
            of(rows.source_pitch.min(from.bytes)),
            of(rows.target_pitch.min(to.bytes)),
        ];
        let items = if unit == 1 { to.bytes / 4 + 2 } else { rows.row * rows.rows / u64::from(unit) };
        self.programs.run(&mut turn, program, &[target, source], &arguments, items)?;
        turn.recorded(&to, to.bytes)
    }

    fn fill_pattern(&self, stream: Stream, target: Span<'_>, pattern: &[u8]) -> Result<(), DeviceError> {
        let to = self.part(&target)?;
        let pattern = check::fill_pattern(&target, pattern)?;
        fill(&self.programs, &mut self.turn(stream)?, to, pattern.unit)
    }

    fn convert(&self, stream: Stream, source: Numbers<'_>, target: Numbers<'_>) -> Result<(), DeviceError> {
        let (from, to) = (self.part(&source.span)?, self.part(&target.span)?);
        let scales = source.scales.or(target.scales);
        let scales = scales.map(|scales| self.part(&scales.span)).transpose()?;
        let work = check::convert(&source, &target)?;
        let mut turn = self.turn(stream)?;
        if work.is_empty() {
            return Ok(());
        }
        let (source, target) = (Window::over(&from), Window::over(&to));
        // Without scales the binding is never looked at; it has to be something.
        let with = scales.as_ref().map_or(source, Window::over);
        let buffers = [target, source, with];
        let (kind, target_kind) = (code(work.from), code(work.to));
        let count = word(work.count);
        if work.to.scaled() {
            // A power of two of threads for each group, eight numbers at a time each.
            let lanes = 1 << (work.group / 8).min(256).ilog2();
            let groups = word(work.groups());
            let arguments =
                [source.lead(4), target.lead(4), with.lead(4), kind, target_kind, work.group, groups, lanes];
            let threads = u64::from(groups) * u64::from(lanes);
            self.programs.run(&mut turn, Program::Quantize, &buffers, &arguments, threads)?;
            if let Some(scales) = &scales {
                turn.recorded(scales, scales.bytes)?;
            }
        } else {
            let group = work.group.max(1);
            let arguments = [source.lead(4), target.lead(4), with.lead(4), count, kind, target_kind, group];
            self.programs.run(&mut turn, Program::Convert, &buffers, &arguments, work.count.div_ceil(8))?;
        }
        turn.recorded(&to, to.bytes)
    }

    fn gather(
        &self,
        stream: Stream,
        source: Span<'_>,
        index: &[u32],
        block: u64,
        target: Span<'_>,
    ) -> Result<(), DeviceError> {
        let (from, to) = (self.part(&source)?, self.part(&target)?);
        check::gather(&source, index, block, &target)?;
        self.blocks(stream, (from, to), index, block, false)
    }

    fn scatter(
        &self,
        stream: Stream,
        source: Span<'_>,
        index: &[u32],
        block: u64,
        target: Span<'_>,
    ) -> Result<(), DeviceError> {
        let (from, to) = (self.part(&source)?, self.part(&target)?);
        check::scatter(&source, index, block, &target)?;
        self.blocks(stream, (from, to), index, block, true)
    }

    fn sum(&self, stream: Stream, source: Span<'_>) -> Result<u64, DeviceError> {
        let from = self.part(&source)?;
        let bytes = check::sum(&source)?;
        let mut turn = self.turn(stream)?;
        if bytes == 0 {
            return Ok(0);
        }
        let mut slot = turn.slot(&|| self.flush_others())?;
        let Some(staged) = slot.place(8, 16, 0) else { return Ok(0) };
        // One result for all streams will do: there is one queue, and what follows is one submission.
        turn.submit()?;
        let result = Part { buffer: &self.scratch, offset: 0, bytes: 8, host_visible: false };
        fill(&self.programs, &mut turn, result, [0; 16])?;
        let (into, from) = (Window::over(&result), Window::over(&from));
        let arguments = [from.lead(4), word(bytes), into.lead(4)];
        self.programs.run(&mut turn, Program::Sum, &[into, from], &arguments, bytes / 4 + 1)?;
        let shown = staged.part();
        turn.encoder().copy_buffer_to_buffer(result.buffer, 0, shown.buffer, shown.offset, 8);
        turn.recorded(&shown, 8)?;
        turn.settle()?;
        let mut sum = [0; 8];
        staged.read(0, &mut sum);
        Ok(u64::from_le_bytes(sum))
    }

    fn nearest(&self, stream: Stream, ask: &Nearest<'_>) -> Result<(), DeviceError> {
        self.search(stream, ask)
    }

    fn nearest_desk(&self, shape: &NearestShape) -> Bytes {
        desk_bytes(shape)
    }
}

impl GpuDevice {
    /// Gather or scatter, in as many pieces as the index needs staging memory.
    fn blocks(
        &self,
        stream: Stream,
        (from, to): (Part<'_>, Part<'_>),
        index: &[u32],
        block: u64,
        scatter: bool,
    ) -> Result<(), DeviceError> {
        let mut turn = self.turn(stream)?;
        let most = usize::try_from(self.staging.slot_bytes() / 4).unwrap_or(usize::MAX);
        let mut first = 0;
        for piece in index.chunks(most) {
            let bytes: Vec<u8> = piece.iter().flat_map(|named| named.to_le_bytes()).collect();
            let staged = turn.stage(&|| self.flush_others(), bytes.len() as u64, 16, 0)?;
            staged.write(&bytes);
            let named = staged.part();
            // The side that is in order is cut with the index; the other is seen whole.
            let moved = piece.len() as u64 * block;
            let (source, target) = if scatter {
                (from.within(first * block, moved), to)
            } else {
                (from, to.within(first * block, moved))
            };
            let windows = [Window::over(&target), Window::over(&source), Window::over(&named)];
            let arguments = [
                windows[1].lead(16),
                windows[0].lead(16),
                windows[2].lead(4),
                word(block / 16),
                word(piece.len() as u64),
                u32::from(scatter),
            ];
            self.programs.run(&mut turn, Program::Blocks, &windows, &arguments, moved / 16)?;
            turn.recorded(&target, moved)?;
            first += piece.len() as u64;
        }
        Ok(())
    }
}

/// What the kernels call a kind of number.
pub(super) const fn code(number: Number) -> u32 {
    match number {
        Number::F32 => 0,
        Number::F16 => 1,
        Number::Bf16 => 2,
        Number::Int8 => 3,
        Number::Int4 => 4,
    }
}
