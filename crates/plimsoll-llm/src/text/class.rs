//! Classes of letters, as the patterns of tokenizers ask for them.

use unicode_general_category::{GeneralCategory as G, get_general_category};

/// What a letter is, to the patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// `\p{Lu}`, `\p{Lt}`.
    Upper,
    /// `\p{Ll}`.
    Lower,
    /// `\p{Lm}`, `\p{Lo}`: letters that are neither.
    Caseless,
    /// `\p{M}`.
    Mark,
    /// `\p{N}`.
    Number,
    /// `\r` and `\n`, which are space as well.
    Line,
    /// All other space.
    Space,
    /// Everything else.
    Other,
}

impl Class {
    pub(super) fn of(letter: char) -> Self {
        match letter {
            'a'..='z' => Self::Lower,
            'A'..='Z' => Self::Upper,
            '0'..='9' => Self::Number,
            '\r' | '\n' => Self::Line,
            ' ' | '\t' | '\x0b' | '\x0c' => Self::Space,
            '\0'..='\x7f' => Self::Other,
            _ => Self::beyond(letter),
        }
    }

    /// That of a letter beyond ASCII.
    fn beyond(letter: char) -> Self {
        if letter.is_whitespace() {
            return Self::Space;
        }
        match get_general_category(letter) {
            G::UppercaseLetter | G::TitlecaseLetter => Self::Upper,
            G::LowercaseLetter => Self::Lower,
            G::ModifierLetter | G::OtherLetter => Self::Caseless,
            G::NonspacingMark | G::SpacingMark | G::EnclosingMark => Self::Mark,
            G::DecimalNumber | G::LetterNumber | G::OtherNumber => Self::Number,
            _ => Self::Other,
        }
    }

    /// `\p{L}`.
    pub(super) const fn is_letter(self) -> bool {
        matches!(self, Self::Upper | Self::Lower | Self::Caseless)
    }

    /// `\s`.
    pub(super) const fn is_space(self) -> bool {
        matches!(self, Self::Line | Self::Space)
    }
}

/// `\p{P}`.
pub(super) fn is_punctuation(letter: char) -> bool {
    matches!(
        get_general_category(letter),
        G::ConnectorPunctuation
            | G::DashPunctuation
            | G::OpenPunctuation
            | G::ClosePunctuation
            | G::InitialPunctuation
            | G::FinalPunctuation
            | G::OtherPunctuation
    )
}
