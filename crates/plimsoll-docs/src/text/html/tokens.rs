//! Markup from text: what stands between `<` and `>`, comments, and what `&` begins.
//!
//! Nothing of a tag is kept but the beginning of its name, so a tag may be as long as it likes. Mistakes are read as
//! browsers read them where that matters to the text: a `<` before a space is a `<`.

use super::super::TextError;
use super::tags::LONGEST;

/// What tokens are made known to. `at` is an offset in the piece that is being read.
pub trait Sink {
    /// Text as it stands.
    fn text(&mut self, text: &str, at: usize) -> Result<(), TextError>;
    /// A tag. Says whether all is text up to the element's end.
    fn tag(&mut self, name: &str, closing: bool, empty: bool) -> Result<bool, TextError>;
    /// What began with `&` at a place that the sink was told of, and so many bytes of the text.
    fn entity(&mut self, text: &str, bytes: usize) -> Result<(), TextError>;
    /// Something begins with `&` here.
    fn begin_entity(&mut self, at: usize);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Text,
    /// After `<`.
    Open,
    /// After `</`.
    Close,
    Name,
    /// Within a tag; `true` after `=`.
    Within(bool),
    Quoted(u8),
    /// After `<!`.
    Bang,
    /// After `<!-`.
    BangDash,
    /// Within a comment, after so many hyphens, at most two.
    Comment(u8),
    /// Up to the next `>`.
    Other,
    Entity,
}

/// A reader of markup that can stop anywhere.
#[derive(Debug)]
pub struct Tokens {
    state: State,
    name: Name,
    closing: bool,
    empty: bool,
    /// The element whose end is looked for: nothing else is markup.
    raw: Option<Name>,
    entity: String,
}

/// The beginning of a name, in small letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Name {
    bytes: [u8; LONGEST + 1],
    len: usize,
}

impl Name {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte.to_ascii_lowercase();
            self.len += 1;
        }
    }

    /// The name, or its beginning where it is longer than any that means something.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or("")
    }

    /// A name.
    pub fn of(name: &str) -> Self {
        let mut made = Self::default();
        name.bytes().for_each(|byte| made.push(byte));
        made
    }
}

/// The longest name of a character, with its `&` and `;`.
const LONGEST_ENTITY: usize = 34;

impl Tokens {
    /// At the beginning of a page.
    pub fn new() -> Self {
        let name = Name::default();
        Self { state: State::Text, name, closing: false, empty: false, raw: None, entity: String::new() }
    }

