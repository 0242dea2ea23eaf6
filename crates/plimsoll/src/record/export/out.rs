//! A buffer that writes numbers and texts quickly and hands them on in large pieces.

use std::io::{self, Write};

use super::Exported;

const PIECE: usize = 128 << 10;

/// Where an export goes.
#[derive(Debug)]
pub(super) struct Out<W> {
    to: W,
    buffer: Vec<u8>,
    exported: Exported,
}

impl<W: Write> Out<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, buffer: Vec::with_capacity(PIECE + 4096), exported: Exported::default() }
    }

    /// Text or bytes as they are.
    pub(super) fn raw(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.buffer.extend_from_slice(bytes.as_ref());
        self
    }

    /// A number in decimal.
    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        let mut digits = [0_u8; 20];
        let mut at = digits.len();
        let mut rest = number;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.buffer.extend_from_slice(&digits[at..]);
        self
    }

    /// A number in decimal with so many digits at least.
    pub(super) fn padded(&mut self, number: u64, digits: usize) -> &mut Self {
        let mut power = 10_u64;
        for _ in 1..digits {
            if number < power {
                self.buffer.push(b'0');
            }
            power = power.saturating_mul(10);
        }
        self.number(number)
    }

    /// A number as `0x…`.
    pub(super) fn hex(&mut self, number: u64) -> &mut Self {
        self.raw("0x");
        let digits = (u64::BITS - number.leading_zeros()).div_ceil(4).max(1);
        for digit in (0..digits).rev() {
            let four = (number >> (4 * digit) & 0xf) as usize;
            self.buffer.push(b"0123456789abcdef"[four]);
        }
        self
    }

    /// A text as JSON, quotes included.
    pub(super) fn json(&mut self, text: &str) -> &mut Self {
        self.buffer.push(b'"');
        for byte in text.bytes() {
            match byte {
                b'"' | b'\\' => self.buffer.extend_from_slice(&[b'\\', byte]),
                0..0x20 => {
                    let four = |half: u8| b"0123456789abcdef"[usize::from(half & 0xf)];
                    self.buffer.extend_from_slice(&[b'\\', b'u', b'0', b'0', four(byte >> 4), four(byte)]);
                }
                _ => self.buffer.push(byte),
            }
        }
        self.buffer.push(b'"');
        self
    }

    /// The end of a row or an entry.
    pub(super) fn row(&mut self) -> io::Result<()> {
        self.exported.rows += 1;
        if self.buffer.len() < PIECE { Ok(()) } else { self.hand_on() }
    }

    fn hand_on(&mut self) -> io::Result<()> {
        self.to.write_all(&self.buffer)?;
        self.exported.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<Exported> {
        self.hand_on()?;
        self.to.flush()?;
        Ok(self.exported)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Out<&mut Vec<u8>>)) -> String {
        let mut target = Vec::new();
        let mut out = Out::new(&mut target);
        write(&mut out);
        out.finish().unwrap();
        String::from_utf8(target).unwrap()
    }

    #[test]
    fn numbers_are_as_the_standard_library_writes_them() {
        for number in [0, 1, 9, 10, 15, 16, 99, 100, 255, 4096, 123_456_789, u64::MAX] {
            let ours = written(|out| {
                out.number(number).raw(" ").hex(number).raw(" ").padded(number, 6);
            });
            assert_eq!(ours, format!("{number} {number:#x} {number:06}"));
        }
    }

    #[test]
    fn texts_are_json() {
        for text in ["", "plain", "a \"quote\" \\ \n\t\u{1}", "größer 🚢", "</script>"] {
            let ours = written(|out| {
                out.json(text);
            });
            assert_eq!(serde_json::from_str::<String>(&ours).unwrap(), text, "{ours}");
        }
    }
}
