//! Tables of comma-separated values, read by the names of their columns.

/// A table: the names of its columns, and rows of cells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    columns: Vec<String>,
    rows: Vec<(usize, Vec<String>)>,
}

/// A row of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TableRow<'t> {
    /// The line that it begins in.
    pub(crate) line: usize,
    columns: &'t [String],
    cells: &'t [String],
}

impl Table {
    /// Reads a text; lines that begin with `#` are comments, and a cell in quotes may hold commas.
    pub(crate) fn parse(text: &str) -> Self {
        let mut table = Self::default();
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let cells = cells(line);
            if table.columns.is_empty() {
                table.columns = cells.iter().map(|cell| cell.trim().to_ascii_lowercase()).collect();
            } else {
                table.rows.push((index + 1, cells));
            }
        }
        table
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = TableRow<'_>> {
        self.rows.iter().map(|(line, cells)| TableRow { line: *line, columns: &self.columns, cells })
    }
}

impl<'t> TableRow<'t> {
    /// A cell by its column's name; empty where there is none.
    pub(crate) fn cell(&self, column: &str) -> &'t str {
        let place = self.columns.iter().position(|name| name == column);
        place.and_then(|place| self.cells.get(place)).map_or("", |cell| cell.trim())
    }
}

fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            _ => cell.push(letter),
        }
    }
    cells.push(cell);
    cells
}

/// The number that a cell begins with.
pub(crate) fn leading(text: &str) -> Option<f64> {
    let text = text.trim();
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    text[..end].parse().ok().filter(|number: &f64| number.is_finite())
}

/// The whole number that a cell begins with.
pub(crate) fn whole(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// Sizes by device: `CUDA0=756|CUDA_Host=552`.
pub(crate) fn by_device(text: &str) -> Vec<(String, f64)> {
    let parts = text.split('|').filter_map(|part| {
        let (name, size) = part.split_once('=')?;
        Some((name.trim().to_owned(), leading(size)?))
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_found_by_name_whatever_they_hold() {
        let table = Table::parse("# why\na,b,Notes\n1,,\"x, \"\"y\"\"\"\n\n2\n");
        let rows: Vec<_> = table.rows().collect();
        assert_eq!((rows[0].cell("a"), rows[0].cell("b"), rows[0].cell("notes")), ("1", "", "x, \"y\""));
        assert_eq!((rows[1].cell("notes"), rows[1].cell("no such column"), rows[1].line), ("", "", 5));
        assert_eq!(leading("16832 (KV 16384 + RS 448)"), Some(16832.0));
        assert_eq!(
            (leading("?"), leading(""), whole("4 (unified)"), whole("auto")),
            (None, None, Some(4), None)
        );
        assert_eq!(
            by_device("CUDA0=1413|Host=148|x"),
            [("CUDA0".to_owned(), 1413.0), ("Host".to_owned(), 148.0)]
        );
    }
}
