//! What an index is and which segments it has: one small file, replaced as a whole.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::VecError;
use super::lists::{Expected, Lists};
use crate::{Codec, Layout, Metric};

const NAME: &str = "manifest.json";
/// The latest that is known here: its vectors are reduced.
const VERSION: u64 = 4;
/// That of an index whose codec learns.
const BOOKS: u64 = 3;
/// That of an index that is divided into lists, and else learns nothing.
const LISTS: u64 = 2;
/// That of an index that learns nothing: the oldest programs read it.
const FLAT: u64 = 1;

/// What all vectors of an index have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Numbers of a vector.
    pub dimension: usize,
    /// What "near" means.
    pub metric: Metric,
    /// How vectors are kept.
    pub codec: Codec,
    /// Whether they are also kept as they came.
    pub originals: bool,
    /// Into how many lists they are divided; none: every search looks at all of them.
    pub lists: Option<Lists>,
    /// How many numbers a vector is reduced to before it is coded; none: it is coded as it is. An index that reduces is
    /// made by [`Index::create_reduced`](super::Index::create_reduced).
    pub reduced: Option<usize>,
}

impl Shape {
    /// Where in a block a thing is.
    pub(super) fn layout(&self) -> Layout {
        Layout::new(self.codec, self.coded().dimension)
    }

    /// What codes are: how, and of how many numbers.
    pub(super) fn kind(&self) -> (Codec, usize) {
        (self.codec, self.coded().dimension)
    }

    /// Numbers of the vectors that are kept as they came, if they are.
    pub(super) fn kept(&self) -> Option<usize> {
        self.originals.then_some(self.dimension)
    }

    /// Whether vectors can be looked at as they came: they are kept beside codes, or are the codes.
    pub(super) fn is_exact(&self) -> bool {
        self.originals || (self.codec == Codec::F32 && self.reduced.is_none())
    }

    /// How many vectors these numbers are.
    pub(super) fn count(&self, numbers: &[f32]) -> Result<usize, VecError> {
        match numbers.len() % self.dimension {
            0 => Ok(numbers.len() / self.dimension),
            found => Err(VecError::Dimension { found, expected: self.dimension }),
        }
    }

    /// A block of what is looked through: of planes the upper part.
    pub(super) fn upper_bytes(&self) -> usize {
        self.layout().upper_bytes()
    }
}

/// What stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) shape: Shape,
    /// The next number that a file gets.
    pub(super) next: u64,
    /// The next id that a vector gets which brings none.
    pub(super) next_id: u64,
    /// The log of what came since.
    pub(super) log: u64,
    /// The file that says which rows are dead, if any are.
    pub(super) dead: Option<u64>,
    /// How vectors are divided, once that was learned from some.
    pub(super) division: Option<Learned>,
    /// The file that says what the codec has learnt, if it has.
    pub(super) books: Option<u64>,
    /// The file that says what vectors are reduced by, if they are.
    pub(super) reduction: Option<u64>,
    pub(super) segments: Vec<Entry>,
}

/// What was learned of vectors, to divide them and those that come after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Learned {
    /// The file that has the middles of the lists.
    pub(super) centroids: u64,
    /// How many lists.
    pub(super) lists: usize,
    /// What looking into some of them finds.
    pub(super) expected: Vec<Expected>,
}

/// A segment of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) rows: u64,
    pub(super) first_id: Option<u64>,
    /// Whether its rows lie by lists.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) lists: bool,
}

#[derive(Serialize, Deserialize)]
struct Written {
    version: u64,
    dimension: usize,
    metric: String,
    codec: String,
    originals: bool,
    /// A number, or `auto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lists: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reduced: Option<usize>,
    next: u64,
    next_id: u64,
    log: u64,
    dead: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    division: Option<Learned>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    books: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reduction: Option<u64>,
    segments: Vec<Entry>,
    /// Of the same text with nothing here.
    checksum: String,
}

impl Manifest {
    /// An index without vectors.
    pub(super) fn new(shape: Shape) -> Self {
        Self {
            shape,
            next: 1,
            next_id: 0,
            log: 0,
            dead: None,
            division: None,
            books: None,
            reduction: None,
            segments: Vec::new(),
        }
    }

    /// Takes a number for a file.
    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// Whether a folder has one.
    pub(super) fn is_in(folder: &Path) -> bool {
        folder.join(NAME).exists()
    }

    /// Takes it away: what is left is no index.
    pub(super) fn remove(folder: &Path) {
        let _ = std::fs::remove_file(folder.join(NAME));
    }

