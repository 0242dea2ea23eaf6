//! The files of a repository, read once.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Folders that hold what was built or downloaded, or what is not ours.
const LEFT_OUT: [&str; 5] = ["target", ".git", "corpus", "artifacts", "node_modules"];

/// Every text file under a root, with its path relative to it, in order.
#[derive(Clone, Debug)]
pub struct Tree {
    root: PathBuf,
    files: Vec<(String, String)>,
}

impl Tree {
    /// Reads all text files. What is not UTF-8 is no text and is passed over; links are not followed.
    pub fn read(root: &Path) -> io::Result<Self> {
        let mut files = Vec::new();
        collect(root, "", &mut files)?;
        files.sort();
        Ok(Self { root: root.to_owned(), files })
    }

    /// Where it was read.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// All files: path and text.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The files whose name ends so.
    pub fn ending(&self, end: &'static str) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(move |(path, _)| path.ends_with(end))
    }

    /// The text of one file.
    pub fn text(&self, path: &str) -> Option<&str> {
        let at = self.files.binary_search_by(|(known, _)| known.as_str().cmp(path)).ok()?;
        Some(&self.files[at].1)
    }

    /// Whether a file or folder exists, text or not.
    pub fn exists(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, String)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let kind = entry.file_type()?;
        if kind.is_dir() && !LEFT_OUT.contains(&name.as_str()) {
            collect(&entry.path(), &format!("{path}/"), files)?;
        } else if kind.is_file()
            && let Ok(text) = String::from_utf8(fs::read(entry.path())?)
        {
            files.push((path, text));
        }
    }
    Ok(())
}
