//! Lines from a peer that is not trusted to end them.

use std::io::{self, BufRead, BufReader, ErrorKind, Read};

/// A sample is some kilobytes; whoever sends so much without a line end sends no samples.
const LONGEST: usize = 16 << 20;

/// Reads whole lines; a time-out in the middle of one loses nothing.
pub(super) struct Lines {
    reader: BufReader<Box<dyn Read + Send>>,
    line: Vec<u8>,
}

impl Lines {
    pub(super) fn new(reader: Box<dyn Read + Send>) -> Self {
        Self { reader: BufReader::new(reader), line: Vec::new() }
    }

    /// The next line without its end; `None` is the end. What stands before the end without a line end is lost: it was
    /// cut.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let buffered = match self.reader.fill_buf() {
                Ok(buffered) => buffered,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if buffered.is_empty() {
                return Ok(None);
            }
            let end = buffered.iter().position(|&byte| byte == b'\n');
            let taken = end.unwrap_or(buffered.len());
            self.line.extend_from_slice(&buffered[..taken]);
            self.reader.consume(taken + usize::from(end.is_some()));
            if end.is_some() {
                return Ok(Some(std::mem::take(&mut self.line)));
            }
            if self.line.len() > LONGEST {
                return Err(io::Error::new(ErrorKind::InvalidData, "a line that does not end"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_is_no_line() {
        let mut lines = Lines::new(Box::new(&b"one\n\ntwo\nthr"[..]));
        assert_eq!(lines.next().unwrap().unwrap(), b"one");
        assert_eq!(lines.next().unwrap().unwrap(), b"");
        assert_eq!(lines.next().unwrap().unwrap(), b"two");
        assert!(lines.next().unwrap().is_none());
    }

    #[test]
    fn a_line_without_an_end_is_not_kept_for_ever() {
        let mut lines = Lines::new(Box::new(io::repeat(b'x')));
        assert_eq!(lines.next().unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
