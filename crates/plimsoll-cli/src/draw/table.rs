//! Tables: columns as wide as their widest cell, two spaces apart, no lines.

use super::{Pen, Style};

/// To which side a column's cells lean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Align {
    /// Words.
    #[default]
    Left,
    /// Numbers.
    Right,
}

/// One cell. A cell that is drawn already (a bar with colours) says how wide it looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    style: Style,
    drawn_width: Option<usize>,
}

impl Cell {
    /// Text in a style.
    pub fn new(style: Style, text: impl Into<String>) -> Self {
        Self { text: text.into(), style, drawn_width: None }
    }

    /// Something that is drawn already.
    pub fn drawn(text: String, width: usize) -> Self {
        Self { text, style: Style::Plain, drawn_width: Some(width) }
    }

    fn width(&self) -> usize {
        self.drawn_width.unwrap_or_else(|| self.text.chars().count())
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(Style::Plain, text)
    }
}

/// Rows under a heading.
#[derive(Clone, Debug, Default)]
pub struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<Row>,
}

#[derive(Clone, Debug)]
enum Row {
    Cells(Vec<Cell>),
    /// A line under a row, across all columns.
    Note(String),
}

impl Table {
    /// A table with these columns.
    pub fn new<'t>(columns: impl IntoIterator<Item = (&'t str, Align)>) -> Self {
        let columns = columns.into_iter().map(|(title, align)| (title.to_owned(), align));
        Self { columns: columns.collect(), rows: Vec::new() }
    }

    /// One more row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(Row::Cells(cells.into_iter().collect()));
    }

    /// A remark on the row above.
    pub fn note(&mut self, text: impl Into<String>) {
        self.rows.push(Row::Note(text.into()));
    }

    /// The table as lines, each with a line end and no blanks before it.
    pub fn draw(&self, pen: &Pen) -> String {
        let widths: Vec<usize> = (0..self.columns.len()).map(|column| self.column_width(column)).collect();
        let heading = self.columns.iter().map(|(title, _)| Cell::new(Style::Dim, title.as_str()));
        let mut out = self.line(&heading.collect::<Vec<_>>(), &widths, pen);
        for row in &self.rows {
            match row {
                Row::Cells(cells) => out.push_str(&self.line(cells, &widths, pen)),
                Row::Note(text) => {
                    out.push_str("  ");
                    out.push_str(&pen.paint(Style::Dim, text));
                    out.push('\n');
                }
            }
        }
        out
    }

    fn column_width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| match row {
            Row::Cells(cells) => cells.get(column).map(Cell::width),
            Row::Note(_) => None,
        });
        let title = self.columns[column].0.chars().count();
        cells.max().unwrap_or(0).max(title)
    }

    fn line(&self, cells: &[Cell], widths: &[usize], pen: &Pen) -> String {
        let mut line = String::new();
        for ((cell, &width), (_, align)) in cells.iter().zip(widths).zip(&self.columns) {
            let blanks = " ".repeat(width.saturating_sub(cell.width()));
            let text = pen.paint(cell.style, &cell.text);
            match align {
                Align::Left => line.extend([text, blanks]),
                Align::Right => line.extend([blanks, text]),
            }
            line.push_str("  ");
        }
        line.truncate(line.trim_end_matches(' ').len());
        line.push('\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_nothing_trails() {
        let pen = Pen { color: false, unicode: true, width: 80 };
        let mut table = Table::new([("place", Align::Left), ("free", Align::Right), ("", Align::Left)]);
        table.row(["host".into(), "9".into(), Cell::drawn("██".into(), 2)]);
        table.note("remark");
        table.row(["gpu:0".into(), "10.00".into(), "".into()]);
        assert_eq!(table.draw(&pen), "place   free\nhost       9  ██\n  remark\ngpu:0  10.00\n");
    }
}
