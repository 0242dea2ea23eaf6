//! What a reader sees of a page, as text.

use super::super::decode::Piece;
use super::super::window::{Scale, What};
use super::super::{Fence, TextError, Window};
use super::tags::{self, Role};
use super::tokens::{Name, Sink, Tokens};

/// A heading that goes on for longer is none.
const LONGEST_HEADING: u64 = 1024;

/// What stands for bytes that are no text.
const REPLACED: &str = "\u{FFFD}";

/// What stands between what was given and what comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    None,
    Space,
    Line,
    Paragraph,
}

/// A page as it is read.
#[derive(Debug)]
pub struct Page {
    tokens: Tokens,
    look: Look,
}

#[derive(Debug)]
struct Look {
    gap: Gap,
    /// An element that is left, and how many of its name are open.
    left: Option<(Name, u32)>,
    /// A heading's level, and where its text began.
    heading: Option<(u8, Option<u64>)>,
    preformatted: bool,
    /// Whether the preformatted text has begun.
    fenced: bool,
    /// Where in the source the last `&` is.
    entity: u64,
}

impl Page {
    /// At its beginning.
    pub fn new() -> Self {
        let look =
            Look { gap: Gap::None, left: None, heading: None, preformatted: false, fenced: false, entity: 0 };
        Self { tokens: Tokens::new(), look }
    }

    /// The next piece.
    pub fn take(&mut self, piece: Piece<'_>, window: &mut Window) -> Result<(), TextError> {
        let Self { tokens, look } = self;
        match piece {
            Piece::Text { text, source, scale } => {
                tokens.take(text, &mut Seen { look, window, piece: text, source, scale })
            }
            Piece::Replaced { source, bytes } => {
                let scale = Scale::Whole(bytes);
                tokens.take(REPLACED, &mut Seen { look, window, piece: REPLACED, source, scale })
            }
        }
    }

    /// Says what is known.
    pub fn settle(&mut self, window: &mut Window) -> Result<(), TextError> {
        if let Some((_, Some(began))) = self.look.heading {
            if window.end() - began <= LONGEST_HEADING {
                window.know(began);
                return Ok(());
            }
            self.look.end_heading(window)?;
        }
        window.know(window.end());
        Ok(())
    }

    /// Nothing follows.
    pub fn finish(&mut self, source: u64, window: &mut Window) -> Result<(), TextError> {
        let Self { tokens, look } = self;
        tokens.finish(&mut Seen { look, window, piece: "", source, scale: Scale::Same })?;
        look.end_heading(window)?;
        look.end_preformatted(window)
    }
}

impl Look {
    fn part(&mut self, gap: Gap) {
        self.gap = self.gap.max(gap);
    }

    fn end_heading(&mut self, window: &mut Window) -> Result<(), TextError> {
        let Some((level, Some(at))) = self.heading.take() else { return Ok(()) };
        let end = window.end();
        if end - at > LONGEST_HEADING {
            return Ok(());
        }
        let title = super::super::title(window.text(at..end));
        window.mark(at, What::Heading { level, title, end })
    }

    fn end_preformatted(&mut self, window: &mut Window) -> Result<(), TextError> {
        self.preformatted = false;
        if std::mem::take(&mut self.fenced) {
            window.mark(window.end(), What::FenceEnd)?;
        }
        Ok(())
    }
}

/// A piece as it is looked at.
struct Seen<'a> {
    look: &'a mut Look,
    window: &'a mut Window,
    piece: &'a str,
    source: u64,
    scale: Scale,
}

