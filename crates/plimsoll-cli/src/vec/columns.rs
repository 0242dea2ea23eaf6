//! Which columns of a table are meant.

use std::path::Path;

use plimsoll_vec::input::Origin;

/// What can be said of a file that is a table.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Columns {
    /// Of a Parquet or Arrow file: the column of vectors; the only one there is, or vector, embedding or values, unless said
    #[arg(long, value_name = "NAME")]
    pub vector_column: Option<String>,
    /// Likewise the column of ids; the one called id, if there is one, unless said
    #[arg(long, value_name = "NAME")]
    pub id_column: Option<String>,
}

impl Columns {
    /// A file with these columns.
    pub(super) fn of<'o>(&'o self, path: &'o Path) -> Origin<'o> {
        Origin { path, vector: self.vector_column.as_deref(), id: self.id_column.as_deref() }
    }
}
