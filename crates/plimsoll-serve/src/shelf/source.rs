//! Which libraries there are.

use std::path::{Path, PathBuf};

/// A library that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibrarySource {
    /// What it is called.
    pub name: String,
    /// Where it is; made if it is not there.
    pub folder: PathBuf,
}

impl LibrarySource {
    /// Of what stands after `--library`: a folder, or a name, `=` and a folder.
    pub fn parse(text: &str) -> Self {
        if let Some((name, folder)) = text.split_once('=')
            && !name.is_empty()
            && !name.contains(['/', '\\'])
        {
            return Self { name: name.to_owned(), folder: folder.into() };
        }
        Self::at(text)
    }

    /// Of a folder, called as that is.
    pub fn at(folder: impl AsRef<Path>) -> Self {
        let folder = folder.as_ref();
        let name = folder.file_name().map_or_else(|| "library".into(), |name| name.to_string_lossy());
        Self { name: name.into_owned(), folder: folder.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_or_a_name_with_one() {
        let source =
            |name: &str, folder: &str| LibrarySource { name: name.to_owned(), folder: folder.into() };
        assert_eq!(LibrarySource::parse("notes=/var/lib/notes"), source("notes", "/var/lib/notes"));
        assert_eq!(LibrarySource::parse("/var/lib/notes"), source("notes", "/var/lib/notes"));
        assert_eq!(LibrarySource::parse("/a=b/notes"), source("notes", "/a=b/notes"));
    }
}
