//! What a library is.

use plimsoll::Bytes;

/// What a library is at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryFacts {
    /// Documents that are whole.
    pub documents: u64,
    /// Documents that are read in part.
    pub unfinished: u64,
    /// Passages, those of removed documents included.
    pub passages: u64,
    /// Of them, those of removed documents.
    pub dead: u64,
    /// Parts.
    pub parts: usize,
    /// What it takes on disk, vectors not included.
    pub disk: Bytes,
    /// What it takes in memory now.
    pub memory: Bytes,
    /// What makes its vectors, how many numbers they have, and how many passages have one; none where there are none.
    pub vectors: Option<(String, usize, u64)>,
}
