//! A document's text, as much of it at a time as somebody needs.

use std::path::Path;

use plimsoll::EngineAccount;

use super::decode::{Decoder, Encoding, Piece};
use super::reader::{Grain, Reader};
use super::{TextError, Window};
use crate::source::{Found, Kind};

/// Where reading begins.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// The byte of the source.
    pub at: u64,
    /// How characters are written, for a place within a document.
    pub encoding: Option<Encoding>,
}

/// What fills a window.
#[derive(Debug)]
pub struct Text {
    reader: Reader,
    decoder: Decoder,
    shape: Shape,
    window: Window,
    /// The byte of the source that is read next.
    read: u64,
}

/// What is made of text before it is cut.
#[derive(Debug)]
enum Shape {
    /// Nothing.
    AsItIs,
}

impl Text {
    /// A document from a place on.
    pub fn open(
        found: &Found,
        start: &Start,
        account: &EngineAccount,
        grain: Grain,
    ) -> Result<Self, TextError> {
        let shape = match found.kind {
            Kind::Plain | Kind::Code | Kind::Markdown | Kind::Html | Kind::Jsonl | Kind::Pdf => Shape::AsItIs,
        };
        let path: &Path = &found.path;
        Ok(Self {
            reader: Reader::open(path, start.at, account, grain)?,
            decoder: Decoder::new(start.encoding),
            shape,
            window: Window::new(account, start.at)?,
            read: start.at,
        })
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
        self.decoder.encoding()
    }

    /// The byte of the source that is read next.
    pub fn read(&self) -> u64 {
        self.read
    }

    /// Reads on until all is known up to `up_to`, or to the end; lets go of what is before `keep`.
    pub fn fill(&mut self, keep: u64, up_to: u64) -> Result<(), TextError> {
        while self.window.known() < up_to && !self.window.has_ended() {
            self.window.drop_before(keep);
            let Self { reader, decoder, shape, window, read } = self;
            if let Some((bytes, source)) = reader.piece()? {
                decoder.take(bytes, source, &mut |piece| shape.take(piece, window))?;
                *read = source + bytes.len() as u64;
                shape.settle(window)?;
            } else {
                decoder.finish(*read, &mut |piece| shape.take(piece, window))?;
                shape.finish(window)?;
                window.finish();
            }
        }
        Ok(())
    }
}

impl Shape {
    fn take(&mut self, piece: Piece<'_>, window: &mut Window) -> Result<(), TextError> {
        match self {
            Self::AsItIs => pass(piece, window),
        }
    }

    /// Says what is known after a piece.
    fn settle(&mut self, window: &mut Window) -> Result<(), TextError> {
        match self {
            Self::AsItIs => window.know(window.end()),
        }
        Ok(())
    }

    fn finish(&mut self, _window: &mut Window) -> Result<(), TextError> {
        Ok(())
    }
}

/// Text as it is.
fn pass(piece: Piece<'_>, window: &mut Window) -> Result<(), TextError> {
    match piece {
        Piece::Text { text, source, scale } => window.push(text, source, scale),
        Piece::Replaced { source, bytes } => window.push_replaced(source, bytes),
    }
}