impl Seen<'_> {
    fn source(&self, at: usize) -> u64 {
        match self.scale {
            Scale::Whole(_) => self.source,
            scale => self.source + scale.bytes(&self.piece[..at]),
        }
    }

    /// Text that stands together.
    fn give(&mut self, text: &str, source: u64, scale: Scale) -> Result<(), TextError> {
        let gap = std::mem::replace(&mut self.look.gap, Gap::None);
        if self.window.end() > 0 {
            let between = match gap {
                Gap::None => "",
                Gap::Space => " ",
                Gap::Line => "\n",
                Gap::Paragraph => "\n\n",
            };
            self.window.push(between, source, Scale::Whole(0))?;
        }
        if let Some((_, began @ None)) = &mut self.look.heading {
            *began = Some(self.window.end());
        }
        if self.look.preformatted && !self.look.fenced {
            self.look.fenced = true;
            self.window.mark(self.window.end(), What::Fence(Fence::Element))?;
        }
        match scale {
            Scale::Whole(bytes) if self.piece == REPLACED && text == REPLACED => {
                self.window.push_replaced(source, bytes)
            }
            scale => self.window.push(text, source, scale),
        }
    }
}

impl Sink for Seen<'_> {
    fn text(&mut self, text: &str, at: usize) -> Result<(), TextError> {
        if self.look.left.is_some() || text.is_empty() {
            return Ok(());
        }
        if self.look.preformatted {
            let begins = !self.look.fenced;
            let text_after = if begins { text.trim_start_matches(['\n', '\r']) } else { text };
            let at = at + text.len() - text_after.len();
            let source = self.source(at);
            return if text_after.is_empty() { Ok(()) } else { self.give(text_after, source, self.scale) };
        }
        let bytes = text.as_bytes();
        let blank = |at: usize| bytes.get(at).is_none_or(u8::is_ascii_whitespace);
        let mut start = 0;
        while start < bytes.len() {
            if blank(start) {
                self.look.part(Gap::Space);
                start += 1;
                continue;
            }
            let mut end = start + 1;
            // One space between words stays as it is.
            while !blank(end) || (bytes.get(end) == Some(&b' ') && !blank(end + 1)) {
                end += 1;
            }
            let source = self.source(at + start);
            self.give(&text[start..end], source, self.scale)?;
            start = end;
        }
        Ok(())
    }

    fn begin_entity(&mut self, at: usize) {
        self.look.entity = self.source(at);
    }

    fn entity(&mut self, text: &str, bytes: usize) -> Result<(), TextError> {
        if self.look.left.is_some() {
            return Ok(());
        }
        if text.trim().is_empty() && !self.look.preformatted {
            self.look.part(Gap::Space);
            return Ok(());
        }
        let wide = if self.scale == Scale::Wide { 2 } else { 1 };
        self.give(text, self.look.entity, Scale::Whole(bytes as u64 * wide))
    }

    fn tag(&mut self, name: &str, closing: bool, empty: bool) -> Result<bool, TextError> {
        let look = &mut *self.look;
        if let Some((left, open)) = &mut look.left {
            if left.as_str() == name {
                *open = if closing { *open - 1 } else { *open + u32::from(!empty) };
                if *open == 0 {
                    look.left = None;
                }
                return Ok(false);
            }
            if !tags::shows_end(left.as_str(), name, closing) {
                // What is in it may hide what looks like its end.
                return Ok(!closing && !empty && tags::role(name) == Role::Raw);
            }
            look.left = None;
        }
        let role = tags::role(name);
        match role {
            Role::Inline => return Ok(false),
            Role::Raw => return Ok(!closing),
            Role::Cell => {
                look.part(Gap::Space);
                return Ok(false);
            }
            Role::Left => {
                look.part(Gap::Space);
                let ends = closing || (empty && matches!(name, "svg" | "math"));
                if !ends {
                    look.left = Some((Name::of(name), 1));
                }
                return Ok(false);
            }
            Role::Line => {
                look.part(Gap::Line);
                if name != "br" {
                    look.end_heading(self.window)?;
                }
            }
            Role::Block | Role::Heading(_) | Role::Preformatted => {
                look.end_heading(self.window)?;
                look.end_preformatted(self.window)?;
                look.part(Gap::Paragraph);
            }
        }
        match role {
            Role::Heading(level) if !closing => look.heading = Some((level, None)),
            Role::Preformatted if !closing => look.preformatted = true,
            _ => {}
        }
        Ok(false)
    }
}
