//! The part of a document's text that is held.

use std::collections::VecDeque;
use std::mem::size_of;
use std::ops::Range;

use plimsoll::EngineAccount;

use super::{Fence, Skipped, TextError};
use crate::room::Room;

/// How a run of text lies in its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Byte for byte.
    Same,
    /// As UTF-16.
    Wide,
    /// All of it stands for so many bytes.
    Whole(u64),
}

impl Scale {
    /// How much of the source this text stands for.
    pub fn bytes(self, text: &str) -> u64 {
        match self {
            Self::Same => text.len() as u64,
            Self::Wide => text.chars().map(|char| 2 * char.len_utf16() as u64).sum(),
            Self::Whole(bytes) => bytes,
        }
    }
}

/// Text that comes from one stretch of the source.
#[derive(Clone, Copy, Debug)]
struct Run {
    at: u64,
    source: u64,
    scale: Scale,
    replaced: bool,
}

/// Something that is at a place of the text.
#[derive(Debug)]
pub struct Mark {
    /// Where in the text.
    pub at: u64,
    /// What.
    pub what: What,
}

/// What a mark says.
#[derive(Debug)]
pub enum What {
    /// A heading begins, and ends at `end`.
    Heading { level: u8, title: Box<str>, end: u64 },
    /// Text begins that stays together and is cut at lines.
    Fence(Fence),
    /// It ends.
    FenceEnd,
    /// A page begins.
    Page(u32),
    /// A record begins: the text of this line.
    Record { id: Option<Box<str>>, title: Option<Box<str>>, line: u64, bytes: Range<u64>, replaced: u64 },
    /// A record was left out.
    Skipped(Skipped),
}

impl What {
    /// Whether a passage ends before it.
    pub fn parts(&self) -> bool {
        matches!(self, Self::Heading { .. } | Self::Page(_) | Self::Record { .. })
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Heading { title, .. } => title.len(),
            Self::Record { id, title, .. } => [id, title].into_iter().flatten().map(|text| text.len()).sum(),
            Self::Skipped(skipped) => skipped.why.len(),
            _ => 0,
        }
    }
}

/// The text that is held, from `base` to `end`, counted from where reading began, and what is known of it.
#[derive(Debug)]
pub struct Window {
    origin: u64,
    text: String,
    base: u64,
    known: u64,
    ended: bool,
    runs: VecDeque<Run>,
    marks: VecDeque<Mark>,
    room: Room,
    titles_bytes: usize,
}

impl Window {
    /// Nothing yet; reading begins at this byte of the source.
    pub fn new(account: &EngineAccount, origin: u64) -> Result<Self, TextError> {
        Ok(Self {
            origin,
            text: String::new(),
            base: 0,
            known: 0,
            ended: false,
            runs: VecDeque::new(),
            marks: VecDeque::new(),
            room: Room::new(account)?,
            titles_bytes: 0,
        })
    }

    /// What may be taken beside the window.
    pub fn room(&mut self) -> &mut Room {
        &mut self.room
    }

    /// The end of what is held.
    pub fn end(&self) -> u64 {
        self.base + self.text.len() as u64
    }

    /// Up to here every mark is there.
    pub fn known(&self) -> u64 {
        self.known
    }

    /// Whether `known` is the end of the document.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// What is held between two places.
    pub fn text(&self, range: Range<u64>) -> &str {
        &self.text[self.offset(range.start)..self.offset(range.end)]
    }

    /// The last place between two characters that is not after `at`.
    pub fn floor(&self, at: u64) -> u64 {
        self.base + self.text.floor_char_boundary(self.offset(at)) as u64
    }

    fn offset(&self, at: u64) -> usize {
        usize::try_from(at - self.base).unwrap_or(usize::MAX)
    }

    /// Text whose source begins at `source`.
    pub fn push(&mut self, text: &str, source: u64, scale: Scale) -> Result<(), TextError> {
        if text.is_empty() {
            return Ok(());
        }
        if !self.continues(source, scale) {
            self.push_run(Run { at: self.end(), source, scale, replaced: false })?;
        }
        self.append(text)
    }

    /// One U+FFFD in the place of so many bytes.
    pub fn push_replaced(&mut self, source: u64, bytes: u64) -> Result<(), TextError> {
        self.push_run(Run { at: self.end(), source, scale: Scale::Whole(bytes), replaced: true })?;
        self.append("\u{FFFD}")
    }

    /// Whether text from `source` on only lengthens the last run.
    fn continues(&self, source: u64, scale: Scale) -> bool {
        let next = |run: &Run| run.source + (self.end() - run.at);
        scale == Scale::Same
            && self.runs.back().is_some_and(|run| run.scale == Scale::Same && next(run) == source)
    }

