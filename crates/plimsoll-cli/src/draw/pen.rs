//! What the reader's screen can show.

/// How something is emphasized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Not at all.
    #[default]
    Plain,
    /// Headings.
    Bold,
    /// What is only looked at when needed.
    Dim,
    /// All is well.
    Good,
    /// Watch it.
    Warn,
    /// It hurts.
    Bad,
    /// What is promised.
    Accent,
}

impl Style {
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Good => "32",
            Self::Warn => "33",
            Self::Bad => "31",
            Self::Accent => "36",
        }
    }

    /// How full something is.
    pub fn of_fill(share: f64) -> Self {
        match share {
            share if share >= 0.95 => Self::Bad,
            share if share >= 0.85 => Self::Warn,
            _ => Self::Good,
        }
    }
}

/// Colours, characters and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pen {
    /// Whether colours may be used.
    pub color: bool,
    /// Whether characters beyond ASCII may be used.
    pub unicode: bool,
    /// How many columns there are.
    pub width: usize,
}

impl Pen {
    /// The text in a style.
    pub fn paint(&self, style: Style, text: &str) -> String {
        if !self.color || style == Style::Plain || text.is_empty() {
            return text.to_owned();
        }
        format!("\u{1b}[{}m{text}\u{1b}[0m", style.code())
    }

    /// The first where the screen can show it, else the second.
    pub const fn either(&self, unicode: &'static str, ascii: &'static str) -> &'static str {
        if self.unicode { unicode } else { ascii }
    }
}
