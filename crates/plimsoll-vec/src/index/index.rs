//! The index: opened, asked what it is, and handed to those who add, delete and search.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use plimsoll::governor::Charge;
use plimsoll::{Bytes, EngineAccount};

use super::books;
use super::budget::Budget;
use super::dead::{self, Dead};
use super::keep::Keep;
use super::lists::{Division, ListFacts, Lists, Shelf};
use super::lock::Lock;
use super::log::{self, Change, Log};
use super::manifest::{Entry, Manifest};
use super::pages::Pages;
use super::queue::Queue;
use super::reduced;
use super::view::View;
use super::{Shape, VecError};
use crate::code::{CodeError, check};
use crate::column::Holds;
use crate::held::lock;
use crate::neural::Reduction;
use crate::segment::{Segment, numbered, path};
use crate::{Codec, Metric};

/// Vectors in a folder, and the search among them.
///
/// # What it is not
/// It is no graph: every code is looked at, or every code of the lists that are near, as fast as memory or the disk brings
/// them. It copies nothing of the folder into memory but what its account has room for.
///
/// # Who owns what
/// The folder is the index; one process writes it, many may read. What it takes of memory is charged to the account that
/// it was opened with: codes that stay, marks of the dead, checksums, young rows, and everything that a search or a build
/// needs meanwhile. What does not fit is streamed, or refused beforehand.
///
/// # Example
/// ```
/// use plimsoll::{Bytes, Engine};
/// use plimsoll_vec::index::{Index, Shape};
/// use plimsoll_vec::{Codec, Metric};
///
/// # let home = tempfile::tempdir()?;
/// # let folder = home.path().join("index");
/// let account = Engine::in_memory(Bytes::mib(8), "vec")?.account("vec")?;
/// let shape = Shape { dimension: 2, metric: Metric::L2, codec: Codec::F32, originals: false, lists: None, reduced: None };
/// let index = Index::create(&folder, shape, &account)?;
/// index.add(&[0.0, 0.0, 3.0, 4.0, 0.5, 0.0], None)?;
/// let (distances, ids) = index.search(&[1.0, 0.0, 3.0, 3.0], 2)?.into_arrays();
/// assert_eq!(ids, [2, 0, 1, 2]); // two queries, two each
/// assert_eq!(distances, [0.25, 1.0, 1.0, 15.25]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
/// On disk: `rows × (code + side)`, in whole blocks of 64 rows, and 8 bytes a block; originals `rows × (4 × dimension +
/// 8)`; ids that are not one after the other `rows × 28`; with
/// lists `lists × (4 × dimension + 8)` and 8 bytes a list and segment; codebooks `64 × dimension`; where vectors are
/// reduced, all but originals is of as many numbers as they are reduced to, `L`, and `8 × L × dimension` comes in. In memory: 8 bytes a
/// block, a bit a row where rows are dead, `4 × dimension` a list and 4 for each segment, codebooks, weights, and
/// what [`forecast`](Self::forecast) says.
#[derive(Debug)]
pub struct Index {
    folder: PathBuf,
    budget: Budget,
    view: RwLock<Arc<View>>,
    keep: Keep,
    pages: Pages,
    shelf: Shelf,
    queue: Queue,
    writer: Option<Mutex<Writer>>,
    charges: Mutex<Vec<Charge>>,
}

/// What only the one who writes has.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) manifest: Manifest,
    pub(super) log: Log,
    _lock: Lock,
}

/// What an index is at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexFacts {
    /// What its vectors have in common.
    pub shape: Shape,
    /// Vectors that live.
    pub vectors: u64,
    /// Rows that are dead and still take room.
    pub dead: u64,
    /// Rows that are in the log only.
    pub young: u64,
    /// What it takes on disk.
    pub disk: Bytes,
    /// What it takes in memory now.
    pub memory: Bytes,
    /// What is known of its lists; none where it has none, or no vectors to learn them from yet.
    pub lists: Option<ListFacts>,
    /// Its segments, the oldest first.
    pub segments: Vec<SegmentFacts>,
}

/// What a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentFacts {
    /// Its number.
    pub number: u64,
    /// Its rows.
    pub rows: u64,
    /// Of them, those that are dead.
    pub dead: u64,
    /// What it takes on disk.
    pub disk: Bytes,
}

impl Index {
    /// Makes an empty index in a folder that is not there or empty.
    pub fn create(folder: &Path, shape: Shape, account: &EngineAccount) -> Result<Self, VecError> {
        if shape.reduced.is_some() {
            return Err(VecError::NoReduction);
        }
        Self::begin(folder, shape, account, None)
    }

