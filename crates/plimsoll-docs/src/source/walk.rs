//! Files under paths, in sorted order.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plimsoll::Bytes;

use super::kind::{Kind, SNIFFED};

/// Folders below a path that was given.
const DEEPEST: usize = 64;

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it is: the path that was given, and below it the names of its folders.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// How long it is now.
    pub bytes: Bytes,
}

/// A file or folder that is not read.
#[derive(Debug)]
pub struct Left {
    /// Where it is.
    pub path: PathBuf,
    /// Why it is left.
    pub why: Why,
}

/// Why a file or folder is not read.
#[derive(Debug)]
#[non_exhaustive]
pub enum Why {
    /// There is nothing in it.
    Empty,
    /// It is not text.
    Binary,
    /// The system does not let it be read.
    Unreadable(io::Error),
    /// It lies too many folders down.
    TooDeep,
    /// A link in a folder. What it leads to is read by its own name, if that is below a path that was given.
    Link,
    /// A pipe, a socket, a device.
    NotAFile,
    /// A line of an ignore file that says nothing.
    IgnoreFile(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::Binary => f.write_str("it is not text; say its kind if it is"),
            Self::Unreadable(error) => write!(f, "it cannot be read: {error}"),
            Self::TooDeep => {
                write!(f, "it is more than {DEEPEST} folders down; give a folder that is nearer to it")
            }
            Self::Link => f.write_str("it is a link; give the path that it leads to"),
            Self::NotAFile => f.write_str("it is no regular file"),
            Self::IgnoreFile(error) => write!(f, "a line of an ignore file is not understood: {error}"),
        }
    }
}

/// What a walk meets.
#[derive(Debug)]
pub enum Entry {
    /// A file to read.
    Found(Found),
    /// A file or folder that is not read.
    Left(Left),
}

impl Found {
    /// A file that is called otherwise than where it lies: `name` and how it begins say what it is, unless `kind` does.
    pub fn at(path: &Path, name: &str, kind: Option<Kind>) -> Result<Self, Why> {
        let (kind, bytes) = kind_of(path, Path::new(name), kind)?;
        Ok(Self { path: path.to_owned(), kind, bytes })
    }
}

/// Files under paths, path by path, each folder's in sorted order.
///
/// A folder's ignore files (`.gitignore` and the like) count, also outside a repository; hidden files are left out
/// silently; links are not followed, so there are no loops. None of this holds for a path that was given itself. A path
/// that was given and lies in a folder that was given too is met once, as itself.
pub struct Walk {
    paths: VecDeque<PathBuf>,
    given: Arc<BTreeSet<PathBuf>>,
    kind: Option<Kind>,
    folder: Option<ignore::Walk>,
}

impl Walk {
    /// A walk over files and folders.
    pub fn over<P: Into<PathBuf>>(paths: impl IntoIterator<Item = P>) -> Self {
        let mut given = BTreeSet::new();
        let paths = paths.into_iter().map(Into::into);
        let paths = paths.filter(|path| given.insert(absolute(path))).collect();
        Self { paths, given: Arc::new(given), kind: None, folder: None }
    }

    /// The same with one kind for all files, whatever they look like.
    #[must_use]
    pub fn kind(mut self, kind: Option<Kind>) -> Self {
        self.kind = kind;
        self
    }

    fn open(&self, path: &Path) -> ignore::Walk {
        let given = Arc::clone(&self.given);
        ignore::WalkBuilder::new(path)
            .max_depth(Some(DEEPEST))
            .follow_links(false)
            .require_git(false)
            .sort_by_file_name(Ord::cmp)
            .filter_entry(move |entry| entry.depth() == 0 || !given.contains(&absolute(entry.path())))
            .build()
    }

    fn met(&self, entry: Result<ignore::DirEntry, ignore::Error>) -> Option<Entry> {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => return Some(Entry::Left(failed(&error))),
        };
        let kind = entry.file_type()?;
        let path = entry.path();
        if kind.is_dir() {
            let too_deep = entry.depth() == DEEPEST;
            return too_deep.then(|| Entry::Left(Left { path: path.to_owned(), why: Why::TooDeep }));
        }
        if kind.is_symlink() {
            return Some(Entry::Left(Left { path: path.to_owned(), why: Why::Link }));
        }
        Some(self.look(entry.into_path()))
    }

    fn look(&self, path: PathBuf) -> Entry {
        match kind_of(&path, &path, self.kind) {
            Ok((kind, bytes)) => Entry::Found(Found { path, kind, bytes }),
            Err(why) => Entry::Left(Left { path, why }),
        }
    }
}

impl Iterator for Walk {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            if let Some(folder) = &mut self.folder {
                match folder.next() {
                    Some(entry) => {
                        if let Some(entry) = self.met(entry) {
                            return Some(entry);
                        }
                    }
                    None => self.folder = None,
                }
                continue;
            }
            let path = self.paths.pop_front()?;
            if path.is_dir() {
                // A link that was given is entered.
                self.folder = Some(self.open(&entered(&path)));
                continue;
            }
            return Some(self.look(path));
        }
    }
}

impl fmt::Debug for Walk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Walk").field("left", &self.paths).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// What a file is, by what it is called and how it begins, and how long.
fn kind_of(path: &Path, name: &Path, kind: Option<Kind>) -> Result<(Kind, Bytes), Why> {
    // Asked before opening: opening a pipe would wait for its other end.
    let facts = fs::metadata(path).map_err(Why::Unreadable)?;
    if !facts.is_file() {
        return Err(Why::NotAFile);
    }
    if facts.len() == 0 {
        return Err(Why::Empty);
    }
    let mut first = [0; SNIFFED];
    let len = File::open(path).and_then(|file| fill(file, &mut first)).map_err(Why::Unreadable)?;
    let kind = match kind {
        Some(kind) => kind,
        None => Kind::of(name, &first[..len]).map_err(|_| Why::Binary)?,
    };
    Ok((kind, Bytes::new(facts.len())))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The folder that a given path leads to.
fn entered(path: &Path) -> PathBuf {
    let link = fs::symlink_metadata(path).is_ok_and(|facts| facts.is_symlink());
    let target = link.then(|| fs::canonicalize(path).ok()).flatten();
    target.unwrap_or_else(|| path.to_owned())
}

fn fill(mut file: File, into: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < into.len() {
        match file.read(&mut into[len..]) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}

fn failed(error: &ignore::Error) -> Left {
    let mut path = PathBuf::new();
    let mut inner = error;
    loop {
        inner = match inner {
            ignore::Error::WithPath { path: at, err } => {
                at.clone_into(&mut path);
                err
            }
            ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => err,
            _ => break,
        };
    }
    let why = match (inner, error.io_error()) {
        (ignore::Error::Loop { child, .. }, _) => {
            child.clone_into(&mut path);
            Why::Link
        }
        (_, Some(io)) => Why::Unreadable(io::Error::new(io.kind(), error.to_string())),
        _ => Why::IgnoreFile(error.to_string()),
    };
    Left { path, why }
}
