//! Why a service could not be opened.

use std::net::SocketAddr;
use std::path::PathBuf;

use plimsoll::Bytes;

/// Why a service could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// There is nothing to serve.
    #[error("there is no model to serve: the folder has no GGUF file and no folder of safetensors")]
    NoModel,
    /// A key that anybody has.
    #[error(
        "a key is blank, which would open the service to everybody; give one with letters, or none at all"
    )]
    BlankKey,
    /// Two models of one name.
    #[error("two models are called {name}: {} and {}; rename one", first.display(), second.display())]
    TwoModels {
        /// The name.
        name: String,
        /// One of them.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// Two libraries of one name.
    #[error("two libraries are called {name}; give one another name: --library NAME=FOLDER")]
    TwoLibraries {
        /// The name.
        name: String,
    },
    /// Too little for documents.
    #[error("{docs} for documents is too little; at least {least} is needed")]
    Docs {
        /// What was given.
        docs: Bytes,
        /// What is needed.
        least: Bytes,
    },
    /// The model that is to make vectors.
    #[error("no vectors can be made: {0}")]
    Embedder(#[source] crate::model::ModelFault),
    /// A folder that cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Parts that do not fit the line.
    #[error(
        "{kv} of keys and values (at least {least}) and {program} for the program itself do not leave anything of the line of {line} for models; raise the line or give less to keys and values"
    )]
    Line {
        /// The line.
        line: Bytes,
        /// Keys and values.
        kv: Bytes,
        /// The program.
        program: Bytes,
        /// The least of keys and values.
        least: Bytes,
    },
    /// Page-locked memory that leaves too little.
    #[error(
        "{away} of page-locked memory leave too little of the line of {line} for the program, keys and values; give less to it, or raise the line"
    )]
    Away {
        /// Page-locked memory.
        away: Bytes,
        /// The line.
        line: Bytes,
    },
    /// The address is taken, or not ours.
    #[error("nothing can listen at {address}: {source}; choose another with --listen")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The threads that answer could not be started.
    #[error("the threads that answer could not be started: {0}")]
    Threads(#[source] std::io::Error),
    /// Accounts, pools and lines.
    #[error(transparent)]
    Engine(#[from] plimsoll::EngineError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] plimsoll::ledger::LedgerError),
    /// The device.
    #[error(transparent)]
    Device(#[from] plimsoll_device::DeviceError),
    /// A reservation.
    #[error(transparent)]
    Refused(#[from] plimsoll::governor::Refusal),
    /// The cache of keys and values.
    #[error(transparent)]
    Cache(#[from] plimsoll_kv::cache::CacheError),
    /// Its folder.
    #[error(transparent)]
    Store(#[from] plimsoll_kv::store::StoreError),
}
