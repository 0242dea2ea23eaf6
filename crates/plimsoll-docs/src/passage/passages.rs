//! A document, passage by passage.

use std::ops::Range;
use std::path::PathBuf;

use plimsoll::EngineAccount;

use super::bounds::bounds;
use super::cut::{self, Cut, Joint, Style};
use super::place::{Place, Record};
use super::{Chunking, Position, sentence};
use crate::DocsError;
use crate::source::{Found, Kind};
use crate::text::{Flaws, Grain, Mark, Start, Text, TextError, What};

/// A part of a document that is read, embedded and found as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage<'a> {
    /// What it says.
    pub text: &'a str,
    /// Where it is in its source. For JSONL, where its line is; for a PDF, its pages as numbers from 0.
    pub at: Range<u64>,
    /// The page of a PDF that it is on, counted from 1.
    pub page: Option<u32>,
    /// The headings it stands under, outermost first: `Section > Sub`. For JSONL, the record's title.
    pub heading: Option<&'a str>,
    /// What its JSONL record is called.
    pub record: Option<&'a str>,
}

/// A document's passages in order, each lent until the next is asked for.
///
/// Every character of the text that is not white space is in one of them. They depend on the document and the
/// [`Chunking`] only. What is held is a ring of chunks and a window of text, both charged to the account, however long
/// the document is; a PDF is held whole.
#[derive(Debug)]
pub struct Passages {
    path: PathBuf,
    kind: Kind,
    chunking: Chunking,
    text: Text,
    /// The text before this place has been given.
    fresh: u64,
    /// Whether a line begins there.
    at_line: bool,
    /// Where the next passage may begin instead, to repeat a sentence.
    again: Option<u64>,
    place: Place,
    anchor: Anchor,
    flaws: Flaws,
    /// Bytes of the source that have been given.
    read: u64,
}

/// The last place that reading can begin at, where it cannot everywhere.
#[derive(Debug)]
struct Anchor {
    from: u64,
    line: u64,
    /// Passages since.
    given: u64,
    /// What was wrong before.
    flaws: Flaws,
}

impl Passages {
    /// A document from its beginning.
    pub fn open(found: &Found, chunking: Chunking, account: &EngineAccount) -> Result<Self, DocsError> {
        Self::begin(found, chunking, account, &Start::default(), Grain::default())
    }

    /// A document from a place on: the rest of what [`open`](Self::open) gives.
    pub fn open_at(
        found: &Found,
        chunking: Chunking,
        account: &EngineAccount,
        position: &Position,
    ) -> Result<Self, DocsError> {
        Self::resume(found, chunking, account, position, Grain::default())
    }

    pub(super) fn begin(
        found: &Found,
        chunking: Chunking,
        account: &EngineAccount,
        start: &Start,
        grain: Grain,
    ) -> Result<Self, DocsError> {
        let told = |error| DocsError::text(&found.path, error);
        let chunking = chunking.check().map_err(|error| told(error.into()))?;
        let text = Text::open(found, start, account, grain).map_err(told)?;
        Ok(Self {
            path: found.path.clone(),
            kind: found.kind,
            chunking,
            read: text.read(),
            text,
            fresh: 0,
            at_line: start.at_line,
            again: None,
            place: Place { fence: start.fence.map(|fence| (0, fence)), ..Place::default() },
            anchor: Anchor { from: start.at, line: start.line, given: 0, flaws: Flaws::default() },
            flaws: Flaws::default(),
        })
    }

    pub(super) fn resume(
        found: &Found,
        chunking: Chunking,
        account: &EngineAccount,
        position: &Position,
        grain: Grain,
    ) -> Result<Self, DocsError> {
        let start = Start {
            at: position.from,
            encoding: position.encoding,
            at_line: position.at_line.0,
            fence: position.fence,
            line: position.line,
        };
        let mut passages = Self::begin(found, chunking, account, &start, grain)?;
        passages.at_line = position.at_line.1;
        passages.place.headings = position.headings.clone();
        passages.flaws.clone_from(&position.flaws);
        passages.anchor.flaws.clone_from(&position.flaws);
        if position.repeated > 0 {
            passages.text.fill(0, position.repeated).map_err(|error| DocsError::text(&found.path, error))?;
            (passages.fresh, passages.again) = (position.repeated, Some(0));
        }
        for _ in 0..position.skip {
            passages.next()?;
        }
        Ok(passages)
    }

