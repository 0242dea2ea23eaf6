//! One token of a vocabulary.

/// What sort of token it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A piece of text.
    Normal,
    /// Stands for what has no token.
    Unknown,
    /// Says something about the text and is none.
    Control,
    /// A piece of text that is always one token.
    User,
    /// A byte of what has no token.
    Byte,
}

impl Kind {
    /// By GGUF's number. What is unused is a piece of text like any other, and what is not known is taken for one.
    pub(super) const fn of_gguf(number: u32) -> Self {
        match number {
            2 => Self::Unknown,
            3 => Self::Control,
            4 => Self::User,
            6 => Self::Byte,
            _ => Self::Normal,
        }
    }

    /// Whether it is part of texts that are shown.
    pub(super) const fn is_text(self) -> bool {
        matches!(self, Self::Normal | Self::User | Self::Byte)
    }
}

/// A token.
#[derive(Clone, Debug)]
pub(super) struct Word {
    /// What it stands for; the name of one that is no text.
    pub(super) bytes: Box<[u8]>,
    pub(super) kind: Kind,
}

/// The byte of a name like `<0x0A>`.
pub(super) fn byte_of(name: &str) -> Option<u8> {
    let digits = name.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2).then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}
