//! Bytes to text: UTF-8, or UTF-16 where a mark says so. What is neither becomes U+FFFD and is told.

use serde::{Deserialize, Serialize};

use super::TextError;
use super::window::Scale;

/// How characters are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    /// UTF-8.
    Utf8,
    /// UTF-16, the less significant byte first.
    WideLittle,
    /// UTF-16, the more significant byte first.
    WideBig,
}

/// A piece of text and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text as it is.
    Text { text: &'a str, source: u64, scale: Scale },
    /// So many bytes that are no text.
    Replaced { source: u64, bytes: u64 },
}

type Sink<'a> = &'a mut dyn FnMut(Piece<'_>) -> Result<(), TextError>;

/// How much UTF-16 is one run of text.
const WIDE_RUN: usize = 512;

/// Takes bytes in pieces of any length; what it gives depends only on all of them together.
#[derive(Debug)]
pub struct Decoder {
    /// None until the first bytes are there.
    encoding: Option<Encoding>,
    /// The beginning of a character, or of the file's mark.
    carry: [u8; 4],
    carried: usize,
}

impl Decoder {
    /// For the beginning of a file, or for a place within one whose encoding is known.
    pub fn new(encoding: Option<Encoding>) -> Self {
        Self { encoding, carry: [0; 4], carried: 0 }
    }

    /// How characters are written, once that is known.
    pub fn encoding(&self) -> Option<Encoding> {
        self.encoding
    }

    /// The next bytes, which begin at `source`.
    pub fn take(&mut self, mut bytes: &[u8], mut source: u64, sink: Sink<'_>) -> Result<(), TextError> {
        while self.encoding.is_none() {
            let Some((&byte, rest)) = bytes.split_first() else { return Ok(()) };
            self.carry[self.carried] = byte;
            self.carried += 1;
            (bytes, source) = (rest, source + 1);
            self.find_mark(false, source, sink)?;
        }
        match self.encoding {
            None | Some(Encoding::Utf8) => self.narrow(bytes, source, sink),
            Some(Encoding::WideLittle) => self.wide(bytes, source, u16::from_le_bytes, sink),
            Some(Encoding::WideBig) => self.wide(bytes, source, u16::from_be_bytes, sink),
        }
    }

    /// Nothing follows; the file ends at `source`.
    pub fn finish(&mut self, source: u64, sink: Sink<'_>) -> Result<(), TextError> {
        self.find_mark(true, source, sink)?;
        let left = std::mem::take(&mut self.carried) as u64;
        if left > 0 {
            sink(Piece::Replaced { source: source - left, bytes: left })?;
        }
        Ok(())
    }

    /// Looks at the first bytes, carried up to `source`, for a mark.
    fn find_mark(&mut self, last: bool, source: u64, sink: Sink<'_>) -> Result<(), TextError> {
        if self.encoding.is_some() {
            return Ok(());
        }
        let (first, mark) = (self.carry, self.carried);
        let (encoding, mark) = match &first[..mark] {
            [0xEF, 0xBB, 0xBF] => (Encoding::Utf8, 3),
            [0xFF, 0xFE] => (Encoding::WideLittle, 2),
            [0xFE, 0xFF] => (Encoding::WideBig, 2),
            [0xEF | 0xFE | 0xFF] | [0xEF, 0xBB] | [] if !last => return Ok(()),
            _ => (Encoding::Utf8, 0),
        };
        self.encoding = Some(encoding);
        let carried = std::mem::take(&mut self.carried);
        self.narrow_or_nothing(&first[mark..carried], source - (carried - mark) as u64, sink)
    }

    fn narrow_or_nothing(&mut self, bytes: &[u8], source: u64, sink: Sink<'_>) -> Result<(), TextError> {
        if bytes.is_empty() { Ok(()) } else { self.narrow(bytes, source, sink) }
    }

    fn narrow(&mut self, bytes: &[u8], source: u64, sink: Sink<'_>) -> Result<(), TextError> {
        let (mut rest, mut at) = (bytes, source);
        while self.carried > 0 {
            let Some((&byte, after)) = rest.split_first() else { return Ok(()) };
            self.carry[self.carried] = byte;
            let begun = at - self.carried as u64;
            match std::str::from_utf8(&self.carry[..=self.carried]) {
                Ok(text) => {
                    sink(Piece::Text { text, source: begun, scale: Scale::Same })?;
                    (rest, at, self.carried) = (after, at + 1, 0);
                }
                Err(error) if error.error_len().is_none() => {
                    (rest, at, self.carried) = (after, at + 1, self.carried + 1);
                }
                // What was carried is wrong; this byte may begin a character.
                Err(_) => {
                    sink(Piece::Replaced { source: begun, bytes: self.carried as u64 })?;
                    self.carried = 0;
                }
            }
        }
        loop {
            let (valid, wrong) = match simdutf8::compat::from_utf8(rest) {
                Ok(text) => return sink(Piece::Text { text, source: at, scale: Scale::Same }),
                Err(error) => (error.valid_up_to(), error.error_len()),
            };
            if let Ok(text) = std::str::from_utf8(&rest[..valid])
                && valid > 0
            {
                sink(Piece::Text { text, source: at, scale: Scale::Same })?;
            }
            (rest, at) = (&rest[valid..], at + valid as u64);
            let Some(wrong) = wrong else {
                self.carry[..rest.len()].copy_from_slice(rest);
                self.carried = rest.len();
                return Ok(());
            };
            sink(Piece::Replaced { source: at, bytes: wrong as u64 })?;
            (rest, at) = (&rest[wrong..], at + wrong as u64);
        }
    }

    fn wide(
        &mut self,
        bytes: &[u8],
        source: u64,
        unit: fn([u8; 2]) -> u16,
        sink: Sink<'_>,
    ) -> Result<(), TextError> {
        let mut run = Run { text: String::with_capacity(WIDE_RUN + 4), source };
        let mut begun = source - self.carried as u64;
        for (&byte, after) in bytes.iter().zip(source + 1..) {
            self.carry[self.carried] = byte;
            self.carried += 1;
            if self.carried % 2 == 1 {
                continue;
            }
            let [a, b, c, d] = self.carry;
            let (first, second) = (unit([a, b]), unit([c, d]));
            let units: &[u16] = if self.carried == 2 { &[first] } else { &[first, second] };
            match char::decode_utf16(units.iter().copied()).next() {
                Some(Ok(char)) => run.push(char, begun, sink)?,
                // The first half of a pair.
                Some(Err(_)) if self.carried == 2 && (0xD800..0xDC00).contains(&first) => continue,
                _ => {
                    run.flush(sink)?;
                    sink(Piece::Replaced { source: begun, bytes: 2 })?;
                    if self.carried == 4 {
                        // The second unit may be a character, or the first half of another pair.
                        self.carry = [c, d, 0, 0];
                        self.carried = 2;
                        begun += 2;
                        match char::decode_utf16([second]).next() {
                            Some(Ok(char)) => run.push(char, begun, sink)?,
                            _ => continue,
                        }
                    }
                }
            }
            self.carried = 0;
            begun = after;
        }
        run.flush(sink)
    }
}

/// UTF-16 that lies together.
struct Run {
    text: String,
    source: u64,
}

impl Run {
    fn push(&mut self, char: char, source: u64, sink: Sink<'_>) -> Result<(), TextError> {
        if self.text.len() >= WIDE_RUN {
            self.flush(sink)?;
        }
        if self.text.is_empty() {
            self.source = source;
        }
        self.text.push(char);
        Ok(())
    }

    fn flush(&mut self, sink: Sink<'_>) -> Result<(), TextError> {
        if !self.text.is_empty() {
            sink(Piece::Text { text: &self.text, source: self.source, scale: Scale::Wide })?;
            self.text.clear();
        }
        Ok(())
    }
}
