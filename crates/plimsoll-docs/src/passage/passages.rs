//! A document, passage by passage.

use std::ops::Range;
use std::path::PathBuf;

use plimsoll::EngineAccount;

use super::cut::{self, Joint, Style};
use super::{Chunking, Position, sentence};
use crate::DocsError;
use crate::source::{Found, Kind};
use crate::text::{Flaws, Grain, Mark, Start, Text, TextError, What};

/// A part of a document that is read, embedded and found as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage<'a> {
    /// What it says.
    pub text: &'a str,
    /// Where it is in its source. For JSONL, where its line is.
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
/// Every character that is not white space is in one of them. They depend on the document and the [`Chunking`] only.
/// What is held is a ring of chunks and a window of text, both charged to the account, however long the document is.
#[derive(Debug)]
pub struct Passages {
    path: PathBuf,
    kind: Kind,
    chunking: Chunking,
    text: Text,
    /// The text before this place has been given.
    fresh: u64,
    /// Where the next passage may begin instead, to repeat a sentence.
    again: Option<u64>,
    /// Whether a line begins at `fresh`.
    at_line: bool,
    flaws: Flaws,
    /// Bytes of the source that have been given.
    read: u64,
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

    pub(crate) fn begin(
        found: &Found,
        chunking: Chunking,
        account: &EngineAccount,
        start: &Start,
        grain: Grain,
    ) -> Result<Self, DocsError> {
        let told = |error| DocsError::text(&found.path, error);
        let chunking = chunking.check().map_err(|error| told(error.into()))?;
        Ok(Self {
            path: found.path.clone(),
            kind: found.kind,
            chunking,
            text: Text::open(found, start, account, grain).map_err(told)?,
            fresh: 0,
            again: None,
            at_line: true,
            flaws: Flaws::default(),
            read: start.at,
        })
    }

    pub(crate) fn resume(
        found: &Found,
        chunking: Chunking,
        account: &EngineAccount,
        position: &Position,
        grain: Grain,
    ) -> Result<Self, DocsError> {
        let start = Start { at: position.from, encoding: position.encoding };
        let mut passages = Self::begin(found, chunking, account, &start, grain)?;
        passages.flaws.clone_from(&position.flaws);
        passages.at_line = position.at_line;
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
        let begin = self.again.unwrap_or(self.fresh);
        Position {
            from: self.text.window().source(begin),
            skip: 0,
            repeated: self.fresh - begin,
            at_line: self.at_line,
            encoding: self.text.encoding(),
            flaws: self.flaws.clone(),
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
            Ok(Some(range)) => Ok(Some(self.passage(range))),
            Err(error) => Err(DocsError::text(&self.path, error)),
        }
    }

    fn passage(&self, range: Range<u64>) -> Passage<'_> {
        let window = self.text.window();
        let at = window.source(range.start)..window.source_end(range.end);
        Passage { text: window.text(range), at, page: None, heading: None, record: None }
    }

    fn cut_next(&mut self) -> Result<Option<Range<u64>>, TextError> {
        let Some(begin) = self.skip_blank()? else {
            return Ok(None);
        };
        let start = self.again.take().unwrap_or_else(|| self.margin(begin));
        let most = self.chunking.most as u64;
        let ahead = most + most / 4 + cut::BEYOND as u64;
        self.text.fill(start, start + ahead)?;
        let window = self.text.window();
        let hard = window.marks().find(|mark| mark.what.parts()).map_or(window.known(), |mark| mark.at);
        let hard = hard.min(window.known());
        let rest = hard - start;
        let (end, joint) = if rest <= most {
            (hard, Joint::Between)
        } else {
            // What is left for the next one is not to be a few words.
            let most = if rest < most + most / 4 { rest - most / 4 } else { most };
            let text = window.text(start..hard.min(window.floor(start + ahead)));
            let from = usize::try_from(begin - start).unwrap_or(0);
            let most = usize::try_from(most).unwrap_or(self.chunking.most).max(from + 4);
            let cut = cut::cut(text, from, most, self.style());
            (start + cut.at as u64, cut.joint)
        };
        let text = window.text(start..end);
        let range = start..start + text.trim_end().len() as u64;
        self.again = self.repeated(range.start, begin, end, joint);
        self.flaws.replaced += window.replaced(self.fresh..end);
        self.read = window.source_end(end);
        self.at_line = text.ends_with('\n') || joint == Joint::Between;
        self.fresh = end;
        Ok(Some(range))
    }

    /// The next character that is not white space; what is before it counts as given.
    fn skip_blank(&mut self) -> Result<Option<u64>, TextError> {
        loop {
            let window = self.text.window();
            let text = window.text(self.fresh..window.known());
            let blank = (text.len() - text.trim_start().len()) as u64;
            let begin = self.fresh + blank;
            // A sentence is not repeated from far away, nor held for as long as blanks go on.
            self.again = self.again.filter(|again| begin - again <= self.chunking.most as u64 / 2);
            while let Some(mark) = self.text.window_mut().take_mark(begin) {
                self.pass(mark);
            }
            let window = self.text.window();
            if begin < window.known() {
                return Ok(Some(begin));
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

    fn pass(&mut self, mark: Mark) {
        if mark.what.parts() {
            self.again = None;
        }
        match mark.what {
            What::Skipped(record) => self.flaws.skip(record),
            _ => {}
        }
    }

    /// The beginning of the line whose first character is at `begin`, where its indentation says something.
    fn margin(&self, begin: u64) -> u64 {
        if self.kind == Kind::Plain {
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

    fn style(&self) -> Style {
        if self.kind == Kind::Code { Style::Code } else { Style::Prose }
    }

    /// Where the next passage begins if it repeats something.
    fn repeated(&self, start: u64, begin: u64, end: u64, joint: Joint) -> Option<u64> {
        if joint == Joint::Between || self.chunking.overlap == 0 || self.style() == Style::Code {
            return None;
        }
        let window = self.text.window();
        let low = window.floor(begin.max(end.saturating_sub(self.chunking.overlap as u64)));
        let text = window.text(start..end);
        let low = usize::try_from(low - start).ok()?;
        let after = sentence::first_end(text, low, text.trim_end().len() - 1)?;
        let blank = text[after..].len() - text[after..].trim_start().len();
        Some(start + (after + blank) as u64)
    }
}
