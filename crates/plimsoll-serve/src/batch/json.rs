//! A text that is to be one JSON object, byte by byte: what may follow, and whether it may end. Pure.
//!
//! It is a stack machine over what is open. Strings are taken byte by byte; that they are UTF-8 is the tokenizer's.

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// The object itself.
    Begin,
    /// A value.
    Value,
    /// A value or the end of an array that has none yet.
    ValueOrEnd,
    /// A key or the end of an object that has none yet.
    KeyOrEnd,
    /// A key.
    Key,
    /// The colon behind a key.
    Colon,
    /// A comma, or the end of what is open.
    CommaOrEnd,
    /// Inside a string; whether it is a key.
    Text(bool),
    /// Behind a backslash.
    Escape(bool),
    /// So many digits of a code are missing.
    Code(bool, u8),
    /// The rest of a literal.
    Word(&'static [u8]),
    /// Inside a number.
    Number(Digits),
    /// Nothing but blanks.
    End,
}

/// How far a number has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Digits {
    Sign,
    Zero,
    Whole,
    Point,
    Fraction,
    Power,
    Signed,
    Exponent,
}

impl Digits {
    /// What another byte makes of it.
    const fn then(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Sign, b'0') => Self::Zero,
            (Self::Sign | Self::Whole, b'0'..=b'9') => Self::Whole,
            (Self::Zero | Self::Whole, b'.') => Self::Point,
            (Self::Point | Self::Fraction, b'0'..=b'9') => Self::Fraction,
            (Self::Zero | Self::Whole | Self::Fraction, b'e' | b'E') => Self::Power,
            (Self::Power, b'+' | b'-') => Self::Signed,
            (Self::Power | Self::Signed | Self::Exponent, b'0'..=b'9') => Self::Exponent,
            _ => return None,
        })
    }

    const fn may_end(self) -> bool {
        matches!(self, Self::Zero | Self::Whole | Self::Fraction | Self::Exponent)
    }
}

/// Objects and arrays in each other at most: no text needs more, and a model that only opens would never end.
const DEPTH: u32 = 64;
/// Blanks in a row at most: a model that draws nothing else would never end.
const BLANKS: u16 = 64;

/// One JSON object, as far as it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Json {
    /// What is open, the innermost in the lowest bit: one for an object.
    open: u64,
    /// How many are.
    depth: u32,
    next: Next,
    blanks: u16,
}

impl Default for Json {
    fn default() -> Self {
        Self { open: 0, depth: 0, next: Next::Begin, blanks: 0 }
    }
}

impl Json {
    /// Whether the object is whole.
    pub fn is_whole(&self) -> bool {
        self.next == Next::End
    }

    /// Takes these bytes; false if they cannot follow, and then nothing was taken that counts.
    #[must_use]
    pub fn takes(&mut self, bytes: &[u8]) -> bool {
        bytes.iter().all(|byte| self.take(*byte))
    }

