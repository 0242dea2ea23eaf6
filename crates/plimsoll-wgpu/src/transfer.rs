//! Transfers through staging memory, in pieces of a slot.

use plimsoll_device::DeviceError;

use crate::backing::Part;
use crate::device::GpuDevice;
use crate::kernels::copy;
use crate::lane::Turn;
use crate::staging::{Slot, Staged};

/// A slot with less room than this (and less than is to be moved) is left as it is.
const PIECE_LEAST: u64 = 4096;
/// wgpu copies at multiples of this; a piece is staged at the same remainder as its place.
const STEP: u64 = 4;

impl GpuDevice {
    /// Copies host bytes into slots and from there, on the stream.
    pub(crate) fn stage_up(
        &self,
        mut turn: Turn<'_>,
        mut from: &[u8],
        mut to: Part<'_>,
    ) -> Result<(), DeviceError> {
        while to.bytes > 0 {
            let phase = to.offset % STEP;
            let most = self.staging.slot_bytes() - phase;
            let room = turn.room(STEP, phase);
            let bytes = to.bytes.min(if room >= to.bytes.min(PIECE_LEAST) { room } else { most });
            let staged = turn.stage(&|| self.flush_others(), bytes, STEP, phase)?;
            let (piece, rest) = from.split_at(usize::try_from(bytes).unwrap_or(from.len()));
            staged.write(piece);
            copy(&self.programs, &mut turn, staged.part(), to.within(0, bytes))?;
            from = rest;
            to = to.within(bytes, to.bytes - bytes);
            if to.bytes > 0 {
                // The GPU empties this slot while the next is filled.
                turn.submit()?;
            }
        }
        Ok(())
    }

    /// Copies into slots on the stream, waits, and copies out: while one piece is copied out the GPU brings the
    /// next.
    pub(crate) fn stage_down(
        &self,
        mut turn: Turn<'_>,
        mut from: Part<'_>,
        mut into: &mut [u8],
    ) -> Result<(), DeviceError> {
        let mut coming: Option<Coming> = None;
        while from.bytes > 0 {
            // With one slot in hand another is only taken if it is free: who waits holding one may wait for ever.
            let slot = match &coming {
                None => Some(turn.slot(&|| self.flush_others())?),
                Some(_) => self.staging.take(),
            };
            if let Some(slot) = slot {
                let next = self.bring(&mut turn, slot, &from)?;
                from = from.within(next.bytes, from.bytes - next.bytes);
                if let Some(before) = coming.replace(next) {
                    into = self.take_out(&before, into)?;
                }
            } else if let Some(before) = coming.take() {
                into = self.take_out(&before, into)?;
            }
        }
        if let Some(last) = coming {
            self.take_out(&last, into)?;
        }
        Ok(())
    }

    /// Hands in a copy of the next piece into a slot.
    fn bring(&self, turn: &mut Turn<'_>, mut slot: Slot, from: &Part<'_>) -> Result<Coming, DeviceError> {
        // Whole words around the piece: more is read than was asked, and nothing else is written.
        let lead = from.offset % STEP;
        let bytes = from.bytes.min(self.staging.slot_bytes() - lead);
        let whole = (lead + bytes).next_multiple_of(STEP);
        let staged = slot.place(whole, STEP, 0).ok_or_else(|| DeviceError::System {
            what: "staging a transfer",
            why: format!("{whole} bytes are more than a slot of staging memory"),
        })?;
        let source = Part { offset: from.offset - lead, bytes: whole, ..*from };
        copy(&self.programs, turn, source, staged.part())?;
        turn.submit()?;
        Ok(Coming { _slot: slot, staged, lead, bytes, index: turn.last() })
    }

    /// Waits for a piece and copies it to where it goes; gives what is left of the target.
    fn take_out<'t>(&self, piece: &Coming, into: &'t mut [u8]) -> Result<&'t mut [u8], DeviceError> {
        if let Some(index) = &piece.index {
            self.core.wait(index, None)?;
        }
        let (here, rest) = into.split_at_mut(usize::try_from(piece.bytes).unwrap_or(0));
        piece.staged.read(piece.lead, here);
        Ok(rest)
    }
}

/// A piece that the GPU is bringing.
struct Coming {
    _slot: Slot,
    staged: Staged,
    lead: u64,
    bytes: u64,
    index: Option<wgpu::SubmissionIndex>,
}
