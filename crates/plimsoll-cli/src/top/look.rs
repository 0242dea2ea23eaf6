//! What this terminal can show, and how each thing looks on it.

use ratatui::style::{Color, Modifier, Style};

use crate::draw::Pen;

/// Colours, emphasis and characters. Whatever a colour says is said by a character or a word as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whether colours may be used.
    pub color: bool,
    /// Whether characters beyond ASCII may be used.
    pub unicode: bool,
    /// Whether bold, dim and reverse may be used: not on a dumb terminal.
    pub emphasis: bool,
}

impl Look {
    /// What a pen can do, on a terminal of this type.
    pub fn new(pen: &Pen, terminal: Option<&str>) -> Self {
        Self { color: pen.color, unicode: pen.unicode, emphasis: terminal != Some("dumb") }
    }

    const fn plain(self, modifier: Modifier) -> Style {
        if self.emphasis { Style::new().add_modifier(modifier) } else { Style::new() }
    }

    const fn painted(self, color: Color) -> Style {
        if self.color { Style::new().fg(color) } else { Style::new() }
    }

    /// What is only looked at when needed.
    pub const fn dim(self) -> Style {
        self.plain(Modifier::DIM)
    }

    /// Headings, and what is selected.
    pub const fn bold(self) -> Style {
        self.plain(Modifier::BOLD)
    }

    /// The one colour: what is ours.
    pub const fn accent(self) -> Style {
        self.painted(Color::Cyan)
    }

    /// Watch it.
    pub const fn warning(self) -> Style {
        self.painted(Color::Yellow)
    }

    /// It hurts.
    pub fn critical(self) -> Style {
        self.painted(Color::Red).patch(self.bold())
    }

    /// What must not be overlooked: a frozen screen, an engine that is gone.
    pub const fn notice(self) -> Style {
        self.plain(Modifier::REVERSED)
    }

    /// A level or a rating, by its word.
    pub fn of_level(self, level: &str) -> Style {
        match level {
            "critical" | "poor" => self.critical(),
            "warning" | "fair" => self.warning(),
            _ => Style::new(),
        }
    }

    /// What is ours in a place of this level.
    pub fn of_fill(self, level: &str) -> Style {
        match level {
            "critical" => self.critical(),
            "warning" => self.warning(),
            _ => self.accent(),
        }
    }

    /// The characters.
    pub const fn glyphs(self) -> &'static Glyphs {
        if self.unicode { &UNICODE } else { &ASCII }
    }
}

/// The characters that mean something. Each set tells everything apart without colours.
#[derive(Debug, PartialEq, Eq)]
pub struct Glyphs {
    /// Charged, neither idle nor pending.
    pub in_use: char,
    /// Idle in pools.
    pub cached: char,
    /// Dropped, and a device may still use it.
    pub pending: char,
    /// Nobody's.
    pub free: char,
    /// Other programs and the system.
    pub others: char,
    /// Where the line, or a limit, is.
    pub line: char,
    /// Where a guarantee ends.
    pub guarantee: char,
    /// Before what is selected.
    pub marker: char,
    /// In place of a value that is not known.
    pub absent: &'static str,
    /// Where something was cut.
    pub cut: char,
    /// Between facts.
    pub dot: char,
    /// Before an account below another.
    pub branch: &'static str,
    /// The line under a heading.
    pub rule: char,
    /// Heights of a graph's columns, the lowest first.
    pub levels: [char; 8],
}

const UNICODE: Glyphs = Glyphs {
    in_use: '█',
    cached: '▒',
    pending: '░',
    free: '·',
    others: '▚',
    line: '┃',
    guarantee: '╎',
    marker: '▸',
    absent: "–",
    cut: '…',
    dot: '·',
    branch: "└ ",
    rule: '─',
    levels: ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
};

const ASCII: Glyphs = Glyphs {
    in_use: '#',
    cached: '+',
    pending: '~',
    free: '.',
    others: 'o',
    line: '|',
    guarantee: ':',
    marker: '>',
    absent: "-",
    cut: '~',
    dot: '-',
    branch: "` ",
    rule: '-',
    levels: ['_', '.', ':', '-', '=', '+', '*', '#'],
};