    fn take(&mut self, byte: u8) -> bool {
        match self.next {
            Next::Text(key) => return self.text(byte, key),
            Next::Escape(key) => {
                self.next = match byte {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Next::Text(key),
                    b'u' => Next::Code(key, 4),
                    _ => return false,
                };
                return true;
            }
            Next::Code(key, left) => {
                self.next = if left == 1 { Next::Text(key) } else { Next::Code(key, left - 1) };
                return byte.is_ascii_hexdigit();
            }
            Next::Word(rest) => {
                self.next = if rest.len() == 1 { self.behind() } else { Next::Word(&rest[1..]) };
                return rest[0] == byte;
            }
            Next::Number(digits) => {
                if let Some(digits) = digits.then(byte) {
                    self.next = Next::Number(digits);
                    return true;
                }
                if !digits.may_end() {
                    return false;
                }
                self.next = self.behind();
            }
            _ => {}
        }
        if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
            self.blanks += 1;
            return self.blanks <= BLANKS;
        }
        self.blanks = 0;
        self.structure(byte)
    }

    fn text(&mut self, byte: u8, key: bool) -> bool {
        self.next = match byte {
            b'"' if key => Next::Colon,
            b'"' => self.behind(),
            b'\\' => Next::Escape(key),
            0..=0x1f => return false,
            _ => Next::Text(key),
        };
        true
    }

    /// What follows a value.
    const fn behind(&self) -> Next {
        if self.depth == 0 { Next::End } else { Next::CommaOrEnd }
    }

    fn structure(&mut self, byte: u8) -> bool {
        let inside_object = (self.depth > 0).then_some(self.open & 1 == 1);
        match (self.next, byte) {
            (Next::Begin | Next::Value | Next::ValueOrEnd, b'{') => return self.opens(true),
            (Next::Value | Next::ValueOrEnd, b'[') => return self.opens(false),
            (Next::Value | Next::ValueOrEnd, _) if self.begins_value(byte) => {}
            (Next::Key | Next::KeyOrEnd, b'"') => self.next = Next::Text(true),
            (Next::Colon, b':') => self.next = Next::Value,
            (Next::CommaOrEnd, b',') => {
                self.next = if inside_object == Some(true) { Next::Key } else { Next::Value };
            }
            (Next::CommaOrEnd | Next::KeyOrEnd, b'}') if inside_object == Some(true) => self.closes(),
            (Next::CommaOrEnd | Next::ValueOrEnd, b']') if inside_object == Some(false) => self.closes(),
            _ => return false,
        }
        true
    }

    fn begins_value(&mut self, byte: u8) -> bool {
        self.next = match byte {
            b'"' => Next::Text(false),
            b't' => Next::Word(b"rue"),
            b'f' => Next::Word(b"alse"),
            b'n' => Next::Word(b"ull"),
            b'-' => Next::Number(Digits::Sign),
            b'0' => Next::Number(Digits::Zero),
            b'1'..=b'9' => Next::Number(Digits::Whole),
            _ => return false,
        };
        true
    }

    fn opens(&mut self, object: bool) -> bool {
        self.open = self.open << 1 | u64::from(object);
        self.depth += 1;
        self.next = if object { Next::KeyOrEnd } else { Next::ValueOrEnd };
        self.depth <= DEPTH
    }

    fn closes(&mut self) {
        self.open >>= 1;
        self.depth -= 1;
        self.next = self.behind();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> bool {
        let mut json = Json::default();
        json.takes(text.as_bytes()) && json.is_whole()
    }

    #[test]
    fn what_is_an_object_is_taken_and_nothing_else() {
        for good in
            ["{}", r#" {"a": 1, "b": [true, null, -0.5e+3, "x\"\u00e9"], "c": {"d": []}} "#, r#"{"ä": "ö"}"#]
        {
            assert!(whole(good), "{good}");
            assert!(serde_json::from_str::<serde_json::Value>(good).is_ok(), "{good}");
        }
        for bad in [
            "[]",
            "1",
            "{",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{"a":01}"#,
            r#"{"a":1]"#,
            r#"{"a":tru}"#,
            "{} {",
            r#"{"a":-}"#,
            r#"{"a":1.}"#,
            "{\"a\":\"\n\"}",
            r#"{"a":"\x"}"#,
            r#"{"a":"\u12g4"}"#,
        ] {
            assert!(!whole(bad), "{bad}");
        }
    }

    #[test]
    fn it_agrees_with_a_parser_on_every_cut_and_change_of_a_text() {
        let text = r#"{"k":[1,2.5e-3,{"x":"y\\z"}],"t":true,"n":null}"#.as_bytes();
        for at in 0..text.len() {
            for byte in [b'"', b'{', b'}', b'[', b']', b',', b':', b'0', b'e', b't', b' '] {
                let mut changed = text.to_vec();
                changed[at] = byte;
                let Ok(changed) = String::from_utf8(changed) else { continue };
                let parsed =
                    serde_json::from_str::<serde_json::Value>(&changed).is_ok_and(|value| value.is_object());
                assert_eq!(whole(&changed), parsed, "{changed}");
            }
        }
    }

    #[test]
    fn what_would_never_end_is_ended() {
        assert!(!Json::default().takes(&[b' '; 100]));
        let deep = r#"{"a":"#.repeat(100);
        assert!(!Json::default().takes(deep.as_bytes()));
    }
}
