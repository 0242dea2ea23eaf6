//! A position in a source, with a buffer around it.

use std::io;
use std::path::Path;

use super::{ReadError, Source};

/// How much is read at once. Headers of usual models take a few of these.
const BUFFER: usize = 256 * 1024;

/// How far a header may reach. The largest vocabularies in use take some 20 MiB with all that belongs to them.
pub(super) const HEADER_MAX: u64 = 256 << 20;

/// Reads numbers and texts one after another.
pub(super) struct Cursor<'s> {
    source: &'s dyn Source,
    path: &'s Path,
    len: u64,
    /// Where the next byte is.
    at: u64,
    buffer: Vec<u8>,
    /// Where the buffer begins.
    start: u64,
    pub(super) big_endian: bool,
}

impl<'s> Cursor<'s> {
    pub(super) fn new(source: &'s dyn Source, path: &'s Path) -> Self {
        let len = source.len();
        Self { source, path, len, at: 0, buffer: Vec::new(), start: 0, big_endian: false }
    }

    pub(super) fn path(&self) -> &'s Path {
        self.path
    }

    /// Where the next byte is.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// How many bytes follow.
    pub(super) fn left(&self) -> u64 {
        self.len.saturating_sub(self.at)
    }

    fn short(&self, wanted: u64) -> ReadError {
        ReadError::CutShort { path: self.path.to_owned(), offset: self.at, wanted, len: self.len }
    }

    /// Checks that so many bytes follow, and that they are near enough to the beginning to belong to a header.
    fn check(&self, count: u64) -> Result<(), ReadError> {
        if count > self.left() {
            return Err(self.short(count));
        }
        let end = self.at.saturating_add(count);
        if end > HEADER_MAX {
            let what = "bytes of header";
            let (path, offset) = (self.path.to_owned(), self.at);
            return Err(ReadError::Excess { path, offset, what, found: end, most: HEADER_MAX });
        }
        Ok(())
    }

    /// The next bytes, as many as a buffer holds at most.
    fn take(&mut self, count: usize) -> Result<&[u8], ReadError> {
        self.check(count as u64)?;
        let held = self.start..self.start.saturating_add(self.buffer.len() as u64);
        if !held.contains(&self.at) || held.end - self.at < count as u64 {
            self.fill(count)?;
        }
        let from = usize::try_from(self.at - self.start).unwrap_or(usize::MAX);
        self.at += count as u64;
        let found = from.checked_add(count).and_then(|end| self.buffer.get(from..end));
        found.ok_or_else(|| ReadError::Read {
            path: self.path.to_owned(),
            offset: self.at,
            source: io::ErrorKind::UnexpectedEof.into(),
        })
    }

    fn fill(&mut self, count: usize) -> Result<(), ReadError> {
        let most = usize::try_from(self.left()).unwrap_or(usize::MAX);
        self.buffer.resize(BUFFER.max(count).min(most), 0);
        self.start = self.at;
        let read = self.source.read_at(self.at, &mut self.buffer);
        read.map_err(|source| ReadError::Read { path: self.path.to_owned(), offset: self.at, source })
    }

    /// Goes past so many bytes without reading them.
    pub(super) fn skip(&mut self, count: u64) -> Result<(), ReadError> {
        self.check(count)?;
        self.at += count;
        Ok(())
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        if self.big_endian {
            bytes.reverse();
        }
        Ok(bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, ReadError> {
        self.bytes().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, ReadError> {
        self.bytes().map(u64::from_le_bytes)
    }

    /// The next number, which stays the next.
    pub(super) fn peek_u64(&mut self) -> Result<u64, ReadError> {
        let number = self.u64()?;
        self.at -= 8;
        Ok(number)
    }

    /// A text that is at most so long; what is no UTF-8 is replaced.
    pub(super) fn text(&mut self, most: u64, what: &'static str) -> Result<String, ReadError> {
        let offset = self.at;
        let len = self.u64()?;
        if len > self.left() {
            return Err(self.short(len));
        }
        match usize::try_from(len) {
            Ok(count) if len <= most => Ok(String::from_utf8_lossy(self.take(count)?).into_owned()),
            _ => Err(ReadError::Excess { path: self.path.to_owned(), offset, what, found: len, most }),
        }
    }

    /// Goes past a text.
    pub(super) fn skip_text(&mut self) -> Result<u64, ReadError> {
        let len = self.u64()?;
        self.skip(len)?;
        Ok(len)
    }
}
