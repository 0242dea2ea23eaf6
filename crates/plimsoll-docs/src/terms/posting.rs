//! The passages that have a term: from one to the next, and how often it stands there.
//!
//! `varint(step · 2 + once)`, and where it stands there more than once, a byte that says how often.

use crate::bytes::{Cut, Take};

/// Appends a passage. `before` is the one before, or 0 at first.
#[inline]
pub(crate) fn append(out: &mut Vec<u8>, before: u32, passage: u32, times: u8) {
    let mut word = u64::from(passage - before) << 1 | u64::from(times == 1);
    let (mut bytes, mut len) = ([0; 8], 0);
    while word >= 0x80 {
        bytes[len] = (word & 0x7f) as u8 | 0x80;
        word >>= 7;
        len += 1;
    }
    bytes[len] = (word & 0x7f) as u8;
    len += 1;
    if times != 1 {
        bytes[len] = times;
        len += 1;
    }
    out.extend_from_slice(&bytes[..len]);
}

/// Goes through them.
#[derive(Clone, Debug)]
pub(crate) struct Postings<'b> {
    take: Take<'b>,
    passage: u32,
}

impl<'b> Postings<'b> {
    pub(crate) const fn new(bytes: &'b [u8]) -> Self {
        Self { take: Take::new(bytes), passage: 0 }
    }

    /// The next passage, and how often the term stands there.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<(u32, u8)>, Cut> {
        if self.take.is_empty() {
            return Ok(None);
        }
        let word = self.take.varint()?;
        let step = u32::try_from(word >> 1).map_err(|_| Cut)?;
        self.passage = self.passage.checked_add(step).ok_or(Cut)?;
        let times = if word & 1 == 1 { 1 } else { self.take.byte()? };
        Ok(Some((self.passage, times)))
    }
}
