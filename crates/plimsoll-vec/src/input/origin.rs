//! Where vectors come from.

use std::path::{Path, PathBuf};

/// A file of vectors and, where it is a table, which of its columns are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'o> {
    /// The file.
    pub path: &'o Path,
    /// The column of vectors; unless said, the only one there is, or the one that is called `vector`, `embedding` or
    /// `values`.
    pub vector: Option<&'o str>,
    /// The column of ids; unless said, the one that is called `id`, if its numbers are whole.
    pub id: Option<&'o str>,
}

impl<'o> From<&'o Path> for Origin<'o> {
    fn from(path: &'o Path) -> Self {
        Self { path, vector: None, id: None }
    }
}

impl<'o> From<&'o PathBuf> for Origin<'o> {
    fn from(path: &'o PathBuf) -> Self {
        path.as_path().into()
    }
}
