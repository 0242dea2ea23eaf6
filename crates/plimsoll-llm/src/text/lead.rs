//! The space that vocabularies put before a text, so that its first word is like all others.

use std::borrow::Cow;

/// The letter that stands for a space in vocabularies of this kind.
pub(super) const SPACE: char = '▁';

/// Which texts get one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Lead {
    /// None.
    #[default]
    Never,
    /// Each piece of text between special tokens.
    Each,
    /// Each that has none already.
    EachUnless,
    /// The one with which the text begins, if it has none already.
    First,
}

impl Lead {
    /// A piece of text with what it gets. `start` says whether the text begins with it.
    pub(super) fn before(self, text: Cow<'_, str>, start: bool) -> Cow<'_, str> {
        let wanted = match self {
            Self::Never => false,
            Self::Each => true,
            Self::EachUnless => !text.starts_with(' '),
            Self::First => start && !text.starts_with(' '),
        };
        if wanted && !text.is_empty() { Cow::Owned(format!(" {text}")) } else { text }
    }
}
