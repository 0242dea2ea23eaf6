//! What can go wrong with caches of attention state.

use std::path::PathBuf;

use plimsoll_kv::replay::TraceError;

/// Why a `plimsoll kv` command did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KvError {
    /// A trace that cannot be read.
    #[error("{} cannot be replayed: {source}", path.display())]
    Trace {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it, and in which line.
        source: TraceError,
    },
    /// A capacity that is more than the trace has.
    #[error("a capacity of {capacity} is {blocks} blocks, and {} has {different} different ones", path.display())]
    Capacity {
        /// As it was typed.
        capacity: String,
        /// In blocks.
        blocks: usize,
        /// Which trace.
        path: PathBuf,
        /// How many it has.
        different: usize,
    },
    /// An address of an object store, for a program that was built without.
    #[error("{address} is the address of an object store, and this program was built without them")]
    NoRemote {
        /// As it was typed.
        address: String,
    },
    /// An object store that is to be compacted.
    #[error(
        "{address} is the address of an object store, where there is nothing to compact: every block is an object of its own"
    )]
    NothingToCompact {
        /// As it was typed.
        address: String,
    },
    /// An object store in which something does not verify.
    #[error("{address} is damaged; objects that do not verify: {found}")]
    DamagedObjects {
        /// As it was typed.
        address: String,
        /// How many.
        found: usize,
    },
    /// A picture that could not be drawn.
    #[error("the picture could not be drawn: {0}")]
    Picture(String),
}

impl KvError {
    /// What to do about it.
    pub const fn next_step(&self) -> &'static str {
        match self {
            Self::Trace { .. } => {
                "a trace is lines of JSON, plain or gzipped: {timestamp, input_length, hash_ids} as Mooncake writes \
                 them, or {session, block_tokens, requests: [{t, in, keep, new}]}"
            }
            Self::NoRemote { .. } => {
                "build it with them: `cargo build --release -p plimsoll-cli --features remote`; or give a folder"
            }
            Self::NothingToCompact { .. } => {
                "what is removed is gone at once; `plimsoll kv verify` finds what is damaged"
            }
            Self::DamagedObjects { .. } => {
                "whoever reads such a block finds a miss, never wrong bytes, and the next who computes it writes it anew; \
                 or delete the objects by their keys"
            }
            Self::Capacity { .. } => "give a smaller capacity, such as 20%",
            Self::Picture(_) => "this is a mistake in plimsoll; please report it with the output above",
        }
    }
}
