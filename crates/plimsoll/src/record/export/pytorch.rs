//! PyTorch's memory snapshot, for its page of memory pictures.

use std::collections::HashMap;
use std::io::Write;

use super::csv::stream;
use super::pickle::{BATCH, Pickle};
use super::{ExportError, Exported, Only};
use crate::record::analysis::{Atlas, Block, Step, Tracker};
use crate::record::{Event, Kind, Names, Recording};

/// Frames are kept for reuse up to so many; beyond that they are written again each time.
const FRAMES: usize = 1 << 16;

/// Writes a pickle that `https://pytorch.org/memory_viz` opens, and Python: `segments` with their `blocks` at the end, and
/// `device_traces` with what happened. A device is a place, in order.
///
/// The page looks for the segment of every block, so memory that is in use without ever having been backed in the
/// recording (it was before) becomes a segment when it is first used. A lease's frames are its line of code under its
/// tag, its scope, and its account.
pub fn pytorch(recording: &Recording, only: &Only, to: impl Write) -> Result<Exported, ExportError> {
    let (facts, names) = (recording.facts(), recording.names());
    let atlas = Atlas::new(facts, names);
    let taken = only.sources(names)?;
    let mut snapshot = Snapshot {
        pickle: Pickle::new(to),
        names,
        started_us: facts.started_unix_ms.saturating_mul(1000),
        lines: Vec::new(),
        frames: HashMap::new(),
        no_frames: None,
        items: 0,
    };
    for place in atlas.places() {
        let line = facts.lines.iter().find(|line| line.place == *place);
        snapshot.lines.push(line.map(|line| line.line.get()));
    }
    let mut trackers = Vec::new();
    snapshot.pickle.dict();
    snapshot.pickle.word("device_traces");
    snapshot.pickle.list();
    snapshot.pickle.mark();
    for device in 0..atlas.places().len() {
        let here = |source: u16| {
            atlas.of_source(source) == Some(device)
                && taken.get(usize::from(source)).is_some_and(|taken| *taken)
        };
        trackers.push(snapshot.trace(recording, &atlas, device, here)?);
    }
    snapshot.pickle.appends();
    snapshot.pickle.word("segments");
    snapshot.begin_items();
    for (device, tracker) in trackers.iter().enumerate() {
        for (source, taken) in (0..=u16::MAX).zip(&taken) {
            if *taken && atlas.of_source(source) == Some(device) {
                snapshot.segments(tracker, source, device as u64)?;
            }
        }
    }
    snapshot.pickle.appends();
    snapshot.pickle.end_dict();
    snapshot.pickle.finish()
}

pub(super) struct Snapshot<'r, W> {
    pub(super) pickle: Pickle<W>,
    names: &'r Names,
    started_us: u64,
    /// By place: its line.
    lines: Vec<Option<u64>>,
    /// Frames by source, site, tag and scope, and under which number they were kept.
    frames: HashMap<(u16, u16, u16, u16), u32>,
    no_frames: Option<u32>,
    items: usize,
}

