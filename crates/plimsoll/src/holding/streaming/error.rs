//! Why a stream ended early.

use std::io;
use std::time::Duration;

use super::Align;
use crate::Bytes;
use crate::governor::Refusal;

/// What went wrong with a stream. Every message says what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The account or the line does not carry the smallest ring.
    #[error("no memory for a ring of two chunks: {0}")]
    Refused(#[from] Refusal),
    /// Memory was granted but could not be had.
    #[error("{bytes} were granted, but the system did not give them: {why}; ask for smaller chunks")]
    NoMemory {
        /// How much.
        bytes: Bytes,
        /// What the system or the pool said.
        why: String,
    },
    /// The system could not open or read it.
    #[error("{name} could not be read at byte {offset}: {source}")]
    Read {
        /// What was read.
        name: String,
        /// Where.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
    /// A directory, a pipe, a device.
    #[error("{name} is not a regular file; read it with a program that writes into a channel")]
    NotAFile {
        /// What was to be read.
        name: String,
    },
    /// The file became shorter while it was being read.
    #[error(
        "{name} was {expected} bytes long when it was opened and ends at byte {found} now: it was cut while being \
         read; read it again when nobody writes to it"
    )]
    Shrunk {
        /// What was read.
        name: String,
        /// Its length when it was opened.
        expected: u64,
        /// Where it ends now.
        found: u64,
    },
    /// A record that does not fit into a chunk.
    #[error("the record at byte {offset} of {name} is longer than a chunk of {chunk}; ask for larger chunks")]
    RecordTooLong {
        /// What was read.
        name: String,
        /// Where the record begins.
        offset: u64,
        /// The size of a chunk.
        chunk: Bytes,
    },
    /// A row that the file ends within.
    #[error(
        "{name} ends within a row: {left} of {row} bytes at byte {offset}; the file is cut or the row size wrong"
    )]
    PartialRow {
        /// What was read.
        name: String,
        /// Where the row begins.
        offset: u64,
        /// How much of it there is.
        left: u64,
        /// How long a row is.
        row: u64,
    },
    /// A chunk too small for what must stay whole in it.
    #[error("a chunk of {chunk} cannot hold {align:?} whole; ask for larger chunks")]
    ChunkTooSmall {
        /// What was asked.
        chunk: Bytes,
        /// What must not be cut.
        align: Align,
    },
    /// More than a chunk of a channel holds.
    #[error(
        "{asked} do not fit into a chunk of {chunk}; send it in parts or open the channel with larger chunks"
    )]
    TooLong {
        /// What was to be sent.
        asked: Bytes,
        /// The size of a chunk.
        chunk: Bytes,
    },
    /// A chunk beyond the end.
    #[error("chunk {index} of {name} was asked for; it has {chunks}")]
    NoSuchChunk {
        /// What was read.
        name: String,
        /// What was asked.
        index: u64,
        /// How many there are.
        chunks: u64,
    },
    /// The user holds every chunk there is, and asks for another.
    #[error(
        "all {slots} chunks of {name} were held for {waited:?} while another was asked for; drop chunks that are done \
         with, or open the stream with more slots"
    )]
    AllHeld {
        /// Which stream.
        name: String,
        /// How many chunks it has.
        slots: usize,
        /// How long was waited.
        waited: Duration,
    },
    /// A producer or reader panicked. What it had sent before has arrived.
    #[error("a producer of {name} died; what it sent before has arrived, what it was writing is lost")]
    ProducerDied {
        /// Which stream.
        name: String,
    },
    /// Nobody receives any more.
    #[error("nobody receives from {name} any more; stop sending")]
    Closed {
        /// Which stream.
        name: String,
    },
    /// No thread to read ahead with.
    #[error("the system gave no thread to read {name} with: {why}")]
    NoThread {
        /// Which stream.
        name: String,
        /// What the system said.
        why: String,
    },
}
