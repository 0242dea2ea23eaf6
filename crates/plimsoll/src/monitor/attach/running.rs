//! Which engines run.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// An engine that shows itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Running {
    /// Its process.
    pub pid: u32,
    /// The program's name.
    pub program: String,
    /// The version of Plimsoll in it.
    pub version: String,
    /// Where it listens.
    pub path: PathBuf,
    /// Since when, where the file system tells.
    pub since: Option<SystemTime>,
}

/// The engines of this user that answer, the newest first.
pub fn running() -> Vec<Running> {
    #[cfg(unix)]
    let folders = crate::monitor::socket::folder::folders();
    #[cfg(not(unix))]
    let folders: Vec<PathBuf> = Vec::new();
    sorted(folders.iter().flat_map(|folder| running_in(folder)).collect())
}

/// Those that listen in another folder.
#[cfg(unix)]
pub fn running_in(folder: &Path) -> Vec<Running> {
    use std::time::Duration;

    use super::attached::greet;
    use crate::monitor::socket::folder::{check, sockets};

    /// One that does not answer at once keeps the others waiting.
    const GREETING: Duration = Duration::from_millis(500);

    if check(folder).is_err() {
        return Vec::new();
    }
    let answering = sockets(folder).into_iter().filter_map(|(_, path)| {
        let attached = greet(&path, GREETING, GREETING).ok()?;
        let since = std::fs::symlink_metadata(&path).and_then(|facts| facts.modified()).ok();
        Some(Running {
            pid: attached.pid(),
            program: attached.program().to_owned(),
            version: attached.version().to_owned(),
            path,
            since,
        })
    });
    sorted(answering.collect())
}

/// Those that listen in another folder.
#[cfg(not(unix))]
pub fn running_in(_: &Path) -> Vec<Running> {
    Vec::new()
}

fn sorted(mut all: Vec<Running>) -> Vec<Running> {
    all.sort_by(|one, other| other.since.cmp(&one.since).then_with(|| other.pid.cmp(&one.pid)));
    all
}
