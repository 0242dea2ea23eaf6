//! A library of NVIDIA's, opened where it is found first.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, fs};

use libloading::Library;

use super::search::{Candidate, Machine, Wanted, candidates};

/// An open library. What it finds by name lies beside it and was opened before it, where it opens.
pub(super) struct Opened {
    pub(super) main: Library,
    pub(super) beside: Vec<Library>,
}

impl Opened {
    /// Opens the first candidate whose functions can be taken: of `folder` if one is given, else from where it is found first.
    /// `driver` is the major version of CUDA that the driver runs. Else says where was looked, and which files did not open.
    pub(super) fn first<T>(
        wanted: &Wanted,
        folder: Option<&Path>,
        driver: u32,
        take: impl Fn(Self) -> Result<T, libloading::Error>,
    ) -> Result<T, String> {
        let machine = Machine { variable: &|name| env::var_os(name), list: &files_of };
        let mut failures = Vec::new();
        for candidate in candidates(wanted, folder, driver, &machine) {
            match (Self::open(&candidate).and_then(&take), candidate) {
                (Ok(found), _) => return Ok(found),
                // That the loader does not know a name says nothing; that a file is there and does not open does.
                (Err(_), Candidate::Loader(_)) => {}
                (Err(why), Candidate::File { library, .. }) => {
                    failures.push(format!("{}: {why}", library.display()));
                }
            }
        }
        let place = match folder {
            Some(folder) => format!("in {}, the folder that was given", folder.display()),
            None => "by the system's loader or in the usual folders".to_owned(),
        };
        let found = failures.join("; ");
        Err(if found.is_empty() { place } else { format!("{place} ({found})") })
    }

    fn open(candidate: &Candidate) -> Result<Self, libloading::Error> {
        let (library, beside) = match candidate {
            Candidate::Loader(name) => (OsString::from(name), &[][..]),
            Candidate::File { library, beside } => (library.clone().into_os_string(), &beside[..]),
        };
        // A second library that does not open is no reason to give up: the first itself says what it misses.
        // SAFETY: NVIDIA's libraries may be loaded at any time; their initializers need nothing of us.
        let beside = beside.iter().filter_map(|path| unsafe { Library::new(path) }.ok()).collect();
        // SAFETY: as above.
        Ok(Self { beside, main: unsafe { Library::new(library) }? })
    }

    /// Both, to be kept for as long as their functions are called.
    pub(super) fn into_all(self) -> Vec<Library> {
        self.beside.into_iter().chain([self.main]).collect()
    }
}

fn files_of(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    files
}
