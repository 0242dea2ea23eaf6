//! Buffers from a CSV file, and back with their offsets.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use plimsoll::Bytes;
use plimsoll_tensor::pack::{Buffer, PackError};

use crate::plan::PlanError;

/// The columns that there have to be.
const COLUMNS: [&str; 4] = ["id", "lower", "upper", "size"];

/// What is wrong with a file of buffers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// No first line, or another one.
    #[error("the first line has to be id,lower,upper,size or id,lower,upper,size,offset, and is `{0}`")]
    Heading(String),
    /// A row with more or fewer cells than the heading.
    #[error("line {line} has {cells} cells, and the heading {columns}")]
    Cells {
        /// Which line, from 1.
        line: usize,
        /// What it has.
        cells: usize,
        /// What the heading has.
        columns: usize,
    },
    /// A cell that is no number.
    #[error("line {line}: {column} is `{found}`, which is not a whole number from 0 to 2^64 - 1")]
    Number {
        /// Which line, from 1.
        line: usize,
        /// Which column.
        column: &'static str,
        /// What is there.
        found: String,
    },
}

/// Buffers of a file.
#[derive(Debug)]
pub(super) struct Table {
    path: PathBuf,
    pub ids: Vec<String>,
    pub buffers: Vec<Buffer>,
    /// The line of each buffer.
    lines: Vec<usize>,
    /// The offsets that the file came with.
    pub given: Option<Vec<Bytes>>,
}

impl Table {
    pub fn read(path: &Path, align: Bytes) -> Result<Self, PlanError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| PlanError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(path, &text, align).map_err(|source| PlanError::Buffers { path: path.to_owned(), source })
    }

    fn parse(path: &Path, text: &str, align: Bytes) -> Result<Self, TableError> {
        let mut rows = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        let heading = rows.next().map_or("", |(_, line)| line.trim().trim_start_matches('\u{feff}'));
        let columns: Vec<&str> = heading.split(',').map(str::trim).collect();
        let offsets = columns.len() == 5 && columns[4] == "offset";
        if columns.get(..4) != Some(&COLUMNS) || (columns.len() > 4 && !offsets) {
            return Err(TableError::Heading(heading.chars().take(80).collect()));
        }
        let mut table = Self {
            path: path.to_owned(),
            ids: Vec::new(),
            buffers: Vec::new(),
            lines: Vec::new(),
            given: offsets.then(Vec::new),
        };
        for (line, row) in rows {
            let cells: Vec<&str> = row.split(',').map(str::trim).collect();
            if cells.len() != columns.len() {
                return Err(TableError::Cells { line, cells: cells.len(), columns: columns.len() });
            }
            let number = |at: usize, column| {
                cells[at].parse::<u64>().map_err(|_| TableError::Number {
                    line,
                    column,
                    found: cells[at].chars().take(40).collect(),
                })
            };
            let (lower, upper, size) = (number(1, "lower")?, number(2, "upper")?, number(3, "size")?);
            table.buffers.push(Buffer::new(lower, upper, Bytes::new(size)).aligned(align));
            if let Some(given) = &mut table.given {
                given.push(Bytes::new(number(4, "offset")?));
            }
            table.ids.push(cells[0].to_owned());
            table.lines.push(line);
        }
        Ok(table)
    }

    /// Why they cannot be packed, with the file and the line of the buffer that it is about.
    pub fn named(&self, source: PackError) -> PlanError {
        let index = match source {
            PackError::Lifetime { index, .. }
            | PackError::Alignment { index, .. }
            | PackError::TooLarge { index } => Some(index),
            _ => None,
        };
        let line = index.and_then(|index| self.lines.get(index).copied());
        PlanError::Unpacked { path: self.path.clone(), line, source }
    }

    /// The rows with their offsets.
    pub fn with_offsets(&self, offsets: &[Bytes]) -> String {
        let mut out = "id,lower,upper,size,offset\n".to_owned();
        for ((id, buffer), offset) in self.ids.iter().zip(&self.buffers).zip(offsets) {
            let Buffer { lower, upper, size, .. } = buffer;
            let _ = writeln!(out, "{id},{lower},{upper},{},{}", size.get(), offset.get());
        }
        out
    }
}
