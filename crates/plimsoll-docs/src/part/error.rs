//! What can be wrong with a part.

use std::io;
use std::path::PathBuf;

/// A part that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PartError {
    /// The file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Its bytes are not those that were written.
    #[error(
        "{} is damaged ({what}); remove its documents and ingest them again, or bring the folder back from a copy",
        path.display()
    )]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What was found.
        what: &'static str,
    },
    /// A newer program wrote it.
    #[error("{} was written by a newer program (version {version}); use that one", path.display())]
    Newer {
        /// Which.
        path: PathBuf,
        /// What it says.
        version: u32,
    },
}
