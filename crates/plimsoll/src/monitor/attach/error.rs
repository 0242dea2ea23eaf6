//! Why an engine cannot be seen, or no longer.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why no sample comes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachError {
    /// Nobody listens there.
    #[error("no engine listens at {}", path.display())]
    NotThere {
        /// Where.
        path: PathBuf,
    },
    /// Somebody else does, or the folder is not to be trusted.
    #[error("{} cannot be read: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Who listens there says something else.
    #[error("who listens at {} is no Plimsoll engine: {what}", path.display())]
    Foreign {
        /// Where.
        path: PathBuf,
        /// What was met.
        what: String,
    },
    /// Another version, which means other things by the same words.
    #[error(
        "{program} speaks version {theirs} of samples and this program version {ours}: use the `plimsoll` of {program}'s \
         Plimsoll version, {version}"
    )]
    OtherSchema {
        /// The program.
        program: String,
        /// Its version of Plimsoll.
        version: String,
        /// Its schema.
        theirs: u32,
        /// Ours.
        ours: u32,
    },
    /// It has no room.
    #[error("{program} shows itself to nobody else: {why}")]
    Refused {
        /// The program.
        program: String,
        /// Why.
        why: String,
    },
    /// It is there, and says nothing. Asking again goes on waiting.
    #[error("{program} has said nothing for {waited:?}")]
    Silent {
        /// The program.
        program: String,
        /// For how long.
        waited: Duration,
    },
    /// The process has ended, or shows itself no longer.
    #[error("{program} ({pid}) has ended")]
    Ended {
        /// The program.
        program: String,
        /// Its process.
        pid: u32,
    },
    /// This system has no Unix sockets.
    #[error("an engine is seen through a Unix socket, which this system does not have")]
    Unsupported,
}
