//! JSON out of a range of a source, within bounds.

use std::io::{self, BufReader, Read};

use crate::read::Source;

/// How much is read at once.
const BUFFER: usize = 64 * 1024;
/// The longest text within JSON. What programs for training write of themselves reaches some hundred KB.
const TEXT_MAX: u64 = 2 << 20;
/// Objects and arrays within each other.
const DEPTH_MAX: u32 = 64;

/// A range of a source as JSON whose texts and depth are bounded, so that whoever parses it holds little.
pub(in crate::read) fn json(source: &dyn Source, start: u64, end: u64) -> BufReader<impl Read + use<'_>> {
    BufReader::with_capacity(BUFFER, Guard { source, at: start, end, depth: 0, text: None, escaped: false })
}

struct Guard<'s> {
    source: &'s dyn Source,
    at: u64,
    end: u64,
    depth: u32,
    /// The length so far of the text that the next byte is within.
    text: Option<u64>,
    /// Whether the next byte follows a backslash.
    escaped: bool,
}

impl Read for Guard<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let count = into.len().min(left);
        let part = into.get_mut(..count).unwrap_or_default();
        self.source.read_at(self.at, part)?;
        self.at = self.at.saturating_add(count as u64);
        for byte in part {
            self.pass(*byte)?;
        }
        Ok(count)
    }
}

impl Guard<'_> {
    fn pass(&mut self, byte: u8) -> io::Result<()> {
        let refuse = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidData, what));
        if let Some(len) = &mut self.text {
            *len += 1;
            if *len > TEXT_MAX {
                return refuse("a text of more than 2 MiB, which no model needs");
            }
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.text = None,
                _ => {}
            }
            return Ok(());
        }
        match byte {
            b'"' => self.text = Some(0),
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        if self.depth > DEPTH_MAX { refuse("objects within objects, more than 64 deep") } else { Ok(()) }
    }
}
