//! How far a file has been read, and what is to be read next. Pure but for asking the source how long it is.

use super::source::Source;
use super::{Align, StreamError};
use crate::Bytes;

/// One piece of a file that somebody is to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it starts.
    pub offset: u64,
    /// How much of it to read.
    pub len: u64,
    /// Where the data ends, as far as is known.
    pub end: u64,
}

impl Piece {
    /// Whether the data ends with it.
    pub const fn is_last(&self) -> bool {
        self.offset + self.len == self.end
    }
}

/// Where the next chunk starts.
///
/// With a fixed size the next piece is known before this one is read, so several readers can work; where the cut
/// depends on the data, the cursor stands until it is told what was cut.
#[derive(Debug)]
pub struct Cursor {
    at: u64,
    end: u64,
    chunk: u64,
    align: Align,
    follow: bool,
    done: bool,
}

impl Cursor {
    /// At the start of a source that is `end` bytes long now.
    pub fn new(end: u64, chunk: Bytes, align: Align, follow: bool) -> Self {
        Self { at: 0, end, chunk: chunk.get(), align, follow, done: false }
    }

    /// Whether pieces are known before they are read.
    pub fn is_fixed(&self) -> bool {
        matches!(self.align, Align::None | Align::Bytes(_))
    }

    /// The next piece; none at the end. A source that is followed is asked once more how long it is when the end
    /// comes within reach; what is appended after the last piece was given is not part of the stream.
    pub fn claim(&mut self, source: &dyn Source) -> Result<Option<Piece>, StreamError> {
        if self.done {
            return Ok(None);
        }
        if self.follow && self.end - self.at <= self.chunk {
            self.look_again(source)?;
        }
        let left = self.end - self.at;
        let mut piece = Piece { offset: self.at, len: left.min(self.chunk), end: self.end };
        if piece.len == 0 {
            self.done = true;
            return Ok(None);
        }
        if let Align::Bytes(row) = self.align {
            let whole = piece.len / row * row;
            if whole == 0 {
                self.done = true;
                return Err(StreamError::PartialRow {
                    name: source.name().to_owned(),
                    offset: piece.offset,
                    left: piece.len,
                    row,
                });
            }
            piece.len = whole;
        }
        if self.is_fixed() {
            self.cut(piece, piece.len);
        }
        Ok(Some(piece))
    }

    /// So much of a piece made its chunk. Needed only where the size is not fixed.
    pub fn cut(&mut self, piece: Piece, len: u64) {
        assert!(len > 0 && len <= piece.len, "a chunk of {len} from a piece of {}", piece.len);
        self.at = piece.offset + len;
        self.done = piece.is_last() && len == piece.len;
    }

    /// Nothing more is to be read, because reading failed.
    pub fn stop(&mut self) {
        self.done = true;
    }

    fn look_again(&mut self, source: &dyn Source) -> Result<(), StreamError> {
        let now = source.bytes_now().map_err(|error| StreamError::Read {
            name: source.name().to_owned(),
            offset: self.at,
            source: error,
        })?;
        if now < self.end {
            self.done = true;
            return Err(StreamError::Shrunk {
                name: source.name().to_owned(),
                expected: self.end,
                found: now,
            });
        }
        self.end = now;
        Ok(())
    }
}
