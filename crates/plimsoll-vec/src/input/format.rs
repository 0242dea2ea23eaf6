//! What kinds of files there are.

use std::path::Path;

use super::InputError;

/// A kind of file that holds vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `NumPy`'s: one array of rows.
    Npy,
    /// A length and so many singles, again and again.
    Fvecs,
    /// A length and so many bytes, again and again.
    Bvecs,
    /// A line of JSON a vector.
    Lines,
    /// A table of columns, in Parquet.
    Parquet,
    /// A table of columns, in Arrow's file format (Feather, version 2).
    Arrow,
}

impl Format {
    /// Whether it has columns.
    pub fn is_table(self) -> bool {
        matches!(self, Self::Parquet | Self::Arrow)
    }

    /// By the end of a file's name.
    pub fn of(path: &Path) -> Result<Self, InputError> {
        let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default().to_ascii_lowercase();
        match end.as_str() {
            "npy" => Ok(Self::Npy),
            "fvecs" => Ok(Self::Fvecs),
            "bvecs" => Ok(Self::Bvecs),
            "jsonl" | "ndjson" => Ok(Self::Lines),
            "parquet" | "pq" => Ok(Self::Parquet),
            "arrow" | "feather" | "ipc" => Ok(Self::Arrow),
            _ => Err(InputError::Unknown { name: path.display().to_string() }),
        }
    }
}