    /// Where to go on after the last passage that was given.
    pub fn position(&self) -> Position {
        if matches!(self.kind, Kind::Html | Kind::Jsonl | Kind::Pdf) {
            return self.position_of_anchor();
        }
        let window = self.text.window();
        let begin = self.again.unwrap_or(self.fresh);
        let from = window.source(begin);
        let at_line = if self.again.is_some() {
            window.text(window.floor(begin - 1)..begin).ends_with('\n')
        } else {
            self.at_line
        };
        Position {
            from,
            skip: 0,
            repeated: self.fresh - begin,
            at_line: (at_line, self.at_line),
            line: self.anchor.line,
            // At the beginning the file's mark is still to be read.
            encoding: self.text.encoding().filter(|_| from > 0),
            headings: self.place.headings.clone(),
            fence: self.place.fence.map(|(_, fence)| fence),
            flaws: self.flaws.clone(),
        }
    }

    fn position_of_anchor(&self) -> Position {
        let Anchor { from, line, given, flaws } = &self.anchor;
        Position {
            from: *from,
            skip: *given,
            repeated: 0,
            at_line: (true, true),
            line: *line,
            encoding: self.text.encoding().filter(|_| *from > 0),
            headings: super::place::Headings::default(),
            fence: None,
            flaws: flaws.clone(),
        }
    }

    /// Bytes of the source up to the end of the last passage.
    pub fn read(&self) -> u64 {
        self.read
    }

    /// What was replaced or skipped up to there.
    pub fn flaws(&self) -> Flaws {
        self.flaws.clone()
    }

