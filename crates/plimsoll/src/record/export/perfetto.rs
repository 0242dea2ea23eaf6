//! The trace event format of Chrome, which Perfetto opens.

use std::collections::HashMap;
use std::io::Write;

use super::counters::{Counters, micros};
use super::out::Out;
use super::{ExportError, Exported, Only};
use crate::record::analysis::{
    Atlas, Block, Label, Step, Tracker, evict_reason, pressure_level, refuse_reason,
};
use crate::record::{Event, Kind, Names, Recording};

/// The program's own process in the trace; places have the numbers after it.
const PROGRAM: u64 = 1;
const FIRST_PLACE: u64 = 2;

/// Writes a JSON trace. Each place is a process with its counters (leased, backed, charged, and one a label), a slice a
/// lease, and what was given up, refused or pressed as instants; scopes are slices of their threads. A lease that never
/// ends is a slice that never ends.
///
/// Counters are written at most 20,000 times over the length of a recording, each time with the most since the last.
pub fn perfetto(recording: &Recording, only: &Only, to: impl Write) -> Result<Exported, ExportError> {
    let (facts, names) = (recording.facts(), recording.names());
    let atlas = Atlas::new(facts, names);
    let taken = only.sources(names)?;
    let mut tracker = Tracker::new(facts, names, &atlas);
    let mut trace = TraceOut::new(recording, &atlas, to)?;
    for event in recording.events() {
        let event = event?;
        let step = tracker.step(&event);
        trace.counters.advance(event.at_ns, &mut trace.out)?;
        match event.kind {
            Kind::Enter | Kind::Leave | Kind::Mark => trace.scope(&event)?,
            _ if taken.get(usize::from(event.source)).is_some_and(|taken| *taken) => {
                trace.step(&event, &step, &tracker, &atlas)?;
            }
            _ => {}
        }
    }
    trace.finish()
}

struct TraceOut<'r, W> {
    out: Out<W>,
    names: &'r Names,
    counters: Counters,
    /// By place: its counter, and its line.
    places: Vec<(usize, Option<u64>)>,
    /// Leases that are older than the recording were counted.
    began: bool,
    labels: HashMap<(usize, Label), usize>,
    /// By thread: the scopes that are open.
    open: HashMap<u16, Vec<u16>>,
}

