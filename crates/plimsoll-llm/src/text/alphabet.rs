//! The letters that stand for bytes in byte-level vocabularies.
//!
//! Such a vocabulary is written as text, so each byte needs a letter that can be seen: those that print stand for
//! themselves, and the others for the letters from U+0100 on, in order.

/// The letter of a byte.
pub(super) fn letter(byte: u8) -> char {
    if prints(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|byte| !prints(*byte)).count();
    // 68 bytes do not print, so this is always a letter.
    u32::try_from(before).ok().and_then(|before| char::from_u32(0x100 + before)).unwrap_or('?')
}

const fn prints(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff)
}

/// All letters, to find bytes by.
#[derive(Clone, Debug)]
pub(super) struct Alphabet {
    /// The byte of each letter below U+0144.
    bytes: [Option<u8>; 0x144],
}

impl Alphabet {
    pub(super) fn new() -> Self {
        let mut bytes = [None; 0x144];
        for byte in 0..=u8::MAX {
            if let Some(place) = bytes.get_mut(letter(byte) as usize) {
                *place = Some(byte);
            }
        }
        Self { bytes }
    }

    /// The bytes that a text of such letters stands for; none if there are others in it.
    pub(super) fn bytes(&self, text: &str) -> Option<Box<[u8]>> {
        text.chars().map(|letter| self.bytes.get(letter as usize).copied().flatten()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_a_letter_of_its_own() {
        let alphabet = Alphabet::new();
        let text: String = (0..=u8::MAX).map(letter).collect();
        let bytes: Vec<u8> = (0..=u8::MAX).collect();
        assert_eq!(alphabet.bytes(&text).as_deref(), Some(&bytes[..]));
        assert_eq!((letter(b' '), letter(b'\n'), letter(0xad)), ('Ġ', 'Ċ', 'Ń'));
        assert_eq!(alphabet.bytes("a b"), None);
    }
}
