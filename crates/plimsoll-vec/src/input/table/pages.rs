//! How large the pages of a Parquet file are: their heads are gone through without reading what they hold.
//!
//! A head says its page's size in the file and unpacked, in Thrift's compact protocol; nothing else of it is looked at.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// What is read of a head at first, and the most that one may be.
const HEAD: usize = 256;
const HEAD_MOST: usize = 1 << 20;
/// How deep what is passed over may be nested.
const DEPTH: usize = 16;
/// The kind of a page that holds a dictionary.
const DICTIONARY: i64 = 2;

/// What decoding the pages of a chunk takes: the dictionary as it comes and as it is kept, a page that was unpacked, and the
/// next one packed and unpacked.
pub(super) fn chunk_bytes(file: &File, start: u64, length: u64) -> io::Result<u64> {
    let (mut at, end) = (start, start.saturating_add(length));
    let (mut dictionary, mut most) = (0, 0);
    while at < end {
        let page = page(file, at, end)?;
        if page.kind == DICTIONARY {
            dictionary += page.packed + page.unpacked * 2;
        } else {
            most = most.max(page.packed + page.unpacked * 2);
        }
        at += page.head + page.packed;
    }
    Ok(dictionary + most)
}

/// What the head of a page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Page {
    kind: i64,
    unpacked: u64,
    packed: u64,
    /// Bytes of the head itself.
    head: u64,
}

fn page(file: &File, at: u64, end: u64) -> io::Result<Page> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, format!("the page at byte {at} is damaged"));
    let mut size = HEAD;
    loop {
        let left = usize::try_from(end - at).unwrap_or(usize::MAX);
        let mut head = vec![0; size.min(left)];
        file.read_exact_at(&mut head, at)?;
        if let Some(page) = (Thrift { bytes: &head, at: 0 }).page() {
            let fits = page.packed <= end - at - page.head.min(end - at);
            return if fits { Ok(page) } else { Err(wrong()) };
        }
        if size >= left || size >= HEAD_MOST {
            return Err(wrong());
        }
        size *= 8;
    }
}

/// Reads Thrift's compact protocol. None: it goes on behind what there is, or makes no sense.
struct Thrift<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl Thrift<'_> {
    fn page(&mut self) -> Option<Page> {
        let (mut kind, mut unpacked, mut packed) = (None, None, None);
        let mut field = 0;
        while let Some(sort) = self.field(&mut field)? {
            match field {
                1 => kind = Some(self.number()?),
                2 => unpacked = Some(u64::try_from(self.number()?).ok()?),
                3 => packed = Some(u64::try_from(self.number()?).ok()?),
                _ => self.skip(sort, DEPTH)?,
            }
        }
        Some(Page { kind: kind?, unpacked: unpacked?, packed: packed?, head: self.at as u64 })
    }

    /// The sort of the next field, whose number follows from the last one's; none at the end of the struct.
    #[expect(clippy::option_option, reason = "the end of a struct is no failure")]
    fn field(&mut self, last: &mut i64) -> Option<Option<u8>> {
        let byte = self.byte()?;
        if byte == 0 {
            return Some(None);
        }
        *last = match byte >> 4 {
            0 => self.number()?,
            step => last.checked_add(step.into())?,
        };
        Some(Some(byte & 15))
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn unsigned(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn number(&mut self) -> Option<i64> {
        let zigzag = self.unsigned()?;
        Some((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
    }

    fn pass(&mut self, bytes: u64) -> Option<()> {
        self.at = self.at.checked_add(usize::try_from(bytes).ok()?)?;
        (self.at <= self.bytes.len()).then_some(())
    }

    fn skip(&mut self, sort: u8, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match sort {
            // Truth stands in the sort.
            1 | 2 => Some(()),
            3 => self.pass(1),
            4..=6 => self.unsigned().map(drop),
            7 => self.pass(8),
            8 => {
                let bytes = self.unsigned()?;
                self.pass(bytes)
            }
            9 | 10 => {
                let head = self.byte()?;
                let count = if head >> 4 == 15 { self.unsigned()? } else { u64::from(head >> 4) };
                (0..count).try_for_each(|_| self.entry(head & 15, depth))
            }
            11 => {
                let count = self.unsigned()?;
                let sorts = if count > 0 { self.byte()? } else { 0 };
                (0..count).try_for_each(|_| {
                    self.entry(sorts >> 4, depth)?;
                    self.entry(sorts & 15, depth)
                })
            }
            12 => {
                let mut field = 0;
                while let Some(sort) = self.field(&mut field)? {
                    self.skip(sort, depth)?;
                }
                Some(())
            }
            _ => None,
        }
    }

    /// Within a list truth takes a byte.
    fn entry(&mut self, sort: u8, depth: usize) -> Option<()> {
        if matches!(sort, 1 | 2) { self.pass(1) } else { self.skip(sort, depth) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_past_everything_else() {
        // kind 0, 100 unpacked, 60 packed, a struct with a list of two strings and a truth, the end.
        let bytes = [
            0x15, 0x00, 0x15, 0xc8, 0x01, 0x15, 0x78, 0x2c, 0x19, 0x28, 1, b'a', 2, b'b', b'c', 0x11, 0, 0,
            99,
        ];
        let page = Page { kind: 0, unpacked: 100, packed: 60, head: 18 };
        assert_eq!(Thrift { bytes: &bytes, at: 0 }.page(), Some(page));
        for cut in 0..18 {
            assert_eq!(Thrift { bytes: &bytes[..cut], at: 0 }.page(), None, "cut at {cut}");
        }
        let deep = [vec![0x15, 0, 0x15, 0, 0x15, 0], vec![0x1c; 100]].concat();
        assert_eq!(Thrift { bytes: &deep, at: 0 }.page(), None);
    }
}