impl<'r, W: Write> Snapshot<'r, W> {
    /// What happened at one place.
    fn trace(
        &mut self,
        recording: &'r Recording,
        atlas: &Atlas,
        device: usize,
        here: impl Fn(u16) -> bool,
    ) -> Result<Tracker<'r>, ExportError> {
        let mut tracker = Tracker::new(recording.facts(), self.names, atlas);
        self.begin_items();
        for event in recording.events() {
            let event = event?;
            if event.kind != Kind::Demote && event.kind != Kind::Promote && !here(event.source) {
                continue;
            }
            let step = tracker.step(&event);
            if !here(event.source) {
                continue;
            }
            self.step(&event, &step, &mut tracker)?;
            if event.kind == Kind::Refuse {
                self.refused(&event, &tracker, device)?;
            }
        }
        self.pickle.appends();
        Ok(tracker)
    }

    fn step(&mut self, event: &Event, step: &Step, tracker: &mut Tracker<'_>) -> Result<(), ExportError> {
        match step {
            Step::Began { block, lost } => {
                if let Some(lost) = lost {
                    self.free(event, event.address, lost)?;
                }
                tracker.assume_backed(event.source, event.address, block.placed);
                if block.already {
                    return Ok(());
                }
                self.pieces("segment_map", event, tracker)?;
                self.block("alloc", event, event.address, block)
            }
            Step::Retired(block) => self.block("free_requested", event, event.address, block),
            Step::Ended(block) => self.free(event, event.address, block),
            Step::Unknown { lost: Some(lost) } => self.free(event, event.address, lost),
            Step::Backed => self.pieces("segment_map", event, tracker),
            Step::GivenBack => {
                for (address, lost) in tracker.lost() {
                    self.free(event, *address, lost)?;
                }
                self.pieces("segment_unmap", event, tracker)
            }
            Step::Unknown { lost: None } | Step::Other => Ok(()),
        }
    }

    fn free(&mut self, event: &Event, address: u64, block: &Block) -> Result<(), ExportError> {
        if !block.pending {
            self.block("free_requested", event, address, block)?;
        }
        self.block("free_completed", event, address, block)
    }

    fn block(
        &mut self,
        action: &'static str,
        event: &Event,
        address: u64,
        block: &Block,
    ) -> Result<(), ExportError> {
        self.entry(action, event, address, block.bytes, stream(block.stream));
        self.pickle.word("frames");
        self.frames(event.source, Some(block));
        self.pickle.end_dict();
        Ok(self.pickle.out.row()?)
    }

    fn pieces(
        &mut self,
        action: &'static str,
        event: &Event,
        tracker: &Tracker<'_>,
    ) -> Result<(), ExportError> {
        for &(start, end) in tracker.pieces() {
            self.entry(action, event, start, end - start, 0);
            self.pickle.word("frames");
            self.frames(0, None);
            self.pickle.end_dict();
            self.pickle.out.row()?;
        }
        Ok(())
    }

    /// A refusal says what was free: on the line, or else in the pools.
    fn refused(&mut self, event: &Event, tracker: &Tracker<'_>, device: usize) -> Result<(), ExportError> {
        let books = tracker.place(device);
        let on_line = self.lines.get(device).copied().flatten().zip(books.charged);
        let free = on_line.map_or(books.backed.saturating_sub(books.placed), |(line, charged)| {
            line.saturating_sub(charged)
        });
        self.entry("oom", event, 0, event.bytes, stream(event.stream));
        self.pickle.entry("device_free", free);
        self.pickle.word("frames");
        let refused = Block {
            bytes: event.bytes,
            placed: event.bytes,
            at_ns: event.at_ns,
            number: 0,
            label: crate::record::analysis::Label::BEFORE,
            tag: event.tag,
            scope: event.scope,
            site: event.site,
            thread: event.thread,
            stream: event.stream,
            turn: 0,
            already: false,
            pending: false,
        };
        self.frames(event.source, Some(&refused));
        self.pickle.end_dict();
        Ok(self.pickle.out.row()?)
    }

    fn entry(&mut self, action: &'static str, event: &Event, address: u64, bytes: u64, stream: u64) {
        self.begin_item();
        self.pickle.dict();
        self.pickle.word("action");
        self.pickle.word(action);
        self.pickle.entry("addr", address);
        self.pickle.entry("size", bytes);
        self.pickle.entry("stream", stream);
        self.pickle.entry("time_us", self.started_us.saturating_add(event.at_ns / 1000));
    }

    /// A list that grows in batches.
    fn begin_items(&mut self) {
        self.pickle.list();
        self.pickle.mark();
        self.items = 0;
    }

    pub(super) fn begin_item(&mut self) {
        self.items += 1;
        if self.items.is_multiple_of(BATCH) {
            self.pickle.appends();
            self.pickle.mark();
        }
    }

    /// Where a lease came from, innermost first; written once for each combination.
    pub(super) fn frames(&mut self, source: u16, block: Option<&Block>) {
        let Some(block) = block else {
            if let Some(memo) = self.no_frames {
                self.pickle.get(memo);
            } else {
                self.pickle.list();
                self.no_frames = Some(self.pickle.memoize());
            }
            return;
        };
        let key = (source, block.site, block.tag, block.scope);
        if let Some(&memo) = self.frames.get(&key) {
            self.pickle.get(memo);
            return;
        }
        self.pickle.list();
        self.pickle.mark();
        let names = self.names;
        let tag = if block.tag == 0 { "lease" } else { names.tag(block.tag) };
        match names.site(block.site) {
            Some(site) => self.frame(&site.file, u64::from(site.line), tag),
            None => self.frame("(site not known)", 0, tag),
        }
        if block.scope > 0 {
            self.frame("scope", 0, names.tag(block.scope));
        }
        if let Some(source) = names.source(source) {
            self.frame("account", 0, &source.account);
        }
        self.pickle.appends();
        if self.frames.len() < FRAMES {
            let memo = self.pickle.memoize();
            self.frames.insert(key, memo);
        }
    }

    fn frame(&mut self, file: &str, line: u64, name: &str) {
        self.pickle.dict();
        self.pickle.word("filename");
        self.pickle.text(file);
        self.pickle.entry("line", line);
        self.pickle.word("name");
        self.pickle.text(name);
        self.pickle.end_dict();
    }
}
