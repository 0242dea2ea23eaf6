//! Why a column cannot be read or written.

use std::io;
use std::path::PathBuf;

/// What went wrong with a file of an index.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ColumnError {
    /// The system could not read it.
    #[error("{} could not be read: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system could not write it; nothing of it was published.
    #[error(
        "{} could not be written: {source}; the index is as it was before, make room or try another folder",
        path.display()
    )]
    Write {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is no column.
    #[error("{} is not a file of a vector index: {why}", path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// What shows it.
        why: &'static str,
    },
    /// A later program wrote it.
    #[error(
        "{} has version {found}, and this program reads up to version {known}; use a newer plimsoll",
        path.display()
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The latest that is known here.
        known: u32,
    },
    /// Less of it is there than was written.
    #[error(
        "{} is cut: {found} bytes are there of {expected}; restore it from a copy, or build the index again",
        path.display()
    )]
    Cut {
        /// Which file.
        path: PathBuf,
        /// Its length.
        found: u64,
        /// The length it had.
        expected: u64,
    },
    /// A unit is not what was written.
    #[error(
        "{} is damaged in unit {unit}: its checksum does not match; restore it from a copy, or build the index again",
        path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Which unit.
        unit: u64,
    },
}
