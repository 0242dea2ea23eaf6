//! The CSV of RMM's logging adaptor.

use std::io::Write;

use super::csv::stream;
use super::out::Out;
use super::{ExportError, Exported, Only};
use crate::record::analysis::{Atlas, Block, Step, Tracker};
use crate::record::{Event, Kind, Recording};

/// Writes `Thread,Time,Action,Pointer,Size,Stream` as RMM's logging adaptor does: the time of day (UTC) with
/// microseconds, pointers and streams in hexadecimal, `allocate failure` for what was refused. A free is the moment
/// when the owner let go, as it is there, also where the device uses the bytes for a while longer.
pub fn rmm(recording: &Recording, only: &Only, to: impl Write) -> Result<Exported, ExportError> {
    let (facts, names) = (recording.facts(), recording.names());
    let atlas = Atlas::new(facts, names);
    let taken = only.sources(names)?;
    let mut tracker = Tracker::new(facts, names, &atlas);
    let mut rows = Rows { out: Out::new(to), started_us: facts.started_unix_ms.saturating_mul(1000) };
    rows.out.raw("Thread,Time,Action,Pointer,Size,Stream\n");
    for event in recording.events() {
        let event = event?;
        let step = tracker.step(&event);
        if !taken.get(usize::from(event.source)).is_some_and(|taken| *taken) {
            continue;
        }
        match step {
            Step::Began { block, lost } => {
                if let Some(lost) = lost.filter(|lost| !lost.pending) {
                    rows.block(&event, "free", event.address, &lost)?;
                }
                rows.block(&event, "allocate", event.address, &block)?;
            }
            Step::Retired(block) => rows.block(&event, "free", event.address, &block)?,
            Step::Ended(block) | Step::Unknown { lost: Some(block) } if !block.pending => {
                rows.block(&event, "free", event.address, &block)?;
            }
            Step::GivenBack => {
                for (address, lost) in tracker.lost().iter().filter(|(_, lost)| !lost.pending) {
                    rows.block(&event, "free", *address, lost)?;
                }
            }
            _ if event.kind == Kind::Refuse => {
                rows.row(&event, "allocate failure", None, event.bytes, event.stream)?;
            }
            _ => {}
        }
    }
    Ok(rows.out.finish()?)
}

struct Rows<W> {
    out: Out<W>,
    started_us: u64,
}

impl<W: Write> Rows<W> {
    fn block(&mut self, event: &Event, action: &str, address: u64, block: &Block) -> Result<(), ExportError> {
        self.row(event, action, Some(address), block.bytes, block.stream)
    }

    fn row(
        &mut self,
        event: &Event,
        action: &str,
        address: Option<u64>,
        bytes: u64,
        on: u8,
    ) -> Result<(), ExportError> {
        let us = self.started_us.saturating_add(event.at_ns / 1000);
        let (seconds, us) = (us / 1_000_000, us % 1_000_000);
        let out = self.out.number(u64::from(event.thread)).raw(",");
        out.padded(seconds / 3600 % 24, 2).raw(":").padded(seconds / 60 % 60, 2).raw(":");
        out.padded(seconds % 60, 2).raw(".").padded(us, 6).raw(",").raw(action).raw(",");
        match address {
            Some(address) => out.hex(address),
            None => out.raw("(nil)"),
        };
        out.raw(",").number(bytes).raw(",").hex(stream(on)).raw("\n");
        Ok(self.out.row()?)
    }
}
