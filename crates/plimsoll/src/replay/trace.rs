//! Reading a trace: CSV, plain or gzipped, one event a line.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::TraceError;

pub(crate) const HEADER: &str = "device,seq,action,addr,size,stream";

/// What happened to a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Action {
    /// It was handed out.
    Alloc,
    /// Its owner dropped it; a stream may still use it.
    FreeRequested,
    /// It is really free.
    FreeCompleted,
    /// The recording allocator took from or gave back to the driver, which does not concern a replay.
    Segment,
}

/// One event, 16 bytes. Blocks are numbered; a number is used again after its block is free, so that tables by
/// number stay as small as the most blocks ever live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The block's bytes (the segment's, for [`Action::Segment`]).
    pub bytes: u64,
    /// The block's number.
    pub block: u32,
    /// The stream's number, in order of appearance.
    pub stream: u16,
    /// What happened.
    pub action: Action,
}

/// Lines that were read and left out of the replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Oddities {
    /// Frees of addresses that the recording never saw allocated: live before it began.
    pub unknown_frees: u64,
    /// Allocations at an address that was live already; the earlier block counts as freed there.
    pub realloc_of_live: u64,
    /// Frees whose size is not that of the allocation; the allocation's counts.
    pub size_mismatches: u64,
    /// Allocations of zero bytes.
    pub zero_sizes: u64,
    /// Events of other devices than the first.
    pub other_devices: u64,
}

/// What a trace says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceFacts {
    /// Lines with an event, also those left out.
    pub events: u64,
    /// Allocations that are replayed.
    pub allocs: u64,
    /// Frees that are replayed.
    pub frees: u64,
    /// The most bytes between allocation and completed free.
    pub peak_live_bytes: u64,
    /// The most blocks at once.
    pub peak_live_blocks: u64,
    /// Bytes live after the last event.
    pub end_live_bytes: u64,
    /// The most bytes of segments at once, where the recording has them from an empty allocator on.
    pub recorded_reserved_bytes: Option<u64>,
    /// Streams in use.
    pub streams: u16,
    /// What was left out.
    pub odd: Oddities,
}

/// A trace, parsed.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// In the order of recording.
    pub events: Vec<Event>,
    /// What it says of itself.
    pub facts: TraceFacts,
}

impl Trace {
    /// Reads a file; gzip is told by its first bytes, not by its name.
    pub fn open(path: &Path) -> Result<Self, TraceError> {
        let cannot_open = |source| TraceError::Open { path: path.to_owned(), source };
        let mut file = BufReader::new(File::open(path).map_err(cannot_open)?);
        let gzip = file.fill_buf().map_err(cannot_open)?.starts_with(&[0x1f, 0x8b]);
        if gzip { Self::read(MultiGzDecoder::new(file)) } else { Self::read(file) }
    }

    /// Reads plain CSV.
    pub fn read(from: impl Read) -> Result<Self, TraceError> {
        let mut from = BufReader::new(from);
        let mut reading = Reading::default();
        let mut text = String::new();
        let mut line = 0;
        loop {
            text.clear();
            let got = from.read_line(&mut text).map_err(|source| TraceError::Read { line, source })?;
            if got == 0 {
                break;
            }
            line += 1;
            let row = text.trim();
            match (line, row) {
                (1, row) if row.eq_ignore_ascii_case(HEADER) => {}
                (1, found) => {
                    return Err(TraceError::Header { found: found.to_owned() });
                }
                (_, "") => {}
                (_, row) => reading.row(row, line)?,
            }
        }
        if line == 0 {
            return Err(TraceError::Empty);
        }
        Ok(reading.finish())
    }
}

