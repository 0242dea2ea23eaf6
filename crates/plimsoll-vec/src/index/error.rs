//! Why an index does not do what was asked.

use std::io;
use std::path::PathBuf;

use plimsoll::Bytes;
use plimsoll::EngineError;
use plimsoll::governor::Refusal;
use plimsoll::holding::streaming::StreamError;
use plimsoll::pool::LeaseError;

use crate::Metric;
use crate::code::CodeError;
use crate::column::ColumnError;
use crate::gpu::GpuError;
use crate::index::lists::NoLists;
use crate::input::InputError;
use crate::neural::NeuralError;
use crate::top::TopsError;

/// What went wrong with an index. Nothing was changed by what is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VecError {
    /// A file of it.
    #[error(transparent)]
    Column(#[from] ColumnError),
    /// Vectors that cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Vectors that cannot be kept or compared.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// More or fewer neighbours than can be searched.
    #[error(transparent)]
    Tops(#[from] TopsError),
    /// Codes that did not come.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// Memory that was not granted.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Memory that was not given.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The engine that it was opened on.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The folder.
    #[error("{} could not be used: {source}", path.display())]
    Folder {
        /// Which folder or file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no index.
    #[error("there is no index in {}: it has no manifest.json; build one with `plimsoll vec build`", folder.display())]
    None {
        /// Where one was looked for.
        folder: PathBuf,
    },
    /// There is one already.
    #[error("{} holds an index or other files already; give another folder, or add to it", folder.display())]
    Exists {
        /// Where one was to be.
        folder: PathBuf,
    },
    /// Another process writes.
    #[error("{} is being written by another process; wait for it, or open the index for reading", folder.display())]
    InUse {
        /// Which index.
        folder: PathBuf,
    },
    /// It was opened for reading.
    #[error("{} was opened for reading; open it for writing to change it", folder.display())]
    ReadOnly {
        /// Which index.
        folder: PathBuf,
    },
    /// A manifest that cannot be understood.
    #[error("{} is no manifest of an index: {why}", path.display())]
    Manifest {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A later program wrote it.
    #[error("{} has version {found}, and this program reads up to version {known}; use a newer plimsoll", path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// The latest that is known here.
        known: u64,
    },
    /// A log that is damaged before its end.
    #[error("{} is damaged at byte {offset}: what was added after it is lost; move the file away to go on without", path.display())]
    Log {
        /// Which file.
        path: PathBuf,
        /// Where.
        offset: u64,
    },
    /// Vectors of another length.
    #[error("these vectors have {found} numbers, and the index has vectors of {expected}")]
    Dimension {
        /// What came.
        found: usize,
        /// What it has.
        expected: usize,
    },
    /// Not one id for each vector.
    #[error("there are {vectors} vectors and {ids} ids; give an id for each, or none")]
    Ids {
        /// How many vectors.
        vectors: u64,
        /// How many ids.
        ids: u64,
    },
    /// An id twice.
    #[error("id {id} is there already; delete it first, or give the vector another id")]
    Duplicate {
        /// Which.
        id: u64,
    },
    /// The id that means none.
    #[error("{0} cannot be an id: it stands for no vector in answers")]
    ReservedId(u64),
    /// Nothing to search.
    #[error("the index is empty: add vectors before searching")]
    Empty,
    /// More neighbours than there are vectors.
    #[error("{k} nearest were asked for and the index has {vectors} vectors; ask for at most {vectors}")]
    TooFew {
        /// How many were asked for.
        k: usize,
        /// How many there are.
        vectors: u64,
    },
    /// Candidates that nothing is known of but their codes.
    #[error(
        "the index was built without originals, so candidates cannot be looked at again; build it with them, or do not ask for it"
    )]
    NoOriginals,
    /// A budget that does not do.
    #[error(
        "a budget of {budget} is too little {what}: that takes {needed} at least; give it so much, or ask for less at once"
    )]
    Budget {
        /// What was given.
        budget: Bytes,
        /// What for.
        what: &'static str,
        /// What would do.
        needed: Bytes,
    },
    /// A disk that does not do.
    #[error(
        "{} has {free} free on its disk, and compacting needs {needed} there until the old segments are gone; make room: the index is as it was",
        folder.display()
    )]
    Disk {
        /// Which index.
        folder: PathBuf,
        /// What is needed.
        needed: Bytes,
        /// What is free.
        free: Bytes,
    },
    /// A file that is not what it was a moment ago.
    #[error("{} had {rows} vectors when it was begun and has {found} now; leave it alone while an index is built of it", path.display())]
    Changed {
        /// Which file.
        path: PathBuf,
        /// How many it had.
        rows: u64,
        /// How many were found.
        found: u64,
    },
    /// A number of lists that there cannot be.
    #[error(transparent)]
    NoLists(#[from] NoLists),
    /// More lists than vectors.
    #[error(
        "{lists} lists were asked for and there are {vectors} vectors; ask for 1 to {vectors} lists, or auto"
    )]
    Lists {
        /// How many were asked for.
        lists: u64,
        /// How many vectors there are.
        vectors: u64,
    },
    /// More lists to look into than there are, or none.
    #[error(
        "{probes} lists were to be looked into and the index has {lists}; ask for 1 to {lists}, or for all"
    )]
    Probe {
        /// How many were asked for.
        probes: usize,
        /// How many there are.
        lists: usize,
    },
    /// A share that is none.
    #[error("a recall of {share} cannot be; ask for 0 to 1")]
    Recall {
        /// What was asked for.
        share: f64,
    },
    /// More rows than a segment can have.
    #[error("{rows} vectors are more than one segment holds; add them in parts of at most {most}")]
    TooMany {
        /// How many.
        rows: u64,
        /// The most.
        most: u64,
    },
    /// Weights of a reduction that are none.
    #[error(transparent)]
    Neural(#[from] NeuralError),
    /// A codec for vectors of another length.
    #[error(
        "these vectors have {found} numbers, and the codec reduces vectors of {expected}; train one for {found}"
    )]
    Codec {
        /// What the index is to have.
        found: usize,
        /// What the codec takes.
        expected: usize,
    },
    /// A metric that reduced vectors cannot be compared by.
    #[error(
        "vectors that are reduced by this codec cannot be compared by {metric}: take {}",
        if *normalized { "cosine, as it brings vectors to length one" } else { "l2, ip or cosine" }
    )]
    Reduced {
        /// Which.
        metric: Metric,
        /// Whether the codec is for vectors of length one.
        normalized: bool,
    },
    /// An index that reduces, without what it reduces by.
    #[error("an index that reduces vectors is created with what reduces them: use create_reduced")]
    NoReduction,
    /// The device that was to search.
    #[error(transparent)]
    Device(#[from] GpuError),
    /// A thread died.
    #[error(
        "a thread of the search died, so its answer is not whole; this is a mistake in plimsoll, please report it"
    )]
    Died,
}

impl VecError {
    /// The same where so many vectors came before.
    pub(super) fn after(self, before: usize) -> Self {
        match self {
            Self::Code(error) => Self::Code(error.after(before)),
            Self::Device(GpuError::Code(error)) => Self::Device(GpuError::Code(error.after(before))),
            error => error,
        }
    }
}