    /// Reads a folder's.
    pub(super) fn read(folder: &Path) -> Result<Self, VecError> {
        let path = folder.join(NAME);
        let text = std::fs::read_to_string(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => VecError::None { folder: folder.to_owned() },
            io::ErrorKind::InvalidData => wrong(&path, "it is not text"),
            _ => VecError::Folder { path: path.clone(), source },
        })?;
        // The version first: a later file may have other words.
        let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| wrong(&path, error))?;
        match value.get("version").and_then(serde_json::Value::as_u64) {
            Some(found) if found > VERSION => return Err(VecError::Newer { path, found, known: VERSION }),
            Some(_) => {}
            None => return Err(wrong(&path, "it has no version")),
        }
        let written: Written = serde_json::from_value(value).map_err(|error| wrong(&path, error))?;
        Self::of(&written).map_err(|why| wrong(&path, why))
    }

    fn of(written: &Written) -> Result<Self, String> {
        let text = |error: super::lists::NoLists| error.to_string();
        let manifest = Self {
            shape: Shape {
                dimension: written.dimension,
                metric: written.metric.parse().map_err(|error: crate::NoMetric| error.to_string())?,
                codec: written.codec.parse().map_err(|error: crate::NoCodec| error.to_string())?,
                originals: written.originals,
                lists: written.lists.as_deref().map(str::parse).transpose().map_err(text)?,
                reduced: written.reduced,
            },
            next: written.next,
            next_id: written.next_id,
            log: written.log,
            dead: written.dead,
            division: written.division.clone(),
            books: written.books,
            reduction: written.reduction,
            segments: written.segments.clone(),
        };
        let expected = manifest.written().checksum;
        if written.checksum == expected {
            manifest.agrees().map(|()| manifest)
        } else {
            Err("its checksum does not match".to_owned())
        }
    }

    /// Whether what stands in it is of a piece.
    fn agrees(&self) -> Result<(), String> {
        let divided = self.segments.iter().any(|entry| entry.lists);
        let learned = self.division.as_ref();
        if (divided && learned.is_none()) || learned.is_some_and(|learned| learned.lists == 0) {
            return Err("its segments have lists, and nothing says which".to_owned());
        }
        let learns = self.shape.codec.group().is_some();
        if learns && self.books.is_none() && !self.segments.is_empty() {
            return Err("its segments have a codec that is learnt, and it names no codebooks".to_owned());
        }
        let Shape { reduced, dimension, .. } = self.shape;
        if reduced.is_some() != self.reduction.is_some() {
            return Err("its vectors are reduced, and it does not say by what".to_owned());
        }
        if reduced.is_some_and(|latent| latent == 0 || latent > dimension) {
            return Err("its vectors are reduced to more numbers than they have, or to none".to_owned());
        }
        Ok(())
    }

    /// The oldest version that says all of it.
    fn version(&self) -> u64 {
        let Shape { codec, lists, reduced, .. } = self.shape;
        match (reduced, codec.group(), lists) {
            (Some(_), ..) => VERSION,
            (None, Some(_), _) => BOOKS,
            (None, None, Some(_)) => LISTS,
            (None, None, None) => FLAT,
        }
    }

    fn written(&self) -> Written {
        let mut written = Written {
            version: self.version(),
            dimension: self.shape.dimension,
            metric: self.shape.metric.to_string(),
            codec: self.shape.codec.to_string(),
            originals: self.shape.originals,
            lists: self.shape.lists.map(|lists| lists.to_string()),
            reduced: self.shape.reduced,
            next: self.next,
            next_id: self.next_id,
            log: self.log,
            dead: self.dead,
            division: self.division.clone(),
            books: self.books,
            reduction: self.reduction,
            segments: self.segments.clone(),
            checksum: String::new(),
        };
        let text = serde_json::to_vec(&written).unwrap_or_default();
        written.checksum = format!("{:016x}", xxh3_64(&text));
        written
    }

    /// Puts this in the place of what was there. From here on it is what the index is; before, nothing has changed.
    pub(super) fn write(&self, folder: &Path) -> Result<(), VecError> {
        let (path, fresh) = (folder.join(NAME), folder.join(format!("{NAME}.new")));
        let text = serde_json::to_string_pretty(&self.written()).map_err(|error| wrong(&path, error))?;
        let replace = || -> io::Result<()> {
            let mut file = File::create(&fresh)?;
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            std::fs::rename(&fresh, &path)?;
            sync_folder(folder)
        };
        replace().map_err(|source| VecError::Folder { path: path.clone(), source })
    }
}

