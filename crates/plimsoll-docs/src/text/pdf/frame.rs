//! What goes through the pipe: a byte that says what it is, a length, and so many bytes.

use std::io::{self, Read, Write};

/// The most that one has.
pub(super) const MOST: usize = 32 << 10;
const HEAD: usize = 5;

/// What a process says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// It has read the file, which has so many pages.
    Pages(u64),
    /// A page begins.
    Page,
    /// Text of that page.
    Text(String),
    /// The next page cannot be read, and why.
    Skipped(String),
    /// There are no more pages.
    End,
    /// It needs a password.
    Locked,
    /// It is no PDF as they should be.
    Damaged(String),
    /// It ended where its memory did.
    Full,
}

impl Frame {
    /// Writes one.
    pub(super) fn put(&self, out: &mut impl Write) -> io::Result<()> {
        let count;
        let (what, bytes): (u8, &[u8]) = match self {
            Self::Pages(pages) => {
                count = pages.to_le_bytes();
                (0, &count)
            }
            Self::Page => (1, &[]),
            Self::Text(text) => (2, text.as_bytes()),
            Self::Skipped(why) => (3, why.as_bytes()),
            Self::End => (4, &[]),
            Self::Locked => (5, &[]),
            Self::Damaged(why) => (6, why.as_bytes()),
            Self::Full => (7, &[]),
        };
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        out.write_all(&[what])?;
        out.write_all(&len.to_le_bytes())?;
        out.write_all(bytes)
    }

    /// Reads one. Nothing where there is none any more, or none that is one.
    pub(super) fn take(from: &mut impl Read) -> Option<Self> {
        let mut head = [0; HEAD];
        from.read_exact(&mut head).ok()?;
        let [what, len @ ..] = head;
        let len = usize::try_from(u32::from_le_bytes(len)).ok().filter(|&len| len <= MOST)?;
        let mut bytes = vec![0; len];
        from.read_exact(&mut bytes).ok()?;
        let text = |bytes| String::from_utf8(bytes).ok();
        Some(match what {
            0 => Self::Pages(u64::from_le_bytes(bytes.try_into().ok()?)),
            1 => Self::Page,
            2 => Self::Text(text(bytes)?),
            3 => Self::Skipped(text(bytes)?),
            4 => Self::End,
            5 => Self::Locked,
            6 => Self::Damaged(text(bytes)?),
            7 => Self::Full,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_come_through_and_what_is_none_does_not() {
        let all = [
            Frame::Pages(7),
            Frame::Page,
            Frame::Text("größer".to_owned()),
            Frame::Skipped("so".to_owned()),
            Frame::End,
            Frame::Locked,
            Frame::Damaged(String::new()),
            Frame::Full,
        ];
        let mut bytes = Vec::new();
        for frame in &all {
            frame.put(&mut bytes).expect("memory takes it");
        }
        let mut rest = bytes.as_slice();
        for frame in all {
            assert_eq!(Frame::take(&mut rest), Some(frame));
        }
        assert_eq!(Frame::take(&mut rest), None);
        assert_eq!(Frame::take(&mut &bytes[..12]), None, "cut");
        assert_eq!(Frame::take(&mut [2, 255, 255, 255, 0].as_slice()), None, "too long");
        assert_eq!(Frame::take(&mut [2, 1, 0, 0, 0, 0xff].as_slice()), None, "no text");
        assert_eq!(Frame::take(&mut [9, 0, 0, 0, 0].as_slice()), None, "unknown");
    }
}