/// One line's fields.
struct Row {
    device: u64,
    action: RowAction,
    address: u64,
    bytes: u64,
    stream: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum RowAction {
    Block(Action),
    SegmentMore,
    SegmentLess,
}

impl Row {
    fn parse(text: &str, line: u64) -> Result<Self, TraceError> {
        let found = text.split(',').count();
        let mut fields = text.split(',').map(str::trim);
        let (Some(device), Some(seq), Some(action), Some(address), Some(size), Some(stream), None) = (
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
        ) else {
            return Err(TraceError::Fields { line, found });
        };
        let number = |field: &'static str, found: &str, must: &'static str| {
            let plain = !found.is_empty() && found.bytes().all(|byte| byte.is_ascii_digit());
            let parsed = if plain { found.parse::<u64>().ok() } else { None };
            parsed.ok_or_else(|| TraceError::Number { line, field, found: found.to_owned(), must })
        };
        number("seq", seq, "a whole number")?;
        let action = match action {
            "alloc" => RowAction::Block(Action::Alloc),
            "free_requested" => RowAction::Block(Action::FreeRequested),
            "free_completed" => RowAction::Block(Action::FreeCompleted),
            "segment_alloc" | "segment_map" => RowAction::SegmentMore,
            "segment_free" | "segment_unmap" => RowAction::SegmentLess,
            found => {
                return Err(TraceError::UnknownAction { line, found: found.to_owned() });
            }
        };
        let hex = address.strip_prefix("0x").unwrap_or(address);
        let hexadecimal = !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        let parsed = if hexadecimal { u64::from_str_radix(hex, 16).ok() } else { None };
        Ok(Self {
            device: number("device", device, "a whole number")?,
            action,
            address: parsed.ok_or_else(|| TraceError::Number {
                line,
                field: "addr",
                found: address.to_owned(),
                must: "a hexadecimal address of at most 64 bits",
            })?,
            bytes: number("size", size, "a whole number of bytes below 2^64")?,
            // Some recorders write the default stream as a pointer; any number names it as well.
            stream: number("stream", stream, "a whole number")?,
        })
    }
}

#[derive(Clone, Copy)]
struct Live {
    block: u32,
    bytes: u64,
}

/// A trace while it is read.
#[derive(Default)]
struct Reading {
    trace: Trace,
    device: Option<u64>,
    live: HashMap<u64, Live>,
    idle_blocks: Vec<u32>,
    blocks: u32,
    streams: HashMap<u64, u16>,
    live_bytes: u64,
    segments: u64,
    segments_peak: u64,
    /// Whether a segment was seen before the first block: else the recording began with segments it never told.
    from_empty: Option<bool>,
}

impl Reading {
    fn row(&mut self, text: &str, line: u64) -> Result<(), TraceError> {
        let row = Row::parse(text, line)?;
        self.trace.facts.events += 1;
        if *self.device.get_or_insert(row.device) != row.device {
            self.trace.facts.odd.other_devices += 1;
            return Ok(());
        }
        let next_stream = u16::try_from(self.streams.len()).unwrap_or(u16::MAX);
        let stream = *self.streams.entry(row.stream).or_insert(next_stream);
        self.from_empty.get_or_insert(row.action == RowAction::SegmentMore);
        match row.action {
            RowAction::Block(Action::Alloc) => self.alloc(&row, stream, line),
            RowAction::Block(action) => {
                self.free(&row, stream, action);
                Ok(())
            }
            RowAction::SegmentMore => {
                self.segments = self.segments.checked_add(row.bytes).ok_or(TraceError::Overflow { line })?;
                self.segments_peak = self.segments_peak.max(self.segments);
                self.push(row.bytes, 0, stream, Action::Segment);
                Ok(())
            }
            RowAction::SegmentLess => {
                self.segments = self.segments.saturating_sub(row.bytes);
                self.push(row.bytes, 0, stream, Action::Segment);
                Ok(())
            }
        }
    }

    fn push(&mut self, bytes: u64, block: u32, stream: u16, action: Action) {
        self.trace.events.push(Event { bytes, block, stream, action });
    }

    fn alloc(&mut self, row: &Row, stream: u16, line: u64) -> Result<(), TraceError> {
        if row.bytes == 0 {
            self.trace.facts.odd.zero_sizes += 1;
            return Ok(());
        }
        if self.live.contains_key(&row.address) {
            self.trace.facts.odd.realloc_of_live += 1;
            self.free(row, stream, Action::FreeCompleted);
        }
        let block = if let Some(block) = self.idle_blocks.pop() {
            block
        } else {
            let block = self.blocks;
            self.blocks = block.checked_add(1).ok_or(TraceError::TooManyBlocks { line })?;
            block
        };
        self.live.insert(row.address, Live { block, bytes: row.bytes });
        self.live_bytes = self.live_bytes.checked_add(row.bytes).ok_or(TraceError::Overflow { line })?;
        let facts = &mut self.trace.facts;
        facts.allocs += 1;
        facts.peak_live_bytes = facts.peak_live_bytes.max(self.live_bytes);
        facts.peak_live_blocks = facts.peak_live_blocks.max(self.live.len() as u64);
        self.push(row.bytes, block, stream, Action::Alloc);
        Ok(())
    }

    fn free(&mut self, row: &Row, stream: u16, action: Action) {
        let Some(&live) = self.live.get(&row.address) else {
            if action == Action::FreeCompleted {
                self.trace.facts.odd.unknown_frees += 1;
            }
            return;
        };
        if action == Action::FreeCompleted {
            if row.action != RowAction::Block(Action::Alloc) && row.bytes != live.bytes {
                self.trace.facts.odd.size_mismatches += 1;
            }
            self.live.remove(&row.address);
            self.live_bytes -= live.bytes;
            self.idle_blocks.push(live.block);
            self.trace.facts.frees += 1;
        }
        self.push(live.bytes, live.block, stream, action);
    }

    fn finish(mut self) -> Trace {
        let facts = &mut self.trace.facts;
        facts.end_live_bytes = self.live_bytes;
        facts.streams = u16::try_from(self.streams.len()).unwrap_or(u16::MAX);
        facts.recorded_reserved_bytes = (self.from_empty == Some(true)).then_some(self.segments_peak);
        self.trace
    }
}