/// Waits until the disk has the names of a folder.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn wrong(path: &Path, why: impl std::fmt::Display) -> VecError {
    VecError::Manifest { path: path.to_owned(), why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let shape = Shape {
            dimension: 8,
            metric: Metric::Cosine,
            codec: Codec::Int8,
            originals: true,
            lists: None,
            reduced: None,
        };
        let entry = Entry { number: 1, rows: 5, first_id: None, lists: false };
        Manifest { next: 4, next_id: 9, log: 3, dead: Some(2), segments: vec![entry], ..Manifest::new(shape) }
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Manifest::read(folder.path()), Err(VecError::None { .. })));
        manifest().write(folder.path()).unwrap();
        assert_eq!(Manifest::read(folder.path()).unwrap(), manifest());
    }

    #[test]
    fn lists_are_read_as_they_were_written_and_refused_by_who_does_not_know_them() {
        let folder = tempfile::tempdir().unwrap();
        let mut divided = manifest();
        divided.shape.lists = Some(Lists::Auto);
        divided.segments[0].lists = true;
        divided.write(folder.path()).unwrap();
        assert!(Manifest::read(folder.path()).is_err(), "lists that nobody described");
        let expected = vec![Expected { lists: 1, found: 8125 }, Expected { lists: 16, found: 10_000 }];
        divided.division = Some(Learned { centroids: 3, lists: 16, expected });
        divided.write(folder.path()).unwrap();
        assert_eq!(Manifest::read(folder.path()).unwrap(), divided);
        // A program that knows version 1 alone looks at this first.
        let text = std::fs::read_to_string(folder.path().join(NAME)).unwrap();
        assert!(text.contains("\"version\": 2"));
        manifest().write(folder.path()).unwrap();
        let flat = std::fs::read_to_string(folder.path().join(NAME)).unwrap();
        assert!(flat.contains("\"version\": 1") && !flat.contains("lists"), "older programs read it");
    }

    #[test]
    fn segments_of_a_codec_that_is_learnt_need_its_books() {
        let folder = tempfile::tempdir().unwrap();
        let mut learnt = manifest();
        learnt.shape.codec = Codec::Pq4;
        learnt.write(folder.path()).unwrap();
        assert!(Manifest::read(folder.path()).unwrap_err().to_string().contains("no codebooks"));
        learnt.books = Some(3);
        learnt.write(folder.path()).unwrap();
        assert_eq!(Manifest::read(folder.path()).unwrap(), learnt);
        let text = std::fs::read_to_string(folder.path().join(NAME)).unwrap();
        assert!(text.contains("\"version\": 3"), "programs that know no books look at this first");
    }

    #[test]
    fn what_vectors_are_reduced_by_is_named_or_nothing_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut reduced = manifest();
        reduced.shape.reduced = Some(3);
        reduced.write(folder.path()).unwrap();
        assert!(Manifest::read(folder.path()).unwrap_err().to_string().contains("by what"));
        reduced.reduction = Some(3);
        reduced.write(folder.path()).unwrap();
        assert_eq!(Manifest::read(folder.path()).unwrap(), reduced);
        let text = std::fs::read_to_string(folder.path().join(NAME)).unwrap();
        assert!(text.contains("\"version\": 4"), "programs that do not reduce look at this first");
        for latent in [0, 9] {
            reduced.shape.reduced = Some(latent);
            reduced.write(folder.path()).unwrap();
            assert!(Manifest::read(folder.path()).is_err(), "{latent} of 8");
        }
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        manifest().write(folder.path()).unwrap();
        let path = folder.path().join(NAME);
        let text = std::fs::read(&path).unwrap();
        for at in 0..text.len() {
            let mut other = text.clone();
            other[at] = if other[at] == b'7' { b'8' } else { b'7' };
            std::fs::write(&path, &other).unwrap();
            let read = Manifest::read(folder.path());
            // White space may become a digit only where that is no number.
            assert!(read.is_err() || read.unwrap() == manifest(), "byte {at}");
        }
        for cut in 0..text.len() - 2 {
            std::fs::write(&path, &text[..cut]).unwrap();
            assert!(Manifest::read(folder.path()).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn a_newer_one_is_told_as_such() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(NAME), "{\"version\": 5, \"other\": true}").unwrap();
        assert!(matches!(Manifest::read(folder.path()), Err(VecError::Newer { found: 5, .. })));
    }
}
