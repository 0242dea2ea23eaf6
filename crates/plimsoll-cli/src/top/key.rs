//! Keys, and how terminals send them.

/// A key that means something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A letter or sign.
    Char(char),
    /// Arrow up.
    Up,
    /// Arrow down.
    Down,
    /// Arrow left.
    Left,
    /// Arrow right.
    Right,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
    /// The first.
    Home,
    /// The last.
    End,
    /// Return.
    Enter,
    /// Escape alone.
    Escape,
    /// Tab.
    Tab,
    /// Tab with shift.
    BackTab,
    /// Control with a letter.
    Control(char),
}

/// Turns what a terminal sends into keys. A sequence may come in pieces.
#[derive(Debug, Default)]
pub struct Keys {
    pending: Vec<u8>,
}

/// No sequence is longer: what goes on without an end is not one.
const LONGEST: usize = 32;

impl Keys {
    /// Takes bytes and gives the keys that are whole.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Key> {
        self.pending.extend_from_slice(bytes);
        let mut keys = Vec::new();
        while let Some((key, used)) = first(&self.pending) {
            self.pending.drain(..used);
            keys.extend(key);
        }
        if self.pending.len() > LONGEST {
            self.pending.clear();
        }
        keys
    }

    /// Whether a sequence has begun and not ended.
    pub const fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Nothing more came for a while: an escape on its own is the key.
    pub fn settle(&mut self) -> Option<Key> {
        let alone = self.pending == [0x1b];
        self.pending.clear();
        alone.then_some(Key::Escape)
    }
}

/// The first key, if it means something, and how many bytes it took; `None` while it is not whole.
fn first(bytes: &[u8]) -> Option<(Option<Key>, usize)> {
    let (&byte, rest) = bytes.split_first()?;
    match byte {
        b'\r' | b'\n' => Some((Some(Key::Enter), 1)),
        b'\t' => Some((Some(Key::Tab), 1)),
        0x1b => sequence(rest).map(|(key, used)| (key, used + 1)),
        1..=26 => Some((Some(Key::Control(char::from(byte + b'a' - 1))), 1)),
        0x7f | 0 | 0x1c..=0x1f => Some((None, 1)),
        byte if byte.is_ascii() => Some((Some(Key::Char(char::from(byte))), 1)),
        _ => letter(bytes),
    }
}

/// A letter beyond ASCII, in UTF-8.
fn letter(bytes: &[u8]) -> Option<(Option<Key>, usize)> {
    let length = match bytes[0] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Some((None, 1)),
    };
    let text = bytes.get(..length)?;
    Some(match std::str::from_utf8(text) {
        Ok(text) => (text.chars().next().map(Key::Char), length),
        Err(_) => (None, 1),
    })
}

/// What follows an escape.
fn sequence(rest: &[u8]) -> Option<(Option<Key>, usize)> {
    match rest.first()? {
        b'O' => Some((arrow(*rest.get(1)?), 2)),
        b'[' => {
            let end = rest[1..].iter().position(|byte| (0x40..=0x7e).contains(byte))? + 1;
            let key = match (rest[end], &rest[1..end]) {
                (b'~', b"1" | b"7") => Some(Key::Home),
                (b'~', b"4" | b"8") => Some(Key::End),
                (b'~', b"5") => Some(Key::PageUp),
                (b'~', b"6") => Some(Key::PageDown),
                (b'Z', _) => Some(Key::BackTab),
                (last, b"") => arrow(last),
                _ => None,
            };
            Some((key, end + 1))
        }
        // Escape, and then something else.
        0x1b => Some((Some(Key::Escape), 0)),
        // Alt with a key means nothing here.
        _ => Some((None, 1)),
    }
}

const fn arrow(letter: u8) -> Option<Key> {
    match letter {
        b'A' => Some(Key::Up),
        b'B' => Some(Key::Down),
        b'C' => Some(Key::Right),
        b'D' => Some(Key::Left),
        b'H' => Some(Key::Home),
        b'F' => Some(Key::End),
        b'M' => Some(Key::Enter),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_as_terminals_send_them() {
        let keys = |bytes: &[u8]| Keys::default().take(bytes);
        assert_eq!(keys(b"q "), [Key::Char('q'), Key::Char(' ')]);
        assert_eq!(keys(b"\r\t\x03"), [Key::Enter, Key::Tab, Key::Control('c')]);
        assert_eq!(keys(b"\x1b[A\x1bOB\x1b[C\x1b[D"), [Key::Up, Key::Down, Key::Right, Key::Left]);
        assert_eq!(keys(b"\x1b[5~\x1b[6~\x1b[Z"), [Key::PageUp, Key::PageDown, Key::BackTab]);
        assert_eq!(keys("é".as_bytes()), [Key::Char('é')]);
        assert_eq!(keys(b"\x1b[<0;10;10M\x1b[3~\xff\x00j"), [Key::Char('j')], "what means nothing is passed");
    }

    #[test]
    fn a_sequence_may_come_in_pieces_and_an_escape_alone() {
        let mut keys = Keys::default();
        assert_eq!(keys.take(b"\x1b"), []);
        assert!(keys.is_waiting());
        assert_eq!(keys.take(b"["), []);
        assert_eq!(keys.take(b"B"), [Key::Down]);
        assert!(!keys.is_waiting());
        assert_eq!(keys.take(b"\x1b"), []);
        assert_eq!(keys.settle(), Some(Key::Escape));
        assert_eq!(keys.take(b"\x1b["), []);
        assert_eq!(keys.settle(), None, "half a sequence is no key");
        assert_eq!(keys.take(b"k"), [Key::Char('k')]);
    }

    #[test]
    fn what_never_ends_is_not_kept() {
        let mut keys = Keys::default();
        let _ = keys.take(b"\x1b[");
        for _ in 0..100 {
            let _ = keys.take(b"111111111111");
            assert!(keys.pending.len() <= LONGEST);
        }
    }
}
