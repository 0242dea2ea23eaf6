//! Our own CSV, which [`Trace`](crate::replay::Trace) reads.

use std::io::Write;

use super::out::Out;
use super::{ExportError, Exported, Only};
use crate::record::analysis::{Atlas, Block, Step, Tracker};
use crate::record::{Event, Recording};

/// Writes `device,seq,action,addr,size,stream`. Sizes are as asked; leases that are older than the recording are its
/// first allocations, with their sizes as placed. A device is a place's number in order; a replay takes the first it
/// meets, so name a place where a recording has several. Stream 0 is none, and n + 1 is stream n.
pub fn csv(recording: &Recording, only: &Only, to: impl Write) -> Result<Exported, ExportError> {
    let (facts, names) = (recording.facts(), recording.names());
    let atlas = Atlas::new(facts, names);
    let taken = only.sources(names)?;
    let mut tracker = Tracker::new(facts, names, &atlas);
    let mut rows = Rows { out: Out::new(to), seq: 0 };
    rows.out.raw(crate::replay::HEADER).raw("\n");
    for event in recording.events() {
        let event = event?;
        let step = tracker.step(&event);
        if !taken.get(usize::from(event.source)).is_some_and(|taken| *taken) {
            continue;
        }
        let device = atlas.of_source(event.source).unwrap_or_default() as u64;
        rows.step(device, &event, &step, &tracker)?;
    }
    Ok(rows.out.finish()?)
}

struct Rows<W> {
    out: Out<W>,
    seq: u64,
}

impl<W: Write> Rows<W> {
    fn step(
        &mut self,
        device: u64,
        event: &Event,
        step: &Step,
        tracker: &Tracker<'_>,
    ) -> Result<(), ExportError> {
        match step {
            Step::Began { block, lost } => {
                if let Some(lost) = lost {
                    self.block(device, "free_completed", event.address, lost)?;
                }
                self.block(device, "alloc", event.address, block)?;
            }
            Step::Unknown { lost: Some(lost) } => {
                self.block(device, "free_completed", event.address, lost)?;
            }
            Step::Retired(block) => self.block(device, "free_requested", event.address, block)?,
            Step::Ended(block) => {
                if !block.pending {
                    self.block(device, "free_requested", event.address, block)?;
                }
                self.block(device, "free_completed", event.address, block)?;
            }
            Step::GivenBack => {
                for (address, lost) in tracker.lost() {
                    self.block(device, "free_completed", *address, lost)?;
                }
                for &(start, end) in tracker.pieces() {
                    self.row(device, "segment_unmap", start, end - start, 0)?;
                }
            }
            Step::Backed => {
                for &(start, end) in tracker.pieces() {
                    self.row(device, "segment_map", start, end - start, 0)?;
                }
            }
            Step::Unknown { lost: None } | Step::Other => {}
        }
        Ok(())
    }

    /// Blocks of no bytes are nothing to replay.
    fn block(&mut self, device: u64, action: &str, address: u64, block: &Block) -> Result<(), ExportError> {
        if block.bytes == 0 {
            return Ok(());
        }
        self.row(device, action, address, block.bytes, stream(block.stream))
    }

    fn row(
        &mut self,
        device: u64,
        action: &str,
        address: u64,
        bytes: u64,
        stream: u64,
    ) -> Result<(), ExportError> {
        self.out.number(device).raw(",").number(self.seq).raw(",").raw(action).raw(",");
        self.out.hex(address).raw(",").number(bytes).raw(",").number(stream).raw("\n");
        self.seq += 1;
        Ok(self.out.row()?)
    }
}

/// Streams as numbers that leave 0 for none.
pub(super) fn stream(stream: u8) -> u64 {
    if stream == Event::NO_STREAM { 0 } else { u64::from(stream) + 1 }
}