impl<'r, W: Write> TraceOut<'r, W> {
    fn new(recording: &'r Recording, atlas: &Atlas, to: W) -> Result<Self, ExportError> {
        let (facts, names) = (recording.facts(), recording.names());
        let mut out = Out::new(to);
        let mut counters = Counters::new(facts.duration_ns);
        out.raw("{\"displayTimeUnit\":\"ns\",\"otherData\":{\"program\":").json(&facts.program);
        out.raw(",\"startedUnixMs\":")
            .number(facts.started_unix_ms)
            .raw(",\"dropped\":")
            .number(facts.dropped);
        out.raw("},\n\"traceEvents\":[\n");
        let program = if facts.program.is_empty() { "program" } else { &facts.program };
        out.raw("{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":").number(PROGRAM);
        out.raw(",\"args\":{\"name\":").json(program).raw("}}");
        out.row()?;
        for (number, thread) in names.threads.iter().enumerate() {
            out.raw(",\n{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":").number(PROGRAM).raw(",\"tid\":");
            out.number(number as u64 + 1).raw(",\"args\":{\"name\":").json(thread).raw("}}");
            out.row()?;
        }
        let mut places = Vec::new();
        for (number, place) in atlas.places().iter().enumerate() {
            let process = FIRST_PLACE + number as u64;
            let name = place.to_string();
            out.raw(",\n{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":").number(process);
            out.raw(",\"args\":{\"name\":").json(&name).raw("}}");
            out.row()?;
            let series = vec!["leased", "placed", "backed", "charged", "line"];
            let line = facts.lines.iter().find(|line| line.place == *place).map(|line| line.line.get());
            places.push((counters.add(process, format!("{name} bytes"), series), line));
        }
        Ok(Self { out, names, counters, places, began: false, labels: HashMap::new(), open: HashMap::new() })
    }

    fn step(
        &mut self,
        event: &Event,
        step: &Step,
        tracker: &Tracker<'_>,
        atlas: &Atlas,
    ) -> Result<(), ExportError> {
        let Some(place) = atlas.of_source(event.source) else { return Ok(()) };
        let process = FIRST_PLACE + place as u64;
        if !self.began && event.kind != Kind::Already {
            self.began = true;
            for place in 0..self.places.len() {
                let labels: Vec<Label> = tracker.place(place).labels().map(|(label, _, _)| label).collect();
                for label in labels {
                    self.count(place, label, tracker);
                }
            }
        }
        match step {
            Step::Began { block, lost } => {
                if let Some(lost) = lost {
                    self.end(event, process, lost)?;
                }
                self.begin(event, process, block)?;
                self.count(place, block.label, tracker);
            }
            Step::Ended(block) | Step::Unknown { lost: Some(block) } => {
                self.end(event, process, block)?;
                self.count(place, block.label, tracker);
                if block.already {
                    self.count(place, Label::BEFORE, tracker);
                }
            }
            Step::Retired(block) => self.retired(event, process, block)?,
            Step::GivenBack => {
                for (_, lost) in tracker.lost() {
                    self.end(event, process, lost)?;
                    self.count(place, lost.label, tracker);
                }
            }
            Step::Backed | Step::Unknown { lost: None } | Step::Other => {}
        }
        self.count_place(place, tracker);
        match event.kind {
            Kind::Demote | Kind::Promote => {
                let to = u16::try_from(event.address).ok().and_then(|to| atlas.of_source(to));
                if let Some(to) = to {
                    self.count_place(to, tracker);
                }
                self.instant(event, process, "")
            }
            Kind::Evict => self.instant(event, process, evict_reason(event.address)),
            Kind::Refuse => self.instant(event, process, refuse_reason(event.address)),
            Kind::Pressure => self.instant(event, process, pressure_level(event.address)),
            _ => Ok(()),
        }
    }

    fn count_place(&mut self, place: usize, tracker: &Tracker<'_>) {
        let books = tracker.place(place);
        let backed = (books.backed > 0).then_some(books.backed);
        let (counter, line) = self.places[place];
        self.counters.set(counter, &[Some(books.live), Some(books.placed), backed, books.charged, line]);
    }

    /// A label's counter begins with its first lease. Older leases are counted under what the baseline says.
    fn count(&mut self, place: usize, label: Label, tracker: &Tracker<'_>) {
        let name = label.name(self.names);
        let counters = &mut self.counters;
        let counter = *self.labels.entry((place, label)).or_insert_with(|| {
            counters.add(FIRST_PLACE + place as u64, format!("label {name}"), vec!["leased"])
        });
        counters.set(counter, &[Some(tracker.place(place).of_label(label))]);
    }

    fn head(&mut self, phase: &str, event: &Event, process: u64, thread: u64) {
        self.out.raw(",\n{\"ph\":\"").raw(phase).raw("\",\"pid\":").number(process).raw(",\"tid\":");
        self.out.number(thread).raw(",\"ts\":");
        micros(&mut self.out, event.at_ns);
    }

    fn begin(&mut self, event: &Event, process: u64, block: &Block) -> Result<(), ExportError> {
        self.slice("b", event, process, block);
        let names = self.names;
        self.out.raw(",\"args\":{\"bytes\":").number(block.bytes).raw(",\"placed\":").number(block.placed);
        self.out.raw(",\"address\":\"").hex(event.address).raw("\"");
        if let Some(source) = names.source(event.source) {
            self.out.raw(",\"account\":").json(&source.account);
        }
        if block.scope > 0 {
            self.out.raw(",\"scope\":").json(names.tag(block.scope));
        }
        if let Some(site) = names.site(block.site) {
            self.out.raw(",\"line\":").number(u64::from(site.line)).raw(",\"file\":").json(&site.file);
        }
        self.out.raw("}}");
        Ok(self.out.row()?)
    }

    fn end(&mut self, event: &Event, process: u64, block: &Block) -> Result<(), ExportError> {
        self.slice("e", event, process, block);
        self.out.raw("}");
        Ok(self.out.row()?)
    }

    fn retired(&mut self, event: &Event, process: u64, block: &Block) -> Result<(), ExportError> {
        self.slice("n", event, process, block);
        self.out.raw(",\"args\":{\"retired\":true}}");
        Ok(self.out.row()?)
    }

    fn slice(&mut self, phase: &str, event: &Event, process: u64, block: &Block) {
        self.head(phase, event, process, 0);
        let label = if block.already { Label::BEFORE } else { block.label };
        self.out.raw(",\"cat\":\"lease\",\"id\":\"").hex(block.number).raw("\",\"name\":");
        self.out.json(label.name(self.names));
    }

    fn instant(&mut self, event: &Event, process: u64, why: &str) -> Result<(), ExportError> {
        self.head("i", event, process, 0);
        let names = self.names;
        let account = names.source(event.source).map_or("", |source| &source.account);
        self.out.raw(",\"s\":\"p\",\"cat\":").json(event.kind.name()).raw(",\"name\":");
        let what = if event.kind == Kind::Pressure { why } else { account };
        self.out.json(&format!("{}: {what}", event.kind.name()));
        self.out.raw(",\"args\":{\"bytes\":").number(event.bytes).raw(",\"account\":").json(account);
        if !why.is_empty() {
            self.out.raw(",\"why\":").json(why);
        }
        if event.tag > 0 {
            self.out.raw(",\"tag\":").json(names.tag(event.tag));
        }
        self.out.raw("}}");
        Ok(self.out.row()?)
    }

    fn scope(&mut self, event: &Event) -> Result<(), ExportError> {
        let thread = u64::from(event.thread) + 1;
        match event.kind {
            Kind::Enter => {
                self.open.entry(event.thread).or_default().push(event.tag);
                self.named("B", event, thread, event.tag)
            }
            Kind::Leave => {
                let open = self.open.entry(event.thread).or_default();
                let at = open.iter().rposition(|name| event.tag == 0 || *name == event.tag);
                // Scopes within it whose ends are lost end with it; an end without a beginning is left out.
                let ended = at.map_or_else(Vec::new, |at| open.split_off(at));
                for name in ended.into_iter().rev() {
                    self.named("E", event, thread, name)?;
                }
                Ok(())
            }
            _ => {
                self.head("i", event, PROGRAM, thread);
                self.out
                    .raw(",\"s\":\"g\",\"cat\":\"mark\",\"name\":")
                    .json(self.names.tag(event.tag))
                    .raw("}");
                Ok(self.out.row()?)
            }
        }
    }

    fn named(&mut self, phase: &str, event: &Event, thread: u64, name: u16) -> Result<(), ExportError> {
        self.head(phase, event, PROGRAM, thread);
        self.out.raw(",\"cat\":\"scope\",\"name\":").json(self.names.tag(name)).raw("}");
        Ok(self.out.row()?)
    }

    fn finish(mut self) -> Result<Exported, ExportError> {
        self.counters.flush(&mut self.out)?;
        self.out.raw("\n]}\n");
        Ok(self.out.finish()?)
    }
}
