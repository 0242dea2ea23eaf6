//! Copies and fills of any bytes.
//!
//! wgpu copies between two buffers, at multiples of four. What is not so is done by kernels: the odd bytes at
//! both ends, copies whose ends are odd to each other, and copies within one buffer. A kernel writes whole words;
//! at the ends it reads the word, changes the bytes that are meant, and writes it back. Nobody else may use the
//! other bytes of such a word meanwhile; leases never share one, because they start at multiples of 256.

use plimsoll_device::DeviceError;

use super::programs::{Program, Programs, Window, word};
use crate::backing::Part;
use crate::lane::Turn;

/// Records a copy of `source` to `target`, which have one size and share no bytes.
pub(crate) fn copy(
    programs: &Programs,
    turn: &mut Turn<'_>,
    source: Part<'_>,
    target: Part<'_>,
) -> Result<(), DeviceError> {
    let bytes = target.bytes;
    if bytes == 0 {
        return Ok(());
    }
    let in_step = source.offset % 4 == target.offset % 4;
    if source.buffer == target.buffer || !in_step {
        copy_by_kernel(programs, turn, source, target)?;
    } else {
        let head = (target.offset.next_multiple_of(4) - target.offset).min(bytes);
        let middle = (bytes - head) & !3;
        if middle > 0 {
            let (from, to) = (source.offset + head, target.offset + head);
            turn.encoder().copy_buffer_to_buffer(source.buffer, from, target.buffer, to, middle);
        }
        for (start, bytes) in [(0, head), (head + middle, bytes - head - middle)] {
            if bytes > 0 {
                copy_by_kernel(programs, turn, source.within(start, bytes), target.within(start, bytes))?;
            }
        }
    }
    turn.recorded(&target, bytes)
}

fn copy_by_kernel(
    programs: &Programs,
    turn: &mut Turn<'_>,
    source: Part<'_>,
    target: Part<'_>,
) -> Result<(), DeviceError> {
    let (from, to) = (Window::over(&source), Window::over(&target));
    let whole = |unit: u64| [source.offset, target.offset, target.bytes].iter().all(|n| n % unit == 0);
    let (program, unit) = if whole(16) { (Program::CopyUnits, 16) } else { (Program::CopyWords, 4) };
    if whole(u64::from(unit)) {
        let units = word(target.bytes) / unit;
        let arguments = [from.lead(unit), to.lead(unit), units];
        return programs.run(turn, program, &[to, from], &arguments, u64::from(units));
    }
    let arguments = [from.lead(1), to.lead(1), word(target.bytes)];
    programs.run(turn, Program::CopyBytes, &[to, from], &arguments, target.bytes / 4 + 2)
}

/// Records a fill of `target` with a pattern of 16 bytes, which starts at a multiple of 16 unless all its bytes
/// are equal.
pub(crate) fn fill(
    programs: &Programs,
    turn: &mut Turn<'_>,
    target: Part<'_>,
    pattern: [u8; 16],
) -> Result<(), DeviceError> {
    let bytes = target.bytes;
    if bytes == 0 {
        return Ok(());
    }
    if pattern == [0; 16] && target.offset.is_multiple_of(4) && bytes.is_multiple_of(4) {
        turn.encoder().clear_buffer(target.buffer, target.offset, Some(bytes));
    } else {
        let to = Window::over(&target);
        let [a, b, c, d] = [0, 4, 8, 12]
            .map(|at| u32::from_le_bytes([pattern[at], pattern[at + 1], pattern[at + 2], pattern[at + 3]]));
        if target.offset.is_multiple_of(16) && bytes.is_multiple_of(16) {
            let arguments = [a, b, c, d, to.lead(16), word(bytes / 16)];
            programs.run(turn, Program::FillUnits, &[to], &arguments, bytes / 16)?;
        } else {
            let arguments = [a, b, c, d, to.lead(1), word(bytes)];
            programs.run(turn, Program::Fill, &[to], &arguments, bytes / 4 + 2)?;
        }
    }
    turn.recorded(&target, bytes)
}
