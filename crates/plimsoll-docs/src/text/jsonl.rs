//! JSON records, one a line: which of their fields are text.

use super::decode::Piece;
use super::fields::{self, Record};
use super::window::{Scale, What};
use super::{Skipped, TextError, Window};

/// The longest line that is held. A longer one is skipped and told.
pub const LONGEST: usize = 4 << 20;

/// Lines as they come together.
#[derive(Debug)]
pub struct Records {
    /// The part of a line that came in pieces before.
    line: String,
    /// How much of the room it has.
    charged: usize,
    too_long: bool,
    /// Where the line begins, and its number from 1.
    at: u64,
    number: u64,
    replaced: u64,
}

impl Records {
    /// From a line that begins at this byte.
    pub fn new(at: u64, number: u64) -> Self {
        Self { line: String::new(), charged: 0, too_long: false, at, number, replaced: 0 }
    }

    /// The next piece.
    pub fn take(&mut self, piece: Piece<'_>, window: &mut Window) -> Result<(), TextError> {
        let (text, source, scale) = match piece {
            Piece::Text { text, source, scale } => (text, source, scale),
            Piece::Replaced { bytes, .. } => {
                self.replaced += bytes;
                return self.hold("\u{FFFD}", window);
            }
        };
        let mut taken = 0;
        for end in memchr::memchr_iter(b'\n', text.as_bytes()) {
            let next = source + scale.bytes(&text[..=end]);
            self.end_line(&text[taken..end], next, window)?;
            taken = end + 1;
        }
        self.hold(&text[taken..], window)
    }

    /// The last line need not be ended; the file ends at `source`.
    pub fn finish(&mut self, source: u64, window: &mut Window) -> Result<(), TextError> {
        self.end_line("", source, window)
    }

    fn hold(&mut self, part: &str, window: &mut Window) -> Result<(), TextError> {
        let wanted = self.line.len() + part.len();
        if wanted > LONGEST {
            self.too_long = true;
        }
        if self.too_long {
            self.line.clear();
            return Ok(());
        }
        if wanted > self.charged {
            // Reading its fields may take as much again.
            let capacity = wanted.next_power_of_two().min(LONGEST);
            window.room().grow(2 * (capacity - self.charged))?;
            self.charged = capacity;
            self.line.reserve_exact(capacity - self.line.len());
        }
        self.line.push_str(part);
        Ok(())
    }

    /// A line ends; the next begins at `next`.
    fn end_line(&mut self, rest: &str, next: u64, window: &mut Window) -> Result<(), TextError> {
        let (at, number) = (self.at, self.number);
        if self.line.is_empty() && !self.too_long {
            self.record(rest, next, window)?;
        } else {
            self.hold(rest, window)?;
            let line = std::mem::take(&mut self.line);
            if self.too_long {
                let why = format!("it is longer than {LONGEST} bytes; split it");
                window.mark(window.end(), What::Skipped(Skipped { line: number, at, why }))?;
            } else {
                self.record(&line, next, window)?;
            }
            self.line = line;
            self.line.clear();
        }
        (self.at, self.number, self.replaced, self.too_long) = (next, number + 1, 0, false);
        Ok(())
    }

    fn record(&self, line: &str, next: u64, window: &mut Window) -> Result<(), TextError> {
        let line = line.trim_start_matches('\u{FEFF}').trim();
        if line.is_empty() {
            return Ok(());
        }
        let (at, number) = (self.at, self.number);
        let begin = window.end();
        match fields::read(line) {
            Ok(Record { text, id, title }) if !text.trim().is_empty() => {
                let bytes = at..next;
                let replaced = self.replaced;
                window.mark(begin, What::Record { id, title, line: number, bytes, replaced })?;
                window.push(&text, at, Scale::Whole(next - at))
            }
            Ok(_) => {
                let why = "none of its fields is text".to_owned();
                window.mark(begin, What::Skipped(Skipped { line: number, at, why }))
            }
            Err(error) => {
                let why = format!("it is not JSON: {error}");
                window.mark(begin, What::Skipped(Skipped { line: number, at, why }))
            }
        }
    }
}