    fn append(&mut self, text: &str) -> Result<(), TextError> {
        let wanted = self.text.len() + text.len();
        if wanted > self.text.capacity() {
            let capacity = wanted.max((self.text.capacity() * 3 / 2).min(wanted + (1 << 20)));
            // A larger string is filled from the smaller one while both are there.
            self.room.grow(capacity)?;
            let before = self.text.capacity();
            self.text.reserve_exact(capacity - self.text.len());
            self.room.shrink(before + capacity.saturating_sub(self.text.capacity()));
        }
        self.text.push_str(text);
        Ok(())
    }

    fn push_run(&mut self, run: Run) -> Result<(), TextError> {
        charged_for_one(&mut self.room, &mut self.runs)?;
        self.runs.push_back(run);
        Ok(())
    }

    /// A mark at or after the last one, and not before what is known.
    pub fn mark(&mut self, at: u64, what: What) -> Result<(), TextError> {
        charged_for_one(&mut self.room, &mut self.marks)?;
        let bytes = what.heap_bytes();
        self.room.grow(bytes)?;
        self.titles_bytes += bytes;
        self.marks.push_back(Mark { at, what });
        Ok(())
    }

    /// No mark will come before this place.
    pub fn know(&mut self, up_to: u64) {
        self.known = self.known.max(up_to.min(self.end()));
    }

    /// Nothing follows.
    pub fn finish(&mut self) {
        self.known = self.end();
        self.ended = true;
    }

    /// The marks that were not taken.
    pub fn marks(&self) -> impl Iterator<Item = &Mark> {
        self.marks.iter()
    }

    /// Takes the first mark, if it is at or before this place.
    pub fn take_mark(&mut self, up_to: u64) -> Option<Mark> {
        let mark = self.marks.pop_front_if(|mark| mark.at <= up_to)?;
        let bytes = mark.what.heap_bytes();
        self.titles_bytes -= bytes;
        self.room.shrink(bytes);
        Some(mark)
    }

    /// Lets go of the text before this place.
    pub fn drop_before(&mut self, at: u64) {
        while self.runs.get(1).is_some_and(|next| next.at <= at) {
            self.runs.pop_front();
        }
        let source = self.source(at);
        if let Some(run) = self.runs.front_mut()
            && run.scale == Scale::Wide
            && run.at < at
        {
            // How far it is from a run's start is told by the text between.
            (run.at, run.source) = (at, source);
        }
        self.text.drain(..self.offset(at));
        self.base = at;
    }

    /// Where in the source this place of the text begins.
    pub fn source(&self, at: u64) -> u64 {
        let Some(run) = self.run_of(at) else { return self.origin };
        match run.scale {
            Scale::Same => run.source + (at - run.at),
            Scale::Wide => run.source + run.scale.bytes(self.text(run.at..at)),
            Scale::Whole(_) if at > run.at => self.source_end(at),
            Scale::Whole(_) => run.source,
        }
    }

    /// Where in the source the text before this place ends.
    pub fn source_end(&self, at: u64) -> u64 {
        let Some(run) = at.checked_sub(1).and_then(|last| self.run_of(last)) else { return self.source(at) };
        match run.scale {
            Scale::Same => run.source + (at - run.at),
            Scale::Wide => run.source + run.scale.bytes(self.text(run.at..at)),
            Scale::Whole(bytes) => run.source + bytes,
        }
    }

    fn run_of(&self, at: u64) -> Option<&Run> {
        let after = self.runs.partition_point(|run| run.at <= at);
        self.runs.get(after.checked_sub(1)?)
    }

    /// How many bytes of the source were replaced between two places.
    pub fn replaced(&self, range: Range<u64>) -> u64 {
        let first = self.runs.partition_point(|run| run.at < range.start);
        let runs = self.runs.range(first..).take_while(|run| run.at < range.end);
        runs.filter(|run| run.replaced)
            .map(|run| if let Scale::Whole(bytes) = run.scale { bytes } else { 0 })
            .sum()
    }
}

/// Room for one more, granted before it is taken.
fn charged_for_one<T>(room: &mut Room, list: &mut VecDeque<T>) -> Result<(), TextError> {
    if list.len() < list.capacity() {
        return Ok(());
    }
    let (before, after) = (list.capacity(), (list.capacity() * 2).max(8));
    room.grow(after * size_of::<T>())?;
    list.reserve_exact(after - list.len());
    room.shrink(before * size_of::<T>());
    Ok(())
}
