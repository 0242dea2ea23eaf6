//! Where sockets are: a folder for each user, which nobody else can enter.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::machine::user;

/// What sockets are called: the process, and more where it has several.
const END: &str = "sock";

/// Where this user's sockets may be, the usual folder first. A shell that was logged in otherwise than the engine may
/// lack the variable, so who looks for engines looks in both.
pub(in crate::monitor) fn folders() -> Vec<PathBuf> {
    let session = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let session = session.filter(|folder| folder.is_absolute() && folder.is_dir());
    let shared = PathBuf::from(format!("/tmp/plimsoll-{}", user()));
    session.map(|folder| folder.join("plimsoll")).into_iter().chain([shared]).collect()
}

/// Makes the folder if it is not there, and refuses one that others could have made or could enter.
pub(super) fn prepare(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => {
            let why = format!("the folder {} for sockets cannot be made: {error}", folder.display());
            return Err(io::Error::new(error.kind(), why));
        }
    }
    check(folder)
}

/// Whether only this user can have put something there.
pub(in crate::monitor) fn check(folder: &Path) -> io::Result<()> {
    // What a link leads to can be exchanged by whoever owns the link.
    let facts = fs::symlink_metadata(folder)?;
    let wrong = if !facts.is_dir() {
        "is not a folder"
    } else if facts.uid() != user() {
        "belongs to another user"
    } else if facts.mode() & 0o077 != 0 {
        "can be entered by other users (its mode should be 700)"
    } else {
        return Ok(());
    };
    let why = format!("{} {wrong}; sockets are not put or looked for there", folder.display());
    Err(io::Error::new(ErrorKind::PermissionDenied, why))
}

/// The sockets of a folder with their processes, by name.
pub(in crate::monitor) fn sockets(folder: &Path) -> Vec<(u32, PathBuf)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let sockets = entries.flatten().filter_map(|entry| Some((process(&entry.path())?, entry.path())));
    let mut sockets: Vec<_> = sockets.collect();
    sockets.sort();
    sockets
}

/// "4242.sock" and "4242-2.sock" are of process 4242.
fn process(path: &Path) -> Option<u32> {
    if path.extension()? != END {
        return None;
    }
    let stem = path.file_stem()?.to_str()?;
    stem.split('-').next()?.parse().ok()
}

/// Removes sockets that nobody listens to: their processes ended without doing so. One that answers is never touched,
/// whatever its name says.
pub(super) fn clean(folder: &Path) {
    for (_, path) in sockets(folder) {
        let answer = UnixStream::connect(&path);
        if answer.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused) {
            // Somebody else may have removed it meanwhile.
            let _ = fs::remove_file(&path);
        }
    }
}

/// A name that is free for this process.
pub(super) fn free_name(folder: &Path) -> PathBuf {
    let pid = std::process::id();
    let named = |number: u32| match number {
        1 => folder.join(format!("{pid}.{END}")),
        _ => folder.join(format!("{pid}-{number}.{END}")),
    };
    (1..u32::MAX).map(named).find(|path| fs::symlink_metadata(path).is_err()).unwrap_or_else(|| named(1))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_folder_that_others_can_enter_is_refused() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("own");
        prepare(&folder).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        prepare(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o750)).unwrap();
        let error = prepare(&folder).unwrap_err().to_string();
        assert!(error.contains("other users") && error.contains("700"), "{error}");
    }

    #[test]
    fn a_link_or_a_file_is_no_folder() {
        let base = tempfile::tempdir().unwrap();
        let (real, link, file) =
            (base.path().join("real"), base.path().join("link"), base.path().join("file"));
        prepare(&real).unwrap();
        symlink(&real, &link).unwrap();
        fs::write(&file, "").unwrap();
        assert!(prepare(&link).unwrap_err().to_string().contains("is not a folder"));
        assert!(prepare(&file).unwrap_err().to_string().contains("is not a folder"));
        let nowhere = prepare(&base.path().join("no/such")).unwrap_err().to_string();
        assert!(nowhere.contains("cannot be made"), "{nowhere}");
    }

    #[test]
    fn only_what_is_named_like_a_socket_is_one() {
        assert_eq!(process(Path::new("/x/4242.sock")), Some(4242));
        assert_eq!(process(Path::new("/x/4242-2.sock")), Some(4242));
        for other in ["/x/.4242.tmp", "/x/abc.sock", "/x/4242", "/x/.sock"] {
            assert_eq!(process(Path::new(other)), None, "{other}");
        }
    }
}