    /// The next piece of the page.
    pub fn take(&mut self, text: &str, sink: &mut impl Sink) -> Result<(), TextError> {
        let bytes = text.as_bytes();
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match self.state {
                State::Text => at = self.text(text, at, sink)?,
                State::Entity => at = self.entity(text, at, sink)?,
                State::Open if self.raw.is_some() && byte != b'/' => self.state = State::Text,
                State::Open => match byte {
                    b'/' => (self.state, at) = (State::Close, at + 1),
                    b'!' => (self.state, at) = (State::Bang, at + 1),
                    b'?' => (self.state, at) = (State::Other, at + 1),
                    _ if byte.is_ascii_alphabetic() => self.begin_name(false),
                    _ => {
                        self.state = State::Text;
                        sink.text("<", at)?;
                    }
                },
                State::Close if byte.is_ascii_alphabetic() => self.begin_name(true),
                State::Close => self.state = if self.raw.is_some() { State::Text } else { State::Other },
                State::Name => at = self.name(bytes, at),
                State::Within(_) => at = self.within(bytes, at, sink)?,
                State::Quoted(quote) => match memchr::memchr(quote, &bytes[at..]) {
                    Some(end) => (self.state, at) = (State::Within(false), at + end + 1),
                    None => at = bytes.len(),
                },
                State::Bang if byte == b'-' => (self.state, at) = (State::BangDash, at + 1),
                State::BangDash if byte == b'-' => (self.state, at) = (State::Comment(0), at + 1),
                State::Bang | State::BangDash => self.state = State::Other,
                State::Comment(dashes) => at = self.comment(bytes, at, dashes),
                State::Other => match memchr::memchr(b'>', &bytes[at..]) {
                    Some(end) => (self.state, at) = (State::Text, at + end + 1),
                    None => at = bytes.len(),
                },
            }
        }
        Ok(())
    }

    /// Nothing follows.
    pub fn finish(&mut self, sink: &mut impl Sink) -> Result<(), TextError> {
        if self.state == State::Entity {
            self.end_entity(sink)?;
        }
        Ok(())
    }

    fn text(&mut self, text: &str, at: usize, sink: &mut impl Sink) -> Result<usize, TextError> {
        let rest = &text.as_bytes()[at..];
        if self.raw.is_some() {
            let open = memchr::memchr(b'<', rest);
            if open.is_some() {
                self.state = State::Open;
            }
            return Ok(open.map_or(text.len(), |open| at + open + 1));
        }
        let end = memchr::memchr2(b'<', b'&', rest).map_or(text.len(), |end| at + end);
        sink.text(&text[at..end], at)?;
        match text.as_bytes().get(end) {
            None => Ok(end),
            Some(b'<') => {
                self.state = State::Open;
                Ok(end + 1)
            }
            Some(_) => {
                self.state = State::Entity;
                self.entity.clear();
                self.entity.push('&');
                sink.begin_entity(end);
                Ok(end + 1)
            }
        }
    }

    fn entity(&mut self, text: &str, mut at: usize, sink: &mut impl Sink) -> Result<usize, TextError> {
        while let Some(&byte) = text.as_bytes().get(at) {
            let goes_on = byte.is_ascii_alphanumeric() || (byte == b'#' && self.entity.len() == 1);
            if byte == b';' {
                self.entity.push(';');
                at += 1;
            } else if goes_on && self.entity.len() < LONGEST_ENTITY {
                self.entity.push(char::from(byte));
                at += 1;
                continue;
            }
            self.state = State::Text;
            self.end_entity(sink)?;
            break;
        }
        Ok(at)
    }

    fn end_entity(&mut self, sink: &mut impl Sink) -> Result<(), TextError> {
        let bytes = self.entity.len();
        // Old pages leave the end of these away.
        let old = ["&amp", "&lt", "&gt", "&quot", "&nbsp", "&copy"].contains(&self.entity.as_str());
        if old || (self.entity.starts_with("&#") && !self.entity.ends_with(';')) {
            self.entity.push(';');
        }
        match html_escape::decode_html_entities(&self.entity) {
            text if text == self.entity => sink.entity(&self.entity[..bytes], bytes),
            text => sink.entity(&text, bytes),
        }
    }

    fn begin_name(&mut self, closing: bool) {
        (self.state, self.closing, self.empty) = (State::Name, closing, false);
        self.name = Name::default();
    }

    fn name(&mut self, bytes: &[u8], mut at: usize) -> usize {
        while let Some(&byte) = bytes.get(at) {
            if byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/') {
                self.state = State::Within(false);
                break;
            }
            self.name.push(byte);
            at += 1;
        }
        at
    }

    fn within(&mut self, bytes: &[u8], mut at: usize, sink: &mut impl Sink) -> Result<usize, TextError> {
        if self.raw.is_some_and(|raw| !self.closing || raw != self.name) {
            self.state = State::Text;
            return Ok(at);
        }
        while let Some(&byte) = bytes.get(at) {
            at += 1;
            let after = self.state == State::Within(true);
            match byte {
                b'>' => {
                    self.state = State::Text;
                    let raw = sink.tag(self.name.as_str(), self.closing, self.empty)?;
                    self.raw = raw.then_some(self.name);
                    return Ok(at);
                }
                b'"' | b'\'' if after => {
                    self.state = State::Quoted(byte);
                    return Ok(at);
                }
                b'=' => self.state = State::Within(true),
                _ if byte.is_ascii_whitespace() => continue,
                _ => self.state = State::Within(false),
            }
            self.empty = byte == b'/';
        }
        Ok(at)
    }

    fn comment(&mut self, bytes: &[u8], at: usize, dashes: u8) -> usize {
        match (bytes[at], dashes) {
            (b'>', 2..) => self.state = State::Text,
            (b'-', _) => self.state = State::Comment((dashes + 1).min(2)),
            (b'!', 2) => {}
            _ => {
                self.state = State::Comment(0);
                return memchr::memchr(b'-', &bytes[at..]).map_or(bytes.len(), |dash| at + dash);
            }
        }
        at + 1
    }
}
