//! Panels: a heading that names the columns, and rows under it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::top::look::Look;
use crate::top::words::{left, right};

/// How a column's cells stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
    /// Takes the room that is left.
    Fill,
}

/// One column. `rank` says which go first when there is no room: the highest; 0 stays.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name, by which cells are asked for.
    pub title: &'static str,
    /// Its width; the least for one that fills.
    pub width: usize,
    /// How its cells stand.
    pub align: Align,
    /// When it goes.
    pub rank: u8,
}

/// A column of words.
pub const fn words(title: &'static str, width: usize, rank: u8) -> Column {
    Column { title, width, align: Align::Left, rank }
}

/// A column of numbers.
pub const fn numbers(title: &'static str, width: usize, rank: u8) -> Column {
    Column { title, width, align: Align::Right, rank }
}

/// A column that takes what is left, and at least so much.
pub const fn filling(title: &'static str, width: usize) -> Column {
    Column { title, width, align: Align::Fill, rank: 0 }
}

/// The columns that fit, wide as they are to be, in the order in which they were given.
pub fn fitted(columns: &[Column], width: usize) -> Vec<Column> {
    let mut columns = columns.to_vec();
    // A bar that is too short says nothing: it comes before the less important columns.
    for fill in columns.iter_mut().filter(|column| column.align == Align::Fill) {
        fill.width = fill.width.max(width / 4);
    }
    let sum = |columns: &[Column]| columns.iter().map(|column| column.width + 1).sum::<usize>();
    while sum(&columns) > width + 1 {
        let Some(last) = (0..columns.len()).max_by_key(|&at| (columns[at].rank, at)) else { break };
        if columns[last].rank == 0 {
            break;
        }
        columns.remove(last);
    }
    let rest = (width + 1).saturating_sub(sum(&columns));
    if let Some(fill) = columns.iter_mut().find(|column| column.align == Align::Fill) {
        fill.width += rest;
    }
    columns
}

/// What stands in a cell.
#[derive(Clone, Debug)]
pub enum Cell {
    /// A word or number.
    Text(String, Style),
    /// Something that is as wide as its column already.
    Drawn(Vec<Span<'static>>),
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text, Style::new())
    }
}

/// A row of these columns.
pub fn row(look: Look, columns: &[Column], mut cell: impl FnMut(&Column) -> Cell) -> Line<'static> {
    let mut spans = Vec::with_capacity(columns.len() * 2);
    for column in columns {
        match cell(column) {
            Cell::Drawn(drawn) => spans.extend(drawn),
            Cell::Text(text, style) if column.align == Align::Right => {
                spans.push(Span::styled(right(look, &text, column.width), style));
            }
            Cell::Text(text, style) => spans.push(Span::styled(left(look, &text, column.width), style)),
        }
        spans.push(Span::raw(" "));
    }
    spans.pop();
    Line::from(spans)
}

/// A panel.
#[derive(Debug)]
pub struct Sheet {
    /// Its name; columns' names follow it.
    pub title: &'static str,
    /// What follows the name where there is room.
    pub more: String,
    /// The columns, the first of which the title stands over.
    pub columns: Vec<Column>,
    /// Whether it has the keys.
    pub focused: bool,
    /// The rows.
    pub rows: Vec<Line<'static>>,
    /// The row that must be seen.
    pub keep: Option<usize>,
    /// The first row, where none must be seen.
    pub first: usize,
    /// What is said when there are no rows.
    pub empty: &'static str,
}

impl Sheet {
    /// How many lines it would like.
    pub fn wishes(&self) -> usize {
        1 + self.rows.len().max(1)
    }

    /// Draws it; what has no room is counted in the heading.
    pub fn show(&self, look: Look, area: Rect, buffer: &mut Buffer) {
        if area.height == 0 || area.width == 0 {
            return;
        }
        let room = usize::from(area.height - 1);
        let last = self.rows.len().saturating_sub(room);
        let first = match self.keep {
            Some(keep) => (keep + 1).saturating_sub(room),
            None => self.first.min(last),
        };
        let shown = self.rows.iter().skip(first).take(room);
        let count = (room > 0 && self.rows.len() > room).then(|| {
            let (to, all) = (first + shown.len(), self.rows.len());
            if first == 0 { format!(" {to}/{all}") } else { format!(" {}-{to}/{all}", first + 1) }
        });
        buffer.set_line(area.x, area.y, &self.heading(look, count.as_deref()), area.width);
        for (y, line) in (area.y + 1..area.bottom()).zip(shown) {
            buffer.set_line(area.x, y, line, area.width);
        }
        if self.rows.is_empty() && area.height > 1 {
            let text = left(look, self.empty, usize::from(area.width));
            buffer.set_line(area.x, area.y + 1, &Line::styled(text, look.dim()), area.width);
        }
    }

    fn heading(&self, look: Look, count: Option<&str>) -> Line<'static> {
        let style = if self.focused { look.bold().patch(look.accent()) } else { look.bold() };
        // The brackets say it where neither colours nor bold can.
        let (open, close) = if self.focused { ('[', "]") } else { (' ', "") };
        let count = count.unwrap_or_default();
        let room = self.columns.first().map_or(usize::MAX, |column| column.width);
        let whole = format!("{open}{}{}{close}{count}", self.title, self.more);
        let fits = Span::raw(whole.as_str()).width() <= room;
        let title = if fits { whole } else { format!("{open}{}{close}{count}", self.title) };
        let mut first = true;
        let mut line = row(look, &self.columns, |column| {
            if std::mem::take(&mut first) {
                Cell::Text(title.clone(), style)
            } else {
                Cell::Text(column.title.to_owned(), look.dim())
            }
        });
        if self.columns.is_empty() {
            line.spans.push(Span::styled(title, style));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_least_goes_first_and_the_rest_is_filled() {
        let all = [words("name", 6, 0), numbers("a", 5, 2), filling("bar", 4), numbers("b", 5, 1)];
        let titles = |width| {
            let columns = fitted(&all, width);
            let used: usize = columns.iter().map(|column| column.width + 1).sum();
            assert!(used == width + 1 || width < 11, "{width}: {used}");
            columns.iter().map(|column| column.title).collect::<Vec<_>>()
        };
        assert_eq!(titles(40), ["name", "a", "bar", "b"]);
        assert_eq!(titles(22), ["name", "bar", "b"]);
        assert_eq!(titles(12), ["name", "bar"]);
        assert_eq!(titles(3), ["name", "bar"]);
    }
}
