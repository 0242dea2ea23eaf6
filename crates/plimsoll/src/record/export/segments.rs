//! The state at the end, as PyTorch's snapshot has it: segments, and the blocks in them.

use std::io::Write;

use super::ExportError;
use super::csv::stream;
use super::pytorch::Snapshot;
use crate::record::analysis::Tracker;

/// What of a segment is in use.
#[derive(Clone, Copy, Debug, Default)]
struct InUse {
    allocated: u64,
    active: u64,
    requested: u64,
}

impl<W: Write> Snapshot<'_, W> {
    /// Each backed range of a source is a segment.
    pub(super) fn segments(
        &mut self,
        tracker: &Tracker<'_>,
        source: u16,
        device: u64,
    ) -> Result<(), ExportError> {
        let Some(backed) = tracker.backed(source) else { return Ok(()) };
        let mut blocks = tracker.blocks(source).peekable();
        for (start, end) in backed.iter() {
            let mut used = InUse::default();
            self.begin_item();
            self.pickle.dict();
            self.pickle.word("blocks");
            self.pickle.list();
            self.pickle.mark();
            let (mut at, mut batch) = (start, 0);
            while let Some((address, block)) = blocks.next_if(|(address, _)| *address < end) {
                // Two blocks in one place cannot be drawn; the first stands for both.
                if address < at {
                    continue;
                }
                self.gap(at, address, &mut batch)?;
                self.next_block(&mut batch);
                self.pickle.dict();
                self.pickle.entry("address", address);
                self.pickle.entry("size", block.placed);
                self.pickle.entry("requested_size", block.bytes);
                self.pickle.word("state");
                self.pickle.word(if block.pending { "active_pending_free" } else { "active_allocated" });
                self.pickle.word("frames");
                self.frames(source, Some(block));
                self.pickle.end_dict();
                self.pickle.out.row()?;
                used.active += block.placed;
                used.requested += block.bytes;
                used.allocated += if block.pending { 0 } else { block.placed };
                at = address + block.placed;
            }
            self.gap(at, end, &mut batch)?;
            self.pickle.appends();
            self.segment(device, (start, end), used);
            self.pickle.end_dict();
            self.pickle.out.row()?;
        }
        Ok(())
    }

    fn segment(&mut self, device: u64, (start, end): (u64, u64), used: InUse) {
        let pickle = &mut self.pickle;
        pickle.entry("device", device);
        pickle.entry("address", start);
        pickle.entry("total_size", end - start);
        pickle.entry("allocated_size", used.allocated);
        pickle.entry("active_size", used.active);
        pickle.entry("requested_size", used.requested);
        pickle.entry("stream", stream(crate::record::Event::NO_STREAM));
        pickle.word("segment_type");
        pickle.word("large");
        pickle.word("segment_pool_id");
        pickle.pair(0, 0);
        pickle.word("is_expandable");
        pickle.yes();
        pickle.word("frames");
        self.frames(0, None);
    }

    /// The blocks of a segment lie side by side, so what is free between them is a block too.
    fn gap(&mut self, start: u64, end: u64, batch: &mut usize) -> Result<(), ExportError> {
        if start >= end {
            return Ok(());
        }
        self.next_block(batch);
        self.pickle.dict();
        self.pickle.entry("address", start);
        self.pickle.entry("size", end - start);
        self.pickle.entry("requested_size", 0);
        self.pickle.word("state");
        self.pickle.word("inactive");
        self.pickle.word("frames");
        self.frames(0, None);
        self.pickle.end_dict();
        Ok(self.pickle.out.row()?)
    }

    fn next_block(&mut self, batch: &mut usize) {
        *batch += 1;
        if batch.is_multiple_of(super::pickle::BATCH) {
            self.pickle.appends();
            self.pickle.mark();
        }
    }
}
