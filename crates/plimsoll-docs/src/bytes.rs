//! Numbers and texts as bytes, and back.

/// What ended too early, or is no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut;

/// Seven bits a byte, the lowest first; the eighth says that more follow.
#[inline]
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_slice(out, text.as_bytes());
}

pub(crate) fn put_slice(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// What is left to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Take<'b> {
    rest: &'b [u8],
}

impl<'b> Take<'b> {
    pub(crate) const fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Bytes that are left.
    pub(crate) const fn left(&self) -> usize {
        self.rest.len()
    }

    /// Whether nothing is left.
    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, Cut> {
        let mut value = 0_u64;
        for (index, &byte) in self.rest.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.rest = &self.rest[index + 1..];
                return Ok(value);
            }
        }
        Err(Cut)
    }

    /// A number that counts things in memory.
    pub(crate) fn count(&mut self) -> Result<usize, Cut> {
        usize::try_from(self.varint()?).map_err(|_| Cut)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Cut> {
        Ok(self.bytes(1)?[0])
    }

    pub(crate) fn word(&mut self) -> Result<u32, Cut> {
        let bytes = self.bytes(4)?.try_into().map_err(|_| Cut)?;
        Ok(u32::from_le_bytes(bytes))
    }

    pub(crate) fn long(&mut self) -> Result<u64, Cut> {
        let bytes = self.bytes(8)?.try_into().map_err(|_| Cut)?;
        Ok(u64::from_le_bytes(bytes))
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'b [u8], Cut> {
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or(Cut)?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(crate) fn slice(&mut self) -> Result<&'b [u8], Cut> {
        let count = self.count()?;
        self.bytes(count)
    }

    pub(crate) fn text(&mut self) -> Result<&'b str, Cut> {
        std::str::from_utf8(self.slice()?).map_err(|_| Cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_what_is_cut_is_told() {
        let numbers = [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX];
        let mut bytes = Vec::new();
        for number in numbers {
            put_varint(&mut bytes, number);
        }
        put_text(&mut bytes, "größer");
        let mut take = Take::new(&bytes);
        for number in numbers {
            assert_eq!(take.varint(), Ok(number));
        }
        assert_eq!(take.text(), Ok("größer"));
        assert!(take.is_empty());
        assert_eq!(take.byte(), Err(Cut));
        assert_eq!(Take::new(&[0xff; 11]).varint(), Err(Cut));
        assert_eq!(Take::new(&[5, b'a']).text(), Err(Cut));
    }
}