    /// Makes an empty index whose vectors are reduced before they are coded: to as many numbers as the reduction's latents
    /// have, whatever `shape` says of it. What it reduces by is kept with the index, so the reduction is needed no more.
    ///
    /// Vectors and queries stay as long as they were. Without a second look, what is told is the distance to what the
    /// reduction brings back of a vector, and of that what the codec keeps.
    pub fn create_reduced(
        folder: &Path,
        shape: Shape,
        reduction: &Reduction,
        account: &EngineAccount,
    ) -> Result<Self, VecError> {
        Self::begin(folder, reduced::shaped(shape, reduction)?, account, Some(reduction))
    }

    fn begin(
        folder: &Path,
        shape: Shape,
        account: &EngineAccount,
        reduction: Option<&Reduction>,
    ) -> Result<Self, VecError> {
        checked(&shape)?;
        shape.lists.map_or(Ok(()), Lists::check)?;
        let failed = |source| VecError::Folder { path: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        // What a build left that was killed before it had anything is no index.
        let mut others = std::fs::read_dir(folder).map_err(failed)?.flatten();
        let mut manifest = Manifest::new(shape);
        let weights = reduction.map(|reduction| (manifest.number(), reduction.weights()));
        let begun = weights.map(|(number, _)| path(folder, number, Holds::Reduction));
        let ours = |name: &std::ffi::OsStr| {
            name == "lock"
                || name == "manifest.json.new"
                || begun.as_ref().is_some_and(|begun| begun.file_name() == Some(name))
        };
        if others.any(|entry| !ours(&entry.file_name())) {
            return Err(VecError::Exists { folder: folder.to_owned() });
        }
        let lock = Lock::take(folder)?;
        if let Some((number, weights)) = weights {
            reduced::write(folder, number, &shape, weights, &Budget::new(account.clone()))?;
            manifest.reduction = Some(number);
        }
        manifest.write(folder)?;
        Self::opened(folder, account, Some(lock))
    }

    /// Opens an index for reading. Another process may write it meanwhile; what it writes is seen by who opens it next.
    pub fn open(folder: &Path, account: &EngineAccount) -> Result<Self, VecError> {
        // The one who writes may put another manifest in place, and remove files that the last one named.
        let mut tries = 0;
        loop {
            match Self::opened(folder, account, None) {
                Err(VecError::Column(_) | VecError::Folder { .. }) if tries < 3 => tries += 1,
                opened => return opened,
            }
        }
    }

    /// Opens an index for reading and writing; refused while another process has it so.
    pub fn open_to_write(folder: &Path, account: &EngineAccount) -> Result<Self, VecError> {
        if !Manifest::is_in(folder) {
            return Err(VecError::None { folder: folder.to_owned() });
        }
        let lock = Lock::take(folder)?;
        Self::opened(folder, account, Some(lock))
    }

    fn opened(folder: &Path, account: &EngineAccount, lock: Option<Lock>) -> Result<Self, VecError> {
        let manifest = Manifest::read(folder)?;
        let shape = manifest.shape;
        checked(&shape).map_err(|error| match error {
            CodeError::Dimension { .. } | CodeError::Metric { .. } => {
                VecError::Manifest { path: folder.join("manifest.json"), why: error.to_string() }
            }
            error => error.into(),
        })?;
        let budget = Budget::new(account.clone());
        let open = |entry: &Entry| {
            let learned = manifest.division.as_ref().filter(|_| entry.lists);
            let lists = learned.map(|learned| learned.lists);
            Segment::open(folder, entry.number, shape.kind(), entry.first_id, shape.kept(), lists)
        };
        let segments = manifest.segments.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let agrees = |(entry, segment): (&Entry, &Segment)| entry.rows == segment.rows();
        if !manifest.segments.iter().zip(&segments).all(agrees) {
            let why = "a segment has another number of rows than it says".to_owned();
            return Err(VecError::Manifest { path: folder.join("manifest.json"), why });
        }
        let rows: Vec<u64> = segments.iter().map(Segment::rows).collect();
        let dead = match manifest.dead {
            Some(number) => dead::read(folder, number, &rows)?,
            None => vec![Dead::default(); segments.len()],
        };
        let mut charges = Vec::new();
        let pay = |segment: Segment| {
            let charge = budget.charge(segment.heap_bytes() + segment.rows() / 8)?;
            Ok(Arc::new(segment.paid(charge)))
        };
        let segments = segments.into_iter().map(pay).collect::<Result<Vec<_>, VecError>>()?;
        let division = match &manifest.division {
            Some(learned) => {
                charges.push(budget.charge(Division::heap_bytes(learned.lists, shape.kind().1))?);
                Some(Arc::new(Division::open(folder, learned, shape.coded())?))
            }
            None => None,
        };
        let (books, of_books) = books::open(folder, &manifest, &budget)?.unzip();
        let (reduced, of_weights) = reduced::open(folder, &manifest, &budget)?.unzip();
        let charges = Mutex::new(charges.into_iter().chain(of_books).chain(of_weights).collect());
        let pages = Pages::new(&budget);
        let segments = segments.into_iter().zip(dead).collect();
        let view = View { shape, division, books, reduced, segments, young: Vec::new() };
        let mut index = Self {
            folder: folder.to_owned(),
            budget,
            view: RwLock::new(Arc::new(view)),
            keep: Keep::default(),
            pages,
            shelf: Shelf::default(),
            queue: Queue::default(),
            writer: None,
            charges,
        };
        let mut next_id = manifest.next_id;
        let length = log::replay(folder, manifest.log, shape.dimension, |change| {
            if let Change::Add { ids, .. } = &change {
                next_id = ids.iter().fold(next_id, |next, id| next.max(id.saturating_add(1)));
            }
            index.apply(change)
        })?;
        if let Some(lock) = lock {
            let log = Log::resume(folder, manifest.log, length)?;
            let manifest = Manifest { next_id, ..manifest };
            index.sweep(&manifest);
            index.writer = Some(Mutex::new(Writer { manifest, log, _lock: lock }));
        }
        Ok(index)
    }

    /// What its vectors have in common.
    pub fn shape(&self) -> Shape {
        self.view().shape
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it is now.
    pub fn facts(&self) -> IndexFacts {
        let view = self.view();
        let segments: Vec<SegmentFacts> = view
            .segments
            .iter()
            .map(|(segment, dead)| SegmentFacts {
                number: segment.number(),
                rows: segment.rows(),
                dead: dead.count(),
                disk: Bytes::new(segment.disk_bytes(&self.folder)),
            })
            .collect();
        let log = self.writer.as_ref().map_or(0, |writer| lock(writer).log.bytes());
        let middles = view.division.as_ref().map_or(0, |division| division.disk_bytes());
        let books = view.books.as_ref().map_or(0, |_| books::disk_bytes(&view.shape));
        let weights = reduced::disk_bytes(&view.shape);
        let beside = Bytes::new(log + middles + books + weights);
        let young: u64 = view.young.iter().map(|(batch, dead)| batch.rows() - dead.count()).sum();
        IndexFacts {
            shape: view.shape,
            vectors: view.vectors(),
            dead: segments.iter().map(|segment| segment.dead).sum(),
            young,
            disk: segments.iter().fold(beside, |sum, segment| sum + segment.disk),
            memory: Bytes::new(self.budget.standing().used()),
            lists: view.list_facts(),
            segments,
        }
    }

    /// Lets go of codes that were kept in memory for the next search.
    pub fn forget(&self) {
        self.keep.clear();
        self.pages.clear();
        self.shelf.clear();
        self.budget.trim();
    }

    /// Takes back an index that nothing was ever put into; one with vectors, or without a writer, stays. What cannot be
    /// removed is left: it is an empty index.
    pub fn discard(self) {
        let Some(writer) = self.writer.as_ref().map(lock) else { return };
        if writer.manifest.segments.is_empty() && writer.log.bytes() == 0 {
            Manifest::remove(&self.folder);
            let _ = std::fs::remove_file(numbered(&self.folder, writer.manifest.log, "log"));
            if let Some(number) = writer.manifest.reduction {
                let _ = std::fs::remove_file(path(&self.folder, number, Holds::Reduction));
            }
            Lock::remove(&self.folder);
        }
    }

    pub(super) fn budget(&self) -> &Budget {
        &self.budget
    }

    pub(super) fn keep(&self) -> &Keep {
        &self.keep
    }

    pub(super) fn pages(&self) -> &Pages {
        &self.pages
    }

    pub(super) fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    pub(super) fn queue(&self) -> &Queue {
        &self.queue
    }

    pub(super) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another view in place; who searches the old one goes on with it.
    pub(super) fn replace(&self, view: View) {
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
    }

    /// Keeps a charge as long as the index is open.
    pub(super) fn charged(&self, charge: Charge) {
        lock(&self.charges).push(charge);
    }

    pub(super) fn writer(&self) -> Result<MutexGuard<'_, Writer>, VecError> {
        let writer =
            self.writer.as_ref().ok_or_else(|| VecError::ReadOnly { folder: self.folder.clone() })?;
        Ok(lock(writer))
    }
}

/// Whether there can be an index of this shape.
fn checked(shape: &Shape) -> Result<(), CodeError> {
    // What comes in may be as long as what is coded, at least.
    check(Codec::F32, Metric::L2, shape.dimension)?;
    let Shape { codec, metric, dimension, .. } = shape.coded();
    check(codec, metric, dimension)
}
