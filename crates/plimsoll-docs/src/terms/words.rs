//! A text's terms: what two texts must have in common so that one is found by the other.
//!
//! A term is a run of letters and digits in small letters, less an English plural's ending. A name in camel case is a term, and so
//! are its parts. Where words are not parted by anything (Chinese, Japanese), each two signs that stand together are a term.

/// Bytes of a term at most; what is longer is no word.
pub(crate) const TERM_MOST: usize = 64;

const OTHER: u8 = 0;
const SMALL: u8 = 1;
const LARGE: u8 = 2;
const BEYOND: u8 = 3;

/// What each byte is.
const CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [OTHER; 256];
    let mut byte = 0_u8;
    loop {
        classes[byte as usize] = match byte {
            b'a'..=b'z' | b'0'..=b'9' => SMALL,
            b'A'..=b'Z' => LARGE,
            0x80.. => BEYOND,
            _ => OTHER,
        };
        if byte == u8::MAX {
            return classes;
        }
        byte += 1;
    }
}

/// A word that is being read.
struct Word {
    bytes: [u8; TERM_MOST],
    len: usize,
    /// Longer than a term may be.
    over: bool,
}

impl Word {
    #[inline]
    fn push(&mut self, byte: u8) {
        if self.len < TERM_MOST {
            self.bytes[self.len] = byte;
            self.len += 1;
        } else {
            self.over = true;
        }
    }

    fn push_all(&mut self, text: &str) {
        text.bytes().for_each(|byte| self.push(byte));
    }

    #[inline]
    fn tell(&mut self, told: &mut impl FnMut(&[u8])) {
        if self.len > 0 && !self.over {
            tell(&mut self.bytes, self.len, told);
        }
        self.len = 0;
        self.over = false;
    }
}

/// Tells each term of a text, in order.
#[inline]
pub(crate) fn each_term(text: &str, mut told: impl FnMut(&[u8])) {
    let bytes = text.as_bytes();
    let mut word = Word { bytes: [0; TERM_MOST], len: 0, over: false };
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match CLASS[byte as usize] {
            OTHER => at += 1,
            BEYOND => at = beyond(text, at, &mut word, &mut told),
            _ => at = plain(text, at, &mut word, &mut told),
        }
    }
}

/// A word that begins in ASCII. Says where it ends.
#[inline]
fn plain(text: &str, from: usize, word: &mut Word, told: &mut impl FnMut(&[u8])) -> usize {
    let bytes = text.as_bytes();
    let mut at = from;
    let mut humps = false;
    let mut before = OTHER;
    while let Some(&byte) = bytes.get(at) {
        let class = CLASS[byte as usize];
        match class {
            SMALL => word.push(byte),
            LARGE => {
                humps |= before == SMALL;
                word.push(byte | 0x20);
            }
            OTHER => break,
            _ => return beyond(text, at, word, told),
        }
        before = class;
        at += 1;
    }
    word.tell(told);
    if humps {
        parts(&bytes[from..at], told);
    }
    at
}

/// The parts of a name in camel case.
fn parts(name: &[u8], told: &mut impl FnMut(&[u8])) {
    let mut word = Word { bytes: [0; TERM_MOST], len: 0, over: false };
    let mut before = OTHER;
    for &byte in name {
        let class = CLASS[byte as usize];
        if class == LARGE && before == SMALL {
            word.tell(told);
        }
        word.push(byte.to_ascii_lowercase());
        before = class;
    }
    word.tell(told);
}

/// A word that goes on beyond ASCII, or signs of a script without spaces. Says where it ends.
fn beyond(text: &str, from: usize, word: &mut Word, told: &mut impl FnMut(&[u8])) -> usize {
    let mut signs = Signs::default();
    for (offset, sign) in text[from..].char_indices() {
        if is_dense(sign) {
            word.tell(told);
            signs.next(sign, told);
            continue;
        }
        signs.end(told);
        if sign.is_alphanumeric() {
            for small in sign.to_lowercase() {
                word.push_all(small.encode_utf8(&mut [0; 4]));
            }
        } else {
            word.tell(told);
            return from + offset + sign.len_utf8();
        }
    }
    signs.end(told);
    word.tell(told);
    text.len()
}

/// Signs that stand together.
#[derive(Default)]
struct Signs {
    last: Option<char>,
    paired: bool,
}

impl Signs {
    fn next(&mut self, sign: char, told: &mut impl FnMut(&[u8])) {
        if let Some(last) = self.last {
            let mut bytes = [0; 8];
            let first = last.encode_utf8(&mut bytes).len();
            let second = sign.encode_utf8(&mut bytes[first..]).len();
            told(&bytes[..first + second]);
            self.paired = true;
        }
        self.last = Some(sign);
    }

    fn end(&mut self, told: &mut impl FnMut(&[u8])) {
        if let (Some(alone), false) = (self.last, self.paired) {
            told(alone.encode_utf8(&mut [0; 4]).as_bytes());
        }
        *self = Self::default();
    }
}

/// Whether words of its script are not parted by spaces.
const fn is_dense(sign: char) -> bool {
    matches!(sign, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// Tells a word, less a plural's ending: words and their plurals become the same, which need be no word.
#[inline]
fn tell(word: &mut [u8; TERM_MOST], len: usize, told: &mut impl FnMut(&[u8])) {
    let mut len = len;
    if len > 3 && word[len - 1] == b's' && !matches!(word[len - 2], b's' | b'u' | b'i') {
        len -= 1;
        if len > 3 && word[len - 2] == b'i' && word[len - 1] == b'e' {
            word[len - 2] = b'y';
            len -= 1;
        }
    }
    // "boxes" and "box", "caches" and "cache": what comes before tells nothing of whether there was an "e".
    if len > 3 && word[len - 1] == b'e' && matches!(word[len - 2], b'h' | b's' | b'x' | b'z') {
        len -= 1;
    }
    told(&word[..len]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(text: &str) -> Vec<String> {
        let mut terms = Vec::new();
        each_term(text, |term| terms.push(String::from_utf8(term.to_vec()).expect("text")));
        terms
    }

    #[test]
    fn words_are_small_and_one_of_them() {
        assert_eq!(terms("The Caches, queries & boxes: glass!"), ["the", "cach", "query", "box", "glass"]);
        assert_eq!(terms("a cache"), ["a", "cach"]);
        assert_eq!(
            terms("boxes box match matches sizes size use uses"),
            ["box", "box", "match", "match", "siz", "siz", "use", "use"]
        );
        assert_eq!(terms("plimsoll_vec::Index v1.95"), ["plimsoll", "vec", "index", "v1", "95"]);
        assert!(terms(" \n\t--").is_empty());
    }

    #[test]
    fn names_are_found_whole_and_by_their_parts() {
        assert_eq!(terms("PageTable"), ["pagetable", "page", "table"]);
        assert_eq!(terms("HTTP"), ["http"]);
    }

    #[test]
    fn other_scripts() {
        assert_eq!(terms("Größe ÜBER naïve"), ["größe", "über", "naïve"]);
        assert_eq!(terms("記憶の線 x"), ["記憶", "憶の", "の線", "x"]);
        assert_eq!(terms("線, Привет"), ["線", "привет"]);
        assert_eq!(terms("Speicher線"), ["speicher", "線"]);
    }

    #[test]
    fn what_is_too_long_is_no_word() {
        let long = "x".repeat(TERM_MOST + 1);
        assert_eq!(terms(&format!("a {long} b")), ["a", "b"]);
        let most = "x".repeat(TERM_MOST);
        assert_eq!(terms(&most).as_slice(), std::slice::from_ref(&most));
    }
}
