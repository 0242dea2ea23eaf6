//! What can keep memory from being measured.

use std::io;
use std::path::PathBuf;

use plimsoll::Bytes;

/// Why something was not measured, or not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// A place that has nothing to measure.
    #[error("{place} cannot be measured: {why}")]
    Place {
        /// Which place.
        place: String,
        /// Why.
        why: String,
    },
    /// The system does not give the memory.
    #[error("the system does not give {asked} to measure host memory with")]
    NoMemory {
        /// What was asked.
        asked: Bytes,
    },
    /// A folder that no file can be made in.
    #[error("no file can be made in {}: {source}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A disk that is full, or nearly.
    #[error("the disk under {} has no room to measure it: {free} of {total} free", folder.display())]
    NoRoom {
        /// The folder.
        folder: PathBuf,
        /// What is free.
        free: Bytes,
        /// All there is.
        total: Bytes,
    },
    /// A disk that fails while it is measured.
    #[error("the file in {} could not be {what}: {source}", folder.display())]
    Disk {
        /// The folder.
        folder: PathBuf,
        /// "read" or "written".
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// A picture that could not be drawn.
    #[error("the picture could not be drawn: {0}")]
    Picture(String),
    /// A picture that could not be written.
    #[error("the picture could not be written to {}: {source}", path.display())]
    PictureFile {
        /// Where to.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Some of what was asked for is missing from the report.
    #[error("not everything could be measured: {0}")]
    Incomplete(String),
}

impl MemoryError {
    /// What to do about it.
    pub fn next_step(&self) -> String {
        match self {
            Self::Place { .. } => {
                "`plimsoll machine` lists the places of this machine; without --place all of them are measured".to_owned()
            }
            Self::NoMemory { .. } => "close other programs, or raise the limit (ulimit -v)".to_owned(),
            Self::Folder { .. } => {
                "name a folder that you may write to with --disk FOLDER, or leave the disk out with --place host".to_owned()
            }
            Self::NoRoom { .. } => {
                "free some space (64 MiB are needed, and a tenth of the disk or 4 GiB stay free), or name another folder with --disk FOLDER"
                    .to_owned()
            }
            Self::Disk { .. } => "check the disk (the system's log says more), or name another folder with --disk FOLDER".to_owned(),
            Self::Picture(_) => "this is a mistake in plimsoll; please report it".to_owned(),
            Self::PictureFile { .. } => {
                "the figures are printed above; name a file in a folder that you may write to".to_owned()
            }
            Self::Incomplete(_) => "the rest is printed above; what is missing stands at its end with the reason".to_owned(),
        }
    }
}
