//! Why a store could not do what was asked.

use std::path::PathBuf;

use plimsoll::Bytes;
use plimsoll::governor::Refusal;

/// Why a store could not be opened, written or read. A record that is damaged is none of these: it is a miss.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It holds as much as it may.
    #[error("{name} holds {used} of {capacity}, and {asked} more would be over; remove blocks first")]
    Full {
        /// Which store.
        name: String,
        /// What it holds.
        used: Bytes,
        /// What it may hold.
        capacity: Bytes,
        /// What was to be added.
        asked: Bytes,
    },
    /// As much was written today as may be.
    #[error(
        "{name} took {written} today, and {daily} a day may be written; raise the limit or wait until midnight UTC"
    )]
    Worn {
        /// Which store.
        name: String,
        /// What was written today.
        written: Bytes,
        /// What may be.
        daily: Bytes,
    },
    /// Another process has it open.
    #[error("{path} is in use by another process{by}; stop it, or give this one a folder of its own", path = path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Which process, if it is known.
        by: String,
    },
    /// What is there was not written by this program, or by a newer one.
    #[error("{path} is no cold store of this version: {why}", path = path.display())]
    Foreign {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Files that are none of its own take so much of what it may take that nothing else fits.
    #[error(
        "{strange} of the {capacity} that {path} may take are taken by {files} files that have a segment's name and are \
         none; move them elsewhere, or allow more",
        path = path.display()
    )]
    Strange {
        /// The folder.
        path: PathBuf,
        /// How many files those are.
        files: u64,
        /// What they take.
        strange: Bytes,
        /// What the folder may take.
        capacity: Bytes,
    },
    /// The ledger refuses the bytes.
    #[error(transparent)]
    Refused(#[from] Box<Refusal>),
    /// The system failed.
    #[error("{doing} {path}: {source}", path = path.display())]
    System {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A store elsewhere did not answer as it should.
    #[error("{name}: {why}")]
    Remote {
        /// Which store.
        name: String,
        /// What went wrong, and what can be done.
        why: String,
    },
}
