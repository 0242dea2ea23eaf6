//! What the store asks of a disk. There are two: the system's ([`RealDisk`](super::RealDisk)), and one that is made of memory
//! and fails as it is told ([`sim`](super::sim)).

use std::fmt::Debug;
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// A folder of files.
pub trait Disk: Debug + Send + Sync {
    /// What people call it.
    fn path(&self) -> &Path;

    /// The unit in which space is given, a power of two and at least 1,024.
    fn block_bytes(&self) -> u32;

    /// Makes the folder if it is not there.
    fn make(&self) -> io::Result<()>;

    /// Keeps others out until what it returns is dropped. `name` is the file that is locked for that.
    fn lock(&self, name: &str) -> io::Result<Lock>;

    /// Whether somebody has the lock, without leaving a trace of having asked.
    fn probe(&self, name: &str) -> io::Result<Lock>;

    /// The names in the folder.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Opens a file: a new one, which must not be there, or one that is.
    fn open(&self, name: &str, how: How) -> io::Result<Arc<dyn File>>;

    /// Forgets a name. Who has the file open goes on with it.
    fn unlink(&self, name: &str) -> io::Result<()>;

    /// Makes names that were made or forgotten before survive a loss of power.
    fn sync(&self) -> io::Result<()>;

    /// Reads several runs at once, each on its own: the outcome stands in each. A disk that can only do one after the
    /// other does nothing, and says `false`.
    fn read_many(&self, _reads: &mut [Read<'_>]) -> bool {
        false
    }

    /// Whether a file that is read on and on is read ahead, far enough to keep the disk busy. Where it is not, or where
    /// nobody knows, what is wanted is announced.
    fn reads_ahead(&self) -> bool {
        false
    }

    /// How reads go, for people.
    fn way(&self) -> &'static str;
}

/// One open file.
pub trait File: Debug + Send + Sync {
    /// Fills all parts, one after the other, from this offset on. A file that ends before is an error of kind
    /// `UnexpectedEof`.
    fn read_at(&self, at: u64, parts: &mut [IoSliceMut<'_>]) -> io::Result<()>;

    /// Writes all parts, one after the other, from this offset on; the file grows as needed. On an error any part of it
    /// may have been written.
    fn write_at(&self, at: u64, parts: &[&[u8]]) -> io::Result<()>;

    /// Makes what was written survive a loss of power.
    fn sync(&self) -> io::Result<()>;

    /// Gives the space of a range back; it reads as zeros then. `Unsupported` where that cannot be done.
    fn punch(&self, range: Range<u64>) -> io::Result<()>;

    /// Cuts it off.
    fn truncate(&self, bytes: u64) -> io::Result<()>;

    /// Its length, the space that it takes, and whether it still has a name.
    fn facts(&self) -> io::Result<Facts>;

    /// Says that a range will soon be read.
    fn expect(&self, _range: Range<u64>) {}

    /// What the system knows it by, if it is the system's.
    #[cfg(unix)]
    fn descriptor(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        None
    }
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It must not be there.
    New,
    /// It must be there.
    Old,
    /// It must be there, and is only read.
    ReadOnly,
}

/// What a file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Its length.
    pub bytes: u64,
    /// The space that it takes.
    pub allocated: u64,
    /// Whether it still has a name.
    pub linked: bool,
}

/// Whether the folder is ours.
#[derive(Debug)]
pub enum Lock {
    /// It is, until this is dropped.
    Held(Box<dyn Debug + Send + Sync>),
    /// Somebody else has it; who, if it is known.
    Other(Option<u32>),
}

/// One run that is to be read: parts that stand one after the other in a file.
#[derive(Debug)]
pub struct Read<'a> {
    /// Of which file.
    pub file: Arc<dyn File>,
    /// From where on.
    pub at: u64,
    /// Where to; any may be empty.
    pub parts: [&'a mut [u8]; 2],
    /// What became of it; `Ok` only if all was read.
    pub done: io::Result<()>,
}

impl Read<'_> {
    /// How many bytes it is.
    pub fn bytes(&self) -> u64 {
        (self.parts[0].len() as u64).saturating_add(self.parts[1].len() as u64)
    }

    /// Reads it, alone.
    pub fn one_by_one(&mut self) {
        let [first, second] = &mut self.parts;
        let mut parts = [IoSliceMut::new(first), IoSliceMut::new(second)];
        self.done = self.file.read_at(self.at, &mut parts);
    }
}
