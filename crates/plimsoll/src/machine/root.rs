//! Where the system's files are read from: `/` on a real machine, a fixture tree in a test.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The folder that stands for `/`.
///
/// All reads are forgiving: a file that is missing, unreadable or not what it should be is `None`. On a system
/// that lacks a feature this is the ordinary case, so it is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root(PathBuf);

/// No file that is read here is longer; what a hostile container mounts over one is not read to its end.
const LONGEST_BYTES: u64 = 4 << 20;

impl Root {
    /// The real one.
    pub fn system() -> Self {
        Self(PathBuf::from("/"))
    }

    /// A tree that stands for it.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// The real path of an absolute path of the system.
    pub fn path(&self, absolute: impl AsRef<Path>) -> PathBuf {
        let absolute = absolute.as_ref();
        self.0.join(absolute.strip_prefix("/").unwrap_or(absolute))
    }

    /// Whether such a folder exists.
    pub fn has_folder(&self, absolute: impl AsRef<Path>) -> bool {
        self.path(absolute).is_dir()
    }

    /// A file's text.
    pub fn text(&self, absolute: impl AsRef<Path>) -> Option<String> {
        use std::io::Read as _;
        let mut bytes = Vec::new();
        let file = fs::File::open(self.path(absolute)).ok()?;
        file.take(LONGEST_BYTES).read_to_end(&mut bytes).ok()?;
        // One odd byte (a group with a strange name) must not hide the rest of the file.
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A file that holds one value and a line end.
    pub fn value<T: FromStr>(&self, absolute: impl AsRef<Path>) -> Option<T> {
        self.text(absolute)?.trim().parse().ok()
    }

    /// The names in a folder, sorted.
    pub fn names(&self, absolute: impl AsRef<Path>) -> Vec<String> {
        let entries = fs::read_dir(self.path(absolute)).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }
}

impl Default for Root {
    fn default() -> Self {
        Self::system()
    }
}
