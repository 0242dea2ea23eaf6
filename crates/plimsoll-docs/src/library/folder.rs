//! Names of files, and what makes a change to a folder last.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// A part's file.
pub(super) fn part(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:010}.part"))
}

/// A file of documents.
pub(super) fn documents(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:010}.documents"))
}

/// Puts a file in the place of another as a whole.
pub(super) fn replace(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let fresh = folder.join(format!("{name}.new"));
    let mut file = File::create(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&fresh, folder.join(name))?;
    sync(folder)
}

/// Has what was made or renamed in a folder on the disk.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Removes files that are called like ours and that are not among those.
pub(super) fn sweep(folder: &Path, wanted: &[PathBuf]) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let ours = path.extension().is_some_and(|end| end == "part" || end == "documents" || end == "terms")
            && path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .is_some_and(|stem| stem.len() == 10 && stem.bytes().all(|byte| byte.is_ascii_digit()));
        // What was to take a manifest's place, and did not come to it.
        let fresh =
            path.file_name().is_some_and(|name| name == format!("{}.new", super::manifest::NAME).as_str());
        if fresh || ours && !wanted.contains(&path) {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}