    /// The next passage, or none at the end.
    #[expect(clippy::should_implement_trait, reason = "what it gives is lent, which an iterator cannot do")]
    pub fn next(&mut self) -> Result<Option<Passage<'_>>, DocsError> {
        match self.cut_next() {
            Ok(None) => Ok(None),
            Ok(Some(range)) => {
                self.anchor.given += 1;
                Ok(Some(self.passage(range)))
            }
            Err(error) => Err(DocsError::text(&self.path, error)),
        }
    }

    fn passage(&self, range: Range<u64>) -> Passage<'_> {
        let window = self.text.window();
        let place = &self.place;
        let (at, heading, record) = if let Some(record) = &place.record {
            (record.bytes.clone(), record.title.as_deref(), record.id.as_deref())
        } else {
            let at = window.source(range.start)..window.source_end(range.end);
            (at, place.headings.path(), None)
        };
        Passage { text: window.text(range), at, page: place.page, heading, record }
    }

    fn cut_next(&mut self) -> Result<Option<Range<u64>>, TextError> {
        let Some((begin, lead)) = self.skip_blank()? else {
            return Ok(None);
        };
        let start = self.again.take().unwrap_or_else(|| self.margin(begin));
        let most = self.chunking.most as u64;
        let ahead = 2 * most + cut::BEYOND as u64;
        self.text.fill(start, start + ahead)?;
        let lead = self.lead(lead, start + most);
        let (end, joint) = self.end(start, begin.max(lead));
        let window = self.text.window();
        let text = window.text(start..end);
        let range = start..start + text.trim_end().len() as u64;
        let again = self.repeated(range.start, begin.max(lead), end, joint);
        let at_line = text.ends_with('\n') || joint == Joint::Between;
        self.flaws.replaced += window.replaced(self.fresh..end);
        self.read = self.text.given(end);
        (self.again, self.at_line, self.fresh) = (again, at_line, end);
        self.pass_fences(end);
        Ok(Some(range))
    }

    /// Takes over what encloses a place that is not a fence's own beginning.
    fn pass_fences(&mut self, at: u64) {
        let passed = |mark: &Mark| match mark.what {
            What::Fence(_) => mark.at < at,
            What::FenceEnd => mark.at <= at,
            _ => false,
        };
        while self.text.window().marks().next().is_some_and(passed) {
            if let Some(mark) = self.text.window_mut().take_mark(at) {
                self.pass(mark);
            }
        }
    }

    /// Where the passage from `start` ends that is new from `begin` on.
    fn end(&self, start: u64, begin: u64) -> (u64, Joint) {
        let window = self.text.window();
        let most = self.chunking.most as u64;
        let style = if self.kind == Kind::Code { Style::Code } else { Style::Prose };
        let open = self.place.fence.map(|(at, _)| at);
        let bounds = |most| bounds(window.marks(), open, (start, begin, most), window.known(), style);
        let all = bounds(most);
        let rest = all.hard - start;
        if rest <= most {
            return (all.hard, Joint::Between);
        }
        // What is left for the next one is not to be a few words.
        let (most, all) = match rest - most / 4 {
            less if rest < most + most / 4 && start + less > begin + 4 => (less, bounds(less)),
            _ => (most, all),
        };
        if let Some(end) = all.forced {
            return (end, Joint::Between);
        }
        let far = window.floor(start + most + cut::BEYOND as u64);
        let text = window.text(start..all.hard.min(far));
        let offset = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        let Cut { at, joint } = cut::cut(text, offset(all.low - start), offset(most), all.style);
        (start + at as u64, joint)
    }

    /// The next character that is not white space, and where the heading ends that begins with it; what is before it
    /// counts as given.
    fn skip_blank(&mut self) -> Result<Option<(u64, u64)>, TextError> {
        let mut lead = 0;
        loop {
            let window = self.text.window();
            let text = window.text(self.fresh..window.known());
            let blank = (text.len() - text.trim_start().len()) as u64;
            let begin = self.fresh + blank;
            // A sentence is not repeated from far away, nor held for as long as blanks go on.
            self.again = self.again.filter(|again| begin - again <= self.chunking.most as u64 / 2);
            while let Some(mark) = self.text.window_mut().take_mark(begin) {
                lead = self.pass(mark).unwrap_or(lead);
            }
            let window = self.text.window();
            if begin < window.known() {
                return Ok(Some((begin, lead)));
            }
            if window.has_ended() {
                self.read = self.text.read();
                self.fresh = begin;
                self.again = None;
                return Ok(None);
            }
            if blank > 2 * self.chunking.most as u64 {
                // Blanks without end are not held.
                self.fresh = window.floor(begin - self.chunking.most as u64);
                self.at_line = false;
            }
            let keep = self.again.unwrap_or(self.fresh);
            self.text.fill(keep, begin + 1)?;
        }
    }

    /// Headings that follow a heading with nothing between stand with it: where the last ends.
    fn lead(&mut self, mut lead: u64, limit: u64) -> u64 {
        while lead > 0 {
            let window = self.text.window();
            let Some(mark) = window.marks().next() else { break };
            let What::Heading { end, .. } = mark.what else { break };
            if end >= limit || mark.at < lead || !window.text(lead..mark.at).trim().is_empty() {
                break;
            }
            let at = mark.at;
            let Some(mark) = self.text.window_mut().take_mark(at) else { break };
            lead = self.pass(mark).unwrap_or(lead);
        }
        if lead < limit { lead } else { 0 }
    }

    /// Takes over what a mark says; where the heading ends that it begins.
    fn pass(&mut self, mark: Mark) -> Option<u64> {
        if mark.what.parts() {
            self.again = None;
        }
        match mark.what {
            What::Heading { level, title, end } => {
                self.place.headings.enter(level, title);
                return Some(end);
            }
            What::Fence(fence) => self.place.fence = Some((mark.at, fence)),
            What::FenceEnd => self.place.fence = None,
            What::Page(page) => {
                self.place.page = Some(page);
                self.anchor(u64::from(page - 1), 1);
            }
            What::Record { id, title, line, bytes, replaced } => {
                self.anchor(bytes.start, line);
                self.flaws.replaced += replaced;
                self.place.record = Some(Record { id, title, bytes });
            }
            What::Skipped(record) => self.flaws.skip(record),
        }
        None
    }

    fn anchor(&mut self, from: u64, line: u64) {
        self.anchor = Anchor { from, line, given: 0, flaws: self.flaws.clone() };
    }

    /// The beginning of the line whose first character is at `begin`, where its indentation says something.
    fn margin(&self, begin: u64) -> u64 {
        if !matches!(self.kind, Kind::Code | Kind::Markdown) {
            return begin;
        }
        let window = self.text.window();
        let low = window.floor(self.fresh.max(begin.saturating_sub(self.chunking.most as u64 / 2)));
        let before = window.text(low..begin);
        let indent = before.len() - before.trim_end_matches([' ', '\t']).len();
        let whole = match before.len() - indent {
            0 => low == self.fresh && self.at_line,
            blank => before[..blank].ends_with('\n'),
        };
        if whole { begin - indent as u64 } else { begin }
    }

    /// Where the next passage begins if it repeats something.
    fn repeated(&self, start: u64, begin: u64, end: u64, joint: Joint) -> Option<u64> {
        let overlap = self.chunking.overlap as u64;
        if joint == Joint::Between || overlap == 0 || self.kind == Kind::Code {
            return None;
        }
        let window = self.text.window();
        let marked = window.marks().take_while(|mark| mark.at <= end).last().map_or(0, |mark| mark.at);
        let fenced = self.place.fence.is_some() || marked == end;
        let low = window.floor(begin.max(marked).max(end.saturating_sub(overlap)));
        if fenced || low >= end {
            return None;
        }
        let text = window.text(start..end);
        let low = usize::try_from(low - start).ok()?;
        let after = sentence::first_end(text, low, text.trim_end().len() - 1)?;
        let blank = text[after..].len() - text[after..].trim_start().len();
        Some(start + (after + blank) as u64)
    }
}
