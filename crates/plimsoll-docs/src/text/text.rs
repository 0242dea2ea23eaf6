//! A document's text, as much of it at a time as somebody needs.

use plimsoll::EngineAccount;

use super::decode::{Decoder, Encoding, Piece};
use super::html::Page;
use super::jsonl::Records;
use super::markdown::Scan;
use super::pdf::Pages;
use super::reader::{Grain, Reader};
use super::{Fence, TextError, Window};
use crate::source::{Found, Kind};

/// Where reading begins.
#[derive(Clone, Debug)]
pub struct Start {
    /// The byte of the source.
    pub at: u64,
    /// How characters are written, for a place within a document.
    pub encoding: Option<Encoding>,
    /// Whether a line begins there.
    pub at_line: bool,
    /// What encloses it.
    pub fence: Option<Fence>,
    /// The number of a record's line.
    pub line: u64,
}

impl Default for Start {
    fn default() -> Self {
        Self { at: 0, encoding: None, at_line: true, fence: None, line: 1 }
    }
}

/// What fills a window.
#[derive(Debug)]
pub struct Text {
    origin: Origin,
    window: Window,
}

/// Where text is from.
#[derive(Debug)]
enum Origin {
    /// A file from one end to the other.
    Stream(Box<Stream>),
    /// A PDF's pages.
    Pages(Box<Pages>),
}

#[derive(Debug)]
struct Stream {
    reader: Reader,
    decoder: Decoder,
    shape: Shape,
    /// The byte of the source that is read next.
    read: u64,
}

/// What is made of text before it is cut.
#[derive(Debug)]
enum Shape {
    /// Nothing.
    AsItIs,
    Markdown(Scan),
    Html(Box<Page>),
    Jsonl(Records),
}

impl Text {
    /// A document from a place on.
    pub fn open(
        found: &Found,
        start: &Start,
        account: &EngineAccount,
        grain: Grain,
    ) -> Result<Self, TextError> {
        let window = Window::new(account, start.at)?;
        let shape = match found.kind {
            Kind::Plain | Kind::Code => Shape::AsItIs,
            Kind::Markdown => Shape::Markdown(Scan::new(start.at == 0, start.at_line, start.fence)),
            Kind::Html => Shape::Html(Box::new(Page::new())),
            Kind::Jsonl => Shape::Jsonl(Records::new(start.at, start.line)),
            Kind::Pdf => {
                let pages = Pages::open(&found.path, start.at, account)?;
                return Ok(Self { origin: Origin::Pages(Box::new(pages)), window });
            }
        };
        let reader = Reader::open(&found.path, start.at, account, grain)?;
        let decoder = Decoder::new(start.encoding);
        let stream = Stream { reader, decoder, shape, read: start.at };
        Ok(Self { origin: Origin::Stream(Box::new(stream)), window })
    }

    /// What is held.
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// The same, to take marks.
    pub fn window_mut(&mut self) -> &mut Window {
        &mut self.window
    }

    /// How characters are written, as far as is known.
    pub fn encoding(&self) -> Option<Encoding> {
        match &self.origin {
            Origin::Stream(stream) => stream.decoder.encoding(),
            Origin::Pages(_) => None,
        }
    }

    /// Bytes of the source that were read.
    pub fn read(&self) -> u64 {
        match &self.origin {
            Origin::Stream(stream) => stream.read,
            Origin::Pages(pages) => pages.bytes_of(pages.done()),
        }
    }

    /// Bytes of the source up to this place of the text.
    pub fn given(&self, at: u64) -> u64 {
        let source = self.window.source_end(at);
        match &self.origin {
            Origin::Stream(_) => source,
            Origin::Pages(pages) => pages.bytes_of(source),
        }
    }

    /// Reads on until all is known up to `up_to`, or to the end; lets go of what is before `keep`.
    pub fn fill(&mut self, keep: u64, up_to: u64) -> Result<(), TextError> {
        while self.window.known() < up_to && !self.window.has_ended() {
            self.window.drop_before(keep);
            let goes_on = match &mut self.origin {
                Origin::Stream(stream) => stream.more(&mut self.window)?,
                Origin::Pages(pages) => {
                    let more = pages.more(&mut self.window)?;
                    self.window.know(self.window.end());
                    more
                }
            };
            if !goes_on {
                self.window.finish();
            }
        }
        Ok(())
    }
}

impl Stream {
    /// Puts the next piece into a window; whether there was one.
    fn more(&mut self, window: &mut Window) -> Result<bool, TextError> {
        let Self { reader, decoder, shape, read } = self;
        let Some((bytes, source)) = reader.piece()? else {
            decoder.finish(*read, &mut |piece| shape.take(piece, window))?;
            shape.finish(*read, window)?;
            return Ok(false);
        };
        decoder.take(bytes, source, &mut |piece| shape.take(piece, window))?;
        *read = source + bytes.len() as u64;
        shape.settle(window)?;
        Ok(true)
    }
}

impl Shape {
    fn take(&mut self, piece: Piece<'_>, window: &mut Window) -> Result<(), TextError> {
        match self {
            Self::AsItIs | Self::Markdown(_) => pass(piece, window),
            Self::Html(page) => page.take(piece, window),
            Self::Jsonl(records) => records.take(piece, window),
        }
    }

    /// Says what is known after a piece.
    fn settle(&mut self, window: &mut Window) -> Result<(), TextError> {
        match self {
            Self::AsItIs | Self::Jsonl(_) => window.know(window.end()),
            Self::Markdown(scan) => scan.settle(window, false)?,
            Self::Html(page) => page.settle(window)?,
        }
        Ok(())
    }

    /// Nothing follows the byte `source`.
    fn finish(&mut self, source: u64, window: &mut Window) -> Result<(), TextError> {
        match self {
            Self::AsItIs => Ok(()),
            Self::Markdown(scan) => scan.settle(window, true),
            Self::Html(page) => page.finish(source, window),
            Self::Jsonl(records) => records.finish(source, window),
        }
    }
}

/// Text as it is.
fn pass(piece: Piece<'_>, window: &mut Window) -> Result<(), TextError> {
    match piece {
        Piece::Text { text, source, scale } => window.push(text, source, scale),
        Piece::Replaced { source, bytes } => window.push_replaced(source, bytes),
    }
}
